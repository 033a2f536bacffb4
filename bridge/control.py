"""The gateway's port on loopback: health and metrics for monitors, status and orders for the command line.

Health and metrics are open to whoever reaches the port; everything under ``/v1`` needs the token that lies,
readable by the gateway's user alone, in ``control.json`` of the data directory, and is for this machine only,
wherever the port listens. What may be ordered, and what comes of it, stands in ``orders.py``; the other end of
the line is ``asking.py``.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import os
import secrets
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from ipaddress import ip_address
from pathlib import Path

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import generate_latest

from bridge import health
from bridge.asking import FILE
from bridge.config import Http
from bridge.errors import BridgeError, ConfigError, Unavailable
from bridge.explaining import explain
from bridge.gateway import Gateway
from bridge.log import logger
from bridge.orders import ORDERS, Order
from bridge.plugin.door import listening
from bridge.plugin.tls import LOOPBACK, allowed
from bridge.store import forecast
from bridge.store.images import free_bytes

ORDER_BYTES = 256 << 10
"""No order is longer than this; more is refused unread."""
CONNECTIONS_MAX = 64
"""One more drops the oldest: a question takes a moment, and whoever asks slowly keeps nobody out."""
DISK_SECONDS = 1.0
"""How long a status waits for the journal: with a disk in trouble the rest of it matters all the more."""


@asynccontextmanager
async def open_control(gateway: Gateway) -> AsyncIterator[str]:
    """Serve the control port while the context lasts; yields its URL.

    Raises:
        ConfigError: the port is taken.
    """
    token = secrets.token_urlsafe(24)
    runner = web.AppRunner(_application(gateway, token), access_log=None, logger=_ours, shutdown_timeout=1.0)
    await runner.setup()
    note = gateway.config.data / FILE
    try:
        async with _served(gateway.config.http, runner) as facts:
            await asyncio.to_thread(_write, note, {**facts, "token": token, "pid": os.getpid()})
            yield facts["url"]
    finally:
        await asyncio.to_thread(note.unlink, missing_ok=True)
        await runner.cleanup()


def _is_ours(record: logging.LogRecord) -> bool:
    """Keep our own mistakes; garbage is counted: a log that a stranger can fill is a disk that he can fill."""
    fault = record.exc_info[1] if record.exc_info else None
    if not isinstance(fault, (HttpProcessingError, ConnectionError)):
        return True
    health.count("garbage")
    return False


_ours = logging.getLogger("aiohttp.control")
_ours.addFilter(_is_ours)


@asynccontextmanager
async def _served(http: Http, runner: web.AppRunner) -> AsyncIterator[Mapping[str, str]]:
    """Listen; yields the URL, and under TLS the certificate by which the command line knows us."""
    assert runner.server is not None  # noqa: S101 - for the type checker; it was set up
    context, certificate = await asyncio.to_thread(_secured, http)
    async with AsyncExitStack() as stack:
        try:
            server = await stack.enter_async_context(
                listening(
                    runner.server,
                    http.host,
                    http.port,
                    allow=http.allow,
                    most=CONNECTIONS_MAX,
                    when_full="drop_oldest",
                    tls=context,
                )
            )
        except OSError as exc:
            place = f"http.port: {http.port} on {http.host}"
            raise ConfigError(place, f"cannot be listened on ({exc.strerror})", "write a free port, or 0") from exc
        host, port = server.sockets[0].getsockname()[:2]
        if not ip_address(host).is_loopback:
            logger().warning("health and metrics are open to the network", host=host, port=port)
        url = f"{'https' if context else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
        yield {"url": url, **({"certificate": certificate} if certificate else {})}


def _secured(http: Http) -> tuple[ssl.SSLContext | None, str]:
    """Return context and certificate; a client may come without one of its own, as the command line has none."""
    if http.tls is None:
        return None, ""
    return http.tls.context(clients=ssl.CERT_OPTIONAL), http.tls.cert.read_text(encoding="ascii", errors="ignore")


def _application(gateway: Gateway, token: str) -> web.Application:
    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(_: web.Request) -> web.Response:
        return web.json_response(gateway.readiness(), status=200 if gateway.ready else 503)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(health.registry), content_type="text/plain", charset="utf-8")

    async def status(request: web.Request) -> web.Response:
        if not _holds(request, token):
            return _no_token()
        return web.json_response({**gateway.describe(), **await _kept(gateway)})

    app = web.Application(client_max_size=ORDER_BYTES, middlewares=[_guard(gateway.config.http)])
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/v1/status", status)
    for name, do in ORDERS.items():
        app.router.add_post(f"/v1/{name}", _taking(gateway, token, do))
    return app


def _guard(http: Http) -> Middleware:
    """Keep /v1 to this machine, and where monitors need a certificate the rest to them."""
    certified = http.tls is not None and http.tls.client_ca is not None

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if _from_here(request):
            return await handler(request)
        if request.path.startswith("/v1"):
            return web.json_response({"error": "only this machine may ask for that"}, status=403)
        if certified and not (request.transport and request.transport.get_extra_info("peercert")):
            return web.json_response({"error": "a certificate of tls.client_ca is needed"}, status=403)
        return await handler(request)

    return guard


def _from_here(request: web.Request) -> bool:
    """Return whether who asks is on this machine: from loopback, or from the very address that was asked."""
    if request.transport is None:
        return False
    theirs, ours = (request.transport.get_extra_info(name) or ("",) for name in ("peername", "sockname"))
    return bool(theirs[0]) and (allowed(LOOPBACK, theirs[0]) or theirs[0] == ours[0])


def _taking(gateway: Gateway, token: str, do: Order) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def take(request: web.Request) -> web.Response:
        if not _holds(request, token):
            return _no_token()
        try:
            body = json.loads(await request.read())
            return web.json_response(await do(gateway, body))
        except (ValueError, RecursionError) as exc:
            return web.json_response({"error": f"is no order ({explain(exc)})"}, status=400)
        except Unavailable as exc:
            return web.json_response({"error": str(exc)}, status=503)
        except BridgeError as exc:
            return web.json_response({"error": str(exc)}, status=409)

    return take


def _holds(request: web.Request, token: str) -> bool:
    """Return whether who asks has read the note."""
    said = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return hmac.compare_digest(said.encode("utf-8", "surrogateescape"), token.encode())


def _no_token() -> web.Response:
    return web.json_response({"error": "the token of control.json is needed"}, status=401)


async def _kept(gateway: Gateway) -> Mapping[str, object]:
    """Return what is owed and for how long the disk holds, or why the journal does not say so."""
    try:
        async with asyncio.timeout(DISK_SECONDS):
            backlog, growth = await gateway.journal.backlog(), await gateway.journal.growth()
            free = await asyncio.to_thread(free_bytes, gateway.config.data)
    except (Unavailable, OSError, TimeoutError) as exc:
        return {"outbox": [], "disk": None, "journal": explain(exc)}
    outbox = [
        {"line": line, "reporter": reporter, "queued": queued, "parked": parked}
        for (line, reporter), (queued, parked) in sorted(backlog.items())
    ]
    return {"outbox": outbox, "disk": asdict(forecast(growth, free)), "journal": ""}


def _write(path: Path, facts: Mapping[str, object]) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(facts, file)
