"""gRPC's own settings and words: channel arguments, addresses of peers, reasons out of errors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import TypeAlias
from urllib.parse import unquote

import grpc

from bridge_grpc.options import LIMIT_BYTES, GrpcSourceOptions

Arguments: TypeAlias = list[tuple[str, int | str]]

OUR_PING_MS, OUR_PING_TIMEOUT_MS = 30_000, 10_000
"""A client that is silent for so long is asked whether it is there, and has so long to answer."""
PING_TIMEOUT_MS = 1_000
"""How long a bridge may take to answer a ping of the simulated inspector."""
HANDSHAKE_MS = 5_000
"""How long a client may take to agree on TLS and HTTP/2."""
STREAMS_BESIDE = 16
"""Calls of one connection beside those that are under way or wait for room: health, reflection."""
BACKOFF_MS = (100, 1000)
"""The shortest and the longest pause before a channel dials again; gRPC's own grows to two minutes."""
_NEVER_IDLE = 2**31 - 1


def listener_arguments(options: GrpcSourceOptions) -> Arguments:
    """Return the settings of our server: what is bounded, and how often peers may ping."""
    return [
        ("grpc.so_reuseport", 0),  # else two bridges could share a port, and each get half of the parts
        ("grpc.max_receive_message_length", options.max_message_bytes),
        ("grpc.max_send_message_length", options.max_message_bytes),
        ("grpc.max_concurrent_streams", 2 * options.in_flight + STREAMS_BESIDE),
        ("grpc.max_allowed_incoming_connections", options.connections_max),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_MS),
        ("grpc.keepalive_time_ms", OUR_PING_MS),
        ("grpc.keepalive_timeout_ms", OUR_PING_TIMEOUT_MS),
        ("grpc.http2.ping_timeout_ms", OUR_PING_TIMEOUT_MS),  # of the pings that measure the road: one at a time
        *welcoming_pings(options.client_ping_seconds),
    ]


def welcoming_pings(seconds: float) -> Arguments:
    """Return the settings of a server that lets clients ping so often, with calls or without."""
    return [
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", int(seconds * 1000)),
    ]


def pinging(seconds: float) -> Arguments:
    """Return the settings of a channel that asks so often, and always, whether the other side is there."""
    return [
        ("grpc.keepalive_time_ms", int(seconds * 1000)),
        ("grpc.keepalive_timeout_ms", PING_TIMEOUT_MS),
        ("grpc.http2.ping_timeout_ms", PING_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]


def dialler_arguments(server_name: str | None) -> Arguments:
    """Return the settings of a channel of our own: never shared, never idle, and with our limits.

    Pings are not among them: a server that did not lower its minimum would take them for a flood. Whether the peer
    is there is asked by calls instead.
    """
    name = [("grpc.ssl_target_name_override", server_name)] if server_name else []
    return [
        ("grpc.max_receive_message_length", LIMIT_BYTES),
        ("grpc.max_send_message_length", LIMIT_BYTES),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.client_idle_timeout_ms", _NEVER_IDLE),
        ("grpc.initial_reconnect_backoff_ms", BACKOFF_MS[0]),
        ("grpc.max_reconnect_backoff_ms", BACKOFF_MS[1]),
        *name,
    ]


@cache
def hold_poller() -> None:
    """Start what gRPC does for asyncio, once for the life of the process.

    By itself it starts a thread with the first channel or server, and whenever the last of them is collected it
    joins that thread, in the loop.
    """
    grpc.aio.init_grpc_aio()


def channel(
    host: str,
    port: int,
    credentials: grpc.ChannelCredentials | None,
    server_name: str | None = None,
    more: Arguments | None = None,
) -> grpc.aio.Channel:
    """Return a channel; called in the running loop, and closed by its ``async with``."""
    hold_poller()
    target, arguments = endpoint(host, port), dialler_arguments(server_name) + (more or [])
    if credentials is None:
        return grpc.aio.insecure_channel(target, arguments)
    return grpc.aio.secure_channel(target, credentials, arguments)


def endpoint(host: str, port: int) -> str:
    """Return an address and a port as gRPC writes them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def address_of(peer: str) -> str:
    """Return the address in gRPC's name of a peer, such as ``ipv4:127.0.0.1:4711``; empty where it has none."""
    match = re.fullmatch(r"ipv[46]:\[?(.*?)\]?:\d+", unquote(peer))
    return match[1] if match else ""


_KNOWN: Sequence[tuple[str, str]] = (
    ("CERTIFICATE_VERIFY_FAILED", "its certificate is not believed"),
    ("Hostname Verification Check failed", "its certificate is for another name; write server_name"),
    ("WRONG_VERSION_NUMBER", "it speaks no TLS"),
    ("handshake failed", "TLS failed"),
    ("Ssl handshake", "TLS failed"),
    ("Connection refused", "connection refused"),
    ("Domain name not found", "its name is not known"),
    ("DNS resolution failed", "its name is not known"),
    ("Timeout occurred", "no answer"),
    ("No route to host", "no route to host"),
)


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """Return in a few words why a call failed."""
    details = " ".join((error.details() or "").split())
    known = next((words for part, words in _KNOWN if part in details), None)
    if known is not None:
        return known
    _, _, last = details.rpartition("last error: ")
    return f"{error.code().name} {last[:200]}".strip()
