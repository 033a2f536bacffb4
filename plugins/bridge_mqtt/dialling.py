"""Opening a session: the dial in a thread of its own, the greeting, the status while it lasts, the goodbye."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
import uuid
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Literal

import aiomqtt

from bridge.plugin import ConfigError, Unavailable, why
from bridge_mqtt.documents import StatusDocument
from bridge_mqtt.options import BrokerOptions
from bridge_mqtt.session import GOODBYE_SECONDS, Session


class Presence:
    """What the station says of its own state, on one retained topic."""

    def __init__(self, topic: str, role: Literal["source", "reporter"]) -> None:
        self.topic = topic
        self._online = StatusDocument(
            state="online", role=role, reason="", session=uuid.uuid4().hex, since=round(time.time(), 3)
        )

    def online(self) -> bytes:
        """Return what is said while we are connected, byte for byte the same each time."""
        return self._online.model_dump_json().encode()

    def offline(self, reason: Literal["stopped", "lost"]) -> bytes:
        """Return what is said afterwards."""
        return self._online.model_copy(update={"state": "offline", "reason": reason}).model_dump_json().encode()

    def will(self) -> aiomqtt.Will:
        """Return what the broker says in our place when it loses us."""
        return aiomqtt.Will(self.topic, self.offline("lost"), 1, retain=True)


@asynccontextmanager
async def present(session: Session, presence: Presence, seconds: float) -> AsyncIterator[None]:
    """Be online while the context lasts; leaving it says offline, also where it is cancelled.

    Where it fails nothing is said: the connection is cut then, and the broker says the Will.

    Raises:
        Unavailable: the broker does not take it.
    """
    await session.send(presence.topic, presence.online(), seconds, retain=True)
    try:
        yield
    except asyncio.CancelledError:
        await _goodbye(session, presence)
        raise
    else:
        await _goodbye(session, presence)


async def _goodbye(session: Session, presence: Presence) -> None:
    with suppress(Unavailable):  # then the broker has the Will
        await session.send(presence.topic, presence.offline("stopped"), GOODBYE_SECONDS, retain=True)


@asynccontextmanager
async def connected(options: BrokerOptions, session: Session) -> AsyncIterator[Session]:
    """Hold a session that is open; leaving it says goodbye.

    Raises:
        ConfigError: the broker will not have us as the options are, or this event loop cannot watch a socket.
        Unavailable: it cannot be reached, or does not answer.
    """
    if type(asyncio.get_running_loop()).add_reader is asyncio.AbstractEventLoop.add_reader:
        raise ConfigError("event loop", "cannot watch sockets, which MQTT needs", "use the selector event loop")
    tls = await asyncio.to_thread(options.tls.context) if options.tls else None
    try:
        await session.open(await dialled(options, tls))
        yield session
        await session.leave()
    except asyncio.CancelledError:
        await session.leave()
        raise
    finally:
        session.cut(Unavailable(f"{session.peer} was left"))


async def dialled(options: BrokerOptions, tls: ssl.SSLContext | None) -> socket.socket:
    """Return a connection to the broker, TLS agreed on.

    Dialling has a thread of its own: one that hangs keeps nobody else's work waiting.

    Raises:
        Unavailable: nobody answers there, or somebody whom we do not believe.
    """
    thread = ThreadPoolExecutor(1, thread_name_prefix="mqtt-dial")
    seconds, peer = options.dial_timeout_seconds, f"{options.host}:{options.port}"
    dialling = thread.submit(_dial, options, tls)
    thread.shutdown(wait=False)
    waited = asyncio.wrap_future(dialling)
    waited.add_done_callback(_noticed)
    try:
        async with asyncio.timeout(seconds):
            return await asyncio.shield(waited)
    except asyncio.CancelledError:
        dialling.add_done_callback(_close)
        raise
    except TimeoutError as exc:
        dialling.add_done_callback(_close)
        raise Unavailable(f"{peer} does not answer within {seconds:g} s") from exc
    except OSError as exc:
        raise Unavailable(f"{peer} cannot be reached: {why(exc)}") from exc


def _dial(options: BrokerOptions, tls: ssl.SSLContext | None) -> socket.socket:
    """Dial, in a thread."""
    link = socket.create_connection((options.host, options.port), options.dial_timeout_seconds)
    try:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is None or options.tls is None:
            return link
        return tls.wrap_socket(link, server_hostname=options.tls.server_name or options.host)
    except BaseException:
        link.close()
        raise


def _noticed(waited: asyncio.Future[socket.socket]) -> None:
    """Take note of how dialling ended, so that nobody complains of a failure that came after we had left."""
    if not waited.cancelled():
        waited.exception()


def _close(dialling: Future[socket.socket]) -> None:
    """Close a connection that nobody waits for any more."""
    with suppress(OSError):
        dialling.result().close()
