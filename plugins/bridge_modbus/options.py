"""What a user sets on a PLC; checked without touching the network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bridge.plugin import (
    ClientTls,
    EitherTls,
    Milliseconds,
    Name,
    Network,
    Options,
    Port,
    ReporterOptions,
    SourceOptions,
)
from bridge_modbus.codec import COMMAND_WORDS, STATUS_WORDS, WordOrder
from bridge_modbus.verdicts import Tie

REGISTERS = 65_536
Word = Annotated[int, Field(ge=0, le=65_535, strict=True)]
RecipeId = Annotated[int, Field(ge=1, le=65_535)]

_PLACE = re.compile(r"(coil|register) (\d{1,5})")


@dataclass(frozen=True, slots=True)
class Place:
    """One coil or one holding register, by its 0-based address."""

    kind: Literal["coil", "register"]
    address: int

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read ``coil 0`` or ``register 100``.

        Raises:
            ValueError: it is neither, or beyond address 65535.
        """
        found = _PLACE.fullmatch(text)
        if not found or int(found[2]) >= REGISTERS:
            raise ValueError(f"{text!r} is no place in the PLC")
        return cls("coil" if found[1] == "coil" else "register", int(found[2]))

    def __str__(self) -> str:
        return f"{self.kind} {self.address}"


class SimpleMap(BaseModel):
    """A few coils or registers of an old program, instead of the register map."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    ok: str = ""
    """a place such as "coil 0" or "register 100" that is 1 while an OK stands; empty for none"""
    ng: str = ""
    """a place that is 1 while an NG stands; empty for none"""
    done: str = ""
    """a place that becomes 1 after the verdict stands, and 0 before the next; empty for none"""
    verdict: str = ""
    """a register that holds ok_value or ng_value while a verdict stands, else 0; instead of ok and ng"""
    ok_value: Word = 1
    """a number from 0 to 65535 for an OK"""
    ng_value: Word = 2
    """a number from 0 to 65535 for an NG"""
    clear_after_ms: Milliseconds = 1000
    """milliseconds after which a verdict is cleared; the part's deadline clears it too if that is earlier"""
    rest_ms: Annotated[float, Field(ge=0, le=1000)] = 20
    """milliseconds that the places stay cleared before the next verdict, at least two scans of the PLC"""
    ok_by_silence: Literal["refused", "accepted"] = "refused"
    """accepted only where the PLC reads the cleared places as OK, so that a dead bridge passes every part"""

    @field_validator("ok", "ng", "done", "verdict")
    @classmethod
    def _placed(cls, text: str) -> str:
        if text:
            Place.parse(text)
        return text

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if bool(self.verdict) == bool(self.ok or self.ng):
            raise ValueError('says no verdict once; write ok = "coil 0" or verdict = "register 100"')
        if self.verdict.startswith("coil"):
            raise ValueError(f'cannot hold two values in verdict = "{self.verdict}"; write a register')
        if self.verdict and self.ok_value == self.ng_value:
            raise ValueError("has the same number for OK and NG; write two different ones")
        if len(set(self.places())) < len(self.places()):
            raise ValueError("uses one place twice; write a place of its own for each")
        if self.silent_ok and self.ok_by_silence == "refused":
            raise ValueError(
                "lets a dead bridge pass every part, as nothing written reads as OK; "
                'write a place for ok, or ok_by_silence = "accepted"'
            )
        return self

    @property
    def silent_ok(self) -> bool:
        """Whether the cleared places read as OK."""
        if self.verdict:
            return self.ok_value == 0 and not self.done
        return not self.ok and not self.done

    def places(self) -> list[Place]:
        """Return every place that is written."""
        return [Place.parse(text) for text in (self.verdict, self.ok, self.ng, self.done) if text]


Host: TypeAlias = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^\S+$")]


