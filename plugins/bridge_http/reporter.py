"""The reporter: every decision posted as a signed webhook, and taken for delivered by a status of success only."""

from __future__ import annotations

import asyncio
import io
import json
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import aiohttp

from bridge.plugin import ClientTls, Decision, Refused, Report, Unavailable, why
from bridge_http.answers import ANSWER_BYTES, Fate, Statuses, reason_of, wait_of
from bridge_http.options import HttpReporterOptions, where
from bridge_http.sending import Post, Sending, sent
from bridge_http.signature import sign

__all__ = ["HttpReporterOptions", "open_reporter"]

IDLE_SECONDS = 4.0
"""For how long an idle connection is used again: many services close theirs after five."""


@asynccontextmanager
async def open_reporter(options: HttpReporterOptions) -> AsyncIterator[Report]:
    """See that somebody listens there; yield a report that returns once the service has taken the decision.

    Raises:
        ConfigError: a file of the TLS table is not what it should be.
        Unavailable: nobody answers there, or somebody whom we do not believe.
    """
    secured = options.place.scheme == "https"
    tls = await asyncio.to_thread((options.tls or ClientTls()).context) if secured else None
    await _reach(options, tls)
    session = aiohttp.ClientSession(
        connector=_connector(options, tls),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        request_class=Post,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=options.dial_timeout_seconds),
        headers=_always(options),
    )
    async with session:
        yield _Hook(options, session).report


def _connector(options: HttpReporterOptions, tls: ssl.SSLContext | None) -> aiohttp.TCPConnector:
    """Return what dials. A service may close an idle connection in the very moment in which we use it.

    Then a guaranteed decision is sent again; a realtime one would be lost, so each has a connection of its own.
    """
    secured = tls if tls is not None else True
    if options.lane == "realtime":
        return aiohttp.TCPConnector(limit=0, ssl=secured, force_close=True)
    return aiohttp.TCPConnector(limit=0, ssl=secured, keepalive_timeout=IDLE_SECONDS)


def _always(options: HttpReporterOptions) -> Mapping[str, str]:
    """Return the headers that every report has; no answer is compressed, so none can grow in our memory."""
    token = {"Authorization": f"Bearer {options.token.get_secret_value()}"} if options.token else {}
    return {"User-Agent": "aoi-bridge", "Content-Type": "application/json", "Accept-Encoding": "identity", **token}


async def _reach(options: HttpReporterOptions, tls: ssl.SSLContext | None) -> None:
    """Dial and hang up, so that a service that is away is known before the first part."""
    place = urlsplit(options.proxy) if options.proxy else options.place
    name, port = where(place)
    named = (options.tls and options.tls.server_name) or name
    secured = {"ssl": tls, "server_hostname": named} if tls is not None and not options.proxy else {}
    try:
        async with asyncio.timeout(options.dial_timeout_seconds):
            _, writer = await asyncio.open_connection(name, port, **secured)  # type: ignore[arg-type]
    except TimeoutError as exc:
        raise Unavailable(f"{name}:{port} does not answer within {options.dial_timeout_seconds:g} s") from exc
    except OSError as exc:
        raise Unavailable(f"{name}:{port} cannot be reached: {why(exc)}") from exc
    writer.transport.abort()


class _Hook:
    """Posts decisions to one URL."""

    def __init__(self, options: HttpReporterOptions, session: aiohttp.ClientSession) -> None:
        self._options = options
        self._session = session
        self._statuses = Statuses(options.taken_statuses, options.retried_statuses)
        self._named = options.tls.server_name if options.tls else None
        self._peer = "{}:{}".format(*where(options.place))

    async def report(self, decision: Decision) -> None:
        """Post one decision, and wait until the service has answered for it."""
        body = json.dumps(decision.document()).encode()  # the same bytes at every resend
        loop = asyncio.get_running_loop()
        until = decision.expires if self._options.lane == "realtime" else float("inf")
        limit = loop.time() + self._options.answer_timeout_seconds
        try:
            async with asyncio.timeout_at(min(limit, until)):
                with sent(Sending(until)):
                    await self._answered(decision, body)
        except TimeoutError as exc:
            if loop.time() >= until:
                raise Refused(f"decision {decision.id} expired before it was taken") from exc
            raise Unavailable(f"{self._peer} did not answer for {decision.id} in time") from exc
        except aiohttp.ClientError as exc:
            raise self._away(exc) from exc

    async def _answered(self, decision: Decision, body: bytes) -> None:
        async with self._session.post(
            self._options.url,
            data=io.BytesIO(body),  # aiohttp warns of large bytes
            headers=self._headers(decision, body),
            allow_redirects=False,
            proxy=self._options.proxy,
            server_hostname=self._named,
        ) as response:
            fate = self._statuses(response.status)
            said = b""
            with suppress(aiohttp.ClientError):  # what it said beside its status is worth no second report
                said = await _beginning(response)
            if fate is Fate.TAKEN:
                return
            reason = reason_of(response.status, said)
            if fate is Fate.NEVER:
                raise Refused(reason)
            if to := response.headers.get("Location"):
                reason += f", elsewhere ({to.partition('?')[0][:200]}): redirects are not followed, write that url"
            wait = wait_of(response.headers.get("Retry-After", ""), time.time())
            raise Unavailable(f"{self._peer} answers {reason}", after_seconds=wait)

    def _headers(self, decision: Decision, body: bytes) -> Mapping[str, str]:
        """Return what tells this sending from others; the id and the body are the same at every resend."""
        now = int(time.time())
        said = {"webhook-id": decision.id, "webhook-timestamp": str(now), "Idempotency-Key": decision.id}
        if (key := self._options.key) is not None:
            said["webhook-signature"] = sign(key, decision.id, now, body)
        return said

    def _away(self, exc: aiohttp.ClientError) -> Unavailable:
        """Return a library's error in our own words."""
        if isinstance(exc, aiohttp.ClientConnectorCertificateError):
            return Unavailable(f"{self._peer} cannot be reached: {_why(exc.certificate_error)}")
        if isinstance(exc, aiohttp.ClientConnectorError):
            return Unavailable(f"{self._peer} cannot be reached: {why(exc.os_error)}")
        if isinstance(exc, aiohttp.ServerDisconnectedError):
            return Unavailable(f"{self._peer} closed the connection without an answer")
        if isinstance(exc, aiohttp.ClientHttpProxyError):
            return Unavailable(f"the proxy answers {exc.status}")
        if isinstance(exc, aiohttp.ClientResponseError):
            return Unavailable(f"{self._peer} does not answer as HTTP says")
        return Unavailable(f"{self._peer} is gone: {why(exc) if isinstance(exc, OSError) else exc}")


def _why(exc: Exception) -> str:
    return why(exc) if isinstance(exc, OSError) else str(exc)


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    """Return the beginning of an answer; one that is read to its end leaves the connection in use."""
    said = bytearray()
    while len(said) < ANSWER_BYTES and (data := await response.content.readany()):
        said += data
    return bytes(said[:ANSWER_BYTES])
