"""A line's machines under load: an inspector that insists on being acknowledged, an MES that keeps bytes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from bridge.config import Line
from bridge.goals import left_to_us
from bridge.messages import Goal, Inspection, Verdict, View
from bridge.plugin import Taken, Unavailable
from bridge_modbus.peer import SoftPlc
from bridge_tcp.codec import write_part
from bridge_tcp.framing import Frame
from bridge_tcp.len32be import Len32be
from bridge_tcp.peer import Document, Inspector, dial_bridge

MAX_BYTES = 1 << 22
REDIAL_SECONDS = 0.05
REPEATED = 2
"""So many acknowledged parts are sent again on each new connection, as if their acknowledgement had been lost."""
FOR_EVER = 1e6


@dataclass
class Insisting:
    """An inspector that sends each part again, under the same key, until it is acknowledged as recorded."""

    port: int
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The first acknowledgement of each key."""
    sent: Counter[str] = field(default_factory=Counter)
    """How often each key was sent."""
    repeated: int = 0
    """How many parts were acknowledged once more."""
    changed: list[str] = field(default_factory=list)
    """Keys whose later acknowledgement said something else than the first."""
    unrecorded: int = 0
    """Answers that were no acknowledgement; the part was sent again."""
    _owed: dict[str, Inspection] = field(default_factory=dict)
    _recent: list[Inspection] = field(default_factory=list)
    _link: Inspector | None = None

    @property
    def linked(self) -> bool:
        """Whether there is a connection to the bridge now."""
        return self._link is not None and not self._link.gone

    @property
    def owed(self) -> int:
        """How many parts are not acknowledged yet."""
        return len(self._owed)

    async def put(self, part: Inspection) -> None:
        """Hand a part over, now or when the bridge is back; does not wait for the answer."""
        self._owed[str(part.key)] = part
        if self._link is not None:
            with suppress(OSError):
                await self._send(self._link, part)

    async def run(self) -> None:
        """Keep a connection to the bridge and take its answers, for ever."""
        while True:
            with suppress(Unavailable, OSError, TimeoutError):
                async with dial_bridge("127.0.0.1", self.port, Len32be(MAX_BYTES)) as link:
                    try:
                        await self._serve(link)
                    finally:
                        self._link = None
            await asyncio.sleep(REDIAL_SECONDS)

    async def _serve(self, link: Inspector) -> None:
        again = [*self._recent[-REPEATED:], *self._owed.values()]
        self._link = link
        sending = asyncio.create_task(self._again(link, again))
        try:
            while True:
                self._take(json.loads((await link.reply(FOR_EVER)).payload))
        finally:
            sending.cancel()
            await asyncio.wait([sending])

    async def _again(self, link: Inspector, parts: Sequence[Inspection]) -> None:
        with suppress(OSError):
            for part in parts:
                await self._send(link, part)

    async def _send(self, link: Inspector, part: Inspection) -> None:
        self.sent[str(part.key)] += 1
        await link.send(*write_part(part))

    def _take(self, answer: dict[str, Any]) -> None:
        key = answer["key"]
        if not answer["recorded"]:
            self.unrecorded += 1
            if self._link is not None and key in self._owed:
                asyncio.get_running_loop().call_later(REDIAL_SECONDS, self._once_more, key)
            return
        first = self.answers.setdefault(key, answer)
        if first is not answer:
            self.repeated += 1
            if first != answer:
                self.changed.append(key)
        if part := self._owed.pop(key, None):
            self._recent = [*self._recent[-REPEATED:], part]

    def _once_more(self, key: str) -> None:
        if self._link is not None and key in self._owed:
            task = asyncio.ensure_future(self._again(self._link, [self._owed[key]]))
            task.add_done_callback(lambda _: None)


