"""The label road: a port to which a repair station, or whoever speaks for it, posts what people said of parts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp.web import BaseRequest, Response

from bridge.plugin import BridgeError, Label, LabelRoad, Tell, Unreadable, count, host, logger, rejecting
from bridge_http.desk import Body, Desk, respond
from bridge_http.gate import AGAIN, CSV, DOCUMENT, LABELS, asks_first, media_of, too_large
from bridge_http.label_codec import read_labels, write_taken, write_unwritten
from bridge_http.multipart import TooLarge
from bridge_http.options import HttpLabelOptions
from bridge_http.serving import open_port

__all__ = ["HttpLabelOptions", "open_labels"]


@asynccontextmanager
async def open_labels(options: HttpLabelOptions) -> AsyncIterator[LabelRoad]:
    """Bind the port; the road then takes labels until cancelled.

    Raises:
        ConfigError: a file of the TLS table is not what it should be.
        Unavailable: the port cannot be had.
    """
    async with open_port(options) as serve:

        async def run(tell: Tell) -> None:
            async with rejecting(options.home) as rejects:
                await serve(LabelDesk(options, rejects, host(), tell))

        yield run


@dataclass
class LabelDesk(Desk):
    """Takes labels: those of a request all together, and acknowledged when they are on the disk."""

    options: HttpLabelOptions
    tell: Tell
    place = LABELS
    things = "requests"

    async def taken(self, request: BaseRequest, event: float) -> Response:
        """Answer what people said."""
        del event
        self.known(request)
        most = self.options.max_request_bytes
        media = media_of(request.headers, request.content_length, most, (DOCUMENT, CSV)).get_content_type()
        first = asks_first(request.headers)
        async with self.within():
            if first:
                await self.told_to_send(request)
            labels = await self._understood(request, media)
            try:
                await self.tell(labels)
            except BridgeError as exc:
                count("not_recorded")
                logger().warning("labels are not written down", reason=str(exc))
                return respond(*write_unwritten(str(exc)), AGAIN)
        return respond(HTTPStatus.OK, write_taken(len(labels)))

    async def _understood(self, request: BaseRequest, media: str) -> list[Label]:
        body = Body(request, self.options)
        key = request.headers.get("Idempotency-Key", "")
        try:
            data = await body.whole(self.options.max_request_bytes)
            return await asyncio.to_thread(read_labels, data, media, self.options, time.time(), key)
        except TooLarge as exc:
            raise too_large(str(exc)) from exc
        except Unreadable as exc:
            raise self.unreadable(body, exc, request) from exc
