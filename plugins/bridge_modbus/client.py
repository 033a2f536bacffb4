"""The one connection to the PLC: every request in turn, the deadline checked before its bytes leave.

What pymodbus returns or raises becomes ``Unavailable`` here. pymodbus neither retries nor reconnects: the host
opens anew, and a request that may have been sent twice is worse than one that failed.

A write that left and was not answered may still lie in this machine's send queue, and TCP would deliver it
whenever the cable is back, as a verdict for whatever part stands there then. So such a connection is not closed
but reset, which throws the queue away.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU

from bridge.plugin import ClientTls, Refused, Unavailable, why

# What pymodbus logs of a lost or odd PLC we say in our own errors, once and in our words.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

T = TypeVar("T")

NEVER = float("inf")
_NO_LINGER = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
"""SO_LINGER for zero seconds: closing sends RST, and what was not delivered is forgotten."""

BUSY_SECONDS = 0.01
"""Pause before a PLC that was busy is asked again."""
_BUSY = 6
_REASONS = {
    1: "does not know this function",
    2: "has no such address",
    3: "does not take this value",
    4: "failed inside",
    _BUSY: "is busy",
    10: "is a gateway without a path to this unit",
    11: "is a gateway whose unit does not answer",
}


class Link:
    """An open connection; one request at a time, in the order in which they were asked."""

    def __init__(self, client: AsyncModbusTcpClient, unit: int, peer: str, timeout: float) -> None:
        self._client = client
        self._unit = unit
        self._timeout = timeout
        self._lock = asyncio.Lock()
        self._clock = asyncio.get_running_loop().time
        self._broken = ""
        self._answered = asyncio.Event()  # nothing that we wrote waits for its answer
        self._answered.set()
        self.peer = peer
        self.lost = asyncio.Event()
        """Set once the connection must not be used any more; the next request raises Unavailable."""

    async def read_registers(self, address: int, count: int) -> list[int]:
        """Return holding registers (FC3)."""
        request = self._client.read_holding_registers
        said = await self._ask(
            f"reading {count} registers at {address}",
            lambda: request(address, count=count, device_id=self._unit),
        )
        if len(said.registers) != count:
            raise self._fail(f"{self.peer} answered {len(said.registers)} registers instead of {count}")
        return list(said.registers)

    async def read_coils(self, address: int, count: int) -> list[bool]:
        """Return coils (FC1)."""
        said = await self._ask(
            f"reading {count} coils at {address}",
            lambda: self._client.read_coils(address, count=count, device_id=self._unit),
        )
        return list(said.bits[:count])

    async def write_registers(self, address: int, words: Sequence[int], expires: float = NEVER) -> None:
        """Write holding registers (FC16), unless it is too late when their turn comes."""
        await self._tell(
            f"writing {len(words)} registers at {address}" if len(words) > 1 else f"writing register {address}",
            lambda: self._client.write_registers(address, list(words), device_id=self._unit),
            expires,
        )

    async def write_register(self, address: int, word: int, expires: float = NEVER) -> None:
        """Write one holding register (FC6), unless it is too late when its turn comes."""
        await self._tell(
            f"writing register {address}",
            lambda: self._client.write_register(address, word, device_id=self._unit),
            expires,
        )

    async def write_coil(self, address: int, on: bool, expires: float = NEVER) -> None:  # noqa: FBT001 - a coil is a bool
        """Write one coil (FC5), unless it is too late when its turn comes."""
        await self._tell(
            f"writing coil {address}",
            lambda: self._client.write_coil(address, on, device_id=self._unit),
            expires,
        )

    def revive(self) -> None:
        """Let a goodbye be said over a connection that was given up, if it still stands."""
        if self._client.connected and self._answered.is_set():
            self._broken = ""

    def fail(self, reason: str) -> None:
        """Mark the connection as broken; what has not been delivered yet never is."""
        self._fail(reason)

    def heard(self) -> None:
        """Note that the PLC has sent something: it has all that we wrote."""
        self._answered.set()

    async def _tell(self, what: str, request: Callable[[], Awaitable[ModbusPDU]], expires: float) -> None:
        """Write; cancelled midway, nobody knows what the PLC makes of it, so the connection ends there."""
        sent = False

        def send() -> Awaitable[ModbusPDU]:
            nonlocal sent
            if self._clock() >= expires:
                raise Refused(f"late: {what} was due earlier")
            sent = True
            self._answered.clear()
            return request()

        try:
            await self._ask(what, send, expires)
        except asyncio.CancelledError:
            if sent:
                self._fail(f"{what} was cut short")
            raise

    async def _ask(
        self, what: str, request: Callable[[], Awaitable[ModbusPDU]], expires: float = NEVER
    ) -> ModbusPDU:
        async with self._lock:
            if self._broken:
                raise Unavailable(self._broken)
            try:
                said = await self._answer(request, expires)
            except asyncio.CancelledError:
                await self._settle(expires)
                raise
            except (ModbusException, OSError) as exc:
                raise self._fail(f"{self.peer} does not answer ({what})") from exc
            if said.isError():
                code = int(getattr(said, "exception_code", 0))
                reason = _REASONS.get(code, f"refuses with exception {code}")
                raise Unavailable(f"{self.peer} {reason} ({what}, unit {self._unit})")
            return said

    async def _answer(self, request: Callable[[], Awaitable[ModbusPDU]], expires: float) -> ModbusPDU:
        """Ask until the PLC is not busy: one that says so has done nothing, and wants to be asked again."""
        until = min(expires, self._clock() + self._timeout)
        while True:
            said = await _uncaught(request())
            busy = said.isError() and getattr(said, "exception_code", 0) == _BUSY
            if not busy or self._clock() + BUSY_SECONDS >= until:
                return said
            await asyncio.sleep(BUSY_SECONDS)

    async def _settle(self, expires: float) -> None:
        """Give a cancelled write the rest of its time to be answered, so that a goodbye can follow it."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(min(expires, self._clock() + self._timeout)):
                await self._answered.wait()

    def _fail(self, reason: str) -> Unavailable:
        self._broken = self._broken or reason
        transport = self._client.ctx.transport
        if isinstance(transport, asyncio.Transport) and not self._answered.is_set():
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            transport.abort()
        self.lost.set()
        return Unavailable(reason)


