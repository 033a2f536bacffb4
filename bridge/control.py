"""The gateway's port on loopback: health and metrics for monitors, status for the command line.

Health and metrics are open to whoever reaches the port; everything under ``/v1`` needs the token that lies,
readable by the gateway's user alone, in ``control.json`` of the data directory.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from aiohttp import web
from prometheus_client import generate_latest

from bridge import health
from bridge.errors import ConfigError, Unavailable
from bridge.gateway import Gateway
from bridge.supervise import explain

FILE = "control.json"
ASK_SECONDS = 5.0
DISK_SECONDS = 1.0
"""How long a status waits for the journal: with a disk in trouble the rest of it matters all the more."""

_DIRECT = build_opener(ProxyHandler({}))
"""Never through the plant's proxy: the gateway is on this machine, and the token stays here."""


@asynccontextmanager
async def open_control(gateway: Gateway) -> AsyncIterator[str]:
    """Serve the control port while the context lasts; yields its URL.

    Raises:
        ConfigError: the port is taken.
    """
    token = secrets.token_urlsafe(24)
    http = gateway.config.http
    runner = web.AppRunner(_application(gateway, token), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    note = gateway.config.data / FILE
    try:
        try:
            await web.TCPSite(runner, http.host, http.port).start()
        except OSError as exc:
            place = f"http.port: {http.port} on {http.host}"
            raise ConfigError(place, f"cannot be listened on ({exc.strerror})", "write a free port, or 0") from exc
        host, port = runner.addresses[0][:2]
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        await asyncio.to_thread(_write, note, {"url": url, "token": token, "pid": os.getpid()})
        yield url
    finally:
        await asyncio.to_thread(note.unlink, missing_ok=True)
        await runner.cleanup()


def ask(data: Path, path: str) -> Any | None:
    """Ask the gateway that runs on a data directory; None where none answers; blocks for seconds."""
    try:
        note = json.loads((data / FILE).read_text(encoding="utf-8"))
        request = Request(note["url"] + path, headers={"Authorization": f"Bearer {note['token']}"})  # noqa: S310 - our own URL
        with _DIRECT.open(request, timeout=ASK_SECONDS) as answer:
            return json.load(answer)
    except (OSError, HTTPException, ValueError, KeyError, TypeError):  # a note that is stale, or of somebody else
        return None


def _application(gateway: Gateway, token: str) -> web.Application:
    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(_: web.Request) -> web.Response:
        return web.json_response({"ready": gateway.ready}, status=200 if gateway.ready else 503)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(health.registry), content_type="text/plain", charset="utf-8")

    async def status(request: web.Request) -> web.Response:
        said = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(said.encode("utf-8", "surrogateescape"), token.encode()):
            return web.json_response({"error": "the token of control.json is needed"}, status=401)
        return web.json_response({**gateway.describe(), **await _outbox(gateway)})

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/v1/status", status)
    return app


async def _outbox(gateway: Gateway) -> Mapping[str, object]:
    try:
        async with asyncio.timeout(DISK_SECONDS):
            backlog = await gateway.journal.backlog()
    except (Unavailable, TimeoutError) as exc:
        return {"outbox": [], "journal": explain(exc)}
    outbox = [
        {"line": line, "reporter": reporter, "queued": queued, "parked": parked}
        for (line, reporter), (queued, parked) in sorted(backlog.items())
    ]
    return {"outbox": outbox, "journal": ""}


def _write(path: Path, facts: Mapping[str, object]) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(facts, file)
