"""A simulated MES: keeps what it hears, acknowledges it where it is asked to, and can stall, refuse or die."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bridge.plugin import (
    BridgeError,
    Habit,
    Habits,
    Ledger,
    LedgerDocument,
    Mood,
    Unavailable,
    together,
    with_habits,
)
from bridge_mqtt.arrivals import Arrival
from bridge_mqtt.dialling import connected
from bridge_mqtt.options import MqttReporterOptions
from bridge_mqtt.session import Session

DOCUMENT_BYTES = 16 << 20
AGAIN_SECONDS = 0.05
"""Pause before a broker that went away is dialled again."""
PARTS_BETWEEN = 10
"""After so many documents comes the next spell of something that lasts."""
MES_HABITS: Mapping[str, Habit] = {
    "refuse": Habit("one document in so many is refused; needs ack_topic", 3),
    "stall": Habit(f"after every {PARTS_BETWEEN}th document nothing is heard for so many seconds", 5),
    "ack-lost": Habit("one document in so many is kept, and its acknowledgement lost; needs ack_topic", 3),
    "die": Habit(f"after every {PARTS_BETWEEN}th document the MES is gone for so many seconds", 5),
}


@with_habits(MES_HABITS)
@asynccontextmanager
async def open_mes(options: MqttReporterOptions, habits: Habits) -> AsyncIterator[Mes]:
    """Be the MES that a reporter's options tell of: it subscribes to what is published.

    Raises:
        Unavailable: the broker cannot be reached.
    """
    async with together() as tasks:
        mes = Mes(options=options, tasks=tasks, mood=Mood(habits))
        await mes.start()
        try:
            yield mes
        finally:
            mes.end()


@dataclass(kw_only=True)
class Mes(Ledger):
    """What an MES heard, and how it behaves; every knob may be turned while it runs.

    The broker keeps what it has not heard, also while it is dead: its session lasts.
    """

    options: MqttReporterOptions
    tasks: asyncio.TaskGroup
    mood: Mood = field(default_factory=lambda: Mood({}))
    garbage: int = 0
    """How many messages were no document."""
    changed: int = 0
    """How many documents came again in another form: a bug."""
    topics: dict[str, str] = field(default_factory=dict)
    """The topic that each id came on."""
    _held: list[tuple[Session, Arrival]] | None = None
    """What has come while it stalls; None while it does not."""
    _muted: bool = False
    _session: Session | None = None
    _life: asyncio.Task[None] | None = None
    _ended: bool = False

    async def start(self) -> None:
        """Connect and subscribe, and keep doing so until ``die``; alive, go on.

        Raises:
            Unavailable: the broker cannot be reached.
        """
        self.resume()
        self._muted = False
        if self._life is not None and not self._life.done() and not self._life.cancelling():
            return
        subscribed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._life = self.tasks.create_task(self._live(subscribed), name="mes")
        await subscribed

    def die(self) -> None:
        """Be gone without a goodbye; what is published meanwhile waits in the broker."""
        if self._life is not None:
            self._life.cancel()
        if self._session is not None:
            self._session.cut(Unavailable("the MES has died"))

    def end(self) -> None:
        """Be gone for good."""
        self._ended = True
        self.die()

    def stall(self) -> None:
        """Stay subscribed, but acknowledge nothing."""
        self._held = self._held or []

    def resume(self) -> None:
        """Go on after ``stall``."""
        held, self._held = self._held, None
        for session, arrival in held or ():
            self._enter(session, arrival)

    def half_close(self) -> None:
        """Hear, but say nothing until ``start``; with a broker in between it cannot be seen to be closed."""
        self._muted = True

    async def _live(self, subscribed: asyncio.Future[None]) -> None:
        try:
            while True:
                try:
                    await self._attend(subscribed)
                except BridgeError as exc:
                    if not subscribed.done():
                        subscribed.set_exception(exc)
                        return
                await asyncio.sleep(AGAIN_SECONDS)
        finally:
            if not subscribed.done():
                subscribed.set_exception(Unavailable("the MES died before it had subscribed"))

    async def _attend(self, subscribed: asyncio.Future[None]) -> None:
        options = self.options
        session = Session(
            options,
            f"{options.known_as(options.name)}:mes",
            lasting=True,
            max_bytes=DOCUMENT_BYTES,
            receive=lambda arrival: self._hear(session, arrival),
        )
        self._session = session
        async with connected(options, session):
            await session.listen([options.results()])
            if not subscribed.done():
                subscribed.set_result(None)
            await session.watch()

    def _hear(self, session: Session, arrival: Arrival) -> None:
        if self._held is not None:
            self._held.append((session, arrival))
        else:
            self._enter(session, arrival)

    def _enter(self, session: Session, arrival: Arrival) -> None:
        try:
            document = json.loads(arrival.payload)
            self.topics[str(document["id"])] = arrival.topic
        except (ValueError, KeyError, TypeError):
            self.garbage += 1
            session.done(arrival)
            return
        known = str(document["id"]) in self.arrivals
        self.changed += self.documents.get(str(document["id"]), document) != document
        answer = self.take(document, None if known else self._spoilt())
        session.done(arrival)
        if self.options.ack_topic and not answer.silent and not self._muted:
            self.tasks.create_task(self._acknowledge(session, document, answer.refused), name="mes-ack")

    async def _acknowledge(self, session: Session, document: LedgerDocument, reason: str | None) -> None:
        status = {"status": "accepted"} if reason is None else {"status": "refused", "reason": reason}
        try:
            await session.post(self.options.ack_topic, json.dumps({"id": document["id"], **status}).encode())
        except Unavailable:
            return  # the reporter tells it again

    def _spoilt(self) -> str | None:
        """Do what the habits want when a document comes; return why it is refused, if it is."""
        mood, later = self.mood, asyncio.get_running_loop().call_later
        if mood.strikes("ack-lost"):
            self.lose_acks += 1
        if mood.strikes("stall", PARTS_BETWEEN):
            self.stall()
            later(mood.habits["stall"], self.resume)
        if mood.strikes("die", PARTS_BETWEEN):
            later(0, self.die)
            later(mood.habits["die"], self._revive)
        return "refused by a habit" if mood.strikes("refuse") else None

    def _revive(self) -> None:
        if not self._ended:
            self.tasks.create_task(self._come_back(), name="mes-back")

    async def _come_back(self) -> None:
        while not self._ended:
            try:
                await self.start()
            except Unavailable:
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                return
