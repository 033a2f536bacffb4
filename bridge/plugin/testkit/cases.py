r"""Recorded streams from the field: each folder is one machine, replayed over the wire and cut at every byte.

- ``options.toml``: the source's options; where it stands (host, port, role, TLS) is the kit's.
- ``input.bin``: the bytes of one connection, as they came.
- ``input.txt``: the same where escapes such as ``\x02`` read better; line ends of the file itself do not count.
- ``expected.jsonl``: what comes out, in order: a part by the facts that matter (an image as its length), or
  ``{"quarantined": "…"}``, ``{"garbage": "…"}`` or ``{"unreadable": "…"}`` with words of what the quarantine says.
- ``expected.err``: instead, words of the mistake in the options.

At the end the connection is closed for sending, and what was understood by then is held against the case.
"""

from __future__ import annotations

import asyncio
import codecs
import json
import tomllib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from bridge.messages import Inspection
from bridge.plugin.testkit.rules import Bench, Broken, Need, Rule
from bridge.plugin.testkit.stage import Stage, stage, stop, together

NEEDS: tuple[Need, ...] = ("trial", "tcp", "stream")
CUTS = 32
"""A longer stream is cut in two at so many places, spread over it."""
SINGLES = 512
"""So many bytes at the beginning and at the end go out one by one."""
_PLACE = {"host", "port", "role", "tls", "allow"}
_REASONS = ("quarantined", "garbage", "unreadable")
_FILE = "input.bin"


@dataclass(frozen=True)
class Case:
    """One machine: what it sent, and what that means."""

    name: str
    options: Mapping[str, object]
    stream: bytes
    parts: Sequence[Mapping[str, object]]
    reasons: Sequence[str]
    """Words of what must stand in the quarantine; where there are none, nothing may."""
    mistake: str = ""
    """Words of the mistake in the options; then there is nothing else."""


def read_case(folder: Path) -> Case:
    """Read one case; blocks on the disk."""
    options = tomllib.loads((folder / "options.toml").read_text(encoding="utf-8"))
    wrong = folder / "expected.err"
    if wrong.is_file() and not (folder / "expected.jsonl").is_file():
        return Case(folder.name, options, b"", (), (), wrong.read_text(encoding="utf-8").strip())
    lines = (folder / "expected.jsonl").read_text(encoding="utf-8").splitlines()
    expected = [json.loads(line) for line in lines if line.strip()]
    reasons = [str(each[key]) for each in expected for key in _REASONS if key in each]
    parts = [each for each in expected if not set(each) & set(_REASONS)]
    return Case(folder.name, options, _stream(folder), parts, reasons)


def case_rules(folder: Path) -> list[Rule]:
    """Return a rule for each case below a folder."""
    cases = [read_case(path) for path in sorted(folder.iterdir()) if (path / "options.toml").is_file()]
    return [
        Rule(case.name, "a recorded stream means what its case says", ("source",), NEEDS, partial(replay, case))
        for case in cases
    ]


def _stream(folder: Path) -> bytes:
    if (folder / _FILE).is_file():
        return (folder / _FILE).read_bytes()
    text = (folder / "input.txt").read_bytes().replace(b"\n", b"")
    escaped: bytes = codecs.escape_decode(text)[0]
    return escaped


async def replay(case: Case, bench: Bench) -> None:
    """Send a case's stream to the source, cut in every way, and hold what comes of it to the case.

    Raises:
        Broken: something else came of it.
    """
    chosen = {name: value for name, value in case.options.items() if name not in _PLACE}
    if case.mistake:
        _mistaken(bench, case)
        return
    cuts = list(_cuts(case.stream))
    async with stage(bench, options=chosen) as where, together() as tasks, _connecting(where) as connections:
        working = tasks.create_task(where.keep(lambda source: source(where.line)), name="trial-source")
        await where.until(lambda: where.opened > 0, "opening of the source")
        for how, pieces in cuts:
            await _one(where, connections, case, how, pieces)
        await stop(working, where.trial.close_seconds)
    bench.notes.append(f"{len(case.stream)} bytes cut in {len(cuts)} ways")


def _mistaken(bench: Bench, case: Case) -> None:
    try:
        bench.subject.plugin.options.model_validate(dict(case.options))
    except ValidationError as exc:
        if case.mistake not in str(exc):
            raise Broken(f"of its options it says {exc.errors()[0]['msg']!r}, not {case.mistake!r}") from exc
        return
    raise Broken(f"its options are taken, though they must be wrong: {case.mistake}")


