"""The other side: a PLC with D registers that speaks the MC protocol, and a station that waits for verdicts."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bridge.plugin import Link, Taken, Verdict, listen, together
from bridge_mc.codec import ANSWER, D_REGISTERS, HEAD, SERIAL, VERDICTS, WRITE
from bridge_mc.options import McOptions

REGISTERS = 12_288
READ = 0x0401
OUT_OF_RANGE, UNKNOWN_COMMAND = 0x4031, 0xC059
_COMMAND = struct.Struct("<HHHIH")
_MEANS = {word: verdict for verdict, word in VERDICTS.items()}


@dataclass
class McPlc:
    """A PLC with one inspection station; it takes a verdict only for the part that stands there."""

    first: int
    """The register in which the result becomes valid."""
    registers: list[int] = field(default_factory=lambda: [0] * REGISTERS)
    refuses: int = 0
    """The end code that every write gets; 0: none."""
    _written: asyncio.Condition = field(default_factory=asyncio.Condition)
    _place: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def present(self, part: str, seconds: float) -> Taken:
        """Let a part stand at the station, take its verdict within this time, and pass or eject it."""
        async with self._place:
            try:
                async with asyncio.timeout(seconds), self._written:
                    await self._written.wait_for(lambda: self._told(part))
            except TimeoutError:
                return Taken(part=part, passed=False, verdict=None, readable_at=None, why="nothing valid came")
            verdict = _MEANS.get(self.registers[self.first + 1])
            self.registers[self.first] = 0
            now, why = asyncio.get_running_loop().time(), "" if verdict is Verdict.OK else str(verdict)
            return Taken(part=part, passed=not why, verdict=verdict, readable_at=now, why=why)

    def _told(self, part: str) -> bool:
        words = self.registers[self.first + 4 : self.first + 4 + SERIAL // 2]
        serial = struct.pack(f"<{SERIAL // 2}H", *words).rstrip(b"\0").decode("utf-8", "replace")
        return self.registers[self.first] == 1 and serial == part

    async def serve(self, link: Link) -> None:
        """Answer one connection until it ends."""
        try:
            while True:
                *_, length = HEAD.unpack(await link.reader.readexactly(HEAD.size))
                code, data = await self._answer(await link.reader.readexactly(length))
                body = code.to_bytes(2, "little") + data
                link.writer.write(HEAD.pack(ANSWER, 0, 0xFF, 0x03FF, 0, len(body)) + body)
                await link.writer.drain()
        except (EOFError, OSError, struct.error):
            return  # it has gone, or speaks something else
        finally:
            link.writer.close()

    async def _answer(self, body: bytes) -> tuple[int, bytes]:
        """Do what a request asks for; return the end code and what was read."""
        _, command, words, device, number = _COMMAND.unpack_from(body)
        first = device & 0xFF_FFFF
        if command not in (READ, WRITE) or words or device >> 24 != D_REGISTERS:
            return UNKNOWN_COMMAND, b""
        if first + number > len(self.registers):
            return OUT_OF_RANGE, b""
        if command == READ:
            return 0, struct.pack(f"<{number}H", *self.registers[first : first + number])
        if self.refuses:
            return self.refuses, b""
        async with self._written:
            self.registers[first : first + number] = struct.unpack_from(f"<{number}H", body, _COMMAND.size)
            self._written.notify_all()
        return 0, b""


@asynccontextmanager
async def open_peer(options: McOptions) -> AsyncIterator[McPlc]:
    """Be the PLC that a reporter's options tell of.

    Raises:
        Unavailable: the port cannot be had.
    """
    plc, serving = McPlc(options.first_register), set[asyncio.Task[None]]()
    async with together() as tasks:

        def accept(link: Link) -> None:
            task = tasks.create_task(plc.serve(link), name=f"mc-plc {link.peer}")
            serving.add(task)
            task.add_done_callback(serving.discard)

        async with listen(options.host, options.port, accept) as server:
            await server.start_serving()
            try:
                yield plc
            finally:
                for task in serving:
                    task.cancel()
