"""The picture by which an engineer sees, before training, where a model will look and what it will be shown."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from bridge.judging import headers, preprocess
from bridge.judging.headers import Unreadable
from bridge.judging.preprocess import Cut
from bridge.judging.spec import Input
from bridge.judging.transforms import moved
from bridge.learning import sheets
from bridge.learning.data import Collection, Item, Look
from bridge.learning.data.pictures import Told, silent
from bridge.learning.lettering import Colour
from bridge.learning.sheets import BAD, GOOD, Words

SAMPLES: Final = 6
"""Pictures of each view that are shown."""
_SIDE: Final = 900
"""Pixels of the longer side at which a picture is drawn on, before it goes onto the sheet."""
_DIMMED: Final = 0.3
_CELL: Final = 300
_PAIRS: Final = 3
_LETTERS: Final = 42
"""What of a sentence fits below a cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One picture, cut as the model will be shown it."""

    item: Item
    cut: Cut | None
    """None where it could not be."""
    why: str = ""
    """Why it could not be."""

    @property
    def order(self) -> float:
        """What should be looked at first comes first: what failed, then what looks least like the golden one."""
        if self.cut is None:
            return -2.0
        return 0.0 if self.cut.correlation is None else self.cut.correlation - 1.0


def tried(collection: Collection, look: Look, most: int, told: Told = silent) -> list[Tried]:
    """Cut up to ``most`` pictures of each view, evenly spread over the set; blocks.

    Raises:
        ConfigError: a golden picture cannot be used.
    """
    chosen = [item for view in views(collection) for item in _spread(_of(collection, view), most)]
    found: list[Tried] = []
    for item in chosen:
        found.append(_tried(item, look))
        told(len(found), len(chosen))
    return found


def _tried(item: Item, look: Look) -> Tried:
    try:
        return Tried(item=item, cut=look.cut(item.path.read_bytes(), item.view))
    except OSError as exc:
        return Tried(item=item, cut=None, why=f"cannot be read ({exc.strerror})")
    except Unreadable as exc:
        return Tried(item=item, cut=None, why=str(exc))


def views(collection: Collection) -> list[str]:
    """Return the names of all views."""
    return sorted({item.view for item in collection.items})


def _of(collection: Collection, view: str) -> list[Item]:
    return [item for item in collection.items if item.view == view]


def _spread(items: Sequence[Item], most: int) -> list[Item]:
    places = np.unique(np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int))
    return [items[place] for place in places.tolist()]


def sheet(seen: Sequence[Tried], look: Look, samples: int = SAMPLES) -> sheets.Sheet:
    """Return for each view some pictures with what the model is shown of them.

    Where parts are registered, the golden picture comes first, then what could not be registered, then what looks
    least like it, then others.

    Args:
        seen: as ``tried`` gives it.
        look: the same.
        samples: how many of each view.
    """
    parts: list[sheets.Sheet] = []
    for view in sorted({one.item.view for one in seen}):
        of_view = [one for one in seen if one.item.view == view]
        parts.append(_view(view, _shown(of_view, samples), look))
    return sheets.joined(parts)


def _shown(seen: Sequence[Tried], samples: int) -> list[Tried]:
    """Return as many as half of what should be looked at first, and the others evenly from what was cut."""
    ranked = sorted(seen, key=lambda one: one.order)
    first = [one for one in ranked if one.order < 0][: -(-samples // 2)]
    rest = [one for one in seen if one.cut is not None and one not in first]
    places = np.linspace(0, len(rest) - 1, min(samples - len(first), len(rest))).round().astype(int)
    return first + [rest[place] for place in np.unique(places).tolist()]


def _view(view: str, shown: Sequence[Tried], look: Look) -> sheets.Sheet:
    pictures: list[sheets.Shown | None] = []
    captions: list[str] = []
    frames: list[Colour | None] = []
    golden = look.golden(view)
    if golden is not None:
        pictures += [_golden(golden.data, look, view), None]
        captions += ["golden picture", ""]
        frames += [None, None]
    for one in shown:
        pictures += _pair(one, look.into)
        captions += [f"{one.item.path.name}\n{one.item.label}", _said(one)]
        frames += [BAD if one.cut is None else None, GOOD if one.cut is not None else None]
    columns = min(_PAIRS, -(-len(pictures) // 2)) * 2
    heads = ["where it looks", "what it is shown"] * (columns // 2)
    words = Words(captions=captions, columns=heads, title=_title(view, look))
    return sheets.grid(pictures, columns=columns, cell=_CELL, words=words, frames=frames)


def _title(view: str, look: Look) -> str:
    box = look.roi(view)
    where = f"ROI {box.cx:g}, {box.cy:g}, {box.w:g} x {box.h:g}" if box else "no ROI: all of the picture"
    how = ", registered" if look.golden(view) else ""
    return f"View {view}: {where}{how}; shown to the model at {look.into.width} x {look.into.height}"


def _said(one: Tried) -> str:
    if one.cut is None:
        return "\n".join(textwrap.wrap(one.why, _LETTERS))
    return "" if one.cut.correlation is None else f"correlation {one.cut.correlation:.2f}"


def _pair(one: Tried, into: Input) -> tuple[sheets.Shown | None, sheets.Shown | None]:
    whole = _whole(one.item.path)
    if one.cut is None:
        return whole, None
    corners: list[tuple[float, float]] = [(0, 0), (into.width, 0), (into.width, into.height), (0, into.height)]
    crop = one.cut.picture
    if into.colour == "rgb":
        crop = np.asarray(cv2.cvtColor(crop, cv2.COLOR_RGB2BGR), np.uint8)
    return None if whole is None else _outlined(whole, moved(one.cut.placement, corners)), crop


def _whole(path: Path) -> sheets.Shown | None:
    """Return the picture as it is stored, None where it cannot be decoded."""
    try:
        data = path.read_bytes()
        return preprocess.decode(data, headers.read(data))
    except (OSError, Unreadable):
        return None


def _golden(data: bytes, look: Look, view: str) -> sheets.Shown:
    whole = preprocess.decode(data, headers.read(data))
    onto = look.onto(view)
    anchor = onto.anchor if onto else None
    box = look.roi(view) or anchor
    if box is None:
        return whole
    left, top, right, bottom = box.cx - box.w / 2, box.cy - box.h / 2, box.cx + box.w / 2, box.cy + box.h / 2
    return _outlined(whole, [(left, top), (right, top), (right, bottom), (left, bottom)])


def _outlined(whole: sheets.Shown, corners: Sequence[tuple[float, float]]) -> sheets.Shown:
    """Return the picture, dimmed outside of what the corners go round, with a line there."""
    scale = min(1.0, _SIDE / max(whole.shape[:2]))
    height, width = (max(round(side * scale), 1) for side in whole.shape[:2])
    small = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA) if scale < 1 else whole
    outline = (np.array(corners) * scale).round().astype(np.int32)
    inside = np.zeros(small.shape[:2], np.uint8)
    cv2.fillPoly(inside, [outline], 1)
    drawn = np.where(inside[..., None] > 0, small, (small * _DIMMED).astype(np.uint8))
    thick = max(1, round(max(small.shape[:2]) / 200))
    cv2.polylines(drawn, [outline], isClosed=True, color=GOOD, thickness=thick, lineType=cv2.LINE_AA)
    return np.asarray(drawn, np.uint8)
