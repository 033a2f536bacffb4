"""What a user may set on the MC reporter; checked without a network."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bridge.plugin import DialOptions, Port, ReporterOptions


class McOptions(DialOptions, ReporterOptions):
    """A Mitsubishi PLC that takes verdicts in its D registers."""

    lane: Literal["realtime", "guaranteed"] = "realtime"
    """realtime (now or never): by the time of a second try another part stands there"""
    port: Port = 5007
    """the port from 1 to 65535 that the PLC's engineer has opened for the MC protocol, binary, over TCP"""
    first_register: Annotated[int, Field(ge=0, le=0xFF_FFFF - 12)] = 1000
    """the number of the first D register; the twelve from there on are ours"""