@dataclass
class Bodies:
    """How an MES reads documents: by every arrival's hash it knows whether one was ever sent in another form."""

    by_id: dict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    arrived: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """When each line's documents first came (monotonic seconds)."""

    def read(self, frame: Frame) -> Document:
        """Return a frame's document, remembering its bytes."""
        document: Document = json.loads(frame.payload)
        if document["id"] not in self.by_id:
            self.arrived[document["line"]].append(time.monotonic())
        self.by_id[document["id"]].add(hashlib.sha256(frame.payload).digest())
        return document

    def changed(self) -> int:
        """Return how many documents came in more than one form."""
        return sum(len(forms) > 1 for forms in self.by_id.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A part that went by the station."""

    key: str
    sent_at: float
    """Monotonic seconds."""
    expected: Verdict
    """What the line answers where nothing failed."""
    taken: Taken | None
    """What the PLC did; None where the part did not stop there."""

    @property
    def milliseconds(self) -> float | None:
        """From handing over to a verdict that the PLC can read; None where there was none."""
        at = self.taken.readable_at if self.taken else None
        return None if at is None else (at - self.sent_at) * 1000


class Station:
    """One line: parts come at a rate, stop for their verdict and go on."""

    def __init__(self, line: Line, plc: SoftPlc, pictures: Pictures, seconds: float) -> None:
        self.line, self.plc = line, plc
        self.inspector = Insisting(line.source.options.port)
        self.passed: list[Passed] = []
        self.made = 0
        self._pictures, self._seconds = pictures, seconds

    async def run(self, rate: float, phase: float, stop: asyncio.Event) -> None:
        """Let so many parts per second come until told to stop, the first after so many seconds.

        While the bridge is away parts do not stop for it, but the inspector hands them over later.
        """
        due = time.monotonic() + phase
        while not stop.is_set():
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if stop.is_set():  # while it slept: what comes now would come after everything was compared
                break
            due = max(due + 1 / rate, time.monotonic())
            self.passed.append(await self._pass())

    async def _pass(self) -> Passed:
        self.made += 1
        part, expected = self._part(f"{self.line.name}-{self.made:07d}")
        standing = None
        if self.inspector.linked:
            standing = asyncio.create_task(self.plc.present(part.part, self._seconds))
            await asyncio.sleep(0)  # the part stands there before the inspector has its picture
        sent_at = time.monotonic()
        try:
            await self.inspector.put(part)
            taken = await standing if standing else None
        finally:
            if standing:
                standing.cancel()
        return Passed(key=str(part.key), sent_at=sent_at, expected=expected, taken=taken)

    def _part(self, serial: str) -> tuple[Inspection, Verdict]:
        truth = (Verdict.OK, Verdict.NG)[self.made % 2]
        legacy = (Verdict.OK, Verdict.NG)[self.made // 2 % 2]
        view = View(name="1", image=self._pictures.of(truth, self.made))
        ours = self.line.stage == "live" and left_to_us(Goal(self.line.goal), legacy)
        part = Inspection(part=serial, key=serial, legacy=legacy, views=(view,))
        return part, truth if ours else legacy


class Pictures:
    """Bright pictures of good parts and dark ones of bad parts, each told apart by a few bytes behind its end."""

    def __init__(self, seed: int, least_bytes: int = 0) -> None:
        rng, shape = np.random.default_rng(seed), (240, 320) if least_bytes else (32, 32)
        self._data = {
            truth: _jpeg(rng.integers(light, light + 50, (*shape, 3), np.uint8)).ljust(least_bytes, b"\0")
            for truth, light in ((Verdict.OK, 190), (Verdict.NG, 10))
        }
        self._seed = seed

    def of(self, truth: Verdict, number: int) -> bytes:
        """Return a picture that no other part of this line has."""
        return self._data[truth] + self._seed.to_bytes(4, "big") + number.to_bytes(8, "big")


def _jpeg(image: np.ndarray[Any, Any]) -> bytes:
    return bytes(cv2.imencode(".jpg", image)[1])
