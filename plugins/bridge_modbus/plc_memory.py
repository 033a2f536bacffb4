"""A PLC's memory as its Modbus TCP port shows it: holding registers and coils, each word with one owner.

pymodbus serves the port; the words live here. pymodbus calls ``access`` before each read and write, which lays
our words into what it is about to answer, and tells the PLC program of a write in the moment in which it arrives.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Container, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimAction, SimData, SimDevice

from bridge.plugin import Habits, Unavailable
from bridge_modbus.plc_habits import scanning, trouble

COILS = frozenset({1, 5, 15})
HOLDING = frozenset({3, 6, 16, 22, 23})
BITS_PER_WORD = 16

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
        elif function in COILS:
            first = address // BITS_PER_WORD
            words[first : first + count] = [self._coil_word(first + i) for i in range(count)]

    def _coil_word(self, index: int) -> int:
        """Return 16 coils as one word, the lowest address in the lowest bit."""
        coils = self.coils[index * BITS_PER_WORD : (index + 1) * BITS_PER_WORD]
        return sum(coil << bit for bit, coil in enumerate(coils))


@asynccontextmanager
async def serve(
    memory: Memory, host: str, port: int, hear: Hear, habits: Habits = MappingProxyType({})
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
        await _try_listening(host, port)
        await server.serve_forever(background=True)
    except OSError as exc:
        named = exc.errno is not None and exc.errno > 0  # a name that does not resolve has a number of its own
        reason = os.strerror(exc.errno or 0) if named else exc.strerror
        raise Unavailable(f"cannot listen on {host}:{port}: {reason}") from exc
    except RuntimeError as exc:
        raise Unavailable(f"cannot listen on {host}:{port}: the port is taken or not allowed") from exc
    try:
        listening: Any = server.transport  # an asyncio.Server, which pymodbus keeps where a client keeps its link
        yield listening.sockets[0].getsockname()[1]
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]


async def _try_listening(host: str, port: int) -> None:
    """Find out why a port cannot be had, for pymodbus keeps the reason to itself."""
    listening = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port)
    listening.close()
    await listening.wait_closed()


def _device(memory: Memory, access: SimAction) -> SimDevice:
    coils = [
        SimData(
            0,
            values=[False] * -(-max(len(memory.coils), 1) // BITS_PER_WORD * BITS_PER_WORD),
            datatype=DataType.BITS,
        )
    ]
    none = [SimData(0, datatype=DataType.REGISTERS)]
    holding = [SimData(0, count=len(memory.holding), datatype=DataType.REGISTERS)]
    no_bits = [SimData(0, values=[False] * BITS_PER_WORD, datatype=DataType.BITS)]
    return SimDevice(0, (coils, no_bits, holding, none), use_bit_addressing=True, action=access)
