"""The capture file: what a machine sent, when, and on which connection; JSON lines, one for each event.

The first line says what it is, ``{"capture": 1, "kind": "tcp", "origin": "connect aoi:9100", "began": UNIX}``;
in every other line ``t`` is the number of seconds since then and ``is`` says what happened::

    open      connection ``n`` was made, with ``peer``
    machine   bytes that the machine sent on connection ``n``
    answer    bytes that were sent to it, by its receiver or by ``--answer``
    end       the machine has said on connection ``n`` that it sends no more
    close     connection ``n`` is gone
    file      ``path`` was there, new, growing, grown, changed, renamed (``before`` was its name) or gone
    resumed   the recording went on after a break

Bytes stand in ``data``, a character for each byte (U+0000 to U+00FF), or in ``base64`` where they are no text. A
line that was cut by a kill is skipped, and counted.
"""

from __future__ import annotations

import base64
import json
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias, get_args

from bridge.errors import ConfigError

VERSION = 1
SYNC_SECONDS = 1.0
"""What was written is forced to the disk at least so often; a kill loses nothing, a power cut this much."""
_TEXT = frozenset(range(0x20, 0x7F)) | frozenset(b"\r\n\t\x02\x03")
_LONGEST_HEAD = 1 << 16

Kind: TypeAlias = Literal["tcp", "folder"]
What: TypeAlias = Literal["open", "machine", "answer", "end", "close", "file", "resumed"]
How: TypeAlias = Literal["there", "new", "growing", "grown", "changed", "renamed", "gone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened."""

    what: What
    t: float = 0.0
    """Seconds since the capture began."""
    connection: int = 0
    peer: str = ""
    data: bytes = field(default=b"", repr=False)
    """The bytes sent; of a file those from ``offset`` on, as many as were kept."""
    path: str = ""
    """A file's place below the folder, with slashes."""
    how: How = "new"
    before: str = ""
    """The name that a renamed file had."""
    size: int = 0
    mtime: float = 0.0
    offset: int = 0
    tail: bytes = field(default=b"", repr=False)
    """The end of a file that was too large to be kept whole."""


@dataclass(frozen=True, slots=True)
class Capture:
    """A whole capture, read."""

    kind: Kind
    origin: str
    began: float
    events: Sequence[Event]
    torn: int = 0
    """How many lines could not be read; a kill leaves one at most."""

    def connections(self) -> Mapping[int, Sequence[Event]]:
        """Return what happened on each connection, in order."""
        found: dict[int, list[Event]] = {}
        for event in self.events:
            if event.connection:
                found.setdefault(event.connection, []).append(event)
        return found

    def streams(self) -> Sequence[Sequence[bytes]]:
        """Return the packets that the machine sent, for each connection on which it sent any."""
        said = ([e.data for e in events if e.what == "machine"] for events in self.connections().values())
        return [packets for packets in said if packets]


class Writer:
    """Appends events to a capture file until it is full; blocks on the disk, so call it from one thread.

    Attributes:
        full: whether the limit was reached; what comes then is not written.
        size: the bytes of the file.
    """

    def __init__(self, file: IO[bytes], began: float, limit: int) -> None:
        self._file = file
        self._began = began
        self._limit = limit
        self._synced = time.monotonic()
        self.size = file.seek(0, os.SEEK_END)
        self.full = self.size >= limit

    def now(self) -> float:
        """Return the time of this moment, in the capture's own seconds."""
        return time.time() - self._began

    def write(self, event: Event, *, force: bool = False) -> bool:
        """Write one event; return whether it stands in the file, with ``force`` whatever happens to the power.

        Raises:
            OSError: the disk refuses.
        """
        if self.full:
            return False
        line = json.dumps(_plain(event), ensure_ascii=False).encode() + b"\n"
        if self.size + len(line) > self._limit:
            self.full = True
            return False
        self._file.write(line)
        self.size += len(line)
        if force or time.monotonic() - self._synced > SYNC_SECONDS:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()
        return True


@contextmanager
def writing(path: Path, kind: Kind, origin: str, limit: int) -> Iterator[tuple[Writer, Capture]]:
    """Hold a capture file open; one that is there already is gone on with. Blocks on the disk.

    Yields the writer and what the file held before, without its events' bytes.

    Raises:
        ConfigError: the file cannot be written, is no capture, or one of another kind.
    """
    there = path.exists() and path.stat().st_size > 0
    held = read(path) if there else Capture(kind, origin, time.time(), ())
    if held.kind != kind:
        raise ConfigError(str(path), f"is a capture of kind {held.kind}", "write another --out")
    with ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("ab", buffering=0))
            if not there:
                head = {"capture": VERSION, "kind": kind, "origin": origin, "began": held.began}
                file.write(json.dumps(head).encode() + b"\n")
            elif not _ends_whole(path):
                file.write(b"\n")
            writer = Writer(file, held.began, limit)
            if there:
                writer.write(Event(what="resumed", t=writer.now()))
        except OSError as exc:
            raise ConfigError(str(path), f"cannot be written ({exc.strerror})", "write another --out") from exc
        try:
            yield writer, held
        finally:
            os.fsync(file.fileno())


