"""Whose calls are answered: an allow-list of addresses.

gRPC shows us no connection before its first call, so a stranger gets as far as TLS and HTTP/2, and each of its
calls is then refused, health and reflection included. Who must not get that far is for ``client_ca`` or a
firewall.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import grpc

from bridge.plugin import Quiet, allowed, count, logger
from bridge_grpc.wire import address_of


class Door(grpc.aio.ServerInterceptor):
    """Refuses the calls of whoever is not named."""

    def __init__(self, allow: Sequence[str]) -> None:
        self._allow = tuple(allow)
        self._quiet = Quiet()

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        """Return a handler that asks who calls before it does anything."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        for kind in ("unary_unary", "unary_stream", "stream_unary", "stream_stream"):
            if (behaviour := getattr(handler, kind)) is not None:
                make = getattr(grpc, f"{kind}_rpc_method_handler")
                return make(self._guarded(behaviour), handler.request_deserializer, handler.response_serializer)
        return handler

    def _guarded(self, behaviour: Callable[..., Any]) -> Callable[..., Any]:
        async def one(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            await self._admit(context)
            return await behaviour(request, context)

        async def many(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
            await self._admit(context)
            async for response in behaviour(request, context):
                yield response

        return many if inspect.isasyncgenfunction(behaviour) else one

    async def _admit(self, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        address = address_of(context.peer())
        if allowed(self._allow, address):
            return
        count("strangers")
        if self._quiet(address):
            logger().warning("call refused", peer=address, reason="its address is not in allow")
        await context.abort(grpc.StatusCode.PERMISSION_DENIED, f"{address or 'this peer'} is not in allow")
