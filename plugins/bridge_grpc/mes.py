"""A simulated MES: keeps what it is told, acknowledges it, and can be told to refuse, stall, go deaf or die."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from aoi_bridge.inspection.v1 import report_service_pb2 as pb
from bridge.plugin import MES_HABITS, Habits, Mood, MoodyBook, Unavailable, together, with_habits
from bridge_grpc.credentials import playing_listener
from bridge_grpc.decisions import document_of
from bridge_grpc.listener import bound, started
from bridge_grpc.options import LIMIT_BYTES, GrpcReporterOptions
from bridge_grpc.reporter import SERVICE
from bridge_grpc.wire import Arguments, welcoming_pings

PING_SECONDS = 10.0
ARGUMENTS: Arguments = [
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", LIMIT_BYTES),
    ("grpc.max_send_message_length", LIMIT_BYTES),
    *welcoming_pings(PING_SECONDS),
]


@dataclass(kw_only=True)
class Mes(MoodyBook):
    """What an MES got, and how it behaves; every knob may be turned while it runs."""

    host: str = "127.0.0.1"
    port: int = 0
    credentials: grpc.ServerCredentials | None = None
    peers: set[str] = field(default_factory=set)
    """The connections on which something came since it last started."""
    calls: int = 0
    """How many calls are under way."""
    _muted: set[str] = field(default_factory=set)
    _open: AsyncExitStack | None = None
    _closing: asyncio.Task[None] | None = None

    def half_close(self) -> None:
        """Answer nothing more on any connection on which something came, but go on reading."""
        self._muted |= self.peers

    def die(self) -> None:
        """End every connection and call, and refuse new ones."""
        if self._open is not None:
            self._closing = self.tasks.create_task(self._open.aclose(), name="mes-dies")
            self._open = None

    async def start(self) -> None:
        """Listen; after ``die`` on the same port as before, with all that was kept; alive, go on.

        Raises:
            OSError: the port cannot be had.
        """
        self._going.set()
        if self._open is not None:
            return
        if self._closing is not None:
            await asyncio.wait([self._closing])
        stack = AsyncExitStack()
        opening = bound(self.host, self.port, self.credentials, ARGUMENTS, goodbye_seconds=None)
        try:
            server, self.port = await stack.enter_async_context(opening)
        except Unavailable as exc:
            raise OSError(str(exc)) from exc
        self.peers.clear()
        stream = grpc.stream_unary_rpc_method_handler  # so that nothing is read while it stalls
        methods: dict[str, grpc.RpcMethodHandler[bytes, Any]] = {
            "Report": stream(self._report, None, pb.ReportResponse.SerializeToString)
        }
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, methods)])
        await started(server)
        self._open = stack

    async def _report(self, _: object, context: grpc.aio.ServicerContext[bytes, Any]) -> pb.ReportResponse:
        self.calls += 1
        try:
            return await self._answer(context)
        finally:
            self.calls -= 1

    async def _answer(self, context: grpc.aio.ServicerContext[bytes, Any]) -> pb.ReportResponse:
        await self.going()
        self.peers.add(context.peer())
        told = pb.ReportRequest.FromString(await context.read()).decision
        answer = self.take(document_of(told), self.spoilt(self.half_close))
        if answer.silent or context.peer() in self._muted:
            await asyncio.get_running_loop().create_future()  # until the caller gives up
        if answer.refused is None:
            return pb.ReportResponse(outcome=pb.OUTCOME_ACCEPTED)
        return pb.ReportResponse(outcome=pb.OUTCOME_REFUSED, reason=answer.refused)


@asynccontextmanager
async def serve_mes(
    host: str = "127.0.0.1",
    port: int = 0,
    credentials: grpc.ServerCredentials | None = None,
    mood: Mood | None = None,
) -> AsyncIterator[Mes]:
    """Be an MES that takes and acknowledges decisions; port 0 takes a free one.

    Raises:
        OSError: the port cannot be had.
    """
    async with together() as tasks:
        mes = Mes(tasks=tasks, host=host, port=port, credentials=credentials, mood=mood or Mood({}))
        await mes.start()
        try:
            yield mes
        finally:
            mes.die()


@with_habits(MES_HABITS)
@asynccontextmanager
async def open_mes(options: GrpcReporterOptions, habits: Habits) -> AsyncIterator[Mes]:
    """Be the MES that a reporter's options tell of, listening where the reporter dials.

    Raises:
        ConfigError: a file of the TLS table is not what it should be.
        Unavailable: the port cannot be had.
    """
    credentials = await playing_listener(options.tls)
    try:
        async with serve_mes(options.host, options.port, credentials, Mood(habits)) as mes:
            yield mes
    except OSError as exc:
        raise Unavailable(str(exc)) from exc
