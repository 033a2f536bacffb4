"""The other side: an old inspector that calls, and an MES; for simulators, the demo and tests."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

import grpc

from aoi_bridge.inspection.v1 import inspection_pb2 as pb
from aoi_bridge.inspection.v1 import inspection_service_pb2 as service_pb
from bridge.plugin import Habits, Inspection, Mood, Play, Unavailable, Verdict, moody, with_habits
from bridge_grpc.codec import verdict_of, write_inspection
from bridge_grpc.credentials import playing_dialler
from bridge_grpc.desk import ANSWER_METADATA, SERVICE
from bridge_grpc.habits import AOI_HABITS, PARTS_BETWEEN
from bridge_grpc.mes import Mes, open_mes, serve_mes
from bridge_grpc.options import GrpcSourceOptions
from bridge_grpc.uploads import chunks
from bridge_grpc.wire import channel, pinging, reason_of

__all__ = ["Inspector", "Mes", "dial_bridge", "open_inspector", "open_mes", "serve_mes"]

Inspect: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, service_pb.InspectResponse]"
Upload: TypeAlias = "grpc.aio.StreamUnaryMultiCallable[bytes, service_pb.UploadResponse]"
ANSWER_SECONDS = 5.0
"""How long a simulated inspector waits for an answer."""
BIG_BYTES = 4 << 20
"""A part whose pictures have more is uploaded in chunks."""
CHUNK_BYTES = 1 << 20
PING_SECONDS = 10.0


class Inspector:
    """An inspector's end of one connection."""

    def __init__(self, line: grpc.aio.Channel) -> None:
        self.line = line
        self.raw: Inspect = line.unary_unary(f"/{SERVICE}/Inspect", None, service_pb.InspectResponse.FromString)
        """Inspect, with any bytes as the message."""
        self.raw_upload: Upload = line.stream_unary(
            f"/{SERVICE}/Upload", None, service_pb.UploadResponse.FromString
        )
        """Upload, with any bytes as the messages."""

    async def inspect(self, part: Inspection, timeout_seconds: float | None = ANSWER_SECONDS) -> pb.Answer:
        """Hand over a part in one message.

        Raises:
            grpc.aio.AioRpcError: it was not acknowledged.
        """
        request = service_pb.InspectRequest()
        write_inspection(part, request.inspection)
        response: service_pb.InspectResponse = await self.raw(request.SerializeToString(), timeout=timeout_seconds)
        return response.answer

    async def upload(
        self,
        part: Inspection,
        timeout_seconds: float | None = ANSWER_SECONDS,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> pb.Answer:
        """Hand over a part with its pictures in chunks.

        Raises:
            grpc.aio.AioRpcError: it was not acknowledged.
        """
        messages = upload_messages(part, chunk_bytes)
        response: service_pb.UploadResponse = await self.raw_upload(messages, timeout=timeout_seconds)
        return response.answer


def upload_messages(part: Inspection, chunk_bytes: int = CHUNK_BYTES, *, damaged: bool = False) -> Iterator[bytes]:
    """Yield the messages of an upload; damaged, with a checksum that is not the picture's."""
    request = service_pb.UploadRequest()
    write_inspection(
        replace(part, views=tuple(replace(view, image=None) for view in part.views)), request.inspection
    )
    for view, shown in zip(part.views, request.inspection.views, strict=True):
        if view.image:
            proved = view.image + b"!" if damaged else view.image
            shown.upload.size_bytes = len(view.image)
            shown.upload.sha256 = hashlib.sha256(proved).digest()
    yield request.SerializeToString()
    for chunk in chunks((view.image for view in part.views if view.image), chunk_bytes):
        yield service_pb.UploadRequest(chunk=chunk).SerializeToString()


@asynccontextmanager
async def dial_bridge(
    port: int,
    host: str = "127.0.0.1",
    credentials: grpc.ChannelCredentials | None = None,
    server_name: str | None = None,
    ping_seconds: float = PING_SECONDS,
) -> AsyncIterator[Inspector]:
    """Be an inspector that calls a source, and asks from time to time whether it is still there."""
    async with channel(host, port, credentials, server_name, pinging(ping_seconds)) as line:
        yield Inspector(line)


@with_habits(AOI_HABITS)
@asynccontextmanager
async def open_inspector(options: GrpcSourceOptions, habits: Habits) -> AsyncIterator[Play]:
    """Be the machine that a source's options tell of: it calls the same port, and awaits each answer.

    Raises:
        ConfigError: a file of the TLS table is not what it should be.
    """
    credentials, name = await playing_dialler(options.tls)
    pings = options.client_ping_seconds
    async with dial_bridge(options.port, options.host, credentials, name, pings) as inspector:
        machine = _Machine(options, inspector, Mood(habits))
        async with moody(machine.play, habits) as play:
            yield play


@dataclass
class _Machine:
    """Plays parts in the way a source's options say.

    It tells no deadline but the part's own, so that a part arrives the same however often it is played.
    """

    options: GrpcSourceOptions
    inspector: Inspector
    mood: Mood
    _back_at: float = 0.0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def play(self, part: Inspection) -> Verdict | None:
        """Hand one part over and return the answer.

        Raises:
            Unavailable: the bridge is away, or did not acknowledge the part.
        """
        async with self._turn:
            self._present()
            if self.options.images is not None:
                part = await asyncio.to_thread(_leave, self.options.images, part)
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    return verdict_of((await self._call(part)).verdict)
            except grpc.aio.AioRpcError as exc:
                raise Unavailable(f"the bridge did not take part {part.part}: {reason_of(exc)}") from exc
            except TimeoutError as exc:
                raise Unavailable(f"the bridge did not answer part {part.part}") from exc

    def _present(self) -> None:
        """Begin or end the machine's absence."""
        clock = asyncio.get_running_loop().time
        if clock() >= self._back_at and self.mood.strikes("vanish", PARTS_BETWEEN):
            self._back_at = clock() + self.mood.habits["vanish"]
        if clock() < self._back_at:
            raise Unavailable("the machine has vanished for a while")

    async def _call(self, part: Inspection) -> pb.Answer:
        if self.mood.strikes("garbage"):
            with suppress(grpc.aio.AioRpcError):
                await self.inspector.raw(b"\xff noise", timeout=ANSWER_SECONDS)
        big = sum(len(view.image or b"") for view in part.views) > BIG_BYTES
        if self.mood.strikes("give-up"):
            call = self.inspector.raw_upload(self._half(part), timeout=ANSWER_SECONDS)
            await asyncio.sleep(0)
            call.cancel()
        if big and self.mood.strikes("damage"):
            with suppress(grpc.aio.AioRpcError):
                await self.inspector.raw_upload(upload_messages(part, damaged=True), timeout=ANSWER_SECONDS)
        return await (self.inspector.upload if big else self.inspector.inspect)(part, None)

    async def _half(self, part: Inspection) -> AsyncIterator[bytes]:
        """Begin an upload and never end it."""
        yield next(upload_messages(part))
        await asyncio.get_running_loop().create_future()


def unrecorded(exc: grpc.aio.AioRpcError) -> pb.Answer | None:
    """Return the answer that came with an error because it could not be recorded; None where there is none."""
    for name, value in exc.trailing_metadata() or ():
        if name == ANSWER_METADATA and isinstance(value, bytes):
            return pb.Answer.FromString(value)
    return None


def _leave(root: Path, part: Inspection) -> Inspection:
    """Write the part's images on the share; return the part as its call tells of it."""
    views = []
    for view in part.views:
        name = f"{part.part}-{view.name}.img" if view.image else ""
        if view.image:
            (root / name).write_bytes(view.image)
        views.append(replace(view, image=None, reference=name))
    return replace(part, views=tuple(views))
