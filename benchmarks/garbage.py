"""Malformed frames and files by the hundred thousand, mixed with good ones, against a real gateway.

    python benchmarks/garbage.py [--frames 200000] [--files 20000] [--seed 0]

One line for each framing of ``tcp`` and one hot folder, all in one gateway. What is sent comes from a seeded
generator (``spoilt.py``). The gateway must live, decide every good part and nothing else, count every bad frame
and file, keep the quarantine within its bound, and hold no more memory at the end than after the first fifth.
Whether the counts add up: what was garbage or unreadable is in the quarantine, or counted as not kept there.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import re
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

import psutil
import spoilt
from harness import config, finish, tiny_bundle

from bridge.simulate.factory import free_ports, open_bridge
from bridge.store import Reader

FRAMINGS = ("crlf", "json", "stx_etx", "fixed", "len32be")
BAD_BETWEEN = {"fixed": 2}
"""Bad frames before each good one; after three in a row a line of fixed records is closed as lost."""
BAD_USUALLY = 9
WARM = 0.2
"""The share after which memory is read for the first time."""
FILES_AT_ONCE = 500
ANSWER_SECONDS = 20.0
PATIENCE_SECONDS = 120.0
TARGET_MB = 10.0

LINE = """
[[line]]
name = "{name}"
goal = 1
stage = "live"
live_because = "a benchmark"
shadow.guard_share = 0
topology = "inline"
deadline_ms = 5000
judge = "bolts"

[line.source]
"""
TCP = """type = "tcp"
port = {port}
framing = "{framing}"
content = "{content}"
pattern = '{pattern}'
ng_words = ["NG"]
ok_words = ["OK"]
length_bytes = {record}
max_line_bytes = {most}
max_frame_bytes = {most}
reply = "{reply}"
"""
FOLDER = """type = "hotfolder"
path = "aoi"
poll_seconds = 0.05
stable_seconds = 0.05
image_wait_seconds = 0.05
max_result_bytes = {most}
"""


def configuration(bundle: Path, ports: Mapping[str, int]) -> str:
    """Return a line for each framing and one with a hot folder."""
    lines = [
        LINE.format(name=framing)
        + TCP.format(
            port=ports[framing],
            framing="crlf" if framing == "json" else framing,
            content="json" if framing == "json" else "text",
            pattern=spoilt.LINE.pattern,
            record=spoilt.RECORD,
            most=spoilt.MAX_BYTES,
            reply="{json}" if framing == "len32be" else "{part}",
        )
        for framing in FRAMINGS
    ]
    return config([*lines, LINE.format(name="folder") + FOLDER.format(most=spoilt.RESULT_BYTES)], bundle)


@dataclass
class Sent:
    """What one line was given."""

    good: list[str] = field(default_factory=list)
    bad: int = 0
    traversing: int = 0
    """Good results with a picture that leads out of the folder: decided, and put into quarantine."""


@dataclass
class Inspector:
    """A machine gone mad: bad frames, and now and then a good one, which it repeats until it is answered."""

    framing: str
    port: int
    rng: random.Random
    sent: Sent = field(default_factory=Sent)
    serials: itertools.count[int] = field(default_factory=itertools.count)
    _reader: asyncio.StreamReader | None = None
    _writer: asyncio.StreamWriter | None = None
    _whole: bool = True

    async def send(self, frames: int) -> None:
        """Send so many bad frames."""
        until = self.sent.bad + frames
        while self.sent.bad < until:
            for _ in range(min(BAD_BETWEEN.get(self.framing, BAD_USUALLY), until - self.sent.bad)):
                await self._bad()
            await self._good()

    async def close(self) -> None:
        """Hang up, so that everything that was sent is read and counted."""
        if self._writer is not None:
            self._writer.close()
            await asyncio.wait([asyncio.ensure_future(self._writer.wait_closed())])
        self._writer = None

    async def _bad(self) -> None:
        one = spoilt.bad(self.framing, self.rng, whole=not self._whole)
        self._whole = one.whole
        writer = await self._open()
        writer.write(one.data)
        self.sent.bad += 1
        if one.cut:
            await self.close()
            self._whole = True

    async def _good(self) -> None:
        serial = f"G{next(self.serials):08d}"
        self.sent.good.append(serial)
        while True:
            try:
                (await self._open()).write(spoilt.good(self.framing, serial))
                await asyncio.wait_for(self._answered(serial), ANSWER_SECONDS)
            except (OSError, EOFError, TimeoutError):
                await self.close()
            else:
                self._whole = True
                return

    async def _answered(self, serial: str) -> None:
        """Wait for the answer that names the part; replies have the framing of what was sent."""
        assert self._reader is not None
        heard = b""
        while serial.encode() not in heard:
            data = await self._reader.read(1 << 16)
            if not data:
                raise EOFError
            heard = heard[-100:] + data

    async def _open(self) -> asyncio.StreamWriter:
        if self._writer is None or self._writer.is_closing():
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self._writer


@dataclass
class Folder:
    """A machine that writes files: some good, most bad; it clears its folder of what was taken up."""

    path: Path
    rng: random.Random
    counts: Callable[[], int]
    """How many files the gateway has done with."""
    sent: Sent = field(default_factory=Sent)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def send(self, files: int) -> None:
        """Write so many bad files."""
        until = self.sent.bad + files
        while self.sent.bad < until:
            paths = await asyncio.to_thread(self._write, min(FILES_AT_ONCE, until - self.sent.bad))
            await wait_for(lambda: self.counts() >= len(self.sent.good) + self.sent.bad + self.sent.traversing)
            await asyncio.to_thread(_clear, paths)

    def _write(self, count: int) -> list[Path]:
        paths = []
        for number in range(count):
            paths.append(self._put(spoilt.bad_file, bad=True))
            if number % BAD_USUALLY == 0:
                paths.append(self._put(lambda form, _: spoilt.good_file(self._serial(), form)))
            if number % 97 == 0:
                paths.append(self._put(lambda _, rng: spoilt.traversing(self._serial(), rng), form="json"))
                self.sent.traversing += 1
        return paths

    def _serial(self) -> str:
        serial = f"G{len(self.sent.good):08d}"
        self.sent.good.append(serial)
        return serial

    def _put(self, make: Callable[[str, random.Random], bytes], form: str = "", *, bad: bool = False) -> Path:
        form = form or self.rng.choice(spoilt.FORMS)
        path = self.path / f"{next(self._numbers):07d}.{form}"
        path.write_bytes(make(form, self.rng))
        self.sent.bad += bad
        return path


def _clear(paths: list[Path]) -> None:
    for path in paths:
        path.unlink()


async def wait_for(true: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until something holds.

    Raises:
        TimeoutError: it never will.
    """
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(true):  # noqa: ASYNC110 - another process's counts
            await asyncio.sleep(0.05)


