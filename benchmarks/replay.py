"""A month's pictures judged again, beside what the bare engine does with the same pictures.

    python benchmarks/replay.py --parts 10000 --rounds 5
    python benchmarks/replay.py --bundle FOLDER   # another than MobileNetV2 in int8, which needs the train extra

A journal of parts with one picture of about 70 kB each is replayed by the command itself, from its start to its
end. In between, the bare engine takes the very pictures, out of memory: some hundreds are decoded and normalised
by the same code in as many threads as there are cores, then inferred through OpenVINO's queue with its hint for
throughput, and so on; each step has all cores. The target is 90 % of that. Every round is a pair; the median of
the ratios counts. The processor's time for a picture is told too, which other work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from harness import finish, picture

from bridge.clock import ManualClock
from bridge.judging import bundle, preprocess
from bridge.judging.bundle import Bundle
from bridge.judging.headers import Header
from bridge.messages import Decision, Goal, Stage, Verdict, ViewDecision
from bridge.store import Second, Stratum
from bridge.store.images import ending
from bridge.store.ledger import Ledger
from bridge.store.schema import FILE, open_to_write
from bridge.store.sweeping import place

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # else the import looks up a host and sends
import openvino as ov  # noqa: E402 - after the line above

TARGET = 0.9
DISTINCT = 200
"""Different pictures; each is kept under many hashes, told apart by a comment in its JPEG."""
AT_ONCE = 512
"""Pictures that the bare engine decodes before it infers them: all of them would not lie in memory."""
CONFIG = """
data = "var"
[http]
port = 0
[judge.it]
type = "classifier"
model = "{bundle}"
[[line]]
name = "line"
goal = 1
judge = "it"
source = {{type = "hotfolder", path = "aoi"}}
"""

Chunk = Sequence[bytes]


def commented(jpeg: bytes, number: int) -> bytes:
    """Return a JPEG with a comment right behind its beginning: the same picture, another file."""
    said = number.to_bytes(8, "big")
    return jpeg[:2] + b"\xff\xfe" + (len(said) + 2).to_bytes(2, "big") + said + jpeg[2:]


def month(folder: Path, model: Bundle, count: int) -> list[bytes]:
    """Write a data folder with so many parts that were judged in shadow; return their pictures."""
    (folder / "var").mkdir(parents=True)
    (folder / "bridge.toml").write_text(CONFIG.format(bundle=model.folder.resolve()), encoding="utf-8")
    distinct = [picture(70, seed) for seed in range(min(count, DISTINCT))]
    kept = [commented(distinct[number % len(distinct)], number) for number in range(count)]
    with closing(open_to_write(folder / "var" / FILE)) as connection:
        ledger = Ledger(connection, ManualClock())
        with ledger.transaction():
            for number, data in enumerate(kept):
                digest = hashlib.sha256(data).hexdigest()
                path = place(folder / "var" / "images", digest, ending(data))
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                _write(ledger, number, digest)
    return kept


def _write(ledger: Ledger, number: int, digest: str) -> None:
    name, legacy = f"{number:032x}", Verdict.NG if number % 20 == 0 else Verdict.OK
    view = ViewDecision(name="1", legacy=legacy, image=digest)
    goal, at = Goal.CUT_FALSE_CALLS, 1.7e9 + number
    part = Decision(
        id=name, line="line", goal=goal, stage=Stage.SHADOW, part=str(number), views=(view,), legacy=legacy,
        final=legacy, event_at=at,
    )  # fmt: skip
    ledger.commit(part, ())
    said = Second(
        id=name, kind="shadow", at=at, model=legacy, goals={goal: legacy}, views=(view,), chance=0.1,
        stratum=Stratum.AGREED_OK, drawn=number % 10 == 0,
    )  # fmt: skip
    ledger.second(said)


@dataclass(frozen=True)
class Took:
    """Seconds by the clock, and of the processor."""

    seconds: float
    worked: float


def replayed(folder: Path, model: Bundle, round_: int) -> Took:
    """Replay with the command; return what it took, its processes together."""
    name = f"round-{round_}"
    words = ["line", "--bundle", str(model.folder), "--name", name, "--config", str(folder / "bridge.toml")]
    began, worked = time.perf_counter(), _worked(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "bridge.cli", "replay", *words], check=True, stdout=subprocess.DEVNULL)
    took = Took(time.perf_counter() - began, _worked(resource.RUSAGE_CHILDREN) - worked)
    told = json.loads((folder / "var" / "replays" / name / "replay.json").read_text("utf-8"))["outcome"]
    assert told["judged"] == told["parts"] == told["views"], told
    shutil.rmtree(folder / "var" / "replays" / name)
    return took


def _worked(whose: int) -> float:
    used = resource.getrusage(whose)
    return used.ru_utime + used.ru_stime


@contextmanager
def _nothing(header: Header) -> Iterator[None]:
    """Stand in for the look at what the decoder complains of, which holds a lock."""
    del header
    yield


def bare(model: Bundle, pictures: Sequence[bytes], cores: int) -> Callable[[], Took]:
    """Return what times the bare engine on all pictures; warm."""
    how, core = model.manifest, ov.Core()
    graph = core.read_model(model.model)
    graph.reshape([1, how.input.height, how.input.width, how.input.channels])
    settings = {
        "PERFORMANCE_HINT": "THROUGHPUT",
        "INFERENCE_NUM_THREADS": cores,
        "INFERENCE_PRECISION_HINT": "bf16" if how.precision == "bf16" else "f32",
    }
    queue = ov.AsyncInferQueue(core.compile_model(graph, "CPU", settings))
    preprocess._refusing_damage = _nothing  # noqa: SLF001 - there is no other way to be without it
    cv2.setNumThreads(1)

    def decoded(data: bytes) -> preprocess.Tensor:
        return preprocess.prepare(data, how.input, how.normalisation)

    def inferred(tensors: Sequence[preprocess.Tensor]) -> None:
        for one in tensors:
            queue.start_async([one[None]], share_inputs=True)
        queue.wait_all()

    def timed() -> Took:
        began, worked = time.perf_counter(), _worked(resource.RUSAGE_SELF)
        with ThreadPoolExecutor(cores) as threads:
            for at in range(0, len(pictures), AT_ONCE):
                inferred(list(threads.map(decoded, pictures[at : at + AT_ONCE])))
        return Took(time.perf_counter() - began, _worked(resource.RUSAGE_SELF) - worked)

    inferred([np.zeros((how.input.height, how.input.width, how.input.channels), np.float32)] * 16)
    return timed


def mobilenet(work: Path) -> Bundle:
    """Return MobileNetV2 for 224 x 224 in int8, with random weights, which cost what trained ones cost."""
    from inference import Case, made, network  # noqa: PLC0415 - Keras, where no bundle is given

    from bridge.learning import heads  # noqa: PLC0415 - same
    from bridge.learning.networks import Backbone  # noqa: PLC0415 - same

    case = Case("mobilenet_v2", Backbone.MOBILENET_V2, heads.Kind.GAP, 1)
    return made(case, network(case), bundle.Precision.INT8, work)


def main() -> None:
    """Measure in pairs, and hold the ratio against the target."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--parts", type=int, default=10_000, help="parts of one picture each (10000)")
    parser.add_argument("--rounds", type=int, default=5, help="pairs (5)")
    parser.add_argument("--bundle", type=Path, help="instead of MobileNetV2")
    parser.add_argument("--work", type=Path, default=Path("build/inference"), help="where networks are kept")
    args = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    model = bundle.load(args.bundle) if args.bundle else mobilenet(args.work)
    with tempfile.TemporaryDirectory() as name:
        pictures = month(Path(name), model, args.parts)
        engine = bare(model, pictures, cores)
        pairs = []
        for number in range(args.rounds):
            theirs, ours = engine(), replayed(Path(name), model, number)
            pairs.append((theirs, ours))
            rates = [f"{args.parts / one.seconds:.0f}" for one in (theirs, ours)]
            share = 100 * theirs.seconds / ours.seconds
            print(f"bare {rates[0]} pictures/s, replay {rates[1]}, {share:.1f} %", flush=True)
    ratios = [theirs.seconds / ours.seconds for theirs, ours in pairs]
    finish(
        {
            "cores": cores,
            "parts": args.parts,
            "picture kB": round(statistics.mean(map(len, pictures)) / 1000, 1),
            "bundle": model.identity,
            "bare pictures/s": round(args.parts / statistics.median(one.seconds for one, _ in pairs), 1),
            "replay pictures/s": round(args.parts / statistics.median(one.seconds for _, one in pairs), 1),
            "bare processor ms": round(1000 * statistics.median(one.worked for one, _ in pairs) / args.parts, 3),
            "replay processor ms": round(1000 * statistics.median(one.worked for _, one in pairs) / args.parts, 3),
            "ratio": round(statistics.median(ratios), 3),
            "ratio from": round(min(ratios), 3),
            "ratio to": round(max(ratios), 3),
            "target reached": statistics.median(ratios) >= TARGET,
        }
    )


if __name__ == "__main__":
    main()
