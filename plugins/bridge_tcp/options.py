"""What a user may set on the TCP source and the TCP reporter; checked without a network."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from bridge.plugin import (
    ClientTls,
    CodePage,
    Decision,
    EitherTls,
    Goal,
    HostName,
    Network,
    Options,
    Port,
    ReporterOptions,
    ShareOptions,
    SourceOptions,
    Stage,
    WordList,
    WordOptions,
)
from bridge_tcp.acks import ACK_GROUPS, Acks, JsonAcks, Statuses, TextAcks
from bridge_tcp.codec import GROUPS, JsonParts, Parts, TextParts
from bridge_tcp.framing import Crlf, Fixed, Framing, Kind, StxEtx
from bridge_tcp.len32be import Len32be
from bridge_tcp.templates import REPLY_FIELDS, Replies, document_fields, template_mistake

Span = Annotated[float, Field(gt=0, le=3600)]

_PROOF = "AZaz09 ,;:.{}[]\"'-_/\r\n\x02\x03"
"""Characters that framings and patterns rely on: a code page must write each as its ASCII byte."""
_SAMPLE = Decision(id="", line="", goal=Goal.CUT_FALSE_CALLS, stage=Stage.SHADOW, part="")
DOCUMENT_FIELDS = frozenset({*document_fields(_SAMPLE.document()), "json"})
"""The fields that a reporter's template may name."""


class FramingOptions(Options):
    """How messages are told apart on a connection."""

    framing: Kind = "crlf"
    """crlf (lines), stx_etx (text between STX and ETX), fixed (records of one length) or len32be (lengths,
    JSON header, image bytes)"""
    length_bytes: Annotated[int, Field(ge=1, le=65_536)] = 128
    """a number of bytes from 1 to 65536: the length of one record; used by the framing fixed only"""
    max_line_bytes: Annotated[int, Field(ge=16, le=16 << 20)] = 65_536
    """a number of bytes from 16 to 16777216: the longest line or text; a longer one is garbage"""
    max_frame_bytes: Annotated[int, Field(ge=64, le=1 << 30)] = 32 << 20
    """a number of bytes from 64 to 1073741824: the largest len32be frame, images included; a larger one is
    garbage"""
    encoding: CodePage = "utf-8"
    """a code page for the text, for instance utf-8, cp949, cp932, cp936 or cp1252"""

    @field_validator("encoding")
    @classmethod
    def _keeps_ascii(cls, encoding: str) -> str:
        try:
            kept = _PROOF.encode(encoding) == _PROOF.encode("ascii")
        except ValueError:
            kept = False
        if not kept:
            raise ValueError("does not keep ASCII as it is, so no frame could be told from it")
        return encoding

    def framed(self) -> Framing:
        """Return a framing for one new connection."""
        if self.framing == "len32be":
            return Len32be(self.max_frame_bytes)
        if self.framing == "fixed":
            return Fixed(self.length_bytes)
        return (Crlf if self.framing == "crlf" else StxEtx)(self.max_line_bytes)


def _expression(pattern: str, groups: frozenset[str]) -> re.Pattern[str]:
    """Compile a pattern whose named groups are all known."""
    try:
        compiled = re.compile(pattern)
    except re.error as exc:
        raise ValueError(f"is no regular expression ({exc})") from exc
    if unknown := sorted(set(compiled.groupindex) - groups):
        raise ValueError(f"has the group {unknown[0]!r}, which means nothing; known: {', '.join(sorted(groups))}")
    return compiled


