"""What STS shows: what is wanted against what was written, and the fewest requests from one to the other.

Whatever makes a result valid is written last and alone; whatever withdraws one is written first.
"""

from __future__ import annotations

from dataclasses import replace

from bridge_modbus.codec import (
    HB_BRIDGE_AT,
    HB_PLC_ECHO_AT,
    STATUS_AT,
    STATUS_WORDS,
    WORD_MAX,
    Status,
    StatusBlock,
)
from bridge_modbus.effects import NEVER, Write

_OF_A_RESULT = Status.RESULTS_VALID | Status.OK | Status.NG


class Slate:
    """The STS block of one PLC."""

    def __init__(self, heartbeat_seconds: float) -> None:
        self.block = StatusBlock()
        """What stands once everything returned so far is written."""
        self.content = StatusBlock()
        """What is wanted, without its status and heartbeats."""
        self._written = self.content
        self._heartbeat_seconds = heartbeat_seconds
        self._beat_at = 0.0

    def begin(self, status: Status, now: float) -> list[Write]:
        """Withdraw whatever stands from before, then show that we are here."""
        self._beat_at = now + self._heartbeat_seconds
        withdrawn = self._write(STATUS_AT, 1)
        self.block = replace(self.content, heartbeat=1, status=status)
        return [withdrawn, self._write()]

    def end(self) -> list[Write]:
        """Take everything back."""
        self.block = replace(self.block, status=Status.OFFLINE)
        return [self._write(STATUS_AT, 1)]

    def withdraw(self) -> list[Write]:
        """Take a result back, and write everything anew the next time."""
        self.block, self._written = replace(self.block, status=self.block.status & ~_OF_A_RESULT), StatusBlock()
        return [self._write(STATUS_AT, 1)]

    def show(self, status: Status, plc_beat: int, expires: float, now: float) -> list[Write]:
        """Write what has changed; a result that becomes valid, before it expires."""
        new = self.content is not self._written
        if beating := now >= self._beat_at:
            self._beat_at = now + self._heartbeat_seconds
        before, self._written = self.block, self.content
        self.block = replace(
            self.content,
            status=status,
            heartbeat=(before.heartbeat + beating) & WORD_MAX,
            heartbeat_echo=plc_beat if new or beating else before.heartbeat_echo,
        )
        if Status.RESULTS_VALID in status & ~before.status:
            return self._result(expires)
        if new:
            return [self._write()]
        if beating:
            return [self._write(HB_BRIDGE_AT, HB_PLC_ECHO_AT + 1 - HB_BRIDGE_AT)]
        return [self._write(STATUS_AT, 1)] if status != before.status else []

    def _result(self, expires: float) -> list[Write]:
        invalid = replace(self.block, status=self.block.status & ~_OF_A_RESULT)
        return [Write(block=invalid, expires=expires), self._write(STATUS_AT, 1, expires)]

    def _write(self, first: int = 0, count: int = STATUS_WORDS, expires: float = NEVER) -> Write:
        return Write(block=self.block, first=first, count=count, expires=expires)
