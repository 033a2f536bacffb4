"""The handshake with a PLC that triggers: what was asked, what is answered, and what stands in STS meanwhile.

Nothing here waits, reads a clock or touches a socket. What CMD says, how the line stands, decisions and the
passing of time go in; what is to be written and done comes out, in order::

    OFFLINE ──(Enable, judge open)──▶ READY ──(Trigger, new CMD_SEQ)──▶ ACKED ──▶ RUNNING
    READY ◀──(ResultAck and Trigger low)── ACK_LOW ◀──(ResultAck)── VALID ◀──(decision)──┘
    Enable low: from anywhere to OFFLINE          line in error: to ERROR, until it is reset

Ready means: a Trigger that rises now is taken. So it shows only once Trigger was seen low; a Trigger that rises
without it is missed, and never kept for later. A line that falls into error while a part is under way answers that
part first: the Error bit shows at once, the state follows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import Enum, auto

from bridge_modbus.codec import (
    HEARTBEAT_STALE_SECONDS,
    CommandBlock,
    Control,
    ErrorCode,
    Status,
    StatusBlock,
)
from bridge_modbus.effects import NEVER, Asked, Begin, Bypass, Count, Effect, Last, Reset
from bridge_modbus.looking import BLIND_SECONDS, Looking
from bridge_modbus.slate import Slate
from bridge_modbus.verdicts import RESULT, Standing, conflict_of, echo_of, present


class State(Enum):
    """Where the handshake stands."""

    OFFLINE = auto()
    READY = auto()
    ACKED = auto()
    """A part was asked for, and not handed in yet."""
    RUNNING = auto()
    VALID = auto()
    """A result stands and has not been acknowledged."""
    ACK_LOW = auto()
    """It was acknowledged and withdrawn; the PLC has not taken ResultAck and Trigger back."""
    ERROR = auto()


_UNDER_WAY = {State.ACKED, State.RUNNING}
_TRIGGER_TAKEN = {State.ACKED, State.RUNNING, State.VALID}
_TOLD = Status.MISSED_TRIGGER | Status.TIMEOUT | Status.BUFFER_OVERRUN
"""What stands until the next request is taken, or the operator resets."""


class Handshake:
    """One PLC's handshake; every method returns what is to be done because of it, in order."""

    def __init__(
        self,
        *,
        heartbeat_seconds: float,
        ack_timeout_seconds: float,
        name_boot: Callable[[], str],
        blind_seconds: float = BLIND_SECONDS,
        last: Last | None = None,
    ) -> None:
        self.state = State.OFFLINE
        # Nobody knows what the PLC did while we were away: a part without a name may be any part.
        self.last = last if last and last.asked.part and not last.acknowledged else None
        self._recalled = self.last is not None
        self._slate = Slate(heartbeat_seconds)
        self._ack_timeout_seconds = ack_timeout_seconds
        self._name_boot = name_boot
        self._boot = self.last.boot if self.last else name_boot()
        self._command: CommandBlock | None = None
        self._running = CommandBlock()  # what the part under way, or the result, was asked by
        self._key = ""
        self._answer: StatusBlock | None = None  # the last request's own result, for its replay
        self._levels = Status(0)  # of the result that stands
        self._told = Status(0)
        self._expires = self._withdraw_at = NEVER
        self._ack_was_low = False
        self._bypass: bool | None = None
        self._plc_moved_at = 0.0
        self._plc_stale = False
        self._looking = Looking(blind_seconds)
        self._event = 0.0  # the earliest moment at which what CMD shows may have come there
        self._effects: list[Effect] = []

    @property
    def block(self) -> StatusBlock:
        """What STS shows once everything returned so far is written."""
        return self._slate.block

    def open(self, line: Standing, now: float) -> list[Effect]:
        """Begin: whatever stands in STS from before is withdrawn before anything else."""
        self._plc_moved_at = now
        self._looking.begin(now)
        return [*self._slate.begin(self._status(line), now)]

    def close(self) -> list[Effect]:
        """End: nothing is valid any more, and we are offline."""
        self.state = State.OFFLINE
        return [*self._slate.end()]

    def reconnected(self, now: float) -> list[Effect]:
        """Begin a new connection with nothing valid; the next look goes on from where we stood.

        Ready stays, if it was shown: a PLC that saw it may have triggered meanwhile. A result is given again, with
        all its time to be acknowledged.
        """
        self._withdraw_at = now + self._ack_timeout_seconds
        return [*self._slate.withdraw()]

    def seen(
        self, command: CommandBlock, line: Standing, now: float, asked_at: float | None = None
    ) -> list[Effect]:
        """Take what CMD says; every look counts, also one at which nothing has changed.

        It was read between ``asked_at`` (else now) and now.
        """
        self._event = self._looking.found(now, asked_at)
        before, self._command = self._command, command
        if before is None or command.heartbeat != before.heartbeat:
            self._plc_moved_at, self._plc_stale = now, False
        self._heed(before or command, command)
        self._advance(line, now)
        if _requests(before, command):
            self._requested(command, line, now)
        return self._shown(line, now)

    def passed(self, line: Standing, now: float) -> list[Effect]:
        """Let time pass: heartbeats, deadlines, a line that stands otherwise than before."""
        self._looking.passed(now)
        self._advance(line, now)
        return self._shown(line, now)

    def begun(self) -> None:
        """Say that the part was handed in."""
        if self.state is State.ACKED:
            self.state = State.RUNNING

    def decided(self, key: str, result: StatusBlock, expires: float, line: Standing, now: float) -> list[Effect]:
        """Answer the part of this key, if it is still waited for and its time is not over."""
        if self.state is not State.RUNNING or key != self._key:
            return [Count("answered nobody")]
        self._expires = min(expires, self._expires)
        self._advance(line, now)
        if self.state is State.RUNNING:
            if self.last and self.last.key == key:
                self._answer = result
            self._publish(result, now)
        return self._shown(line, now)

    def late(self, line: Standing, now: float) -> list[Effect]:
        """Give the part up, for its time was over before its result could be written."""
        if self.state in _TRIGGER_TAKEN:
            self._give_up_late()
        return self._shown(line, now)

    def _heed(self, before: CommandBlock, command: CommandBlock) -> None:
        """Follow the wishes that do not depend on where we stand: bypass, error reset, Enable."""
        wanted = Control.BYPASS in command.control
        if wanted != self._bypass:
            self._bypass = wanted
            self._effects.append(Bypass(wanted))
        risen = command.control & ~before.control
        if Control.ERROR_RESET in risen:
            self._told = Status(0)
            self._effects.append(Reset())
        if Control.ENABLE in risen:
            self._told = Status(0)
            self._forget()

    def _advance(self, line: Standing, now: float) -> None:
        """Move on where no request is needed for it."""
        command = self._command or CommandBlock()
        heard = self._command is not None and not self._plc_stale
        if heard and now - self._plc_moved_at >= HEARTBEAT_STALE_SECONDS:
            self._plc_stale = True
            self._effects.append(Count("plc heartbeat stale"))
            self._forget()
        if Control.ENABLE not in command.control:
            self.state = State.OFFLINE
        elif self.state in _UNDER_WAY:
            self._advance_part(command, now)
        elif self.state is State.VALID:
            self._advance_result(command, now)
        elif self.state is State.ACK_LOW:
            self._advance_ack(command, now)
        self._rest(line)

    def _advance_part(self, command: CommandBlock, now: float) -> None:
        self._ack_was_low = self._ack_was_low or Control.RESULT_ACK not in command.control
        if self._moved_on(command):
            self._give_up("abandoned")
        elif now >= self._expires:
            self._give_up_late()

    def _advance_result(self, command: CommandBlock, now: float) -> None:
        acknowledged = Control.RESULT_ACK in command.control
        if acknowledged and self._ack_was_low:
            self.state = State.ACK_LOW
            self._withdraw_at = now + self._ack_timeout_seconds
            if self.last and self.last.key == self._key:
                self.last = replace(self.last, acknowledged=True)
        elif self._moved_on(command) or now >= self._withdraw_at:
            self._give_up("not acknowledged", Status.BUFFER_OVERRUN)
        self._ack_was_low = self._ack_was_low or not acknowledged

    def _advance_ack(self, command: CommandBlock, now: float) -> None:
        if not command.control & (Control.RESULT_ACK | Control.TRIGGER):
            self.state = State.READY
        elif now >= self._withdraw_at:
            self._withdraw_at = NEVER
            self._effects.append(Count("acknowledgement stuck"))

    def _rest(self, line: Standing) -> None:
        """Between parts: ERROR while the line is in error; from OFFLINE on only with a judge and an inspector."""
        if self.state is State.OFFLINE and not self._enabled:
            return
        if line.error and self.state in {State.OFFLINE, State.READY}:
            self.state = State.ERROR
        elif not line.error and self.state is State.ERROR:
            self.state = State.OFFLINE
        if self.state is State.OFFLINE and line.ready and line.link_ok:
            self.state = State.READY

    @property
    def _enabled(self) -> bool:
        return self._command is not None and Control.ENABLE in self._command.control

    def _moved_on(self, command: CommandBlock) -> bool:
        return command.sequence not in {0, self._running.sequence}

    def _give_up(self, what: str, told: Status = Status(0)) -> None:  # noqa: B008 - an immutable number
        self.state = State.READY
        self._told |= told
        self._effects.append(Count(what))

    def _give_up_late(self) -> None:
        self._answer = None
        self._slate.content = replace(echo_of(self._running), error_code=ErrorCode.DEADLINE)
        self._give_up("late", Status.TIMEOUT)

    def _forget(self) -> None:
        self.last = self._answer = None
        self._boot = self._name_boot()

    def _requested(self, command: CommandBlock, line: Standing, now: float) -> None:
        """Take a request while Ready is shown, and still holds for the recipe that it names; else miss it."""
        ready = self.state is State.READY and Status.READY in self.block.status and line.ready
        if not ready or command.sequence == 0:
            if self._enabled:
                self._told |= Status.MISSED_TRIGGER
                self._effects.append(Count("missed trigger"))
            return
        asked = Asked.of(command)
        if self._recalled and self.last and self.last.asked != asked:
            self._forget()  # it may have begun to count anew
        self._recalled, last = False, self.last
        self._running, self._told = command, Status(0)
        self._expires = self._event + command.deadline_ms / 1000 if command.deadline_ms else NEVER
        self._ack_was_low = Control.RESULT_ACK not in command.control
        if last is None or last.asked.sequence != asked.sequence:
            self._take(asked)
            self._begin(command)
        elif last.asked != asked or last.acknowledged:
            self._effects.append(Count("sequence conflict"))
            self._key = ""
            self._publish(conflict_of(command), now)
        elif self._answer is None:
            self._begin(command)
        else:
            self._effects.append(Count("replay"))
            self._key = last.key
            self._publish(self._answer, now)

    def _take(self, asked: Asked) -> None:
        """Remember a new request; numbers that begin again (65535, 1) are those of another run."""
        if self.last and asked.sequence < self.last.asked.sequence:
            self._boot = self._name_boot()
        self.last, self._answer = Last(boot=self._boot, asked=asked), None

    def _begin(self, command: CommandBlock) -> None:
        self.state, self._key = State.ACKED, self.last.key if self.last else ""
        self._slate.content = echo_of(command)
        self._effects.append(Begin(command=command, key=self._key, event=self._event))

    def _publish(self, result: StatusBlock, now: float) -> None:
        if now >= self._expires:  # also what was answered before, or needs no line, may be asked for too late
            self._give_up_late()
            return
        self.state = State.VALID
        self._levels = result.status & RESULT
        self._slate.content = replace(result, status=Status(0))
        self._withdraw_at = now + self._ack_timeout_seconds

    def _shown(self, line: Standing, now: float) -> list[Effect]:
        beat = self._command.heartbeat if self._command else 0
        self._effects += self._slate.show(self._status(line), beat, self._expires, now)
        effects, self._effects = self._effects, []
        return effects

    def _status(self, line: Standing) -> Status:
        status = present(line) | self._told
        if self.state is not State.OFFLINE:
            status |= Status.ONLINE
        low = self._command is not None and Control.TRIGGER not in self._command.control
        if self.state is not State.READY or not line.link_ok or not low:
            status &= ~Status.READY
        if self.state in _TRIGGER_TAKEN:
            status |= Status.TRIGGER_ACK
        if self.state in _UNDER_WAY:
            status |= Status.BUSY
        if self.state is State.VALID:
            status = status & ~Status.DEGRADED | self._levels | Status.RESULTS_VALID
        return status


def _requests(before: CommandBlock | None, command: CommandBlock) -> bool:
    """Return whether CMD asks for a part that it did not ask for at the look before."""
    if Control.TRIGGER not in command.control:
        return False
    return before is None or Control.TRIGGER not in before.control or before.sequence != command.sequence
