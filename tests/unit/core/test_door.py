"""The listener that asks first: what arrives early is kept, what is too many is refused, nothing outlives it."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
from asyncio.sslproto import SSLProtocol
from contextlib import ExitStack

import pytest
from core_kit import until
from plant_tls import Plant

from bridge.health import counted
from bridge.plugin import ClientTls, ServerTls, listening


class Echo(asyncio.Protocol):
    """Says back what it hears, and that it has seen the end."""

    made = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        Echo.made += 1
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)

    def eof_received(self) -> None:
        self._transport.close()


async def contexts(plant: Plant) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    server = ServerTls(cert=plant.bridge.cert, key=plant.bridge.key)
    return await asyncio.to_thread(server.context), await asyncio.to_thread(ClientTls(ca=plant.ca).context)


async def ended(reader: asyncio.StreamReader) -> bool:
    """Return whether the other side closes, with a goodbye or without, and says nothing."""
    async with asyncio.timeout(10):
        try:
            return await reader.read(1) == b""
        except ConnectionError:
            return True


async def echoed(port: int) -> bool:
    """Return whether one more connection is served."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"x")
    try:
        return await reader.read(1) == b"x"
    except ConnectionError:
        return False
    finally:
        writer.close()


@pytest.mark.parametrize("secured", [False, True])
async def test_what_is_sent_at_once_arrives(plant: Plant, *, secured: bool) -> None:
    """Also what comes together with the end of the handshake; again and again, for it is a matter of moments."""
    ours, theirs = await contexts(plant)
    async with listening(Echo, "127.0.0.1", 0, most=100, tls=ours if secured else None) as server:
        port = server.sockets[0].getsockname()[1]
        for number in range(30):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=theirs if secured else None)
            writer.write(b"word %d" % number * 1000)
            assert await reader.readexactly(len(b"word %d" % number) * 1000) == b"word %d" % number * 1000
            writer.close()


async def test_one_too_many_is_refused_until_one_has_gone() -> None:
    before = counted("connections_refused")
    async with listening(Echo, "127.0.0.1", 0, most=2) as server:
        port = server.sockets[0].getsockname()[1]
        first, second, third = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        assert await ended(third[0])
        assert counted("connections_refused") == before + 1
        first[1].close()
        await first[1].wait_closed()
        async with asyncio.timeout(10):
            while not await echoed(port):
                pass
        second[1].close()
        third[1].close()


async def test_who_has_not_agreed_on_tls_makes_room_before_anybody_else(plant: Plant) -> None:
    """Strangers who hesitate keep nobody out, and take no place from who is inside."""
    ours, theirs = await contexts(plant)
    with ExitStack() as strangers:
        async with listening(Echo, "127.0.0.1", 0, most=2, tls=ours) as server:
            port = server.sockets[0].getsockname()[1]
            first = await asyncio.open_connection("127.0.0.1", port, ssl=theirs)
            for _ in range(3):
                strangers.enter_context(socket.create_connection(("127.0.0.1", port)))
            second = await asyncio.open_connection("127.0.0.1", port, ssl=theirs)
            for reader, writer in (first, second):
                writer.write(b"x")
                assert await reader.read(1) == b"x"
            for _, writer in (first, second):
                writer.close()


async def test_a_flood_of_strangers_leaves_no_handshakes_behind(plant: Plant) -> None:
    """Each unfinished one holds a quarter of a megabyte; those who made room at once hold nothing."""
    ours, _ = await contexts(plant)
    dropped = counted("connections_dropped")
    with ExitStack() as strangers:
        async with listening(Echo, "127.0.0.1", 0, most=2, tls=ours) as server:
            port = server.sockets[0].getsockname()[1]
            for _ in range(40):  # in one turn of the loop: they are let in, and make room, before they are greeted
                strangers.enter_context(socket.create_connection(("127.0.0.1", port)))
            await until(lambda: counted("connections_dropped") == dropped + 38)
            await until(lambda: handshakes() <= 2)


def handshakes() -> int:
    """Return for how many connections asyncio holds TLS."""
    gc.collect()
    return sum(isinstance(one, SSLProtocol) for one in gc.get_objects())


async def test_a_handshake_under_way_does_not_outlive_the_listener(plant: Plant) -> None:
    """Closing takes no time, and whoever hesitates is cut off."""
    ours, _ = await contexts(plant)
    made = Echo.made
    async with listening(Echo, "127.0.0.1", 0, most=10, tls=ours) as server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x16\x03\x01")  # the beginning of a greeting
        await until(lambda: any(task.get_name().startswith("tls ") for task in asyncio.all_tasks()))
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("tls ")]
    assert await ended(reader)
    writer.close()
    assert Echo.made == made


async def test_a_port_that_is_taken_is_the_callers_to_explain() -> None:
    async with listening(Echo, "127.0.0.1", 0, most=1) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(OSError, match=r".*"):
            async with listening(Echo, "127.0.0.1", port, most=1):
                pass
