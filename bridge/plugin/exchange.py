"""Asking a peer over TCP: one question at a time, each with its answer, all of it bounded in time.

Most reporters are this and a codec::

    async with options.dialled() as peer:
        async def report(decision: Decision) -> None:
            settle(await peer.ask(encode(decision), read_answer, options.expires(decision)))

        yield report
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, TypeVar

from pydantic import Field

from bridge.errors import Refused, Unavailable
from bridge.plugin.options import HostName, Options, Port
from bridge.plugin.task_group import together
from bridge.plugin.tls import ClientTls, why
from bridge.plugin.wire import Link, context_of, dial

T = TypeVar("T")

_Span = Annotated[float, Field(gt=0, le=3600)]
NEVER = float("inf")


class DialOptions(Options):
    """A peer that we dial and ask. Mix it into a plugin's options."""

    host: HostName = Field(examples=["192.168.0.20"])
    """the name or address of the peer"""
    port: Port = Field(examples=[9200])
    """a port from 1 to 65535"""
    tls: ClientTls | None = Field(default=None, examples=[{"ca": "tls/plant-ca.pem"}])
    """a table for TLS: ca (whom we believe), cert, key, key_password, server_name; left out, plain TCP"""
    dial_timeout_seconds: _Span = 5
    """seconds up to 3600 that dialling may take"""
    answer_timeout_seconds: _Span = 5
    """seconds up to 3600 that an answer may take; after that we dial anew"""

    @asynccontextmanager
    async def dialled(self) -> AsyncIterator[Exchange]:
        """Hold a connection to the peer.

        Raises:
            Unavailable: nobody answers there, or the connection ended, also while nothing was asked.
        """
        tls, named = await context_of(self.tls), self.tls.server_name if self.tls else None
        async with dial(self.host, self.port, self.dial_timeout_seconds, tls, named) as link, together() as tasks:
            exchange = Exchange(link, self.answer_timeout_seconds)
            watching = tasks.create_task(exchange.watch(), name=f"watch {link.peer}")
            yield exchange
            watching.cancel()


class Exchange:
    """An open connection on which each question has its answer."""

    def __init__(self, link: Link, timeout_seconds: float) -> None:
        self._link = link
        self._timeout = timeout_seconds
        self._turn = asyncio.Lock()
        self._broken = ""
        self._lost = asyncio.Event()

    async def ask(
        self, question: bytes, answer: Callable[[asyncio.StreamReader], Awaitable[T]], expires: float = NEVER
    ) -> T:
        """Send a question when its turn comes, and return its answer.

        Cut short in any way, nobody knows what the peer will still say, so the connection ends with it; what had
        not been delivered never is.

        Args:
            question: the bytes to send.
            answer: reads the answer, no more and no less, such as ``asyncio.StreamReader.readline``; ValueError
                says that it is none, Refused that the peer will not, and then the connection goes on.
            expires: the instant (monotonic seconds) after which nothing is sent.

        Raises:
            Refused: it was too late when its turn came, or the peer has answered so.
            Unavailable: the peer has gone, did not answer in time, or what it answered means nothing.
        """
        async with self._turn:
            if self._broken or self._link.ended.is_set():
                raise Unavailable(self._broken or f"{self._link.peer} closed the connection")
            if asyncio.get_running_loop().time() >= expires:
                raise Refused("too late: its time was over before it could be sent")
            try:
                async with asyncio.timeout(self._timeout):
                    self._link.writer.write(question)
                    await self._link.writer.drain()
                    return await answer(self._link.reader)
            except Refused:  # a whole answer
                raise
            except BaseException as exc:
                if (failed := self._failed(exc)) is None:
                    raise
                raise failed from exc

    async def watch(self) -> None:
        """Wait for the end of the connection.

        Raises:
            Unavailable: it ended.
        """
        ended = asyncio.ensure_future(self._link.ended.wait())
        lost = asyncio.ensure_future(self._lost.wait())
        try:
            await asyncio.wait({ended, lost}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
            lost.cancel()
        raise Unavailable(self._broken or f"{self._link.peer} closed the connection")

    def _failed(self, exc: BaseException) -> Unavailable | None:
        """End the connection for good; return what that means, None where the error says it itself."""
        self._broken = self._reason(exc) or "a question was cut short"
        self._link.forget()
        self._lost.set()
        return Unavailable(self._broken) if self._reason(exc) else None

    def _reason(self, exc: BaseException) -> str:
        peer = self._link.peer
        if isinstance(exc, TimeoutError):
            return f"{peer} did not answer within {self._timeout:g} s"
        if isinstance(exc, EOFError):
            return f"{peer} closed the connection"
        if isinstance(exc, OSError):
            return f"{peer} is gone: {why(exc)}"
        if isinstance(exc, ValueError | asyncio.LimitOverrunError):
            return f"{peer} answered what means nothing: {exc}"
        return ""
