"""Another file and other models while parts come: 4 lines, 12 parts per second each, a 70 kB picture, a PLC each.

    python benchmarks/reload.py [--seconds 60]

Every three seconds something changes, in turn: a model is promoted, which all lines hear from then on, and a
reload restarts one line (another one each time) by another deadline. Counted are parts that journal or MES do not
hold (lost), parts whose verdict did not stand in the PLC's registers within the deadline (late) or that left the
PLC without one, and decisions that name two models. The worst time from handing a part over to its verdict in the
registers is told apart: of parts of a quiet time, of parts handed over while a model was loaded and swapped, of
lines that stayed while another restarted, and of the line that restarted itself, whose inspector must dial again.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from harness import config, finish, picture, tiny_bundle

from bridge.asking import order
from bridge.config import load
from bridge.judging import bundle
from bridge.messages import Decision, Verdict
from bridge.simulate.factory import Stand, drained, free_ports, open_bridge, open_neighbours
from bridge.simulate.figures import percentile
from bridge.simulate.parts import Played
from bridge.simulate.play import Shown
from bridge.store import Reader

LINES = 4
RATE = 12.0
PAUSE_SECONDS = 3.0
DEADLINE_MS = 900
AFTERWARDS_SECONDS = 0.3
"""Parts handed over so soon after a change count as handed over during it."""

LINE = """
[[line]]
name = "line-{number}"
goal = 3
stage = "live"
live_because = "a benchmark"
shadow.guard_share = 0
topology = "inline"
deadline_ms = {deadline}
judge = "bolts"

[line.source]
type = "tcp"
framing = "len32be"
reply = "{{json}}"
port = {source}

[[line.reporter]]
name = "plc"
type = "modbus"
host = "127.0.0.1"
port = {plc}

[[line.reporter]]
name = "mes"
type = "tcp"
host = "127.0.0.1"
port = {mes}
"""


@dataclass(frozen=True)
class Change:
    """One promotion or reload."""

    kind: str
    line: str
    """Which line restarted; empty for none."""
    began: float
    ended: float

    def met(self, line: str, one: Shown) -> str:
        """Return what a part handed over during it met, empty where it was not."""
        if not self.began <= one.sent_at <= self.ended + AFTERWARDS_SECONDS:
            return ""
        if self.kind == "promote":
            return "model_swapped"
        return "restarted" if line == self.line else "another_restarted"


def shelve(models: Path, template: Path) -> None:
    """Put two versions of the tiny model on the shelf, the first of them live."""
    made = bundle.load(template)
    files = {name: made.folder / name for name in made.manifest.files}
    for version in (1, 2):
        manifest = made.manifest.model_copy(update={"name": "bolts", "version": version})
        written = bundle.write(models / "bolts" / str(version), manifest, files)
        if version == 1:
            bundle.make_live(written.folder)


def parts(line: int, count: int) -> list[Played]:
    """Return parts with pictures of their own: the same JPEG, told apart by a few bytes behind its end."""
    image = picture(70, seed=line)
    return [
        Played(
            serial=f"{line}-{number}",
            truth=Verdict.OK,
            oddness=0.0,
            images={"1": image + number.to_bytes(4, "big")},
        )
        for number in range(count)
    ]


async def changes(path: Path, data: Path, until: float) -> list[Change]:
    """Promote and reload in turn until the time is over."""
    done: list[Change] = []
    while time.monotonic() + PAUSE_SECONDS < until:
        await asyncio.sleep(PAUSE_SECONDS)
        number = len(done)
        who = {"who": "benchmark", "override": "a benchmark"}
        line = ""
        if number % 2:
            line = f"line-{number // 2 % LINES}"
            restarted(path, line, DEADLINE_MS + number)
            job = ("reload", {**who, "config": str(path)})
        else:
            job = ("promote", {**who, "name": "bolts", "version": 2 - number // 2 % 2})
        began = time.monotonic()
        assert await asyncio.to_thread(order, data, f"/v1/{job[0]}", job[1]), "the gateway did not answer"
        done.append(Change(job[0], line, began, time.monotonic()))
    return done


def restarted(path: Path, line: str, deadline: int) -> None:
    """Write another deadline for one line."""
    text = path.read_text(encoding="utf-8")
    place = text.index(f'name = "{line}"')
    path.write_text(
        text[:place] + re.sub(r"deadline_ms = \d+", f"deadline_ms = {deadline}", text[place:], count=1)
    )


async def run(folder: Path, seconds: float) -> dict[str, object]:
    """Run the scenario once."""
    ports = iter(free_ports(3 * LINES))
    path = folder / "bridge.toml"
    blocks = [
        LINE.format(number=n, deadline=DEADLINE_MS, source=next(ports), plc=next(ports), mes=next(ports))
        for n in range(LINES)
    ]
    path.write_text(config(blocks, Path("bolts")))
    shelve(folder / "var" / "models", tiny_bundle(folder / "model"))
    loaded = load(path)
    async with AsyncExitStack() as stack:
        stands = await stack.enter_async_context(open_neighbours(loaded, folder / "neighbours"))
        await stack.enter_async_context(open_bridge(path))
        await asyncio.gather(*(warm(stand, line) for line, stand in enumerate(stands)))
        changing = asyncio.create_task(changes(path, loaded.data, time.monotonic() + seconds))
        count = int(seconds * RATE)
        await asyncio.gather(*(staggered(stand, line, count) for line, stand in enumerate(stands)))
        done = await changing
        await drained(stands, Reader(loaded.data))
    return figures(stands, Reader(loaded.data), done)


async def staggered(stand: Stand, line: int, count: int) -> None:
    """Play a line's parts, out of step with the other lines, as no two machines run in step."""
    await asyncio.sleep(line / LINES / RATE)
    await stand.play(parts(line, count), RATE)


