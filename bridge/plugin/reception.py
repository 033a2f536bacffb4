"""Being dialled by machines over TCP: a bounded number of connections, each served by one coroutine.

Most sources that listen are this and a codec::

    async with options.bound() as reception:
        async def run(inspect: Inspect) -> None:
            async def converse(link: Link) -> None:
                while part := await read(link.reader):
                    decision = await inspect(part)     # meanwhile nothing more is read: the machine waits
                    ...

            await reception.serve(converse)

        yield run
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, TypeAlias

from pydantic import Field

from bridge.errors import Unavailable
from bridge.health import count
from bridge.plugin.options import HostName, Options, Port
from bridge.plugin.task_group import together
from bridge.plugin.tls import Network, ServerTls
from bridge.plugin.wire import Link, listen

Converse: TypeAlias = Callable[[Link], Awaitable[None]]
"""Serves one connection until it ends; OSError and EOFError are its end too, ValueError is garbage and ends it."""


class ListenOptions(Options):
    """A port on which machines dial us. Mix it into a plugin's options."""

    host: HostName = "127.0.0.1"
    """the address to listen on, loopback until told otherwise"""
    port: Port = Field(examples=[9100])
    """a port from 1 to 65535"""
    allow: tuple[Network, ...] = Field(default=(), examples=[("192.168.0.0/24",)])
    """a list of the addresses and networks that may connect; left out, every one"""
    tls: ServerTls | None = Field(default=None, examples=[{"cert": "tls/bridge.pem", "key": "tls/bridge.key"}])
    """a table for TLS: cert, key, key_password, client_ca (whose clients may come); left out, plain TCP"""
    connections_max: Annotated[int, Field(ge=1, le=1024)] = 8
    """a number from 1 to 1024: how many connections are served at once; one more is closed"""

    @asynccontextmanager
    async def bound(self) -> AsyncIterator[Reception]:
        """Hold the port; nobody is served before ``serve``.

        Raises:
            Unavailable: the port cannot be had.
        """
        tls = await asyncio.to_thread(self.tls.context) if self.tls else None
        reception = Reception(f"{self.host}:{self.port}")
        opening = listen(self.host, self.port, reception.accept, tls, self.allow, self.connections_max)
        async with opening as server:
            reception.server = server
            yield reception


class Reception:
    """A bound port, and whoever came."""

    server: asyncio.Server

    def __init__(self, where: str) -> None:
        self._where = where
        self._begin: Callable[[Link], asyncio.Task[None]] | None = None

    async def serve(self, converse: Converse) -> None:
        """Serve whoever comes until cancelled; a connection that ends costs no other.

        Raises:
            Unavailable: the port cannot be listened on.
        """
        async with together() as tasks:
            self._begin = partial(self._task, tasks, converse)
            try:
                await self.server.start_serving()
            except OSError as exc:
                raise Unavailable(f"cannot listen on {self._where}: {exc.strerror or exc}") from exc
            try:
                await asyncio.get_running_loop().create_future()  # until cancelled
            finally:
                self._begin = None

    def accept(self, link: Link) -> None:
        """Serve a connection in a task of its own; who comes while the source closes is sent away."""
        if self._begin is None:
            link.writer.close()
            return
        count("connections")
        task = self._begin(link)
        task.add_done_callback(lambda _: link.writer.close())  # also of one that was cancelled before it began

    def _task(self, tasks: asyncio.TaskGroup, converse: Converse, link: Link) -> asyncio.Task[None]:
        return tasks.create_task(_served(converse, link), name=f"connection {link.peer}")


async def _served(converse: Converse, link: Link) -> None:
    try:
        await converse(link)
    except (OSError, EOFError):
        return  # the machine has gone
    except (ValueError, asyncio.LimitOverrunError):
        count("garbage")
    finally:
        await link.close()
