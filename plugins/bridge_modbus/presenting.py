"""Handing in what a PLC asks for: the handshake with a line behind it, whichever side is the Modbus server.

What the handshake wants done is done here, except for writing, which belongs to the role and is returned.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager

from bridge.plugin import Decision, Host, Inspect, Inspection, Verdict, count, logger
from bridge_modbus.codec import CommandBlock, LegacyCode, Status, StatusBlock
from bridge_modbus.effects import NEVER, Asked, Begin, Bypass, Count, Effect, Reset, Write
from bridge_modbus.handshake import Handshake
from bridge_modbus.last_request import LastRequest, new_boot
from bridge_modbus.looking import BLIND_SECONDS
from bridge_modbus.options import ModbusSourceOptions
from bridge_modbus.verdicts import Standing, failure_of, status_of

_LEGACY: Mapping[int, Verdict] = {LegacyCode.OK: Verdict.OK, LegacyCode.NG: Verdict.NG}

LINGER_SECONDS = 0.25
"""Longer than a PLC's scan: a result that is taken back before the PLC has seen it is a part without one."""

log = logger()


class Presenting:
    """One PLC's requests on their way to the line, and its answers on their way back."""

    def __init__(self, options: ModbusSourceOptions, line: Host, kept: LastRequest) -> None:
        self._options, self._line, self._kept = options, line, kept
        self._clock = asyncio.get_running_loop().time
        self._command = CommandBlock()
        self._inspect: Inspect | None = None
        self._answered: Callable[[], object] = lambda: None
        self._answers: list[tuple[str, StatusBlock, float]] = []
        self._parts: set[asyncio.Task[None]] = set()
        self._valid_since: float | None = None
        self._handshake = Handshake(
            heartbeat_seconds=options.heartbeat_ms / 1000,
            ack_timeout_seconds=options.ack_timeout_ms / 1000,
            name_boot=new_boot,
            blind_seconds=_blind_seconds(options),
            last=kept.last,
        )

    def open(self) -> list[Write]:
        """Return what is written before anything else."""
        return self._do(self._handshake.open(self._standing(), self._clock()))

    def reconnected(self) -> list[Write]:
        """Return what is written first on a new connection in the middle of things."""
        return self._do(self._handshake.reconnected(self._clock()))

    async def linger(self) -> None:
        """Before the end, give the PLC the time to see a result that was just given."""
        if self._valid_since is not None:
            await asyncio.sleep(max(0.0, self._valid_since + LINGER_SECONDS - self._clock()))

    def close(self) -> list[Write]:
        """Return what is written last."""
        return self._do(self._handshake.close())

    @asynccontextmanager
    async def presenting(self, inspect: Inspect, answered: Callable[[], object]) -> AsyncIterator[None]:
        """Hand parts in while the context lasts; ``answered`` is called when there is an answer to take."""
        self._inspect, self._answered = inspect, answered
        keeping = asyncio.create_task(self._kept.run(), name="modbus-last-request")
        try:
            yield
        finally:
            self._inspect = None
            tasks = {keeping, *self._parts}
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def seen(self, command: CommandBlock, asked_at: float | None = None) -> list[Write]:
        """Take what CMD says, which was asked for at ``asked_at``, else now; return what is to be written."""
        self._command = command
        return self._do(self._handshake.seen(command, self._standing(), self._clock(), asked_at))

    def passed(self) -> list[Write]:
        """Let time pass; return what is to be written."""
        return self._do(self._handshake.passed(self._standing(), self._clock()))

    def answers(self) -> list[Write]:
        """Take the answers that have come; return what is to be written."""
        answers, self._answers = self._answers, []
        return [
            write
            for key, result, expires in answers
            for write in self._do(self._handshake.decided(key, result, expires, self._standing(), self._clock()))
        ]

    def late(self) -> list[Write]:
        """Say that a result could not be written in time; return what is to be written instead."""
        return self._do(self._handshake.late(self._standing(), self._clock()))

    def _standing(self) -> Standing:
        return Standing.of(self._line, self._options.recipe(self._command.recipe))

    def _do(self, effects: Iterable[Effect]) -> list[Write]:
        writes = []
        for effect in effects:
            match effect:
                case Write():
                    writes.append(effect)
                case Begin():
                    self._begin(effect)
                case Count(what):
                    self._count(what)
                case Bypass(wanted):
                    self._line.bypass(wanted=wanted)
                case Reset():
                    self._line.reset()
        self._kept.keep(self._handshake.last)
        valid = Status.RESULTS_VALID in self._handshake.block.status
        self._valid_since = (self._valid_since or self._clock()) if valid else None
        return writes

    def _count(self, what: str) -> None:
        count(what)
        asked = Asked.of(self._command)
        log.warning("the handshake", noticed=what, sequence=asked.sequence, part=asked.part)

    def _begin(self, begin: Begin) -> None:
        task = asyncio.create_task(self._hand_in(begin), name=f"modbus-part {begin.key}")
        self._parts.add(task)
        task.add_done_callback(self._parts.discard)
        self._handshake.begun()

    async def _hand_in(self, begin: Begin) -> None:
        try:
            assert self._inspect is not None  # noqa: S101 - parts are taken only while there is a line
            decision = await self._inspect(self._inspection(begin))
            answer = status_of(decision, begin.command), _expires(decision)
        except Exception:
            log.exception("a part could not be handed in", key=begin.key)
            answer = failure_of(begin.command), NEVER
        self._answers.append((begin.key, *answer))
        self._answered()

    def _inspection(self, begin: Begin) -> Inspection:
        command = begin.command
        return Inspection(
            part=Asked.of(command).part,
            legacy=_LEGACY.get(command.legacy),
            key=begin.key,
            recipe=self._options.recipe(command.recipe),
            event=begin.event,
            deadline_ms=command.deadline_ms or None,
            sequence=command.sequence,
        )


def _blind_seconds(options: ModbusSourceOptions) -> float:
    """Return after what time without a look a Trigger's age is in doubt: a server is told, and only ticks."""
    return BLIND_SECONDS + (2 * options.poll_ms / 1000 if options.role == "server" else 0.0)


def _expires(decision: Decision) -> float:
    """Return until when this may be told; a stored decision answers the PLC that asks for it again."""
    stored = decision.expires == -NEVER and not decision.backlog
    return NEVER if stored else decision.expires
