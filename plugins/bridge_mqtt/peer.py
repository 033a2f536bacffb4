"""The other side: an inspector that publishes parts, and an MES that hears results; both through a real broker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bridge.plugin import (
    PART_HABITS,
    Habits,
    Inspection,
    Play,
    Unavailable,
    Verdict,
    moody,
    part_document,
    with_habits,
)
from bridge_mqtt.arrivals import Arrival
from bridge_mqtt.dialling import connected
from bridge_mqtt.mes import Mes, open_mes
from bridge_mqtt.options import MqttSourceOptions
from bridge_mqtt.reasons import NOBODY
from bridge_mqtt.session import Session
from bridge_mqtt.topics import example

__all__ = ["Machine", "Mes", "machine", "open_inspector", "open_mes"]

ANSWER_SECONDS = 5.0
"""How long a simulated inspector waits for the broker's word, and for an answer."""


@with_habits(PART_HABITS)
@asynccontextmanager
async def open_inspector(options: MqttSourceOptions, habits: Habits) -> AsyncIterator[Play]:
    """Be the machine that a source's options tell of: it publishes where the source listens.

    Parts go out one at a time; where the options say that the machine is answered, its answer is awaited.

    Raises:
        Unavailable: the broker cannot be reached.
    """
    async with machine(options) as played, moody(played.play, habits) as play:
        yield play


@asynccontextmanager
async def machine(options: MqttSourceOptions, name: str = "machine") -> AsyncIterator[Machine]:
    """Hold a machine that is connected, and connects anew when it has to.

    Raises:
        Unavailable: the broker cannot be reached.
    """
    async with AsyncExitStack() as stack:
        played = Machine(options, name, stack)
        await played.connect()
        yield played


@dataclass
class Machine:
    """An inspector's end: publishes parts as the options say."""

    options: MqttSourceOptions
    name: str
    stack: AsyncExitStack
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The latest recorded answer, by key."""
    _connection: AsyncExitStack = field(default_factory=AsyncExitStack)
    _session: Session | None = None
    _watching: asyncio.Task[object] | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _dialling: asyncio.Lock = field(default_factory=asyncio.Lock)
    _answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def connect(self) -> Session:
        """Return a session that is open, a new one where the last has ended.

        Raises:
            Unavailable: the broker cannot be reached.
        """
        async with self._dialling:
            if self._session is None or self._session.over:
                self._session = await self._dial()
            return self._session

    async def _dial(self) -> Session:
        await self._connection.aclose()
        session = Session(
            self.options,
            f"{self.options.known_as('source')}:{self.name}",
            receive=lambda arrival: self._hear(session, arrival),
        )
        self._connection = await self.stack.enter_async_context(AsyncExitStack())
        await self._connection.enter_async_context(connected(self.options, session))
        self._connection.callback(asyncio.create_task(_kept(session), name="machine-watch").cancel)
        if self.options.answer_topic:
            await session.listen([self.options.answer_topic])
        return session

    async def play(self, part: Inspection) -> Verdict | None:
        """Hand one part over; return the answer if the options ask for one.

        Raises:
            Unavailable: the broker or the bridge is away, or did not answer.
        """
        async with self._turn:
            await self.publish(await asyncio.to_thread(_leave, self.options.images, part))
            if not self.options.answer_topic:
                return None
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    return self.options.words().verdict((await self.answer(part))["verdict"])
            except TimeoutError as exc:
                raise Unavailable(f"the bridge did not answer part {part.part}") from exc

    async def publish(self, part: Inspection) -> None:
        """Publish a part's document; return once the broker has it.

        Raises:
            Unavailable: it has it not, or says that nobody listens.
        """
        document = json.dumps(part_document(part, self.options.words()), ensure_ascii=False)
        await self.publish_raw(document.encode())

    async def publish_raw(self, payload: bytes, *, retain: bool = False) -> None:
        """Publish bytes as they are, for instance garbage."""
        session, topic = await self.connect(), example(self.options.filters()[0])
        code = await session.send(topic, payload, ANSWER_SECONDS, retain=retain)
        if code.is_failure or code.value == NOBODY:
            raise Unavailable(f"{session.peer} has nobody who hears {topic}: {code}")

    async def answer(self, part: Inspection) -> dict[str, Any]:
        """Return the answer to a part, once there is a recorded one."""
        name = part.key or part.part
        while name not in self.answers:
            self._answered.clear()
            await self._answered.wait()
        return self.answers[name]

    def _hear(self, session: Session, arrival: Arrival) -> None:
        session.done(arrival)
        answer = json.loads(arrival.payload)
        if answer["recorded"]:
            self.answers[answer["key"] or answer["part"]] = answer
            self._answered.set()


async def _kept(session: Session) -> None:
    """Keep a session alive; who uses it next notices its end."""
    try:
        await session.watch()
    except Unavailable:
        return


def _leave(root: Path | None, part: Inspection) -> Inspection:
    """Write the part's images on the share, if there is one; return the part as its message tells of it."""
    views = []
    for view in part.views:
        name = f"{part.part}-{view.name}.img" if view.image and root is not None else view.reference
        if view.image and root is not None:
            (root / name).write_bytes(view.image)
        views.append(replace(view, image=None, reference=name))
    return replace(part, views=tuple(views))