class TcpSourceOptions(FramingOptions, WordOptions, ShareOptions, SourceOptions):
    """An old inspector that speaks over TCP."""

    role: Literal["server", "client"] = "server"
    """server (we listen, the machine dials) or client (the machine listens, we dial)"""
    host: HostName = "127.0.0.1"
    """the address to listen on, loopback until told otherwise; for the role client the machine's address"""
    port: Port = Field(examples=[9100])
    """a port from 1 to 65535"""
    allow: tuple[Network, ...] = Field(default=(), examples=[("192.168.0.0/24",)])
    """a list of the addresses and networks that may connect; left out, every one; used by the role server only"""
    tls: EitherTls | None = Field(default=None, examples=[{"cert": "tls/bridge.pem", "key": "tls/bridge.key"}])
    """a table for TLS: cert, key, key_password, ca (whom we believe), server_name; left out, plain TCP"""
    content: Literal["text", "json"] = "text"
    """text (lines understood by the pattern) or json (one document per frame); len32be is always json"""
    pattern: str = r"(?P<part>[^,]*),(?P<verdict>[^,]*)(,(?P<defect>[^,]*))?(,(?P<image>[^,]*))?"
    """a regular expression that matches a whole line, with named groups out of part, verdict, recipe, image,
    defect, key, view, ng_views, sequence, deadline_ms, lot, counter; not used for json"""
    ignore: str = ""
    """a regular expression for whole lines that mean nothing, such as a keep-alive; empty for none"""
    image_separator: Annotated[str, Field(max_length=8)] = ""
    """what stands between several image paths of one line; empty where there is one"""
    reply: str = ""
    """the reply for each recorded part, without its framing, for instance {part},{verdict}; empty for none;
    {json} is the whole answer as JSON, and the only reply that len32be carries"""
    reply_unrecorded: str = ""
    """the reply for a part whose decision could not be recorded; empty for none; it must not read as an
    acknowledgement"""
    in_flight: Annotated[int, Field(ge=1, le=1024)] = 16
    """a number from 1 to 1024: how many parts of one connection are under way at once; more wait on the wire"""
    connections_max: Annotated[int, Field(ge=1, le=1024)] = 8
    """a number from 1 to 1024: how many connections are served; one more takes the place of one that has said
    nothing yet that we understand, or is closed at once"""
    dial_timeout_seconds: Span = 5
    """seconds up to 3600 that dialling the machine may take; used by the role client only"""
    frame_timeout_seconds: Span = 10
    """seconds up to 3600 that a frame may take from its first byte to its last; after that it is garbage"""
    idle_timeout_seconds: Annotated[float, Field(ge=0, le=86_400)] = 0
    """seconds up to 86400 that a connection may be silent before it is closed; 0 for no limit"""
    write_timeout_seconds: Span = 5
    """seconds up to 3600 that the machine may leave replies unread before its connection is closed"""

    @field_validator("pattern")
    @classmethod
    def _understood(cls, pattern: str) -> str:
        if not _expression(pattern, GROUPS).groupindex:
            raise ValueError("has no named group, so a line would say nothing")
        return pattern

    @field_validator("ignore")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        _expression(pattern, frozenset())
        return pattern

    @field_validator("reply", "reply_unrecorded")
    @classmethod
    def _template(cls, template: str, info: ValidationInfo) -> str:
        if mistake := template_mistake(template, REPLY_FIELDS):
            raise ValueError(mistake)
        if info.data.get("framing") == "len32be" and template not in {"", "{json}"}:
            raise ValueError("is text, but len32be carries JSON only")
        return template

    @model_validator(mode="after")
    def _secured(self) -> Self:
        if self.role == "server" and self.tls is not None:
            self.tls.server()  # a listener needs a certificate
        if self.role == "client" and self.allow:
            raise ValueError('allow: nobody connects to the role client; leave it out, or write role = "server"')
        return self

    def parts(self) -> Parts:
        """Return how frames are understood."""
        if self.content == "json" or self.framing == "len32be":
            return JsonParts(self.words())
        ignore = re.compile(self.ignore) if self.ignore else None
        return TextParts(re.compile(self.pattern), self.words(), self.encoding, ignore, self.image_separator)

    def replies(self) -> Replies:
        """Return what the machine is told."""
        return Replies(self.words(), self.reply, self.reply_unrecorded, self.encoding)


class TcpReporterOptions(FramingOptions, ReporterOptions):
    """An MES, or any other listener, that takes decisions over TCP and acknowledges each."""

    host: HostName = Field(examples=["192.168.0.20"])
    """the name or address of the MES"""
    port: Port = Field(examples=[9200])
    """a port from 1 to 65535"""
    tls: ClientTls | None = Field(default=None, examples=[{"ca": "tls/plant-ca.pem"}])
    """a table for TLS: ca (whom we believe), cert, key, key_password, server_name; left out, plain TCP"""
    template: str = ""
    """the text sent for each decision, for instance {id};{part};{verdict}; empty for the whole decision as
    JSON"""
    ack_pattern: str = ""
    """a regular expression that matches a whole acknowledgement, with the named group id and, where it is
    said, status and reason; empty for JSON with these fields"""
    accepted_words: WordList = ("accepted", "ok")
    """a list of the statuses that mean taken; after a status in no list we try again"""
    refused_words: WordList = ("refused",)
    """a list of the statuses that mean never to be taken: the decision is parked with its reason"""
    dial_timeout_seconds: Span = 5
    """seconds up to 3600 that dialling may take"""
    ack_timeout_seconds: Span = 5
    """seconds up to 3600 that an acknowledgement may take; after that we dial anew and send again"""

    @field_validator("template")
    @classmethod
    def _template(cls, template: str, info: ValidationInfo) -> str:
        if mistake := template_mistake(template, DOCUMENT_FIELDS):
            raise ValueError(mistake)
        if template and "{id" not in template:
            raise ValueError("does not contain {id}, by which a resent decision is known")
        if template and info.data.get("framing") == "len32be":
            raise ValueError("is set, but len32be carries JSON only")
        return template

    @field_validator("ack_pattern")
    @classmethod
    def _identified(cls, pattern: str) -> str:
        if pattern and "id" not in _expression(pattern, ACK_GROUPS).groupindex:
            raise ValueError("has no group 'id', without which an acknowledgement belongs to nobody")
        return pattern

    def acks(self) -> Acks:
        """Return how acknowledgements are understood."""
        statuses = Statuses(self.accepted_words, self.refused_words)
        if not self.ack_pattern:
            return JsonAcks(statuses)
        return TextAcks(re.compile(self.ack_pattern), statuses, self.encoding)
