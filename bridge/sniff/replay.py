"""A capture played to a configured source: what it understands, and what not and why.

The source is opened as the host opens it, but beside the road: it listens or dials on a free port of this machine
only, or looks into a folder of its own. No machine is dialled, nothing is journalled, and no gateway is needed.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bridge.errors import BridgeError, ConfigError, Unavailable
from bridge.explaining import explain
from bridge.health import events as counters
from bridge.health import instance
from bridge.messages import Decision, Goal, Inspection, Stage
from bridge.plugin.api import Fetch
from bridge.plugin.discovery import Plugged
from bridge.sniff.capture import Capture
from bridge.sniff.feed import Pace, feed_folder, feed_tcp

LINE = "sniff"
IMAGE_SECONDS = 1.0
"""How long an image is looked for; after a few that were not there none is."""
IMAGES_MISSED = 3
SETTLE_SECONDS = 0.4
"""After so long without news a source has said all it has to say."""


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one message or file."""

    at: float
    """Seconds since the replay began."""
    understood: bool
    part: Inspection | None = None
    images: int = 0
    """Of the part's images, how many were found."""
    why: str = ""
    """Why it was not understood; empty where it was."""
    data: bytes = field(default=b"", repr=False)
    """What was not understood, or its beginning."""
    origin: str = ""

    def document(self) -> dict[str, object]:
        """Return the row, JSON-ready."""
        part = self.part
        said: dict[str, object] = {"at": round(self.at, 3), "understood": self.understood}
        if part is not None:
            said |= {
                "part": part.part,
                "verdict": part.legacy,
                "recipe": part.recipe,
                "defect": part.defect,
                "views": len(part.views),
                "images": self.images,
            }
        if self.why:
            said |= {"why": self.why, "data": self.data.decode("utf-8", "backslashreplace")[:500]}
        return said


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a replay went."""

    rows: Sequence[Row]
    counts: Mapping[str, int]
    """What the plugin counted."""
    trouble: str = ""
    """What kept the source from taking all of it; empty where nothing did."""

    @property
    def understood(self) -> int:
        """Return how many parts were understood."""
        return sum(row.understood for row in self.rows)

    @property
    def missed(self) -> int:
        """Return how many messages were not understood, those included that a full quarantine did not keep."""
        kept = sum(not row.understood for row in self.rows)
        return max(kept, self.counts.get("garbage", 0) + self.counts.get("unreadable", 0))

    @property
    def well(self) -> bool:
        """Return whether everything was understood, and there was something."""
        return self.understood > 0 and not self.missed and not self.trouble


async def replay(capture: Capture, plugged: Plugged, home: Path, pace: Pace) -> Outcome:
    """Play a capture to a source; ``home`` is a folder that is empty and ours.

    Raises:
        ConfigError: the source cannot read a capture of this kind.
    """
    before = _counts()
    hearing = _Hearing()
    spot = await asyncio.to_thread(_spot, capture, plugged, home, pace)
    with instance(LINE, "source"):
        async with _kept_open(spot, home / "plugin", hearing) as trouble:
            said = await _fed(capture, spot, pace, hearing, trouble)
            await _settled(hearing, home / "plugin", _patience(spot) if capture.kind == "folder" else 0)
    rejects = await asyncio.to_thread(_rejects, home / "plugin" / "quarantine", hearing.began)
    rows = sorted([*hearing.rows, *rejects], key=lambda row: row.at)
    counts = {event: times - before.get(event, 0) for event, times in _counts().items()}
    return Outcome(rows, {event: times for event, times in counts.items() if times}, said)


async def _fed(capture: Capture, spot: Plugged, pace: Pace, hearing: _Hearing, trouble: Callable[[], str]) -> str:
    """Feed all of it; return what kept the source from taking it."""
    try:
        if capture.kind == "tcp":
            listens = getattr(spot.options, "role", "server") == "server"
            return await feed_tcp(capture, spot.options.port, pace, listens=listens, trouble=trouble)
        await feed_folder(capture, spot.options.path, pace, hearing.looked(spot))
    except Unavailable as exc:
        return trouble() or str(exc)
    return trouble() if not hearing.rows else ""


def _spot(capture: Capture, plugged: Plugged, home: Path, pace: Pace) -> Plugged:
    """Return the source with the road replaced by one of our own; of its options only times change."""
    options, fields = plugged.options, type(plugged.options).model_fields
    if capture.kind == "tcp" and {"host", "port"} <= set(fields):
        update: dict[str, object] = {"host": "127.0.0.1", "port": _free_port()}
    elif capture.kind == "folder" and "path" in fields:
        folder = home / "folder"
        folder.mkdir(parents=True)
        update = {"path": folder, "after": "leave"}
        update |= {name: getattr(options, name) / pace.times for name in _WAITS if name in fields}
    else:
        found = f"cannot be played a capture of kind {capture.kind}"
        raise ConfigError(f"source {plugged.plugin.name}", found, "replay it to a line with such a source")
    update |= {name: value for name, value in (("tls", None), ("allow", ())) if name in fields}
    return replace(plugged, options=options.model_copy(update=update))


_WAITS = ("poll_seconds", "stable_seconds", "give_up_seconds", "image_wait_seconds")
"""The times of a folder's options that run as much faster as the replay does."""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class _Hearing:
    """Stands where the line stands: notes each part, and looks for its images."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.began = time.time()
        self._missed = 0

    async def __call__(self, part: Inspection, fetch: Fetch | None = None) -> Decision:
        at = time.time() - self.began
        number = len(self.rows)
        self.rows.append(Row(at, understood=True, part=part, why=""))
        images = await self._found(part, fetch)
        why = _not_understood(part)
        self.rows[number] = Row(at, understood=not why, part=part, images=images, why=why)
        return Decision(
            id=f"{number + 1:032x}",
            line=LINE,
            goal=Goal.CUT_FALSE_CALLS,
            stage=Stage.SHADOW,
            part=part.part,
            key=part.key,
            legacy=part.legacy,
            final=part.legacy,
            recorded=True,
        )

    def looked(self, spot: Plugged) -> float:
        """Return for how long a folder must be left alone to be looked at."""
        return 2 * float(getattr(spot.options, "poll_seconds", 0.05))

    async def _found(self, part: Inspection, fetch: Fetch | None) -> int:
        """Return how many of a part's images are there; gives up for good after a few that are not."""
        found = 0
        for view in part.views:
            if view.image is not None:
                found += 1
            elif fetch is not None and view.reference and self._missed < IMAGES_MISSED:
                try:
                    async with asyncio.timeout(IMAGE_SECONDS):
                        await fetch(view)
                    found += 1
                except (BridgeError, TimeoutError):
                    self._missed += 1
        return found


