"""An MES on a TCP port, for the other side of a reporter that dials: it stalls, goes deaf, dies and comes back."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias, TypeVar

from bridge.errors import Unavailable
from bridge.plugin.exchange import DialOptions
from bridge.plugin.habits import Habits, Mood
from bridge.plugin.ledger import LedgerDocument
from bridge.plugin.moody_book import MoodyBook
from bridge.plugin.task_group import together
from bridge.plugin.wire import CHUNK_BYTES, Link

Hear: TypeAlias = Callable[[asyncio.StreamReader], Awaitable[LedgerDocument]]
"""Reads one message of a reporter, no more and no less, and returns its document; it has an ``id``.

EOFError ends the connection; ValueError says that it was none."""
Say: TypeAlias = Callable[[LedgerDocument, str | None], bytes]
"""Returns what an MES sends for a document; the second argument says why it refuses, None if it does not."""


@dataclass(kw_only=True)
class StreamBook(MoodyBook):
    """What an MES got over TCP, and how it behaves; every knob may be turned while it runs.

    A subclass says in ``converse`` how one connection is served.
    """

    host: str = "127.0.0.1"
    port: int = 0
    tls: ssl.SSLContext | None = None
    garbage: int = 0
    """How many messages were no document."""
    _muted: list[Link] = field(default_factory=list)
    _open: dict[asyncio.Task[None], Link] = field(default_factory=dict)
    _server: asyncio.Server | None = None

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._open)

    def half_close(self) -> None:
        """Stop sending on every open connection, but go on reading."""
        for link in self._open.values():
            self._mute(link)

    def die(self) -> None:
        """Cut every connection without a goodbye and refuse new ones."""
        if self._server is not None:
            self._server.close()
        for task, link in self._open.items():
            link.writer.transport.abort()
            task.cancel()

    async def start(self) -> None:
        """Listen; after ``die`` on the same port as before, with all that was kept; alive, go on.

        Raises:
            OSError: the port cannot be had.
        """
        self._going.set()
        if self._server is not None and self._server.is_serving():
            return
        self._server = await asyncio.start_server(
            lambda reader, writer: self._accept(Link(reader, writer, "bridge")),
            self.host,
            self.port,
            limit=CHUNK_BYTES,
            ssl=self.tls,
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def converse(self, link: Link) -> None:
        """Serve one connection until it ends; OSError is its end too."""
        raise NotImplementedError

    def enter(self, document: LedgerDocument, link: Link) -> tuple[bool, str | None]:
        """Keep a document that came on a connection; return whether it is answered, and why it is refused."""
        answer = self.take(document, self.spoilt(partial(self._mute, link)))
        return not answer.silent and link not in self._muted, answer.refused

    def _accept(self, link: Link) -> None:
        task = self.tasks.create_task(self._serve(link), name="mes-connection")
        self._open[task] = link
        task.add_done_callback(self._open.pop)

    async def _serve(self, link: Link) -> None:
        try:
            await self.converse(link)
        except OSError:
            return  # the bridge is gone; it will dial again
        finally:
            link.writer.close()

    def _mute(self, link: Link) -> None:
        """Send nothing more on a connection, and say so where the protocol below can."""
        self._muted.append(link)
        if link.writer.can_write_eof():
            link.writer.write_eof()


SomeBook = TypeVar("SomeBook", bound=StreamBook)


@asynccontextmanager
async def serving(make: Callable[[asyncio.TaskGroup], SomeBook]) -> AsyncIterator[SomeBook]:
    """Have a book listen while the context lasts.

    Raises:
        Unavailable: the port cannot be had.
    """
    async with together() as tasks:
        book = make(tasks)
        try:
            await book.start()
        except OSError as exc:
            raise Unavailable(f"cannot listen on {book.host}:{book.port}: {exc.strerror or exc}") from exc
        try:
            yield book
        finally:
            book.die()


@dataclass(kw_only=True)
class _Told(StreamBook):
    """A book whose connections are messages and answers in turn."""

    hear: Hear
    say: Say

    async def converse(self, link: Link) -> None:
        while True:
            try:
                document = await self.hear(link.reader)
            except EOFError:
                return
            except (ValueError, asyncio.LimitOverrunError):
                self.garbage += 1
                return
            await self.going()
            answered, refused = self.enter(document, link)
            if answered:
                link.writer.write(self.say(document, refused))
                await link.writer.drain()


@asynccontextmanager
async def serve_book(options: DialOptions, habits: Habits, hear: Hear, say: Say) -> AsyncIterator[StreamBook]:
    """Be the MES that a reporter with these options dials, one message and its answer after the other.

    Raises:
        ConfigError: a file of the TLS table cannot be used.
        Unavailable: the port cannot be had.
    """
    tls = await asyncio.to_thread(options.tls.peer_context) if options.tls else None
    async with serving(
        lambda tasks: _Told(
            tasks=tasks, host=options.host, port=options.port, tls=tls, mood=Mood(habits), hear=hear, say=say
        )
    ) as book:
        yield book