def events(data: Path) -> Mapping[str, Mapping[str, int]]:
    """Return what the gateway's plugins counted, by line and event."""
    url = json.loads((data / "control.json").read_text())["url"]
    with urlopen(f"{url}/metrics", timeout=30) as answer:  # noqa: S310 - the gateway's own port on loopback
        text = answer.read().decode()
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for line in text.splitlines():
        if line.startswith("aoi_bridge_plugin_events_total{"):
            facts = dict(re.findall(r'(\w+)="([^"]*)"', line))
            found[facts["line"]][facts["event"]] += int(float(line.rpartition(" ")[2]))
    return found


async def run(folder: Path, frames: int, files: int, seed: int) -> dict[str, object]:
    """Send everything once; return the figures."""
    ports = dict(zip(FRAMINGS, free_ports(len(FRAMINGS)), strict=True))
    path, data = folder / "bridge.toml", folder / "var"
    path.write_text(configuration(await asyncio.to_thread(tiny_bundle, folder / "model"), ports))
    (folder / "aoi").mkdir()
    machines = [
        Inspector(framing, port, random.Random(f"{seed} {framing}"))  # noqa: S311 - a test's own chance
        for framing, port in ports.items()
    ]
    writer = Folder(folder / "aoi", random.Random(f"{seed} folder"), lambda: folder_done(data))  # noqa: S311 - same
    began = time.monotonic()
    async with open_bridge(path) as process:
        gateway = psutil.Process(process.pid)

        async def send(share: float) -> float:
            each = round(frames * share / len(machines))
            await asyncio.gather(*(one.send(each) for one in machines), writer.send(round(files * share)))
            return gateway.memory_info().rss / 1e6

        warm = await send(WARM)
        end = await send(1 - WARM)
        await asyncio.gather(*(one.close() for one in machines))
        sent = {**{one.framing: one.sent for one in machines}, "folder": writer.sent}
        with suppress(TimeoutError):  # then the rows say what is missing
            await wait_for(lambda: all(settled(each, events(data)[name]) for name, each in sent.items()), 15)
        crashed = process.returncode is not None
        said = events(data)
    seconds = time.monotonic() - began
    rows = [row(name, each, said[name], data) for name, each in sent.items()]
    return {
        "frames": sum(one.sent.bad for one in machines),
        "files": writer.sent.bad,
        "seconds": round(seconds, 1),
        "crashes": int(crashed) + path.with_suffix(".log").read_text(errors="replace").count("Traceback"),
        "lines": rows,
        "good_not_decided": sum(one["not_decided"] for one in rows),
        "bad_decided": sum(one["decided_wrongly"] for one in rows),
        "bad_not_counted": sum(one["not_counted"] for one in rows),
        "not_adding_up": sum(one["not_adding_up"] for one in rows),
        "rss_warm_mb": round(warm, 1),
        "rss_end_mb": round(end, 1),
        "rss_grown_mb": round(end - warm, 1),
    }


