"""A Modbus server's memory as its port shows it: registers and bits, each word with one owner.

pymodbus serves the port; the words live here. pymodbus calls ``access`` before each read and write, which lays
our words into what it is about to answer, and tells the PLC program of a write in the moment in which it arrives.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable, Container, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimAction, SimData, SimDevice

from bridge.plugin import Habits, Unavailable, listening
from bridge_modbus.plc_habits import scanning, trouble

COILS = frozenset({1, 5, 15})
DISCRETES = 2
HOLDING = frozenset({3, 6, 16, 22, 23})
INPUTS = 4
BITS_PER_WORD = 16
CONNECTIONS_MAX = 16
"""One more drops the oldest: a PLC that was switched off leaves its connection open."""

Hear: TypeAlias = Callable[[], None]
"""Called after the bridge has written; the words are already in place."""


@dataclass(kw_only=True)
class Memory:
    """Holding registers and coils from address 0; the bridge may write only what is handed over to it."""

    holding: list[int]
    coils: list[bool] = field(default_factory=list)
    bridge_holding: Container[int] = frozenset()
    """The addresses of holding registers that the bridge owns; a write elsewhere is refused."""
    bridge_coils: Container[int] = frozenset()
    """The addresses of coils that the bridge owns."""
    discretes: list[bool] = field(default_factory=list)
    """Bits that nobody can write from outside."""
    inputs: list[int] = field(default_factory=list)
    """Registers that nobody can write from outside."""
    requests: int = 0
    """How many reads and writes were answered."""

    def put(self, address: int, words: Sequence[int]) -> None:
        """Change words as the PLC's own program; the bridge sees them at its next read."""
        self.holding[address : address + len(words)] = words

    def write(self, function: int, address: int, values: Sequence[int]) -> bool:
        """Change words or coils as the bridge; False if one of them is not the bridge's."""
        wanted = range(address, address + len(values))
        if function in COILS and all(one in self.bridge_coils for one in wanted):
            self.coils[address : wanted.stop] = map(bool, values)
            return True
        if function in HOLDING and all(one in self.bridge_holding for one in wanted):
            self.holding[address : wanted.stop] = values
            return True
        return False

    def lay(self, function: int, address: int, count: int, words: list[int]) -> None:
        """Lay what a read asks for into the words that pymodbus answers from; of coils, ``count`` words of 16."""
        if function in HOLDING:
            words[address : address + count] = self.holding[address : address + count]
        elif function == INPUTS:
            words[address : address + count] = self.inputs[address : address + count]
        elif function in COILS or function == DISCRETES:
            bits, first = self.discretes if function == DISCRETES else self.coils, address // BITS_PER_WORD
            words[first : first + count] = [_word(bits, first + i) for i in range(count)]


def _word(bits: Sequence[bool], index: int) -> int:
    """Return 16 bits as one word, the lowest address in the lowest bit."""
    some = bits[index * BITS_PER_WORD : (index + 1) * BITS_PER_WORD]
    return sum(bit << place for place, bit in enumerate(some))


@asynccontextmanager
async def serve(
    memory: Memory,
    host: str,
    port: int,
    hear: Hear,
    habits: Habits = MappingProxyType({}),
    tls: ssl.SSLContext | None = None,
    allow: Sequence[str] = (),
) -> AsyncIterator[int]:
    """Show this memory under every unit id while the context lasts; yields the port, a free one for port 0.

    Raises:
        Unavailable: the port cannot be had.
    """

    async def access(
        function: int, _start: int, address: int, count: int, words: list[int], values: Sequence[int] | None
    ) -> ExcCodes | None:
        memory.requests += 1
        if values is None:
            memory.lay(function, address, count, words)
        elif memory.write(function, address, values):
            hear()
        else:
            return ExcCodes.ILLEGAL_ADDRESS
        return None

    server = ModbusTcpServer(_device(memory, access), address=(host, port))
    trouble(server, habits)
    hear = scanning(hear, habits)
    try:
        async with _listening(server, host, port, tls, allow) as taken:
            yield taken
    finally:
        for connection in list(server.active_connections.values()):
            connection.close()
        await asyncio.sleep(0)  # a transport is closed at the next turn of the loop


@asynccontextmanager
async def _listening(
    server: ModbusTcpServer, host: str, port: int, tls: ssl.SSLContext | None, allow: Sequence[str]
) -> AsyncIterator[int]:
    """Let in who may come; pymodbus answers them. The one place where a port is opened."""
    door = listening(
        server.handle_new_connection,
        host,
        port,
        allow=allow,
        most=CONNECTIONS_MAX,
        when_full="drop_oldest",
        tls=tls,
    )
    async with AsyncExitStack() as stack:
        try:
            listener = await stack.enter_async_context(door)
        except OSError as exc:
            named = exc.errno is not None and exc.errno > 0  # a name that does not resolve has a number of its own
            reason = os.strerror(exc.errno or 0) if named else exc.strerror
            raise Unavailable(f"cannot listen on {host}:{port}: {reason}") from exc
        yield listener.sockets[0].getsockname()[1]


def _device(memory: Memory, access: SimAction) -> SimDevice:
    return SimDevice(
        0,
        (
            [_bits(len(memory.coils))],
            [_bits(len(memory.discretes))],
            [SimData(0, count=max(len(memory.holding), 1), datatype=DataType.REGISTERS)],
            [SimData(0, count=max(len(memory.inputs), 1), datatype=DataType.REGISTERS)],
        ),
        use_bit_addressing=True,
        action=access,
    )


def _bits(count: int) -> SimData:
    words = -(-max(count, 1) // BITS_PER_WORD)
    return SimData(0, values=[False] * words * BITS_PER_WORD, datatype=DataType.BITS)
