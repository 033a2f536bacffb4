"""What a user may set on the HTTP source and the webhook reporter; checked without a network."""

from __future__ import annotations

from typing import Annotated, Self, TypeAlias
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from bridge.plugin import (
    ClientTls,
    HostName,
    LabelOptions,
    LabelPlaces,
    Network,
    Options,
    Port,
    ReporterOptions,
    Secret,
    ServerTls,
    ShareOptions,
    SourceOptions,
    WordOptions,
)
from bridge_http.signature import key_of

Span: TypeAlias = Annotated[float, Field(gt=0, le=3600)]
Statuses: TypeAlias = tuple[Annotated[int, Field(ge=300, le=599)], ...]
PORTS = {"http": 80, "https": 443}


def _url(text: str) -> str:
    """Refuse what is no place to dial, and a password in a place where it would be logged."""
    if not text.isascii() or any(character <= " " for character in text):
        raise ValueError("is no URL: it holds a blank or a letter that a URL encodes")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as exc:
        raise ValueError(f"is no URL ({exc})") from exc
    if parts.scheme not in PORTS or not parts.hostname or port == 0:
        raise ValueError("is no URL of the form http://host:port/path or https://host/path")
    if "@" in parts.netloc:
        raise ValueError("holds a user or password; leave them out, and write token")
    if parts.fragment:
        raise ValueError(f"ends in #{parts.fragment}, which is never sent; leave it out")
    return text


Url: TypeAlias = Annotated[str, AfterValidator(_url)]


class PortOptions(Options):
    """A port on which requests are taken, whatever they tell of."""

    host: HostName = "127.0.0.1"
    """the address to listen on, loopback until told otherwise"""
    port: Port = Field(examples=[9300])
    """a port from 1 to 65535"""
    allow: tuple[Network, ...] = Field(default=(), examples=[("192.168.0.0/24",)])
    """a list of the addresses and networks that may connect; left out, every one"""
    tls: ServerTls | None = Field(default=None, examples=[{"cert": "tls/bridge.pem", "key": "tls/bridge.key"}])
    """a table for TLS: cert, key, key_password, client_ca (whose clients may come); left out, plain HTTP"""
    token: Secret | None = Field(default=None, examples=["env:AOI_TOKEN"])
    """a reference to the token that a machine must show as Authorization: Bearer; left out, none"""
    max_request_bytes: Annotated[int, Field(ge=1024, le=1 << 30)] = 64 << 20
    """a number of bytes from 1024 to 1073741824: the largest request"""
    in_flight: Annotated[int, Field(ge=1, le=1024)] = 16
    """a number from 1 to 1024: how many requests are read and under way at once; more wait before their body is
    read"""
    room_timeout_seconds: Span = 5
    """seconds up to 3600 that a request waits for such room; then it is told 503 and to come again"""
    connections_max: Annotated[int, Field(ge=1, le=4096)] = 64
    """a number from 1 to 4096: how many connections are open; one more takes the place of one that has no request
    under way, or is closed at once"""
    head_timeout_seconds: Span = 10
    """seconds up to 3600 that the head of a request may take from its first byte to its last"""
    body_timeout_seconds: Span = 10
    """seconds up to 3600 that the body of a request may take"""
    idle_timeout_seconds: Span = 75
    """seconds up to 3600 that a connection may stay open without a request"""


class HttpSourceOptions(WordOptions, ShareOptions, PortOptions, SourceOptions):
    """An old inspector, or whoever speaks for it, that posts its parts."""

    max_image_bytes: Annotated[int, Field(ge=1, le=1 << 30)] = 32 << 20
    """a number of bytes from 1 to 1073741824: the largest image, sent along or read from the share"""
    fields_max: Annotated[int, Field(ge=1, le=100_000)] = 256
    """a number from 1 to 100000: how many fields one form may have, a file for each view among them"""


class HttpLabelOptions(PortOptions, LabelOptions):
    """A repair or verification station, or whoever speaks for it, that posts what people said of parts."""

    port: Port = Field(examples=[9301])
    """a port from 1 to 65535"""
    max_request_bytes: Annotated[int, Field(ge=1024, le=64 << 20)] = 4 << 20
    """a number of bytes from 1024 to 67108864: the largest request"""
    columns: LabelPlaces = LabelPlaces()
    """where the facts stand in a CSV, as {part = "Barcode", verdict = "Result", who = "Operator"}"""


class HttpReporterOptions(ReporterOptions):
    """An MES, or any other service, that takes decisions as webhooks."""

    url: Url = Field(examples=["https://mes.plant/hooks/aoi"])
    """the URL that every decision is posted to, http or https, without a user"""
    secret: Secret | None = Field(default=None, examples=["env:MES_WEBHOOK_SECRET"])
    """a reference to the secret that signs: base64, with whsec_ before it or without, as openssl rand -base64 32
    makes it; left out, nothing is signed"""
    token: Secret | None = Field(default=None, examples=["env:MES_TOKEN"])
    """a reference to the token that we show as Authorization: Bearer; left out, none"""
    tls: ClientTls | None = Field(default=None, examples=[{"ca": "tls/plant-ca.pem"}])
    """a table for https: ca (whom we believe), cert, key, key_password, server_name; left out, the authorities of
    this machine"""
    proxy: Url | None = Field(default=None, examples=["http://proxy.plant:3128"])
    """the URL of a proxy; left out, none, whatever the environment says"""
    taken_statuses: Statuses = Field(default=(), examples=[(409,)])
    """a list of the statuses beside 200 to 299 that mean taken, for a service that answers so to an id that it
    knows"""
    retried_statuses: Statuses = (401, 403, 407, 408, 409, 425, 429)
    """a list of the statuses below 500 after which we try again; any other from 400 parks the decision with its
    reason, and from 500 we always try again"""
    dial_timeout_seconds: Span = 5
    """seconds up to 3600 that dialling may take"""
    answer_timeout_seconds: Span = 10
    """seconds up to 3600 that a report may take, answer included; after that we send it again"""

    @field_validator("secret")
    @classmethod
    def _signs(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            key_of(secret.get_secret_value())
        return secret

    @model_validator(mode="after")
    def _secured(self) -> Self:
        if self.tls is not None and self.place.scheme == "http":
            raise ValueError('tls: does nothing for an http URL; write url = "https://…", or leave tls out')
        return self

    @property
    def place(self) -> SplitResult:
        """Return the URL in its parts."""
        return urlsplit(self.url)

    @property
    def key(self) -> bytes | None:
        """Return the key that signs; None where nothing is signed."""
        return key_of(self.secret.get_secret_value()) if self.secret is not None else None


def where(place: SplitResult) -> tuple[str, int]:
    """Return the host and the port of a URL that was checked."""
    return place.hostname or "", place.port or PORTS[place.scheme]