def _not_understood(part: Inspection) -> str:
    """Return why a part is as good as none; empty where it is one."""
    if not part.legacy_understood:
        return "a word for its verdict is in neither ok_words nor ng_words"
    if not (part.part or part.legacy or part.views):
        return "it has no serial number, no verdict and no image"
    return ""


@asynccontextmanager
async def _kept_open(spot: Plugged, home: Path, hearing: _Hearing) -> AsyncIterator[Callable[[], str]]:
    """Keep a source open as the host does; yields what tells its last trouble."""
    last = [""]

    async def keep() -> None:
        while True:
            try:
                async with spot.open(home) as source:
                    last[0] = ""
                    await source(hearing)
            except Unavailable as exc:
                last[0] = str(exc)
                await asyncio.sleep(0.02)
            except Exception as exc:  # noqa: BLE001 - whatever a plugin does is told in one line
                last[0] = explain(exc)
                return
            else:
                return

    task = asyncio.create_task(keep(), name="sniff-source")
    try:
        yield lambda: last[0]
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _settled(hearing: _Hearing, home: Path, patience: float) -> None:
    """Wait until the source has no more news; ``patience`` is what it may take before it says anything."""
    loop = asyncio.get_running_loop()
    began = since = loop.time()
    last: object = None
    while loop.time() - since < SETTLE_SECONDS or loop.time() - began < patience:
        await asyncio.sleep(0.05)
        now = (list(hearing.rows), await asyncio.to_thread(_entries, home / "quarantine"))
        if now != last:
            last, since = now, loop.time()


def _patience(spot: Plugged) -> float:
    return sum(float(getattr(spot.options, name, 0)) for name in _WAITS)


def _entries(folder: Path) -> int:
    return sum(1 for _ in folder.glob("*.json"))


def _rejects(folder: Path, began: float) -> list[Row]:
    """Return what the source put aside, with its reasons."""
    rows = []
    for path in sorted(folder.glob("*.json")):
        facts: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        data = path.with_suffix(".bin").read_bytes()
        at = int(path.stem) / 1e9 - began
        rows.append(Row(at, understood=False, why=facts["reason"], data=data[:4096], origin=facts["origin"]))
    return rows


def _counts() -> dict[str, int]:
    return {
        sample.labels["event"]: int(sample.value)
        for metric in counters.collect()
        for sample in metric.samples
        if sample.name.endswith("_total") and sample.labels["line"] == LINE
    }
