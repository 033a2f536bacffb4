"""Files that only grow: one line per part, read by offset, over truncation and rotation.

``step`` belongs to the polling thread; ``done`` may be called from any thread. What is kept of a file is how far
all of its lines are recorded and a hash of its beginning: a renamed file is known again by it and continued, a
file that was replaced or cut is read from its start as the next generation.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from bridge.plugin import count, logger
from bridge_hotfolder.listing import Listing, Stat
from bridge_hotfolder.options import HotfolderOptions
from bridge_hotfolder.seen import Seen, TailState

_HEAD_BYTES = 1024
_HEADER_BYTES = 1 << 16
_MOST_OUTSTANDING = 20_000
_NO_STAT = Stat(-1, -1)


@dataclass(frozen=True, slots=True)
class Line:
    """One whole line of an appended file."""

    path: str
    state: TailState = field(repr=False)
    start: int
    data: bytes = field(repr=False)
    header: bytes | None = field(repr=False)
    """The line that names the columns; None where there are no columns."""
    event: float
    backlog: bool

    @property
    def key(self) -> str:
        """The identity of this line, the same however often it is read and wherever its file was renamed to."""
        mark = hashlib.sha256(self.data).hexdigest()[:16]
        return f"{self.state.origin}:{self.state.generation}:{self.start}:{mark}"


@dataclass(slots=True)
class _Tail:
    state: TailState
    stat: Stat = _NO_STAT
    read_to: int = 0
    outstanding: dict[int, None] = field(default_factory=dict)
    """Starts of the lines handed out and not yet recorded, in order."""
    backlog_to: int = 0
    gone_at: float | None = None


class Tails:
    """All appended files of one folder."""

    def __init__(self, options: HotfolderOptions, seen: Seen) -> None:
        self._options = options
        self._seen = seen
        self._tails = {path: _Tail(state, read_to=state.done) for path, state in seen.tails().items()}
        self._first = True
        self._closed: set[str] = set()  # could not be read; what stands in them once they can is backlog
        self._lock = threading.Lock()

    def step(self, listing: Listing, now: float) -> list[Line]:
        """Return the lines that were completed since the last look.

        Raises:
            OSError: if the share is in trouble.
        """
        with self._lock:
            for path in sorted(listing.files.keys() - self._tails.keys()):
                with self._one(path):
                    self._meet(path, listing)
            lines: list[Line] = []
            for path, stat in listing.files.items():
                tail = self._tails.get(path)
                if tail and tail.stat != stat and len(tail.outstanding) < _MOST_OUTSTANDING:
                    with self._one(path):
                        lines += self._advance(path, tail, stat, now)
            self._closed &= listing.files.keys()
            self._forget(listing, now)
            self._first = False
        return lines

    def done(self, line: Line) -> None:
        """Say that a line is recorded, or quarantined."""
        with self._lock:
            for path, tail in self._tails.items():
                state = tail.state
                if (state.origin, state.generation) != (line.state.origin, line.state.generation):
                    continue
                tail.outstanding.pop(line.start, None)
                tail.state = replace(state, done=next(iter(tail.outstanding), tail.read_to))
                if tail.state != state:
                    self._seen.keep_tail(path, tail.state)
                return

    @contextmanager
    def _one(self, path: str) -> Iterator[None]:
        """Let a file that has gone, or that its writer keeps closed, stop no other."""
        try:
            yield
        except FileNotFoundError:
            count("vanished")
        except PermissionError as exc:
            count("unreadable")
            if path not in self._closed:
                logger().warning("a file cannot be read now", path=path, reason=str(exc))
            self._closed.add(path)

    def _meet(self, path: str, listing: Listing) -> None:
        """Begin a file never seen, or go on with one that was renamed."""
        head = self._head(path)
        for old, tail in self._tails.items():
            same = tail.state.head_bytes and _mark(head, tail.state.head_bytes) == tail.state.head
            replaced = old not in listing.files or not self._is_still(old, tail)
            if same and replaced:
                self._adopt(old, path, tail, listing)
                return
        self._tails[path] = _Tail(TailState(path, 0, 0, b"", 0))

    def _adopt(self, old: str, path: str, tail: _Tail, listing: Listing) -> None:
        count("rotated")
        del self._tails[old]
        self._tails[path] = tail
        tail.stat = _NO_STAT
        self._seen.keep_tail(path, tail.state, replaces=old)
        if old in listing.files:
            self._tails[old] = _Tail(TailState(old, tail.state.generation + 1, 0, b"", 0))

    def _is_still(self, path: str, tail: _Tail) -> bool:
        return _mark(self._head(path), tail.state.head_bytes) == tail.state.head

    def _advance(self, path: str, tail: _Tail, stat: Stat, now: float) -> list[Line]:
        with (self._options.path / path).open("rb") as file:
            head = file.read(_HEADER_BYTES)
            if stat.size < tail.read_to or _mark(head, tail.state.head_bytes) != tail.state.head:
                count("truncated")
                tail.state = TailState(tail.state.origin, tail.state.generation + 1, 0, b"", 0)
                tail.read_to, tail.backlog_to = 0, 0
                tail.outstanding.clear()
            if self._first or path in self._closed:
                tail.backlog_to = stat.size
                self._closed.discard(path)
            header, start = self._header(path, head)
            if start is None:
                return []
            tail.read_to = max(tail.read_to, start)
            chunk = self._chunk(file, tail, stat)
        found = self._cut(path, tail, chunk, header, now)
        self._remember(path, tail, head)
        return found

    def _chunk(self, file: BinaryIO, tail: _Tail, stat: Stat) -> bytes:
        """Read whole lines only; a line longer than a result may be is cut, and will be quarantined."""
        file.seek(tail.read_to)
        data = file.read(self._options.max_result_bytes)
        full = len(data) == self._options.max_result_bytes
        if not full:
            tail.stat = stat  # all that was there is read: look again when it changes
        end = data.rfind(b"\n") + 1
        return data if full and not end else data[:end]

    def _cut(self, path: str, tail: _Tail, chunk: bytes, header: bytes | None, now: float) -> list[Line]:
        lines = []
        for data in _split(chunk):
            start, tail.read_to = tail.read_to, tail.read_to + len(data)
            if data.strip():
                tail.outstanding[start] = None
                lines.append(Line(path, tail.state, start, data, header, now, start < tail.backlog_to))
        return lines

    def _remember(self, path: str, tail: _Tail, head: bytes) -> None:
        size = min(tail.read_to, _HEAD_BYTES)
        done = next(iter(tail.outstanding), tail.read_to)
        state = replace(tail.state, head=_mark(head, size), head_bytes=size, done=done)
        if state != tail.state:
            tail.state = state
            self._seen.keep_tail(path, state)

    def _header(self, path: str, head: bytes) -> tuple[bytes | None, int | None]:
        """Return the header line and where the lines after it start; None for the latter while it is not whole."""
        if self._options.form_of(path) == "json":
            return None, 0
        lines = _split(head)
        whole = [line for line in lines if line.endswith(b"\n")]
        if len(whole) <= self._options.skip_lines:
            return None, None
        skipped = sum(map(len, whole[: self._options.skip_lines]))
        header = whole[self._options.skip_lines]
        return header, skipped if self._options.header == "none" else skipped + len(header)

    def _head(self, path: str) -> bytes:
        with Path(self._options.path / path).open("rb") as file:
            return file.read(_HEAD_BYTES)

    def _forget(self, listing: Listing, now: float) -> None:
        for path, tail in list(self._tails.items()):
            if path in listing.files:
                tail.gone_at = None
            elif tail.gone_at is None:
                tail.gone_at = now
            elif now - tail.gone_at > self._options.forget_days * 86_400:
                del self._tails[path]
                self._seen.drop_tail(path)


def _split(chunk: bytes) -> list[bytes]:
    """Split at line feeds only, and keep them: a lone carriage return may stand inside a line."""
    return [line + b"\n" for line in chunk.split(b"\n")[:-1]] + [
        rest for rest in [chunk.rpartition(b"\n")[2]] if rest
    ]


def _mark(head: bytes, size: int) -> bytes:
    return hashlib.sha256(head[:size]).digest() if size else b""
