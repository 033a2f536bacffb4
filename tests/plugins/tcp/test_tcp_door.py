"""A source that closes while machines dial: nobody is left on a connection that is never read."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from bridge.plugin import Link
from bridge_tcp.door import Door


async def dialled(
    accept: asyncio.Future[Link],
) -> tuple[asyncio.Server, asyncio.StreamReader, asyncio.StreamWriter]:
    def come(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accept.set_result(Link(reader, writer, "peer"))

    server = await asyncio.start_server(come, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    return server, *await asyncio.open_connection("127.0.0.1", port)


async def test_who_comes_while_the_source_closes_is_sent_away() -> None:
    """Its machine dials again, instead of waiting for an answer that never comes."""
    accepted: asyncio.Future[Link] = asyncio.get_running_loop().create_future()
    server, reader, writer = await dialled(accepted)
    Door(8).accept(await accepted)
    with suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()
    server.close()