async def warm(stand: Stand, line: int) -> None:
    """Play a few parts that do not count."""
    await stand.play(parts(line + LINES, 5), RATE)
    stand.shown.clear()


def figures(stands: Sequence[Stand], journal: Reader, done: Sequence[Change]) -> dict[str, object]:
    """Return what was lost, what was late, and the worst times of each kind."""
    took: defaultdict[str, list[float]] = defaultdict(list)
    counts: Counter[str] = Counter()
    for stand in stands:
        decisions = {d.part: d for d in journal.decisions(stand.config.name, limit=1_000_000)}
        told = {str(document["part"]) for document in stand.mes.documents.values()} if stand.mes else set()
        for one in stand.shown:
            counts.update(of_one(one, decisions.get(one.part.serial), told))
            met = next(filter(None, (change.met(stand.config.name, one) for change in done)), "quiet")
            if one.taken and one.taken.readable_at is not None:
                took[met].append((one.taken.readable_at - one.sent_at) * 1000)
                counts[f"late_{met}"] += took[met][-1] > DEADLINE_MS
    return {
        "lines": LINES,
        "rate_per_line": RATE,
        **{key: counts[key] for key in ("parts", "lost", "not_at_the_plc", "fallbacks", "two_models")},
        "late": sum(number for key, number in counts.items() if key.startswith("late_")),
        "promotions": sum(change.kind == "promote" for change in done),
        "reloads": sum(change.kind == "reload" for change in done),
        "seconds_to_promote": worst_seconds(done, "promote"),
        "seconds_to_reload": worst_seconds(done, "reload"),
        **{met: told_of(took[met]) for met in ("quiet", "model_swapped", "another_restarted", "restarted")},
    }


def of_one(one: Shown, made: Decision | None, told: set[str]) -> Counter[str]:
    """Return what went wrong with a part."""
    judged = {view.judgement.bundle for view in made.views if view.judgement} if made else set()
    return Counter(
        parts=1,
        lost=made is None or one.part.serial not in told,
        not_at_the_plc=one.taken is None or one.taken.verdict is None,
        fallbacks=made is not None and made.degraded,
        two_models=made is not None and judged != {made.bundle},
    )


def told_of(milliseconds: Sequence[float]) -> dict[str, float]:
    """Return how many parts it were, and the median and the worst of their times."""
    return {
        "parts": len(milliseconds),
        "p50_ms": round(percentile(milliseconds, 0.5), 1),
        "p99_ms": round(percentile(milliseconds, 0.99), 1),
        "worst_ms": round(max(milliseconds, default=0.0), 1),
    }


def worst_seconds(done: Sequence[Change], kind: str) -> float:
    """Return how long the slowest change of a kind took."""
    return round(max((change.ended - change.began for change in done if change.kind == kind), default=0.0), 2)


def main() -> None:
    """Run and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        finish(asyncio.run(run(Path(folder), args.seconds)))


if __name__ == "__main__":
    main()
