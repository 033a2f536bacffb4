"""The gateway's port on loopback: health and metrics for monitors, status and orders for the command line.

Health and metrics are open to whoever reaches the port; everything under ``/v1`` needs the token that lies,
readable by the gateway's user alone, in ``control.json`` of the data directory. What may be ordered, and what
comes of it, stands in ``orders.py``.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from aiohttp import web
from prometheus_client import generate_latest

from bridge import health
from bridge.errors import BridgeError, ConfigError, Refused, Unavailable
from bridge.gateway import Gateway
from bridge.orders import ORDERS, Order
from bridge.supervise import explain

FILE = "control.json"
ASK_SECONDS = 5.0
ORDER_SECONDS = 120.0
"""An order may have to wait: for the disk, or for a model to be warm."""
ORDER_BYTES = 256 << 10
"""No order is longer than this; more is refused unread."""
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
        with _DIRECT.open(_request(data, path), timeout=ASK_SECONDS) as answer:
            return json.load(answer)
    except (OSError, HTTPException, ValueError, KeyError, TypeError):  # a note that is stale, or of somebody else
        return None


def order(data: Path, path: str, body: Mapping[str, object]) -> Any | None:
    """Order something of the gateway that runs on a data directory; None where none does; blocks until it is done.

    Raises:
        Refused: the gateway will not do it, for this reason.
        Unavailable: it cannot do it now.
    """
    try:
        with _DIRECT.open(_request(data, path, json.dumps(body).encode()), timeout=ORDER_SECONDS) as answer:
            return json.load(answer)
    except HTTPError as exc:
        raise _refusal(exc) from exc
    except TimeoutError as exc:
        raise Unavailable(f"the gateway did not answer within {ORDER_SECONDS:g} s") from exc
    except (OSError, HTTPException, ValueError, KeyError, TypeError):  # a note that is stale, or of somebody else
        return None


def _request(data: Path, path: str, body: bytes | None = None) -> Request:
    note = json.loads((data / FILE).read_text(encoding="utf-8"))
    return Request(note["url"] + path, data=body, headers={"Authorization": f"Bearer {note['token']}"})  # noqa: S310 - our own URL


def _refusal(answer: HTTPError) -> BridgeError:
    try:
        said = str(json.load(answer)["error"])
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        said = f"the gateway answered {answer.code} {answer.reason}"
    return Unavailable(said) if answer.code >= 500 else Refused(said)  # noqa: PLR2004 - HTTP's own boundary


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
        return web.json_response({**gateway.describe(), **await _outbox(gateway)})

    app = web.Application(client_max_size=ORDER_BYTES)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/v1/status", status)
    for name, do in ORDERS.items():
        app.router.add_post(f"/v1/{name}", _taking(gateway, token, do))
    return app


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
