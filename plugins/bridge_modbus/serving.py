"""The source as a server: CMD as holding registers, STS as input registers, mirrored for PLCs with FC3 only.

What the PLC writes is heard in the same moment: when its write is acknowledged, STS already says what came of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from bridge.plugin import Inspect, Source
from bridge_modbus.codec import COMMAND_WORDS, STATUS_AT, STATUS_WORDS, Status, decode_command, encode_status
from bridge_modbus.effects import Write
from bridge_modbus.options import ModbusSourceOptions
from bridge_modbus.plc_memory import Memory, serve
from bridge_modbus.presenting import Presenting

STATUS_BITS = len(Status)


@asynccontextmanager
async def open_serving(options: ModbusSourceOptions, presenting: Presenting) -> AsyncIterator[Source]:
    """Listen for the PLC; nothing is valid at the beginning and at the end.

    Raises:
        Unavailable: the port cannot be had.
    """
    serving = _Serving(options, presenting)
    tls = await asyncio.to_thread(options.tls.server().context) if options.tls else None
    serving.lay(presenting.open())
    async with serve(serving.memory, options.host, options.port, serving.heard, tls=tls, allow=options.allow):
        try:
            yield serving.run
        finally:
            await presenting.linger()
            serving.lay(presenting.close())


class _Serving:
    """The registers, and who owns which: CMD is the PLC's, all else is ours."""

    def __init__(self, options: ModbusSourceOptions, presenting: Presenting) -> None:
        self._options, self._presenting = options, presenting
        self._command = range(options.command_address, options.command_address + COMMAND_WORDS)
        self._mirror = options.status_address
        self._running = False
        self._written = False  # the PLC has said something: until then CMD is not what it says
        self.memory = Memory(
            holding=[0] * max(self._command.stop, self._mirror + STATUS_WORDS),
            bridge_holding=self._command,
            inputs=[0] * STATUS_WORDS,
            discretes=[False] * STATUS_BITS,
        )

    async def run(self, inspect: Inspect) -> None:
        """Answer the PLC until cancelled; only time is looked at here, its writes are heard at once."""
        async with self._presenting.presenting(inspect, lambda: self.lay(self._presenting.answers())):
            self._running = True
            try:
                self._look()
                while True:
                    await asyncio.sleep(self._options.poll_ms / 1000)
                    self.lay(self._presenting.passed())
            finally:
                self._running = False

    def heard(self) -> None:
        """Take what the PLC has just written."""
        self._written = True
        self._look()

    def _look(self) -> None:
        if self._running and self._written:
            words = self.memory.holding[self._command.start : self._command.stop]
            self.lay(self._presenting.seen(decode_command(words, self._options.word_order)))

    def lay(self, writes: Iterable[Write]) -> None:
        """Show what the handshake wants, in all three places."""
        for write in writes:
            part = slice(write.first, write.first + write.count)
            words = encode_status(write.block, self._options.word_order)[part]
            self.memory.inputs[part] = words
            self.memory.put(self._mirror + write.first, words)
        status = self.memory.inputs[STATUS_AT]
        self.memory.discretes[:] = [bool(status >> bit & 1) for bit in range(STATUS_BITS)]
