"""The other side of the label road: a station that posts what each person found."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import aiohttp

from bridge.plugin import Label, Say, Unavailable
from bridge_http.gate import LABELS
from bridge_http.options import HttpLabelOptions

ANSWER_SECONDS = 30.0


@asynccontextmanager
async def open_station(options: HttpLabelOptions) -> AsyncIterator[Say]:
    """Be the station that a road's options tell of: each label is a document of its own."""
    tls = await asyncio.to_thread(options.tls.peer_context) if options.tls else None
    token = {"Authorization": f"Bearer {options.token.get_secret_value()}"} if options.token else {}
    async with aiohttp.ClientSession(
        f"{'https' if tls else 'http'}://{options.host}:{options.port}",
        connector=aiohttp.TCPConnector(ssl=tls if tls is not None else True),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
        headers={"User-Agent": "aoi-bridge simulator", **token},
    ) as session:

        async def say(label: Label) -> None:
            try:
                async with session.post(LABELS, json=document(options, label)) as response:
                    if response.status != HTTPStatus.OK:
                        raise Unavailable(f"the label is answered {response.status}: {await response.text()}")
            except (aiohttp.ClientError, OSError) as exc:  # a TimeoutError is an OSError
                raise Unavailable(f"the bridge did not take the label: {exc}") from exc

        yield say


def document(options: HttpLabelOptions, label: Label) -> dict[str, str | float]:
    """Return a label as a station writes it."""
    said: dict[str, str | float] = {
        "part": label.part,
        "id": label.id,
        "verdict": options.words().word(label.verdict),
        "who": label.who,
        "defect": label.defect,
        "note": label.note,
        "time": label.at,
        "key": label.key or "",
    }
    return {name: value for name, value in said.items() if value}
