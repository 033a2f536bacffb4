"""A bridge.toml for a small factory, parts on which the model is never wrong, an inspector that insists."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice, product
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bridge.asking import ask
from bridge.config import Config, load
from bridge.messages import Decision, Verdict
from bridge.plugin import Inspection, Unavailable
from bridge.simulate.factory import free_ports
from bridge.simulate.parts import Played
from bridge.store import Reader
from bridge_tcp.codec import write_part
from bridge_tcp.framing import Frame
from bridge_tcp.len32be import Len32be
from bridge_tcp.peer import Document, Inspector, dial_bridge

PATIENCE_SECONDS = 40.0
"""Of everything that is waited for here; an idle machine needs a second."""

HEAD = """
data = "var"

[http]
port = 0

[judge.brightness]
type = "classifier"
model = "{bundle}"
"""
LINE = """
[[line]]
name = "{name}"
goal = {goal}
stage = "{stage}"
live_because = "a test, no real line"
shadow.guard_share = 0
topology = "{topology}"
deadline_ms = {deadline_ms}
judge = "brightness"

[line.source]
{source}
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
BY_TCP = """type = "tcp"
framing = "len32be"
reply = "{{json}}"
reply_unrecorded = "{{json}}"
port = {port}
"""
BY_FOLDER = """type = "hotfolder"
path = "aoi"
complete = "renamed"
poll_seconds = 0.02
"""


def tiny_bundle(folder: Path, *, explained: bool = False) -> Path:
    """Write the benchmarks' bundle, which calls a bright picture OK and a dark one NG, explained or not."""
    spec = importlib.util.spec_from_file_location(
        "harness", Path(__file__).parents[2] / "benchmarks" / "harness.py"
    )
    assert spec is not None
    assert spec.loader is not None
    harness = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(harness)
    made: Path = harness.tiny_bundle(folder, explained=explained)
    return made


def a_line(
    name: str = "line",
    *,
    goal: int = 1,
    stage: str = "live",
    topology: str = "inline",
    deadline_ms: int = 10_000,
    source: str = BY_TCP,
) -> str:
    """Return a line with a PLC and an MES, on ports that are free; its deadline is longer than any stall here."""
    port, plc, mes = free_ports(3)
    return LINE.format(
        name=name,
        goal=goal,
        stage=stage,
        topology=topology,
        deadline_ms=deadline_ms,
        source=source.format(port=port),
        plc=plc,
        mes=mes,
    )


async def configured(folder: Path, bundle: Path, *lines: str) -> tuple[Path, Config]:
    """Write a bridge.toml of these lines; return its path and what it says."""
    path = folder / "bridge.toml"
    path.write_text(HEAD.format(bundle=bundle) + "".join(lines), encoding="utf-8")
    return path, await asyncio.to_thread(load, path)


def parts(count: int, prefix: str = "P") -> list[Played]:
    """Return good and bad parts that the inspector calls OK and NG in every combination, no two pictures alike."""
    rng = np.random.default_rng(len(prefix) * 1000 + sum(prefix.encode()))
    mixed = list(product(Verdict, Verdict))
    made = []
    for number in range(count):
        truth, legacy = mixed[number % len(mixed)]
        light = 190 if truth is Verdict.OK else 10
        shown = rng.integers(light, light + 50, (32, 32, 3), np.uint8)
        picture: bytes = cv2.imencode(".png", shown)[1].tobytes()
        images = {"top": picture}
        made.append(Played(serial=f"{prefix}{number:03}", truth=truth, oddness=0.0, images=images, legacy=legacy))
    return made


async def until(true: Callable[[], object]) -> None:
    """Wait for something in another process to become true."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await asyncio.to_thread(true):  # noqa: ASYNC110 - what it waits for has no event here
            await asyncio.sleep(0.01)


def state(config: Config, plugin: str, line: str = "line") -> str:
    """Return the state of a line's plugin, as the running bridge tells it."""
    said = ask(config.data, "/v1/status") or {"plugins": []}
    found = [one["state"] for one in said["plugins"] if (one["line"], one["name"]) == (line, plugin)]
    return str(found[0]) if found else "unknown"


def journal(config: Config, line: str | None = None) -> list[Decision]:
    """Return what the journal holds, in order."""
    return Reader(config.data).decisions(line)


def outcomes(config: Config, part: str) -> list[str]:
    """Return how telling a part to its PLC went."""
    ids = [decision.id for decision in journal(config) if decision.part == part]
    return [told.outcome for one in ids for told in Reader(config.data).reports(one) if told.reporter == "plc"]


def delivered(config: Config, count: int) -> bool:
    """Return whether so many parts are recorded, and nothing is owed to any MES."""
    reader = Reader(config.data)
    return len(reader.decisions()) >= count and not any(queued for queued, _ in reader.outbox().values())


@dataclass
class Bodies:
    """How an MES reads documents, keeping each arrival byte for byte."""

    by_id: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))

    def read(self, frame: Frame) -> Document:
        document: Document = json.loads(frame.payload)
        self.by_id[document["id"]].append(bytes(frame.payload))
        return document


@dataclass
class Insisting:
    """An inspector with several parts on the wire, that sends each again until it is acknowledged as recorded."""

    port: int
    at_once: int = 4
    acknowledged: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The answer to each key."""
    sent: Counter[str] = field(default_factory=Counter)
    """How often each key was sent."""

    async def send(self, wanted: Sequence[Played]) -> None:
        """Hand over every part; returns when the last is acknowledged."""
        while left := [one.inspection() for one in wanted if one.serial not in self.acknowledged]:
            with suppress(Unavailable, OSError, TimeoutError):
                async with dial_bridge("127.0.0.1", self.port, Len32be(1 << 20)) as link:
                    waiting = iter(left)
                    for part in islice(waiting, self.at_once):
                        await self._put(link, part)
                    for _ in left:
                        answer = json.loads((await link.reply(PATIENCE_SECONDS)).payload)
                        if answer["recorded"]:
                            self.acknowledged[answer["key"]] = answer
                        if further := next(waiting, None):
                            await self._put(link, further)
            await asyncio.sleep(0.01)

    async def _put(self, link: Inspector, part: Inspection) -> None:
        self.sent[str(part.key)] += 1
        await link.send(*write_part(part))


@dataclass
class Doorbell:
    """A listening socket where nobody is expected."""

    rung: int = 0


@asynccontextmanager
async def doorbell(port: int) -> AsyncIterator[Doorbell]:
    """Listen on a port, and count who comes."""
    bell = Doorbell()

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        bell.rung += 1
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", port):
        yield bell
