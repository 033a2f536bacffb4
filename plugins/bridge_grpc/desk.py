"""The service: each call is a part, each part goes to the host at once, each decision is the call's answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import grpc

from aoi_bridge.inspection.v1 import inspection_pb2 as pb
from aoi_bridge.inspection.v1 import inspection_service_pb2 as service_pb
from bridge.plugin import Decision, Fetch, Inspect, Inspection, Rejects, Unreadable, count
from bridge_grpc.codec import parse_inspect, parse_upload, read_inspection, write_answer
from bridge_grpc.options import GrpcSourceOptions
from bridge_grpc.uploads import Assembly, announced

SERVICE = service_pb.DESCRIPTOR.services_by_name["InspectionService"].full_name
ANSWER_METADATA = "aoi-bridge-answer-bin"
"""Where the answer lies that was not recorded."""
UNRECORDED = "decided, but not recorded: send the part again with the same key"
ROUNDED_UP = 0.99
"""Clients round the deadline that they send up to two or three digits, and keep the exact one to themselves."""
INLINE_BYTES = 1 << 16
"""Hashing more than this is left to a thread."""

Context: TypeAlias = "grpc.aio.ServicerContext[bytes, Any]"


class Caller:
    """Who calls, and what was heard of it."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.last = b""
        """The last message."""

    async def read(self) -> bytes | None:
        """Return the next message; None where none follows."""
        data: Any = await self.context.read()  # or the end of the stream, which the stubs forget
        if data is grpc.aio.EOF:
            return None
        self.last = bytes(data)
        return self.last


Receive: TypeAlias = Callable[[Caller], Awaitable[tuple[pb.Inspection, list[bytes]]]]


class Desk:
    """Answers calls for one host.

    Both methods are served as streams, which for a unary call is the same on the wire: so a message is read only
    once there is room for its part, and what waits for room waits in the client.
    """

    def __init__(
        self, options: GrpcSourceOptions, inspect: Inspect, fetch: Fetch | None, rejects: Rejects
    ) -> None:
        self._options, self._host, self._fetch, self._rejects = options, inspect, fetch, rejects
        self._room = asyncio.Semaphore(options.in_flight)
        self._clock = asyncio.get_running_loop().time
        self._parts: set[asyncio.Task[Decision]] = set()

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the service for a server."""
        stream = grpc.stream_unary_rpc_method_handler
        methods: dict[str, grpc.RpcMethodHandler[bytes, Any]] = {
            "Inspect": stream(self.inspect, None, service_pb.InspectResponse.SerializeToString),
            "Upload": stream(self.upload, None, service_pb.UploadResponse.SerializeToString),
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    async def inspect(self, _: object, context: Context) -> service_pb.InspectResponse:
        """Answer one part whose pictures are in the message or on a share."""
        return service_pb.InspectResponse(answer=await self._answer(Caller(context), self._receive))

    async def upload(self, _: object, context: Context) -> service_pb.UploadResponse:
        """Answer one part whose pictures follow in chunks."""
        return service_pb.UploadResponse(answer=await self._answer(Caller(context), self._assemble))

    async def close(self) -> None:
        """Wait for no part any more; the host finishes each all the same."""
        for task in self._parts:
            task.cancel()
        await asyncio.gather(*self._parts, return_exceptions=True)

    async def _answer(self, caller: Caller, receive: Receive) -> pb.Answer:
        event = self._clock()
        remaining: Any = caller.context.time_remaining()  # None without a deadline, which the stubs forget
        deadline_ms = None if remaining is None else self._deadline(remaining)
        if self._room.locked():
            count("full")
        await self._room.acquire()
        try:
            part = await self._take(caller, receive, event, deadline_ms)
        except BaseException:
            self._room.release()
            raise
        task = asyncio.create_task(self._inspect(part), name=f"grpc-part {part.part}")
        self._parts.add(task)
        task.add_done_callback(self._done)
        decision = await asyncio.shield(task)  # a client that cancels or vanishes cancels its call, not its part
        return await self._told(caller.context, write_answer(part, decision))

    def _deadline(self, remaining: float) -> float:
        """Return what a caller's deadline leaves for the decision, in milliseconds."""
        return max(1.0, remaining * 1000 * ROUNDED_UP - self._options.margin_ms)

    async def _inspect(self, part: Inspection) -> Decision:
        awaited = any(view.reference for view in part.views)
        if awaited and self._fetch is None:
            count("reference_unfollowed")
        return await self._host(part, self._fetch if awaited else None)

    def _done(self, task: asyncio.Task[Decision]) -> None:
        self._parts.discard(task)
        self._room.release()

    async def _told(self, context: Context, answer: pb.Answer) -> pb.Answer:
        """Return the answer of a recorded part; any other must not read as an acknowledgement."""
        if not answer.recorded:
            said = ((ANSWER_METADATA, answer.SerializeToString()),)
            await context.abort(grpc.StatusCode.UNAVAILABLE, UNRECORDED, said)
        return answer

    async def _take(self, caller: Caller, receive: Receive, event: float, deadline_ms: float | None) -> Inspection:
        """Return the part, or end the call with the reason why there is none."""
        seconds = self._options.receive_timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                told, images = await receive(caller)
            part = read_inspection(told, images, event, deadline_ms)
            caller.last = b""  # its pictures are the part's now, and need not be held twice
            return part  # noqa: TRY300 - what is not understood is told below
        except Unreadable as exc:
            count("unreadable")
            self._rejects.put(caller.last, str(exc), caller.context.peer())
            return await caller.context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(exc))
        except TimeoutError:
            count("unfinished")
            late = f"the part did not arrive within {seconds:g} s"
            return await caller.context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, late)

    async def _receive(self, caller: Caller) -> tuple[pb.Inspection, list[bytes]]:
        data = await caller.read()
        if data is None:
            raise Unreadable("the call brought no message")
        told = parse_inspect(data)
        if any(view.WhichOneof("picture") == "upload" for view in told.views):
            raise Unreadable("a picture is announced, but only Upload takes pictures in chunks")
        return told, []

    async def _assemble(self, caller: Caller) -> tuple[pb.Inspection, list[bytes]]:
        told = await self._first(caller)
        assembly = Assembly(announced(told, self._options.max_upload_bytes))
        while (data := await caller.read()) is not None:
            chunk = parse_upload(data)
            if not isinstance(chunk, bytes):
                raise Unreadable("a second inspection follows; after the first come chunks")
            if len(chunk) > INLINE_BYTES:
                await asyncio.to_thread(assembly.add, chunk)
            else:
                assembly.add(chunk)
        return told, assembly.finish()

    async def _first(self, caller: Caller) -> pb.Inspection:
        data = await caller.read()
        told = b"" if data is None else parse_upload(data)
        if isinstance(told, bytes):
            raise Unreadable("the upload does not begin with its inspection")
        return told