async def _uncaught(request: Awaitable[T]) -> T:
    """Await a request, or a connection; a cancellation that came together with its answer still counts.

    pymodbus waits with ``asyncio.wait_for``, which before Python 3.12 returns the answer and forgets the other.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    said = await request
    if task and task.cancelling() > before:
        raise asyncio.CancelledError
    return said


@asynccontextmanager
async def connect(
    host: str, port: int, unit: int, timeout_ms: float, tls: ClientTls | ssl.SSLContext | None = None
) -> AsyncIterator[Link]:
    """Hold a connection to a PLC, under TLS the same frames as without, as Modbus/TCP Security has it.

    ``tls`` is a table as a user writes it, or a context that is ready.

    Raises:
        Unavailable: nobody answers there, or somebody whom we do not believe.
        ConfigError: a file of the TLS table cannot be used.
    """
    peer = f"{host}:{port}"
    context = await asyncio.to_thread(tls.context) if isinstance(tls, ClientTls) else tls
    links: list[Link] = []

    def noticed(up: bool) -> None:  # noqa: FBT001 - pymodbus calls it so
        for link in links:
            if not up:
                link.fail(f"{peer} closed the connection")

    def passed(sending: bool, data: bytes) -> bytes:  # noqa: FBT001 - pymodbus calls it so
        for link in links:
            if not sending:
                link.heard()
        return data

    client = AsyncModbusTcpClient(
        host,
        port=port,
        timeout=timeout_ms / 1000,
        retries=0,
        reconnect_delay=0,
        trace_connect=noticed,
        trace_packet=passed,
    )
    trouble: list[OSError] = []
    loop = asyncio.get_running_loop()

    async def dial() -> object:
        """Connect as pymodbus would, but keep the reason why it failed."""
        named = tls.server_name if isinstance(tls, ClientTls) else None
        made = client.ctx.handle_new_connection
        try:
            return await loop.create_connection(
                made, host, port, ssl=context, server_hostname=(named or host) if context else None
            )
        except OSError as exc:
            trouble.append(exc)
            raise

    client.ctx.call_create = dial
    try:
        if not await _uncaught(client.connect()):
            reason = f" ({why(trouble[0])})" if trouble else ""
            raise Unavailable(f"{peer} cannot be reached within {timeout_ms:g} ms{reason}")
        link = Link(client, unit, peer, timeout_ms / 1000)
        links.append(link)
        yield link
    finally:
        links.clear()
        client.close()


@asynccontextmanager
async def together(link: Link) -> AsyncIterator[asyncio.TaskGroup]:
    """Hold the tasks of a connection; several that notice its loss come out as one error.

    A task that ends the group by Unavailable ends the use of the link as well.
    """
    try:
        async with asyncio.TaskGroup() as tasks:
            yield tasks
    except ExceptionGroup as group:
        if not all(isinstance(exc, Unavailable) for exc in group.exceptions):
            raise
        link.fail(str(group.exceptions[0]))
        raise group.exceptions[0] from None


async def any_of(*events: asyncio.Event, seconds: float) -> None:
    """Wait until one of the events is set, or the time is over."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
