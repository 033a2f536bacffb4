"""How a plugin is put on trial: what the contract kit cannot guess about it.

A plugin offers its trials in the entry point group ``aoi_bridge.trials``, under the name ``KIND.NAME`` or, where
one way of setting it up is not enough, also under ``KIND.NAME.VARIANT``. Each is one ``Trial``. The command
``aoi-bridge plugin test NAME`` and ``bridge.plugin.testkit`` find them there; nothing else ever loads them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from bridge.messages import Inspection, Verdict, View

Road: TypeAlias = Literal["listens", "dials", "folder", "none"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a plugin and its peer meet in one trial; each trial has its own."""

    folder: Path
    """An empty folder that both see."""
    port: int
    """A free port of 127.0.0.1. The two sides may be told different ones: then the kit stands in between."""


def grey(level: int, size: int = 16) -> bytes:
    """Return a small grey picture as PNG; the same level gives the same bytes."""
    header = struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)
    rows = b"".join(b"\0" + bytes([level] * size) for _ in range(size))
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


PART = Inspection(
    part="P1000",
    legacy=Verdict.NG,
    views=(View(name="top", image=grey(128), legacy=Verdict.NG),),
)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One way of setting a plugin up, and what to expect of it."""

    options: Callable[[Place], Mapping[str, object]]
    """The plugin's table of bridge.toml, without ``type``, for a place; the peer is opened with the same."""
    road: Road
    """listens or dials: the plugin speaks TCP on ``place.port``, and the kit may stand in between. folder: the two
    meet in ``place.folder``. none: by neither, or there is no other side."""
    stream: bool = False
    """True where each part stands by itself in a stream of bytes, so that several may come at once, and recorded
    streams may be replayed; False where one message answers another."""
    acknowledges: bool = True
    """False where an answer is a verdict for the moment and no acknowledgement, as a PLC's: nothing is kept on the
    other side that would be sent again if the answer did not come."""
    around: Callable[[Place], AbstractAsyncContextManager[object]] | None = None
    """Opens what both need, a broker or a database say; it is at ``place.port`` where the peer is."""
    part: Inspection = PART
    """A part that the peer can play. All serial numbers of the trial are like this one's, with other digits at the
    end."""
    seconds: float = 10.0
    """How long opening, handing over a part, or telling a decision may take at worst, the plugin's own timeouts
    included."""
    close_seconds: float = 3.0
    """How long closing may take at worst."""
    under_way: int = 64
    """How many parts the source may hold at most while the line does not answer."""
    unfit: Mapping[str, str] = field(default_factory=dict)
    """Rules by their id that say nothing about this plugin, each with its reason, which is printed."""
    pictures: Callable[[], tuple[bytes, ...]] | None = None
    """For a judge: pictures that it can judge; left out, three grey ones."""