class MapOptions(Options):
    """Where register map v1 lies and how it is kept alive; the same for every role."""

    host: Host
    """the name or address of the PLC"""
    port: Port = 502
    """a port from 1 to 65535"""
    unit: Annotated[int, Field(ge=0, le=255, strict=True)] = 1
    """a unit id from 0 to 255; a PLC that drops the connection every two seconds often wants 0, 1 or 255"""
    word_order: WordOrder = WordOrder.ABCD
    """one of ABCD, CDAB, BADC, DCBA: how the bytes of a 32-bit value lie in two registers; Siemens often CDAB"""
    command_address: Annotated[int, Field(ge=0, le=REGISTERS - COMMAND_WORDS, strict=True)] = 0
    """a 0-based address from 0 to 65507: the 29 holding registers that the PLC writes (CMD)"""
    status_address: Annotated[int, Field(ge=0, le=REGISTERS - STATUS_WORDS, strict=True)] = 100
    """a 0-based address from 0 to 65478: the 58 holding registers that the bridge writes (STS)"""
    timeout_ms: Milliseconds = 500
    """milliseconds that connecting, or one answer of the PLC, may take"""
    heartbeat_ms: Milliseconds = 500
    """milliseconds between two heartbeats; the PLC holds us for dead after 2000 without one"""
    ack_timeout_ms: Milliseconds = 2000
    """milliseconds that the PLC may take to acknowledge a result before it is cleared"""

    @field_validator("heartbeat_ms")
    @classmethod
    def _alive(cls, heartbeat_ms: float) -> float:
        if heartbeat_ms > 1000:  # noqa: PLR2004 - half of the time after which it is stale
            raise ValueError("is longer than half of the 2000 ms after which the PLC holds us for dead")
        return heartbeat_ms

    @model_validator(mode="after")
    def _apart(self) -> Self:
        command = range(self.command_address, self.command_address + COMMAND_WORDS)
        if self.status_address + STATUS_WORDS > command.start and self.status_address < command.stop:
            raise ValueError("has CMD and STS overlapping; move status_address or command_address")
        return self


class ModbusOptions(MapOptions, ReporterOptions):
    """A PLC that is a Modbus TCP server; the bridge is its client."""

    name: Name = Field(examples=["plc"])
    """a name for this reporter, unique on its line"""
    lane: Literal["realtime", "guaranteed"] = "realtime"
    """realtime, as a PLC is told now or never"""
    host: Host = Field(examples=["192.168.0.10"])
    """the name or address of the PLC"""
    tls: ClientTls | None = Field(default=None, examples=[{"ca": "tls/plant-ca.pem"}])
    """a table for TLS: ca (whom we believe), cert, key, key_password, server_name; left out, plain Modbus; the
    port is then 802 as a rule"""
    tie: Tie = "either"
    """serial, part_id or either: by which of its names in CMD the PLC and the inspector mean the same part"""
    map: SimpleMap | None = Field(default=None, examples=[{"ok": "coil 0", "done": "coil 1"}])
    """a table of places for an old program instead of the register map: ok, ng, done or verdict"""

    @field_validator("lane")
    @classmethod
    def _now_or_never(cls, lane: str) -> str:
        if lane != "realtime":
            raise ValueError("would tell a PLC about a part that has gone")
        return lane


class RoleOptions(SourceOptions):
    """Who dials; apart, so that it stands first in a sample."""

    role: Literal["client", "server"] = "client"
    """client (the PLC is the server, we read its CMD and write its STS) or server (the PLC dials us)"""


class ModbusSourceOptions(MapOptions, RoleOptions):
    """A PLC that triggers: it asks for a verdict on the part at its station, and gets it by the handshake."""

    host: Host = "127.0.0.1"
    """the name or address of the PLC; for the role server our own to listen on, loopback until told otherwise"""
    poll_ms: Annotated[float, Field(ge=1, le=500)] = 20
    """milliseconds from 1 to 500 between two looks at CMD; as a server we are told, and only time is looked at"""
    recipes: Mapping[RecipeId, str] = Field(default_factory=dict, examples=[{"1": "M10"}])
    """a table of the line's recipes by RECIPE_ID, such as { 1 = "M10" }; other numbers are their own names, 0 is
    none"""
    tls: EitherTls | None = Field(default=None, examples=[{"cert": "tls/bridge.pem", "key": "tls/bridge.key"}])
    """a table for TLS: cert, key, key_password, ca (whom we believe), server_name; left out, plain Modbus; the
    port is then 802 as a rule"""
    allow: tuple[Network, ...] = ()
    """a list of the addresses and networks of the PLCs that may dial us; empty for any (role server)"""

    @model_validator(mode="after")
    def _secured(self) -> Self:
        if self.role == "server" and self.tls is not None:
            self.tls.server()  # a listener needs a certificate
        if self.role == "client" and self.allow:
            raise ValueError('allow: nobody dials the role client; leave it out, or write role = "server"')
        return self

    def recipe(self, number: int) -> str:
        """Return the line's name for RECIPE_ID."""
        return self.recipes.get(number, str(number) if number else "")

    def recipe_id(self, recipe: str) -> int:
        """Return RECIPE_ID for the line's name, 0 where it has none."""
        known = next((number for number, name in self.recipes.items() if name == recipe), 0)
        return known or (int(recipe) if recipe.isdecimal() and int(recipe) < REGISTERS else 0)
