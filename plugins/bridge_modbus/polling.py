"""The source as a client: one connection, one owner; CMD is read every ``poll_ms`` and STS is written.

A result that is not on its way when its time is over is not sent any more; a write that hangs then ends the
connection by a reset, so that it cannot arrive later.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from bridge.plugin import Inspect, Refused, Source, Unavailable, logger
from bridge_modbus.client import Link, any_of, connect
from bridge_modbus.codec import COMMAND_WORDS, decode_command, encode_status
from bridge_modbus.effects import NEVER, Write
from bridge_modbus.options import ModbusSourceOptions
from bridge_modbus.presenting import Presenting

log = logger()


@asynccontextmanager
async def open_polling(options: ModbusSourceOptions, presenting: Presenting) -> AsyncIterator[Source]:
    """Connect to the PLC, and withdraw what stands there, at the beginning and at the end.

    Raises:
        Unavailable: it does not answer.
    """
    async with connect(options.host, options.port, options.unit, options.timeout_ms, options.tls) as link:
        polling = _Polling(options, presenting, link)
        try:
            await polling.write(presenting.open())
            yield polling.run
        finally:
            await polling.end()


class _Polling:
    """The owner of the connection."""

    def __init__(self, options: ModbusSourceOptions, presenting: Presenting, link: Link) -> None:
        self._options, self._presenting, self._link = options, presenting, link

    async def run(self, inspect: Inspect) -> None:
        """Look at CMD and answer, until cancelled.

        Raises:
            Unavailable: the PLC does not answer any more.
        """
        answered = asyncio.Event()
        async with self._presenting.presenting(inspect, answered.set):
            while True:
                words = await self._link.read_registers(self._options.command_address, COMMAND_WORDS)
                await self.write(self._presenting.seen(decode_command(words, self._options.word_order)))
                await any_of(answered, self._link.lost, seconds=self._options.poll_ms / 1000)
                answered.clear()
                await self.write(self._presenting.answers())

    async def write(self, writes: Iterable[Write]) -> None:
        """Write what the handshake wants, in order; what is too late is given up."""
        for write in writes:
            try:
                await self._put(write)
            except Refused:
                await self.write(self._presenting.late())
                return

    async def _put(self, write: Write) -> None:
        words = encode_status(write.block, self._options.word_order)[write.first : write.first + write.count]
        address = self._options.status_address + write.first
        if write.expires == NEVER:
            await self._link.write_registers(address, words)
            return
        try:
            async with asyncio.timeout_at(write.expires):
                await self._link.write_registers(address, words, write.expires)
        except TimeoutError as exc:
            raise Unavailable(f"{self._link.peer} did not take a result in time") from exc

    async def end(self) -> None:
        """Withdraw what stands and go offline; a PLC that is gone is let go."""
        self._link.revive()
        try:
            async with asyncio.timeout(self._options.timeout_ms / 1000):
                await self.write(self._presenting.close())
        except (Unavailable, TimeoutError):
            log.warning("the PLC could not be told that we go offline", peer=self._link.peer)