def read(path: Path) -> Capture:
    """Read a capture.

    Raises:
        ConfigError: there is none, or it is of a newer version.
    """
    try:
        with path.open("rb") as file:
            head = _head(file.readline(_LONGEST_HEAD), path)
            events, torn = [], 0
            for line in file:
                event = _event(line)
                if event is not None:
                    events.append(event)
                elif line.strip():
                    torn += 1
    except OSError as exc:
        write = "record one with aoi-bridge sniff record"
        raise ConfigError(str(path), f"cannot be read ({exc.strerror})", write) from exc
    return Capture(head["kind"], str(head.get("origin", "")), float(head.get("began", 0)), tuple(events), torn)


def _head(line: bytes, path: Path) -> dict[str, Any]:
    try:
        head = json.loads(line)
    except (ValueError, RecursionError):
        head = None
    if (
        not isinstance(head, dict)
        or "capture" not in head
        or head.get("kind") not in get_args(Kind)
        or not isinstance(head.get("began", 0), int | float)
    ):
        raise ConfigError(str(path), "is no capture", "write a file that aoi-bridge sniff record has made")
    if head["capture"] != VERSION:
        raise ConfigError(str(path), f"is a capture of version {head['capture']}", "read it with a newer bridge")
    return head


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


_WHATS, _HOWS = frozenset(get_args(What)), frozenset(get_args(How))
_NAMES = {"connection": "n", "what": "is"}
_BYTES = ("data", "tail")


def _plain(event: Event) -> dict[str, object]:
    said: dict[str, object] = {"t": round(event.t, 6), "is": event.what}
    for name in ("connection", "peer", "path", "before", "size", "mtime", "offset"):
        if value := getattr(event, name):
            said[_NAMES.get(name, name)] = value
    if event.what == "file":
        said["how"] = event.how
    for name in _BYTES:
        value = getattr(event, name)
        if value and _TEXT.issuperset(value):
            said[name] = value.decode("latin-1")
        elif value:
            said["base64" if name == "data" else f"{name}64"] = base64.b64encode(value).decode()
    return said


def _event(line: bytes) -> Event | None:
    """Return what a line says; None where it was cut."""
    try:
        said = json.loads(line)
        t = float(said["t"])
        if said["is"] not in _WHATS or said.get("how", "new") not in _HOWS or not math.isfinite(t):
            return None
        return Event(
            what=said["is"],
            t=t,
            connection=int(said.get("n", 0)),
            peer=str(said.get("peer", "")),
            data=_bytes(said, "data", "base64"),
            path=str(said.get("path", "")),
            how=said.get("how", "new"),
            before=str(said.get("before", "")),
            size=int(said.get("size", 0)),
            mtime=float(said.get("mtime", 0.0)),
            offset=int(said.get("offset", 0)),
            tail=_bytes(said, "tail", "tail64"),
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None


def _bytes(said: Mapping[str, Any], text: str, encoded: str) -> bytes:
    if encoded in said:
        return base64.b64decode(said[encoded], validate=True)
    return str(said.get(text, "")).encode("latin-1")
