"""Heat maps side by side on one page and one sheet: of one model, or of several models and layers compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bridge.learning import localisation, overlay, seeing, sheets
from bridge.learning.data import Item
from bridge.learning.lettering import Colour
from bridge.learning.localisation import Localisation
from bridge.learning.masks import Mask
from bridge.learning.metrics import Estimate
from bridge.learning.seeing import Picture, Seen
from bridge.learning.sheets import BAD, GOOD, Words
from bridge.messages import Box, Verdict
from bridge.pages import page
from bridge.pages.page import Markup, Section

_ROWS: Final = 6
"""So many on one picture of the page."""
ON_SHEET: Final = 12
"""More on one sheet would be too small to see anything; the page has all."""
ALL: Final = "all pictures"
_PAIRS: Final = 3
_AROUND: Final = 0.15
"""What is drawn around the region of interest, as a share of its size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One model at one layer."""

    name: str
    note: str
    """How it differs, for the page: augmentation, region, input size."""
    seen: tuple[Seen, ...]
    """One for each picture, in the same order in every column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Columns over the same pictures; N of each."""

    columns: tuple[Column, ...]
    bad: tuple[bool, ...]
    """Whether each picture is NG."""
    masks: tuple[Mask | None, ...]
    """Where a person drew the defect."""

    @property
    def items(self) -> tuple[Item, ...]:
        """The pictures."""
        return tuple(one.item for one in self.columns[0].seen)

    def wrong(self, place: int) -> bool:
        """Return whether any column is wrong about a picture."""
        truth = Verdict.NG if self.bad[place] else Verdict.OK
        return any(column.seen[place].verdict != truth for column in self.columns)


def shown(comparison: Comparison, most: int) -> list[int]:
    """Return the places of the pictures to look at: mistakes, up to half; NG by classes in turn; the rest."""
    places = range(len(comparison.items))
    wrong = [place for place in places if comparison.wrong(place)]
    first = wrong[: max(1, most // 2)]
    bad = [place for place in places if comparison.bad[place] and place not in set(first)]
    labels = sorted({comparison.items[place].label for place in bad})
    by_class = [[place for place in bad if comparison.items[place].label == label] for label in labels]
    in_turn = [place for place in chain.from_iterable(zip_longest(*by_class)) if place is not None]
    return list(dict.fromkeys([*first, *in_turn, *wrong, *places]))[:most]


def located(comparison: Comparison) -> list[tuple[Column, tuple[Localisation, ...]]]:
    """Return how often each column finds the defect: over all pictures with a mask, then class by class."""
    made = []
    for column in comparison.columns:
        found = seeing.hits(list(zip(column.seen, comparison.masks, strict=True)))
        if found:
            items, hits = zip(*found, strict=True)
            groups = [item.group for item in items]
            whole = localisation.summed(ALL, hits, groups)
            by_class = localisation.by([item.label for item in items], hits, groups)
            made.append((column, (whole, *by_class)))
    return made


def sheet(comparison: Comparison, places: Sequence[int], cell: int = 300) -> Picture:
    """Return the pictures, each beside its heat map of every column; see ``ON_SHEET``.

    Args:
        comparison: what it shows.
        places: the pictures to draw.
        cell: pixels of a picture's longer side, where there is room.
    """
    if len(comparison.columns) == 1:
        pairs = [_pair(comparison, place) for place in places]
        captions = [
            f"{_labelled(comparison, place)}\n{_said(comparison.columns[0].seen[place])}" for place in places
        ]
        sides = [_frame(comparison, comparison.columns[0], place) for place in places]
        return sheets.grid(pairs, captions, min(_PAIRS, len(pairs)), 2 * cell, frames=sides)
    cells: list[Picture | None] = []
    captions, frames = list[str](), list[Colour | None]()
    for place in places:
        cells.append(_plain(comparison, place))
        captions.append("")
        frames.append(None)
        for column in comparison.columns:
            cells.append(_hot(comparison, column, place))
            captions.append(_said(column.seen[place]))
            frames.append(_frame(comparison, column, place))
    words = Words(
        captions=captions,
        columns=["picture", *(column.name for column in comparison.columns)],
        rows=[_labelled(comparison, place) for place in places],
    )
    return sheets.grid(cells, columns=1 + len(comparison.columns), cell=cell, words=words, frames=frames)


def render(title: str, comparison: Comparison, places: Sequence[int]) -> str:
    """Return the page.

    Args:
        title: its heading.
        comparison: what it shows.
        places: the pictures to draw.
    """
    sections = [Section(title="Models", body=[_columns(comparison)])] if len(comparison.columns) > 1 else []
    found = located(comparison)
    if found:
        sections.append(
            Section(title="Where the defect is found", body=[_table(found), _by_class(found), page.prose(_RULES)])
        )
    step = _ROWS if len(comparison.columns) > 1 else 2 * _PAIRS
    drawn = [
        page.picture(
            sheet(comparison, places[at : at + step]), _numbered(comparison, places[at : at + step]), 1000
        )
        for at in range(0, len(places), step)
    ]
    sections.append(Section(title="Heat maps", body=[page.prose(_READ), *drawn]))
    total, wrong = len(comparison.items), sum(map(comparison.wrong, range(len(comparison.items))))
    lead = f"{total} pictures, {sum(comparison.bad)} of them NG; {wrong} judged wrongly. Mistakes come first."
    return page.render(title, lead, sections)


_RULES: Final = (
    "A peak hits if the defect comes within 3 % of the longer side of it. Boxes touch if one of them "
    "holds a pixel of the defect. A box fits if its intersection over union with a piece of the defect, "
    "or with all of it, is 0.3 or more. By chance: a point anywhere, or the same boxes moved anywhere. In "
    "brackets: 95 % interval, drawn by groups."
)
_READ: Final = (
    "Bright is what speaks for a defect and against OK, on the scale of the picture's own hottest place: "
    "a picture that is surely OK has a hottest place as well. White boxes are what the line would report; "
    "a cyan outline is where a person drew the defect. Below stand the verdict, p(OK), and the likeliest "
    "class. A red frame is a mistake, green is right."
)
_COLUMNS: Final = (
    "Middle: a blind guess of the middle. Area: the share of the region that boxes cover, the median."
)


def _columns(comparison: Comparison) -> Markup:
    rows = []
    for column in comparison.columns:
        pairs = list(zip(column.seen, comparison.bad, strict=True))
        escapes = sum(one.verdict is Verdict.OK and bad for one, bad in pairs)
        calls = sum(one.verdict is Verdict.NG and not bad for one, bad in pairs)
        rows.append([column.name, column.note, escapes, calls])
    return page.table(["model", "", "escapes", "false calls"], rows, "Of pictures, not of parts.")


def _table(found: Sequence[tuple[Column, tuple[Localisation, ...]]]) -> Markup:
    headers = ["model", "peak hits", "by chance", "middle", "boxes touch", "by chance", "a box fits", "area"]
    rows = [
        [column.name, _share(one.peak), _percent(one.peak_by_chance), _percent(one.middle), _share(one.boxes),
         _percent(one.boxes_by_chance), _share(one.fits), _percent(one.covered)]
        for column, (one, *_) in found
    ]  # fmt: skip
    return page.table(headers, rows, _COLUMNS)


def _by_class(found: Sequence[tuple[Column, tuple[Localisation, ...]]]) -> Markup:
    """Return how often the peak hits, class by class; a region may hide all defects of a class from a model."""
    named = [{one.name: one for one in them} for _, them in found]
    names = sorted({name for them in named for name in them} - {ALL})
    some = [next(them[name] for them in named if name in them) for name in names]
    headers = ["peak hits", *(f"{one.name} ({one.pictures} / {one.groups})" for one in some)]
    rows = [["by chance", *(_percent(one.peak_by_chance) for one in some)]]
    for (column, _), them in zip(found, named, strict=True):
        rows.append([column.name, *(_share(them[name].peak) if name in them else "–" for name in names)])
    return page.table(headers, rows, "Class by class; in brackets, pictures and groups.")


def _share(one: Estimate) -> str:
    return f"{_percent(one.value)} ({100 * one.low:.0f}–{100 * one.high:.0f})"


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def _numbered(comparison: Comparison, places: Sequence[int]) -> str:
    return ", ".join(str(comparison.items[place].path.name) for place in places)


def _labelled(comparison: Comparison, place: int) -> str:
    item = comparison.items[place]
    return f"{item.label} ({'NG' if comparison.bad[place] else 'OK'})\n{item.path.name}"


def _said(one: Seen) -> str:
    if one.score is None:
        return "not judged"
    return f"{one.verdict} {one.score:.3f}\n{one.label}"


def _frame(comparison: Comparison, column: Column, place: int) -> Colour:
    truth = Verdict.NG if comparison.bad[place] else Verdict.OK
    return GOOD if column.seen[place].verdict == truth else BAD


def _pair(comparison: Comparison, place: int) -> Picture:
    plain, hot = _plain(comparison, place), _hot(comparison, comparison.columns[0], place)
    gap = np.full((plain.shape[0], 6, 3), 250, np.uint8)
    return np.asarray(np.concatenate([plain, gap, hot], axis=1), np.uint8)


def _plain(comparison: Comparison, place: int) -> Picture:
    return _drawn(comparison, replace(comparison.columns[0].seen[place], heat=None, boxes=()), place)


def _hot(comparison: Comparison, column: Column, place: int) -> Picture:
    return _drawn(comparison, column.seen[place], place, outlined=True)


def _drawn(comparison: Comparison, one: Seen, place: int, *, outlined: bool = False) -> Picture:
    """Draw what a person needs to see: the region of interest and a little around it."""
    image, mask = seeing.picture(one.item), comparison.masks[place] if outlined else None
    left, top, right, bottom = _window(comparison, place, image)
    moved = None
    if one.heat is not None:
        corners = tuple((x - left, y - top) for x, y in one.heat.corners)
        moved = replace(one.heat, corners=corners)
    boxes = [Box(cx=box.cx - left, cy=box.cy - top, w=box.w, h=box.h) for box in one.boxes]
    return overlay.drawn(
        image[top:bottom, left:right], moved, boxes, None if mask is None else mask[top:bottom, left:right]
    )


def _window(comparison: Comparison, place: int, image: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Return the edges of what is drawn, the same in every column."""
    there = [seeing.sight(column.seen[place]) for column in comparison.columns]
    regions = [one.shown for one in there if one is not None]
    height, width = image.shape[:2]
    if not regions:
        return 0, 0, width, height
    left = min(one.cx - (0.5 + _AROUND) * one.w for one in regions)
    top = min(one.cy - (0.5 + _AROUND) * one.h for one in regions)
    right = max(one.cx + (0.5 + _AROUND) * one.w for one in regions)
    bottom = max(one.cy + (0.5 + _AROUND) * one.h for one in regions)
    return max(0, int(left)), max(0, int(top)), min(width, int(right)), min(height, int(bottom))
