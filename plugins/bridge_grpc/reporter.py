"""The reporter: one channel to the MES, a call for each decision, accepted only by what the MES says of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

import grpc
from grpc_health.v1 import health, health_pb2

from aoi_bridge.inspection.v1 import report_service_pb2 as pb
from bridge.plugin import Decision, Refused, Report, Unavailable, together
from bridge_grpc.credentials import dialler_credentials
from bridge_grpc.decisions import REASON_LENGTH, settle, write_request
from bridge_grpc.options import LIMIT_BYTES, GrpcReporterOptions
from bridge_grpc.wire import channel, endpoint, reason_of

__all__ = ["GrpcReporterOptions", "open_reporter"]

SERVICE = pb.DESCRIPTOR.services_by_name["ReportService"].full_name
Call: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, pb.ReportResponse]"
KEY_METADATA = "idempotency-key"
_CHECK = f"/{health.SERVICE_NAME}/Check"
_UNANSWERED = {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}
_ALIVE = {
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
}
"""Statuses that only a living peer sends, when it is asked for its health and has no answer to that."""


@asynccontextmanager
async def open_reporter(options: GrpcReporterOptions) -> AsyncIterator[Report]:
    """Connect to the MES; yield a report that returns once the MES has said that it took the decision.

    Several reports may be under way, each a call of its own on the one connection.

    Raises:
        ConfigError: a file of the TLS table is not what it should be.
        Unavailable: nobody answers there, or the MES went away, also while nothing was reported.
    """
    credentials = await dialler_credentials(options.tls)
    named = options.tls.server_name if options.tls else None
    async with channel(options.host, options.port, credentials, named) as line:
        desk = _Desk(options, line)
        await desk.probe(options.dial_timeout_seconds)
        async with together() as tasks:
            watching = [
                tasks.create_task(work(), name=f"grpc-{work.__name__}") for work in (desk.watch, desk.attend)
            ]
            yield desk.report
            for task in watching:
                task.cancel()


class _Desk:
    """Tells one MES."""

    def __init__(self, options: GrpcReporterOptions, line: grpc.aio.Channel) -> None:
        self._options, self._line = options, line
        self._peer = endpoint(options.host, options.port)
        self._call: Call = line.unary_unary(f"/{SERVICE}/Report", None, pb.ReportResponse.FromString)
        self._check = line.unary_unary(
            _CHECK, health_pb2.HealthCheckRequest.SerializeToString, health_pb2.HealthCheckResponse.FromString
        )
        self._clock = asyncio.get_running_loop().time
        self._heard = self._clock()  # when the MES last gave a sign of life
        self._spoilt = asyncio.Event()

    async def report(self, decision: Decision) -> None:
        """Tell one decision and wait for what the MES says of it."""
        data = write_request(decision)
        if len(data) > LIMIT_BYTES:
            raise Refused(f"decision {decision.id} has {len(data)} bytes, more than {LIMIT_BYTES}")
        seconds, answered = self._seconds(decision), False
        try:
            said = await self._call(data, timeout=seconds, metadata=((KEY_METADATA, decision.id),))
            answered = True
        except grpc.aio.AioRpcError as exc:
            answered = exc.code() not in _UNANSWERED
            raise self._translated(exc, decision) from exc
        finally:
            if self._realtime and not answered:
                self._spoilt.set()
        self._heard = self._clock()
        settle(said)

    def _seconds(self, decision: Decision) -> float:
        """Return how long the call may take; of a realtime one no longer than the decision lasts."""
        if not self._realtime:
            return self._options.ack_timeout_seconds
        left = decision.expires - self._clock()
        if left <= 0:
            raise Refused(f"decision {decision.id} expired before it was sent")
        return min(self._options.ack_timeout_seconds, left)

    def _translated(self, exc: grpc.aio.AioRpcError, decision: Decision) -> Refused | Unavailable:
        if exc.code() is grpc.StatusCode.INVALID_ARGUMENT:
            return Refused((exc.details() or "")[:REASON_LENGTH] or "refused as an invalid argument")
        if exc.code() in _UNANSWERED:
            return Unavailable(f"{self._peer} did not acknowledge {decision.id} in time")
        return Unavailable(f"{self._peer}: {reason_of(exc)}")

    async def probe(self, timeout_seconds: float) -> None:
        """Ask the MES how it is.

        Raises:
            Unavailable: it gives no sign of life, or says itself that it is not serving.
        """
        question = health_pb2.HealthCheckRequest(service=SERVICE)
        try:
            said = await self._check(question, timeout=timeout_seconds)
        except grpc.aio.AioRpcError as exc:
            if exc.code() in _UNANSWERED:
                raise Unavailable(f"{self._peer} does not answer within {timeout_seconds:g} s") from exc
            if exc.code() not in _ALIVE:
                raise Unavailable(f"{self._peer}: {reason_of(exc)}") from exc
        else:
            if said.status == health_pb2.HealthCheckResponse.NOT_SERVING:
                raise Unavailable(f"{self._peer} says that it is not serving")
        self._heard = self._clock()

    async def attend(self) -> None:
        """Probe an MES of which nothing was heard for a while; drop one that left a realtime call unanswered.

        What lies in gRPC's buffers cannot be taken back, so the connection ends rather than deliver it late.
        """
        while True:
            try:
                async with asyncio.timeout_at(self._heard + self._options.probe_seconds):
                    await self._spoilt.wait()
                raise Unavailable(f"{self._peer} left a realtime report unanswered, connection dropped")
            except TimeoutError:
                if self._clock() >= self._heard + self._options.probe_seconds:
                    await self.probe(self._options.ack_timeout_seconds)

    async def watch(self) -> None:
        """Follow the connection: an MES that ends it and is there again may do so, any other is away.

        Raises:
            Unavailable: the connection is lost.
        """
        state = self._line.get_state(try_to_connect=True)
        while state not in {grpc.ChannelConnectivity.TRANSIENT_FAILURE, grpc.ChannelConnectivity.SHUTDOWN}:
            patience = None if state is grpc.ChannelConnectivity.READY else self._options.dial_timeout_seconds
            try:
                async with asyncio.timeout(patience):
                    await self._line.wait_for_state_change(state)
            except TimeoutError:
                break
            state = self._line.get_state(try_to_connect=True)
        raise Unavailable(f"{self._peer} closed the connection")

    @property
    def _realtime(self) -> bool:
        return self._options.lane == "realtime"
