"""The program of a PLC with one inspection station and register map v1.

It runs when the bridge writes, in the moment in which the write arrives: nothing polls. All its state belongs to
one event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bridge.plugin import Habits, Taken
from bridge_modbus.codec import (
    CONSTANTS_AT,
    HB_BRIDGE_AT,
    STATUS_AT,
    STATUS_WORDS,
    CommandBlock,
    Control,
    Status,
    StatusBlock,
    WordOrder,
    commissioning_words,
    decode_status,
    encode_command,
)
from bridge_modbus.plc_memory import Memory
from bridge_modbus.plc_rules import NOTHING, Ruled, Ruling, part_id, presentable, rule

BEAT_SECONDS = 0.5
STALE_SECONDS = 2.0
ACK_SECONDS = 0.5
"""How long ResultAck stands at most, where the bridge does not withdraw its result."""
REMEMBERED = 64
WORD_MAX = 0xFFFF


@dataclass(kw_only=True, eq=False)
class _Standing:
    """The part at the station."""

    part: str
    taken: asyncio.Future[Taken]
    why: str = NOTHING
    """Why nothing was taken so far."""


@dataclass(kw_only=True)
class SoftPlc:
    """A PLC's side of register map v1: a Station that counts what was wrong.

    A result that is whole but another part's is discarded with ResultAck, so that the bridge gets its slot back;
    the part at the station waits on for its own.
    """

    memory: Memory
    order: WordOrder
    command_at: int
    status_at: int
    stale_seconds: float = STALE_SECONDS
    ack_seconds: float = ACK_SECONDS
    clock: Callable[[], float]
    """Monotonic seconds."""
    habits: Habits = field(default_factory=dict)
    """Its bad habits, out of ``plc_habits``."""
    late: int = 0
    """Results that came when their part had left."""
    wrong_part: int = 0
    """Results of a part that never stood here unanswered."""
    stale: int = 0
    """Results that could not be taken at once because the bridge's heartbeat was not fresh."""
    taken: list[Taken] = field(default_factory=list)
    """What became of every part, in order."""
    _command: CommandBlock = field(default_factory=lambda: CommandBlock(control=Control.ENABLE))
    _standing: _Standing | None = None
    _left: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _counted: tuple[int, str] | None = None
    _beat: int = 0
    _beat_at: float = float("-inf")
    _ack_over: asyncio.TimerHandle | None = None
    _ack_low: asyncio.Event = field(default_factory=asyncio.Event)
    _place: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self._ack_low.set()
        self._show()

    @property
    def command(self) -> CommandBlock:
        """What CMD says now."""
        return self._command

    async def present(self, part: str, seconds: float) -> Taken:
        """Let a part stand at the station, take its verdict within this time, and pass or eject it.

        One part stands at a time; another waits. With an empty name nothing stands there, and a bridge that keeps
        to the rules reports nothing: the time passes and ``why`` is "nothing reported".
        """
        async with self._place:
            taken = await self._present(part, seconds)
        self.taken.append(taken)
        return taken

    async def beat(self) -> None:
        """Count HB_PLC up for ever."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            if "still-heartbeat" in self.habits:
                continue
            self._show(heartbeat=(self._command.heartbeat + 1) & WORD_MAX)

    def heard(self) -> None:
        """Look at STS, for the bridge has just written."""
        now = self.clock()
        words = self.memory.holding[self.status_at : self.status_at + STATUS_WORDS]
        if words[HB_BRIDGE_AT] != self._beat:
            self._beat, self._beat_at = words[HB_BRIDGE_AT], now
        if any(words[CONSTANTS_AT:]) and not any(self._command.echo):
            self._show(echo=commissioning_words(self.order))
        if words[STATUS_AT] & Status.RESULTS_VALID:
            self._read(decode_status(words, self.order), now)
        else:
            self._drop_ack()

    def close(self) -> None:
        """Forget what is still due."""
        if self._ack_over is not None:
            self._ack_over.cancel()

    async def _present(self, part: str, seconds: float) -> Taken:
        if not presentable(part):
            await asyncio.sleep(0 if part else seconds)
            why = "the name does not fit into SERIAL, 32 characters of ASCII" if part else NOTHING
            return _ejected(part, why)
        standing = _Standing(part=part, taken=asyncio.get_running_loop().create_future())
        leaves_at = self.clock() + seconds
        await self._ack_low.wait()
        self._enter(standing, seconds)
        try:
            await asyncio.wait([standing.taken], timeout=max(0.0, leaves_at - self.clock()))
            return standing.taken.result() if standing.taken.done() else _ejected(part, standing.why)
        finally:
            self._leave(standing)

    def _enter(self, standing: _Standing, seconds: float) -> None:
        self._standing = standing
        self._show(
            control=Control.ENABLE | Control.TRIGGER,
            sequence=self._command.sequence % WORD_MAX + 1,
            part_id=part_id(standing.part),
            serial=standing.part,
            deadline_ms=min(round(seconds * 1000), WORD_MAX),
        )

    def _leave(self, standing: _Standing) -> None:
        """Take the part away; if its verdict was taken, that has been done."""
        if self._standing is standing:
            self._standing = None
            self._left.append(standing.part)
            self._show(control=self._command.control & ~Control.TRIGGER, serial="", part_id=0)

    def _read(self, said: StatusBlock, now: float) -> None:
        if self._standing is None:
            if self._ack_low.is_set():
                self._discard(said)
            return
        ruled = rule(said, self._command, fresh=now - self._beat_at < self.stale_seconds)
        if ruled.ruling is Ruling.TAKE:
            self._first(said)
            self._take(self._standing, ruled, now)
            return
        self._standing.why = ruled.why
        if ruled.ruling is Ruling.DISCARD:
            self._discard(said)
        elif ruled.ruling is Ruling.STALE and self._first(said):
            self.stale += 1

    def _take(self, standing: _Standing, ruled: Ruled, now: float) -> None:
        taken = Taken(
            part=standing.part, passed=not ruled.why, verdict=ruled.verdict, readable_at=now, why=ruled.why
        )
        if not standing.taken.done():
            standing.taken.set_result(taken)
        self._standing = None
        self._acknowledge(Control.ENABLE)

    def _discard(self, said: StatusBlock) -> None:
        if self._first(said):
            if self._standing is None or said.serial in self._left:
                self.late += 1
            else:
                self.wrong_part += 1
            self._acknowledge(self._command.control)

    def _first(self, said: StatusBlock) -> bool:
        """Note a result, and return whether it is another than before; it is seen often while it stands."""
        known, self._counted = self._counted, (said.sequence_head, said.serial)
        return known != self._counted

    def _acknowledge(self, control: Control) -> None:
        if "no-ack" in self.habits:
            self._show(control=control)
            return
        self._ack_low.clear()
        self.close()
        if seconds := self.habits.get("late-ack"):
            self._show(control=control)
            self._ack_over = asyncio.get_running_loop().call_later(seconds, self._raise_ack, control)
        else:
            self._raise_ack(control)

    def _raise_ack(self, control: Control) -> None:
        self._show(control=control | Control.RESULT_ACK)
        self._ack_over = asyncio.get_running_loop().call_later(self.ack_seconds, self._drop_ack)

    def _drop_ack(self) -> None:
        if Control.RESULT_ACK not in self._command.control:
            return
        self.close()
        self._show(control=self._command.control & ~Control.RESULT_ACK)
        if self._standing is None:
            self._show(serial="", part_id=0)
        self._ack_low.set()

    def _show(self, **changes: object) -> None:
        """Change CMD."""
        self._command = replace(self._command, **changes)  # type: ignore[arg-type]  # by the names of its fields
        self.memory.put(self.command_at, encode_command(self._command, self.order))


def _ejected(part: str, why: str) -> Taken:
    return Taken(part=part, passed=False, verdict=None, readable_at=None, why=why)
