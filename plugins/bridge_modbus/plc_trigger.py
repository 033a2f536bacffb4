"""The other side of the source: a PLC that triggers, with LEGACY from an old inspector, in either role.

As a Modbus server its registers are its own memory; as a client it writes CMD and reads STS over the wire. The
program is the same: wait for Ready, show the part, trigger, take the result by the rules, acknowledge, let go.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Protocol, TypeVar

from bridge.plugin import ConfigError, Habits, Inspection, Play, Unavailable, Verdict, with_habits
from bridge_modbus.client import Link, connect
from bridge_modbus.codec import (
    COMMAND_WORDS,
    HEARTBEAT_STALE_SECONDS,
    STATUS_WORDS,
    CommandBlock,
    Control,
    LegacyCode,
    Status,
    StatusBlock,
    commissioning_words,
    decode_status,
    encode_command,
)
from bridge_modbus.options import ModbusSourceOptions
from bridge_modbus.plc_habits import OF_THE_PROGRAM, PLC_HABITS
from bridge_modbus.plc_memory import Memory, serve
from bridge_modbus.plc_rules import Ruling, part_id, presentable, rule

T = TypeVar("T")

BEAT_SECONDS = 0.5
SCAN_SECONDS = 0.005
"""How often the program looks at STS."""
READY_SECONDS = 5.0
"""How long a part waits for Ready before somebody hears that the bridge is away."""
PATIENCE_SECONDS = 10.0
"""How long a part without a deadline waits for its result."""
SEQUENCES = 0xFFFF
_LEGACY = {None: LegacyCode.NONE, Verdict.OK: LegacyCode.OK, Verdict.NG: LegacyCode.NG}


class Registers(Protocol):
    """CMD and STS as the PLC's program sees them."""

    async def show(self, command: CommandBlock) -> None:
        """Put CMD where the bridge finds it."""
        ...

    async def said(self) -> StatusBlock:
        """Return STS as it stands."""
        ...


@dataclass(kw_only=True)
class TriggeringPlc:
    """A PLC's program for one station."""

    options: ModbusSourceOptions
    registers: Registers
    command: CommandBlock = field(default_factory=lambda: CommandBlock(control=Control.ENABLE))
    """What CMD says now."""
    held: Control = Control.ENABLE
    """What stands in the control word all the time; add Bypass to ask for one."""
    habits: Habits = field(default_factory=dict)
    """Its bad habits, out of ``plc_habits``; those of a server are its server's."""
    _beat: int = -1
    _beat_at: float = float("-inf")
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _showing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def play(self, part: Inspection) -> Verdict | None:
        """Present a part, and return the verdict that may be taken; None where none came or it contradicts itself.

        Raises:
            Unavailable: the bridge is away, or not Ready.
        """
        if not presentable(part.part):
            return None
        async with self._turn:
            if self.command.control != self.held:  # the connection broke in the middle of the part before
                await self.show(control=self.held)
            if await self._until(lambda said: Status.READY in said.status, READY_SECONDS) is None:
                raise Unavailable("the bridge is not Ready")
            await self._ask(part)
            seconds = (part.deadline_ms or PATIENCE_SECONDS * 1000) / 1000
            said = await self._until(self._may_take, seconds)
            await self._let_go(taken=said is not None)
            return rule(said, self.command, fresh=True).verdict if said else None

    async def show(self, **changes: object) -> None:
        """Change CMD."""
        async with self._showing:
            self.command = replace(self.command, **changes)  # type: ignore[arg-type]  # by the names of its fields
            await self.registers.show(self.command)

    async def beat(self) -> None:
        """Count HB_PLC up for ever."""
        step = 0 if "still-heartbeat" in self.habits else 1
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            with suppress(Unavailable):  # whoever presents a part next hears of it
                await self.show(heartbeat=(self.command.heartbeat + step) & SEQUENCES)

    async def _ask(self, part: Inspection) -> None:
        """Show the part first and trigger then, as a program of several lines does."""
        await self.show(
            recipe=self.options.recipe_id(part.recipe),
            part_id=part_id(part.part),
            legacy=_LEGACY[part.legacy],
            deadline_ms=min(round(part.deadline_ms or 0), SEQUENCES),
            serial=part.part,
            sequence=self.command.sequence % SEQUENCES + 1,
            control=self.held,
        )
        await self.show(control=self.held | Control.TRIGGER)

    async def _let_go(self, *, taken: bool) -> None:
        """Acknowledge what was taken, and wait until it is withdrawn; then everything is low again."""
        if taken and "no-ack" not in self.habits:
            await asyncio.sleep(self.habits.get("late-ack", 0))
            await self.show(control=self.held | Control.RESULT_ACK)
            # A bridge that dies in this moment is noticed at the next part.
            await self._until(lambda said: Status.RESULTS_VALID not in said.status, READY_SECONDS)
        await self.show(control=self.held)

    def _may_take(self, said: StatusBlock) -> bool:
        return rule(said, self.command, fresh=self._fresh).ruling is Ruling.TAKE

    @property
    def _fresh(self) -> bool:
        return asyncio.get_running_loop().time() - self._beat_at < HEARTBEAT_STALE_SECONDS

    async def _until(self, what: Callable[[StatusBlock], bool], seconds: float) -> StatusBlock | None:
        """Look at STS until it says what is waited for; None where it does not in time."""
        clock = asyncio.get_running_loop().time
        over = clock() + seconds
        while True:
            said = await self.registers.said()
            if said.heartbeat != self._beat:
                self._beat, self._beat_at = said.heartbeat, clock()
            if self._fresh and what(said):
                return said
            if clock() >= over:
                return None
            await asyncio.sleep(self.habits.get("slow-scan", SCAN_SECONDS))


