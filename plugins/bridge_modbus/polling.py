"""The source as a client: one connection, one owner; CMD is read every ``poll_ms`` and STS is written.

A result that is not on its way when its time is over is not sent any more; a write that hangs then ends the
connection by a reset, so that it cannot arrive later.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

from bridge.plugin import Inspect, Refused, Source, Unavailable, count, logger
from bridge_modbus.client import Link, any_of, connect
from bridge_modbus.codec import COMMAND_WORDS, decode_command, encode_status
from bridge_modbus.effects import NEVER, Write
from bridge_modbus.options import ModbusSourceOptions
from bridge_modbus.presenting import Presenting

T = TypeVar("T")

log = logger()


@asynccontextmanager
async def open_polling(options: ModbusSourceOptions, presenting: Presenting) -> AsyncIterator[Source]:
    """Connect to the PLC, and withdraw what stands there, at the beginning and at the end.

    Raises:
        Unavailable: it does not answer.
    """
    async with AsyncExitStack() as stack:
        polling = _Polling(options, presenting, stack)
        await polling.dial()
        try:
            await polling.write(presenting.open())
            yield polling.run
        finally:
            await polling.end()


class _Polling:
    """The owner of the connection."""

    _link: Link

    def __init__(self, options: ModbusSourceOptions, presenting: Presenting, stack: AsyncExitStack) -> None:
        self._options, self._presenting, self._stack = options, presenting, stack
        self._clock = asyncio.get_running_loop().time
        self._looked = False

    async def dial(self) -> None:
        """Connect, in place of a connection that was lost."""
        options = self._options
        await self._stack.aclose()
        dialled = connect(options.host, options.port, options.unit, options.timeout_ms, options.tls)
        self._link = await self._stack.enter_async_context(dialled)

    async def run(self, inspect: Inspect) -> None:
        """Look at CMD and answer, until cancelled; a connection that is lost once is made again in mid-part.

        Raises:
            Unavailable: the PLC does not answer any more.
        """
        answered = asyncio.Event()
        async with self._presenting.presenting(inspect, answered.set):
            while True:
                try:
                    await self._converse(answered)
                except Unavailable:
                    if not self._looked:
                        raise
                    self._looked = False
                    count("reconnected")
                    await self.dial()
                    await self.write(self._presenting.reconnected())

    async def _converse(self, answered: asyncio.Event) -> None:
        at = self._options.command_address
        while True:
            asked_at = self._clock()
            words = await self._patiently(lambda: self._link.read_registers(at, COMMAND_WORDS))
            self._looked = True
            await self.write(self._presenting.seen(decode_command(words, self._options.word_order), asked_at))
            await any_of(answered, self._link.lost, seconds=self._options.poll_ms / 1000)
            answered.clear()
            await self.write(self._presenting.answers())

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask again what a busy PLC refuses, for as long as an answer may take."""
        over = self._clock() + self._options.timeout_ms / 1000
        while True:
            try:
                return await ask()
            except Unavailable:
                if self._link.lost.is_set() or self._clock() >= over:
                    raise
            await asyncio.sleep(self._options.poll_ms / 1000)

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
            await self._patiently(lambda: self._link.write_registers(address, words))
            return
        try:
            async with asyncio.timeout_at(write.expires):
                await self._patiently(lambda: self._link.write_registers(address, words, write.expires))
        except TimeoutError as exc:
            raise Unavailable(f"{self._link.peer} did not take a result in time") from exc

    async def end(self) -> None:
        """Withdraw what stands and go offline; a PLC that is gone is let go."""
        if not self._link.lost.is_set():
            await self._presenting.linger()
        self._link.revive()
        try:
            async with asyncio.timeout(self._options.timeout_ms / 1000):
                await self.write(self._presenting.close())
        except (Unavailable, TimeoutError):
            log.warning("the PLC could not be told that we go offline", peer=self._link.peer)
