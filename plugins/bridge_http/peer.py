"""The other side: an inspector that posts its parts, and an MES that takes webhooks."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp

from bridge.plugin import (
    ConfigError,
    Habits,
    Inspection,
    Mood,
    Play,
    Unavailable,
    Verdict,
    leave_pictures,
    moody,
    part_document,
    with_habits,
)
from bridge_http.codec import DOCUMENT as DOCUMENT_FIELD
from bridge_http.gate import DOCUMENT, FORM, INSPECTIONS
from bridge_http.habits import AOI_HABITS, GARBAGE, PARTS_BETWEEN, spoilt
from bridge_http.mes import Mes, open_mes, serve_mes
from bridge_http.multipart import Field, write_form
from bridge_http.options import HttpSourceOptions

__all__ = ["Mes", "open_inspector", "open_mes", "serve_mes"]

MISTAKES = {401, 403, 413, 415}
"""Statuses that only another bridge.toml changes; any other may be of a request that was not ours."""
ANSWER_SECONDS = 30.0
"""How long a simulated inspector waits for an answer."""


@with_habits(AOI_HABITS)
@asynccontextmanager
async def open_inspector(options: HttpSourceOptions, habits: Habits) -> AsyncIterator[Play]:
    """Be the machine that a source's options tell of: each part is a form with its pictures.

    Where the options name a share the pictures are left there, and each part is a document that names them.
    """
    tls = await asyncio.to_thread(options.tls.peer_context) if options.tls else None
    token = {"Authorization": f"Bearer {options.token.get_secret_value()}"} if options.token else {}
    async with (
        aiohttp.ClientSession(
            f"{'https' if tls else 'http'}://{options.host}:{options.port}",
            connector=aiohttp.TCPConnector(ssl=tls if tls is not None else True),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
            headers={"User-Agent": "aoi-bridge simulator", **token},
        ) as session,
        moody(_Machine(options, session, Mood(habits)).play, habits) as play,
    ):
        yield play


@dataclass
class _Machine:
    """Posts parts in the way that a source's options say."""

    options: HttpSourceOptions
    session: aiohttp.ClientSession
    mood: Mood
    _back_at: float = 0.0

    async def play(self, part: Inspection) -> Verdict | None:
        """Post one part; return the answer.

        Raises:
            ConfigError: the bridge will never take such a part.
            Unavailable: the bridge is away, or did not record it.
        """
        self._present()
        media, body = await self._written(part)
        try:
            if self.mood.strikes("garbage"):
                await self._post({"Content-Type": DOCUMENT}, GARBAGE)
            status, answer = await self._post({"Content-Type": media}, spoilt(body, self.mood))
        except (aiohttp.ClientError, OSError) as exc:  # a TimeoutError is an OSError
            raise Unavailable(f"the bridge did not take part {part.part}: {exc}") from exc
        if status == HTTPStatus.OK:
            return self.options.words().verdict(answer.get("verdict"))
        if status in MISTAKES:
            raise ConfigError(f"part {part.part}", f"is answered {status}: {answer.get('detail')}")
        raise Unavailable(f"part {part.part} is answered {status}: {answer.get('detail')}")

    def _present(self) -> None:
        """Begin or end the machine's absence.

        Raises:
            Unavailable: the machine is away, so it plays nothing.
        """
        clock = asyncio.get_running_loop().time
        if clock() >= self._back_at and self.mood.strikes("vanish", PARTS_BETWEEN):
            self._back_at = clock() + self.mood.habits["vanish"]
        if clock() < self._back_at:
            raise Unavailable("the machine has vanished for a while")

    async def _written(self, part: Inspection) -> tuple[str, bytes]:
        """Return the media type and the body of a part."""
        words = self.options.words()
        if self.options.images is not None:
            left = await asyncio.to_thread(leave_pictures, self.options.images, part)
            return DOCUMENT, json.dumps(part_document(left, words)).encode()
        document = Field(DOCUMENT_FIELD, json.dumps(part_document(part, words)).encode(), DOCUMENT)
        files = [
            Field(view.name, view.image, "application/octet-stream", f"{view.name}.img")
            for view in part.views
            if view.image
        ]
        boundary = secrets.token_hex(16)
        return f"{FORM}; boundary={boundary}", write_form([document, *files], boundary)

    async def _post(self, headers: Mapping[str, str], body: Any) -> tuple[int, Mapping[str, Any]]:
        async with self.session.post(INSPECTIONS, data=body, headers=headers) as response:
            if not response.content_type.endswith("json"):
                raise aiohttp.ClientPayloadError(f"status {response.status}, but no document")
            said = json.loads(await response.read())
            if response.status != HTTPStatus.OK:
                response.close()  # the next part has a connection on which nobody has said anything yet
            return response.status, said