def _cuts(stream: bytes) -> Iterator[tuple[str, Sequence[bytes]]]:
    """Return every way in which a stream is cut, and its pieces."""
    yield "uncut", [stream]
    singles = [stream[at : at + 1] for at in range(len(stream))]
    middle = slice(SINGLES, max(SINGLES, len(stream) - SINGLES))
    yield "byte by byte", [*singles[: middle.start], stream[middle], *singles[middle.stop :]]
    yield "in pieces of 7", [stream[at : at + 7] for at in range(0, len(stream), 7)]
    for at in range(1, len(stream), max(1, len(stream) // CUTS)):
        yield f"cut after byte {at}", [stream[:at], stream[at:]]


_Connections = asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]


@asynccontextmanager
async def _connecting(where: Stage) -> AsyncIterator[_Connections]:
    """Hold where a source that dials finds its machine; for one that listens there is nothing to hold."""
    came: _Connections = asyncio.Queue()
    if where.trial.road == "listens":
        yield came
        return
    server = await asyncio.start_server(
        lambda reader, writer: came.put_nowait((reader, writer)), "127.0.0.1", where.near.port
    )
    try:
        yield came
    finally:
        server.close()
        while not came.empty():
            came.get_nowait()[1].transport.abort()


async def _one(where: Stage, connections: _Connections, case: Case, how: str, pieces: Sequence[bytes]) -> None:
    """Send a stream once, in these pieces, and look at what came of it."""
    before, kept = len(where.line.parts), set(await _quarantined(where))
    if where.trial.road == "listens":
        reader, writer = await _dialled(where)
    else:
        reader, writer = await where.in_time(connections.get(), "dialling the machine")
    try:
        with suppress(OSError):  # a source may hang up on nonsense
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                for _ in range(3):
                    await asyncio.sleep(0)  # the source, in this same loop, reads one piece before the next comes
            writer.write_eof()
            await where.in_time(reader.read(), f"{how} the end of the connection")
    finally:
        writer.transport.abort()
    await where.until(lambda: len(where.line.answered) == len(where.line.parts), "answer of the line")
    _held(case, how, where.line.parts[before:])
    await _explained(where, case, how, kept)


async def _dialled(where: Stage) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Dial the source, again while it is not serving yet."""
    async with asyncio.timeout(where.trial.seconds):
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", where.near.port)
            except OSError:
                await asyncio.sleep(0.01)


def _held(case: Case, how: str, parts: Sequence[Inspection]) -> None:
    found = [_plain(part) for part in parts]
    if len(found) != len(case.parts):
        raise Broken(f"{how} it became {len(found)} parts instead of {len(case.parts)}: {[p.part for p in parts]}")
    for number, (one, expected) in enumerate(zip(found, case.parts, strict=True), start=1):
        for name, value in expected.items():
            if not _agrees(one.get(name), value):
                raise Broken(f"{how} part {number} came with {name} = {one.get(name)!r} instead of {value!r}")


async def _explained(where: Stage, case: Case, how: str, kept: set[str]) -> None:
    """Hold the quarantine to the reasons of the case; it is written behind the parts."""
    limit = asyncio.get_running_loop().time() + where.trial.seconds
    while True:
        reasons = [why for name, why in (await _quarantined(where)).items() if name not in kept]
        missing = [words for words in case.reasons if not any(words in why for why in reasons)]
        if not missing:
            break
        if asyncio.get_running_loop().time() > limit:
            raise Broken(f"{how} the quarantine says {reasons}, and nothing of {missing[0]!r}")
        await asyncio.sleep(0.005)
    if reasons and not case.reasons:
        raise Broken(f"{how} something was put into quarantine: {reasons[0]}")


async def _quarantined(where: Stage) -> Mapping[str, str]:
    """Return the reason of each entry in the source's quarantine, by the entry's name."""
    return await asyncio.to_thread(_reasons, where.home / "quarantine")


def _reasons(folder: Path) -> Mapping[str, str]:
    found = {}
    for path in folder.glob("*.json"):
        with suppress(ValueError):  # it is being written
            found[path.name] = str(json.loads(path.read_text(encoding="utf-8"))["reason"])
    return found


def _plain(part: Inspection) -> Mapping[str, object]:
    """Return a part as JSON would have it, an image as its length."""
    said = asdict(part)
    for view in said["views"]:
        view["image"] = len(view["image"] or b"")
    read: Mapping[str, object] = json.loads(json.dumps(said))
    return read


def _agrees(found: object, expected: object) -> bool:
    """Compare by what is expected: the rest may be anything."""
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(_agrees(found.get(name), value) for name, value in expected.items())
    if isinstance(expected, list):
        return isinstance(found, list) and len(found) == len(expected) and all(map(_agrees, found, expected))
    return found == expected