def folder_done(data: Path) -> int:
    """Return how many files of the hot folder were decided or put into quarantine."""
    decided = {tally.line: tally.parts for tally in Reader(data).lines()}
    return decided.get("folder", 0) + events(data)["folder"]["quarantined"]


def counted(said: Mapping[str, int]) -> int:
    """Return how many bad things were noticed; a hot folder puts each into quarantine."""
    noticed = said["garbage"] + said["unreadable"]
    return noticed or said["quarantined"]


def settled(sent: Sent, said: Mapping[str, int]) -> bool:
    """Return whether everything bad was noticed, and nothing waits for the quarantine's disk."""
    return counted(said) >= sent.bad and _set_aside(said) >= said["garbage"] + said["unreadable"]


def row(name: str, sent: Sent, said: Mapping[str, int], data: Path) -> dict[str, int]:
    """Return one line's figures."""
    decided = [decision.part for decision in Reader(data).decisions(name, limit=10**7)]
    noticed = said["garbage"] + said["unreadable"]
    kept = list((data / "lines" / name / "source" / "quarantine").glob("*.bin"))
    expected = sent.bad + sent.traversing
    odd = said["quarantined"] - expected if name == "folder" else noticed - _set_aside(said)
    return {
        "line": name,  # type: ignore[dict-item]  # the only one that is no number
        "good": len(sent.good),
        "bad": sent.bad,
        "counted": counted(said),
        "quarantined": said["quarantined"],
        "quarantine_full": said["quarantine_full"],
        "quarantine_mb": round(sum(one.stat().st_size for one in kept) / 1e6, 1),  # type: ignore[dict-item]  # same
        "not_decided": len(set(sent.good) - set(decided)),
        "decided_wrongly": len(decided) - len(set(decided) & set(sent.good)),
        "not_counted": max(0, sent.bad - counted(said)),
        "not_adding_up": abs(odd),
    }


def _set_aside(said: Mapping[str, int]) -> int:
    return said["quarantined"] + said["quarantine_full"]


def main() -> int:
    """Run, print a line per source, and the figures; return 1 if something was lost or not counted."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--frames", type=int, default=200_000, help="malformed frames in all (200000)")
    parser.add_argument("--files", type=int, default=20_000, help="malformed files (20000)")
    parser.add_argument("--seed", type=int, default=0, help="of the generator (0)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(run(Path(folder), args.frames, args.files, args.seed))
    for one in figures["lines"]:  # type: ignore[attr-defined]  # a list of rows
        print("  ".join(f"{name} {value}" for name, value in one.items()))
    finish(figures)
    broken = ("crashes", "good_not_decided", "bad_decided", "bad_not_counted", "not_adding_up")
    return int(any(figures[name] for name in broken))


if __name__ == "__main__":
    sys.exit(main())