@with_habits(PLC_HABITS)
@asynccontextmanager
async def open_inspector(options: ModbusSourceOptions, habits: Habits) -> AsyncIterator[Play]:
    """Be the PLC that a source's options tell of, on the other side of the same port.

    Raises:
        ConfigError: a habit is one of PLCs that are dialled, and this one dials.
        Unavailable: the port cannot be had; the role client only.
    """
    opened = as_server if options.role == "client" else as_client
    async with opened(options, habits) as plc:
        yield plc.play


@asynccontextmanager
async def as_server(
    options: ModbusSourceOptions, habits: Habits = MappingProxyType({})
) -> AsyncIterator[TriggeringPlc]:
    """Be a PLC that the bridge polls."""
    status = range(options.status_address, options.status_address + STATUS_WORDS)
    memory = Memory(holding=[0] * max(status.stop, options.command_address + COMMAND_WORDS), bridge_holding=status)
    tls = None if options.tls is None else await asyncio.to_thread(options.tls.peer_context)
    async with (
        serve(memory, options.host, options.port, lambda: None, habits, tls),
        _program(options, Own(options, memory), habits) as plc,
    ):
        yield plc


@asynccontextmanager
async def as_client(
    options: ModbusSourceOptions, habits: Habits = MappingProxyType({})
) -> AsyncIterator[TriggeringPlc]:
    """Be a PLC that dials the bridge, as often as that is needed.

    Raises:
        ConfigError: a habit is one of PLCs that are dialled.
    """
    if foreign := sorted(set(habits) - OF_THE_PROGRAM):
        mine = ", ".join(sorted(OF_THE_PROGRAM))
        raise ConfigError(
            f"--habit {foreign[0]}", "is for a PLC that is dialled, and this one dials", f"write {mine}"
        )
    async with AsyncExitStack() as stack, _program(options, _Wired(options, stack), habits) as plc:
        yield plc


@asynccontextmanager
async def _program(
    options: ModbusSourceOptions, registers: Registers, habits: Habits
) -> AsyncIterator[TriggeringPlc]:
    plc = TriggeringPlc(options=options, registers=registers, habits=habits)
    with suppress(Unavailable):
        await plc.show(echo=commissioning_words(options.word_order))
    beating = asyncio.create_task(plc.beat(), name="plc-heartbeat")
    try:
        yield plc
    finally:
        beating.cancel()
        await asyncio.wait([beating])


@dataclass(frozen=True)
class Own:
    """Both blocks in the PLC's own memory."""

    options: ModbusSourceOptions
    memory: Memory

    async def show(self, command: CommandBlock) -> None:
        """Put CMD where the bridge reads it."""
        self.memory.put(self.options.command_address, encode_command(command, self.options.word_order))

    async def said(self) -> StatusBlock:
        """Return STS as the bridge has written it."""
        at = self.options.status_address
        return decode_status(self.memory.holding[at : at + STATUS_WORDS], self.options.word_order)


@dataclass
class _Wired:
    """Both blocks in the bridge's memory, over a connection that is made when it is needed."""

    options: ModbusSourceOptions
    stack: AsyncExitStack
    _link: Link | None = None
    _dialling: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def show(self, command: CommandBlock) -> None:
        words = encode_command(command, self.options.word_order)
        await self._asked(lambda link: link.write_registers(self.options.command_address, words))

    async def said(self) -> StatusBlock:
        words = await self._asked(lambda link: link.read_registers(self.options.status_address, STATUS_WORDS))
        return decode_status(words, self.options.word_order)

    async def _asked(self, ask: Callable[[Link], Awaitable[T]]) -> T:
        async with self._dialling:
            if self._link is None or self._link.lost.is_set():
                await self.stack.aclose()
                options = self.options
                tls = await asyncio.to_thread(options.tls.server().peer_context) if options.tls else None
                dialled = connect(options.host, options.port, options.unit, options.timeout_ms, tls)
                self._link = await self.stack.enter_async_context(dialled)
        return await ask(self._link)
