"""What a user may set on the gRPC source and the gRPC reporter; checked without a network."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from bridge.plugin import (
    ClientTls,
    HostName,
    Network,
    Port,
    ReporterOptions,
    ServerTls,
    ShareOptions,
    SourceOptions,
)

LIMIT_BYTES = 64 << 20
"""The largest message, on both sides and in both directions, unless told otherwise."""

Span: TypeAlias = Annotated[float, Field(gt=0, le=3600)]


class GrpcSourceOptions(ShareOptions, SourceOptions):
    """An old inspector, or whatever stands before it, that calls us by gRPC."""

    host: HostName = "127.0.0.1"
    """the address to listen on, loopback until told otherwise"""
    port: Port = Field(examples=[50051])
    """a port from 1 to 65535"""
    allow: tuple[Network, ...] = Field(default=(), examples=[("192.168.0.0/24",)])
    """a list of the addresses and networks whose calls are answered; left out, every one's"""
    tls: ServerTls | None = Field(default=None, examples=[{"cert": "tls/bridge.pem", "key": "tls/bridge.key"}])
    """a table for TLS: cert, key, key_password, client_ca (whose clients may come); left out, plain text"""
    max_message_bytes: Annotated[int, Field(ge=1 << 16, le=1 << 30)] = LIMIT_BYTES
    """a number of bytes from 65536 to 1073741824: the largest message, pictures included; a larger one ends its
    call with RESOURCE_EXHAUSTED"""
    max_upload_bytes: Annotated[int, Field(ge=1 << 16, le=1 << 30)] = LIMIT_BYTES
    """a number of bytes from 65536 to 1073741824: the largest sum of the pictures of one upload"""
    in_flight: Annotated[int, Field(ge=1, le=1024)] = 16
    """a number from 1 to 1024: how many parts are under way at once; more wait on the wire"""
    connections_max: Annotated[int, Field(ge=1, le=1024)] = 32
    """a number from 1 to 1024: how many connections are open at once; one more is closed at once"""
    receive_timeout_seconds: Span = 10
    """seconds up to 3600 that a message, or all of an upload, may take to arrive"""
    margin_ms: Annotated[float, Field(ge=0, le=60_000)] = 10
    """milliseconds up to 60000 of the caller's deadline that are kept for the answer's way back"""
    client_ping_seconds: Span = 10
    """seconds up to 3600: the shortest time between two keep-alive pings of a client; one that pings more often is
    sent away"""
    reflection: bool = False
    """true to let tools such as grpcurl ask for the services and messages that are served"""


class GrpcReporterOptions(ReporterOptions):
    """An MES that serves aoi_bridge.inspection.v1.ReportService."""

    host: HostName = Field(examples=["192.168.0.20"])
    """the name or address of the MES"""
    port: Port = Field(examples=[50051])
    """a port from 1 to 65535"""
    tls: ClientTls | None = Field(default=None, examples=[{"ca": "tls/plant-ca.pem"}])
    """a table for TLS: ca (whom we believe), cert, key, key_password, server_name; left out, plain text"""
    dial_timeout_seconds: Span = 5
    """seconds up to 3600 that connecting may take"""
    ack_timeout_seconds: Span = 5
    """seconds up to 3600: the deadline of each call; after that the MES is told again"""
    probe_seconds: Span = 30
    """seconds up to 3600 between two questions whether the MES is still there, while nothing is told"""
