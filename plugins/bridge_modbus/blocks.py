"""Telling by the register map: which part the PLC shows, the block, then the word that makes it valid.

CMD is the PLC's and only read; STS is ours and only written. Between the two writes of a result nothing else of
ours is written. A result stands until the PLC acknowledges it or ``ack_timeout_ms`` is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from bridge.plugin import Decision, Host, Refused, Unavailable, count, logger
from bridge_modbus.client import NEVER, Link, any_of, together
from bridge_modbus.codec import (
    COMMAND_WORDS,
    HB_BRIDGE_AT,
    HB_PLC_ECHO_AT,
    HEARTBEAT_STALE_SECONDS,
    STATUS_AT,
    WORD_MAX,
    CommandBlock,
    Control,
    Status,
    StatusBlock,
    decode_command,
    encode_status,
)
from bridge_modbus.options import ModbusOptions
from bridge_modbus.verdicts import Standing, present, showable, shows, status_of

POLL_SECONDS = 0.01
"""How often CMD is read while we wait for the PLC."""
FRESH_SECONDS = 0.005
"""A CMD read so shortly ago still tells which part stands there."""
PATIENCE_SECONDS = 10.0
"""How long the PLC may take to show a part whose decision never expires."""

log = logger()


class Blocks:
    """Tells decisions through the STS block of one PLC."""

    def __init__(self, options: ModbusOptions, line: Host, link: Link) -> None:
        self._options = options
        self._line = line
        self._link = link
        self._clock = asyncio.get_running_loop().time
        self._reports = asyncio.Lock()
        self._reading = asyncio.Lock()
        self._command = CommandBlock()
        self._control = Control.IDLE  # as it was heeded last
        self._read_at = float("-inf")  # when reading that CMD began
        self._turn = asyncio.Lock()  # held between the two writes of a result
        self._result = Status(0)  # the bits of the result that stands
        self._recipe = ""  # of the part that was told last
        self._status = self._now()  # STATUS as it was written last
        self._heartbeat = 0
        self._stands = asyncio.Event()  # a result is marked valid
        self._free = asyncio.Event()  # no result is marked valid, and the PLC has seen so
        self._free.set()
        self._acknowledged_low = True  # ResultAck was seen low since the result stands
        self._stands_for = 0  # the CMD_SEQ that it answers
        self._stands_until = 0.0

    @asynccontextmanager
    async def telling(self) -> AsyncIterator[None]:
        """Hold the PLC's view of us: online and beating inside, nothing valid before and after.

        Raises:
            Unavailable: the PLC does not answer, at any time.
        """
        stop = asyncio.Event()
        try:
            await self._begin()
            async with together(self._link) as tasks:
                tasks.create_task(self._beat(stop), name=f"modbus-heartbeat {self._link.peer}")
                watching = tasks.create_task(self._watch_ack(), name=f"modbus-ack {self._link.peer}")
                yield
                stop.set()
                watching.cancel()
        finally:
            await self._end()

    async def report(self, decision: Decision) -> str:
        """Tell one decision to the PLC that shows its part; it has been written when this returns.

        Returns:
            The CMD_SEQ that it answers, for the journal: by it the PLC's own log is compared with ours.

        Raises:
            Refused: it came too late, or the PLC never showed its part; nothing valid was written.
            Unavailable: the PLC is away.
        """
        if not showable(decision.part, self._options.tie):
            count("part mismatch")
            raise Refused(f"part {decision.part!r} fits neither SERIAL nor PART_ID of the PLC")
        while True:
            await self._until_shown(decision)
            async with self._reports:
                await self._until_free(decision)
                command = await self._read_command(FRESH_SECONDS)
                if self._shows(command, decision):
                    self._recipe = decision.recipe
                    await self._publish(status_of(decision, command), command, decision.expires)
                    return f"CMD_SEQ {command.sequence}"

    async def _begin(self) -> None:
        """Before anything else take back what an earlier run may have left valid."""
        await self._write_status(Status.OFFLINE)
        self._heartbeat, self._status = 1, self._now()
        blank = StatusBlock(status=self._status, heartbeat=self._heartbeat)
        await self._link.write_registers(self._options.status_address, self._encoded(blank))

    async def _end(self) -> None:
        """Take the result back, then go offline; a PLC that is gone is let go."""
        self._link.revive()
        try:
            async with asyncio.timeout(self._options.timeout_ms / 1000):
                self._result = Status(0)
                await self._write_status(self._now())
                await self._write_status(Status.OFFLINE)
        except (Unavailable, TimeoutError):
            log.warning("the PLC could not be told that we go offline", peer=self._link.peer)

    async def _until_free(self, decision: Decision) -> None:
        """Wait until the last result was acknowledged or given up: one slot must not lose an unread verdict."""
        try:
            async with asyncio.timeout_at(self._last_moment(decision)):
                await self._free.wait()
        except TimeoutError as exc:
            count("unread result")
            raise Refused("late: the PLC has not acknowledged the result before") from exc

    async def _until_shown(self, decision: Decision) -> None:
        """Read CMD until it shows the part; gives up just before the host would cancel.

        Several parts may wait here at once: one that was never shown must not delay the next. However many wait,
        they look at the same CMD, for reads back to back would stand before every write.
        """
        last = self._last_moment(decision)
        if self._clock() >= min(decision.expires, last + POLL_SECONDS):
            raise Refused("late: expired before it was sent")
        age = 0.0
        while True:
            command = await self._read_command(age)
            if self._shows(command, decision):
                return
            if self._clock() >= last:
                count("part mismatch")
                raise Refused(f"the PLC shows part {_name(command)} and not {decision.part!r}")
            await asyncio.sleep(POLL_SECONDS)
            age = FRESH_SECONDS

    def _shows(self, command: CommandBlock, decision: Decision) -> bool:
        return command.sequence != 0 and shows(command, decision.part, self._options.tie)

    def _last_moment(self, decision: Decision) -> float:
        return min(decision.expires - POLL_SECONDS, self._clock() + PATIENCE_SECONDS)

    async def _publish(self, result: StatusBlock, command: CommandBlock, expires: float) -> None:
        async with self._turn:
            block = replace(result, status=self._now(), heartbeat=self._heartbeat)
            await self._link.write_registers(self._options.status_address, self._encoded(block), expires)
            self._result = result.status
            try:
                await self._write_status(self._now(), expires)
            except BaseException:
                self._result = Status(0)
                raise
            self._acknowledged_low = Control.RESULT_ACK not in command.control
            self._stands_for = command.sequence
            self._stands_until = self._clock() + self._options.ack_timeout_ms / 1000
            self._free.clear()
            self._stands.set()

    async def _watch_ack(self) -> None:
        """Withdraw each result once the PLC has acknowledged it, or has not for too long."""
        while True:
            await self._stands.wait()
            await asyncio.sleep(POLL_SECONDS)
            if await self._is_over():
                async with self._turn:
                    self._result = Status(0)
                    await self._write_status(self._now())
                    self._stands.clear()
                await self._until_ack_low()
                self._free.set()

    async def _is_over(self) -> bool:
        """Say whether the PLC has acknowledged, has gone on to another part, or has had time enough."""
        command = await self._read_command()
        acknowledged = Control.RESULT_ACK in command.control
        if acknowledged and self._acknowledged_low:
            return True
        self._acknowledged_low = self._acknowledged_low or not acknowledged
        if command.sequence in {0, self._stands_for} and self._clock() < self._stands_until:
            return False
        count("not acknowledged")
        return True

    async def _until_ack_low(self) -> None:
        """Wait until the PLC lowers ResultAck: it has seen ResultsValid low, and will see it rise again."""
        last = self._clock() + self._options.ack_timeout_ms / 1000
        while Control.RESULT_ACK in (await self._read_command()).control:
            if self._clock() >= last:
                count("acknowledgement stuck")
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _beat(self, stop: asyncio.Event) -> None:
        """Count HB_BRIDGE up and echo HB_PLC until told to stop, or until the connection is lost."""
        seen, moved = -1, self._clock()
        while not stop.is_set():
            theirs = (await self._read_command()).heartbeat
            seen, moved = self._compare(theirs, seen, moved)
            async with self._turn:
                self._heartbeat = self._heartbeat + 1 & WORD_MAX
                await self._write_word(HB_BRIDGE_AT, self._heartbeat)
            async with self._turn:
                await self._write_word(HB_PLC_ECHO_AT, theirs)
            async with self._turn:
                if self._now() != self._status:
                    await self._write_status(self._now())
            await any_of(stop, self._link.lost, seconds=self._options.heartbeat_ms / 1000)

    def _compare(self, theirs: int, seen: int, moved: float) -> tuple[int, float]:
        """Count each time the PLC's own heartbeat stands still for too long; return what to compare next."""
        now = self._clock()
        if theirs == seen and now - moved < HEARTBEAT_STALE_SECONDS:
            return seen, moved
        if theirs == seen:
            count("plc heartbeat stale")
        return theirs, now

    async def _read_command(self, age: float = 0.0) -> CommandBlock:
        """Return CMD as it stands now, or stood at most ``age`` seconds ago; those who wait share a read."""
        wanted = self._clock() - age
        async with self._reading:
            if self._read_at < wanted:
                began = self._clock()
                words = await self._link.read_registers(self._options.command_address, COMMAND_WORDS)
                self._command, self._read_at = decode_command(words, self._options.word_order), began
                self._heed(self._command.control)
        return self._command

    def _heed(self, control: Control) -> None:
        """Pass on what the PLC wants of the line: a bypass while the bit is set, a reset when it rises."""
        risen, self._control = control & ~self._control, control
        self._line.bypass(wanted=Control.BYPASS in control)
        if Control.ERROR_RESET in risen:
            self._line.reset()

    def _now(self) -> Status:
        """Return STATUS as it should stand: the line's own state, and the result over it."""
        status = Status.ONLINE | present(Standing.of(self._line, self._recipe))
        if self._result:
            status = status & ~Status.DEGRADED | self._result
        return status & ~Status.READY if Status.ERROR in status else status

    async def _write_status(self, status: Status, expires: float = NEVER) -> None:
        await self._write_word(STATUS_AT, int(status), expires)
        self._status = status

    async def _write_word(self, offset: int, word: int, expires: float = NEVER) -> None:
        """Write one word of STS by FC16 like the block, so that a PLC needs no other function for us."""
        await self._link.write_registers(self._options.status_address + offset, [word], expires)

    def _encoded(self, block: StatusBlock) -> list[int]:
        return encode_status(block, self._options.word_order)


def _name(command: CommandBlock) -> str:
    return repr(command.serial) if command.serial else f"number {command.part_id}"
