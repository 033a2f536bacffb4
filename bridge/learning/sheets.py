"""Contact sheets: many pictures on one, in rows and columns, with words that can be read, of bounded size."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from bridge.durable import replace_bytes
from bridge.errors import ConfigError
from bridge.learning.lettering import DARK, Colour, shortened, width, write

LARGEST: Final = 4096
"""A sheet is never wider or higher than this, in pixels; where the cells asked for need more, they shrink."""
SMALLEST: Final = 16
"""A cell is never smaller than this, in pixels."""
GOOD: Final[Colour] = (80, 160, 40)
BAD: Final[Colour] = (50, 50, 215)

Sheet: TypeAlias = NDArray[np.uint8]
"""Shape (height, width, 3), blue-green-red."""
Shown: TypeAlias = NDArray[np.uint8]
"""Shape (height, width), (height, width, 1) or (height, width, 3), blue-green-red."""

_GROUND: Colour = (250, 250, 250)
_TEXT, _LINE, _HEAD, _GAP, _FRAME = 14, 19, 16, 8, 3
_PIXELS_SHOW = 2
"""Enlarged so many times, a picture's pixels are drawn as squares."""
_NARROW = 104
"""Pixels that a caption may always have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What is written on a sheet; empty where nothing is."""

    captions: Sequence[str] = ()
    """One under each picture; may have several lines. Too long ones lose their middle."""
    columns: Sequence[str] = ()
    """One above each column."""
    rows: Sequence[str] = ()
    """One to the left of each row."""
    title: str = ""
    """Above everything; wrapped, never cut."""


def grid(
    pictures: Sequence[Shown | None],
    captions: Sequence[str] = (),
    columns: int = 4,
    cell: int = 240,
    *,
    words: Words | None = None,
    frames: Sequence[Colour | None] = (),
) -> Sheet:
    """Return all pictures on one sheet, row by row.

    Args:
        pictures: of any sizes, each fitted into its cell with its shape kept; None leaves a place empty.
        captions: one under each picture, short for ``words`` with nothing else.
        columns: how many stand side by side.
        cell: pixels of a cell's longer side.
        words: captions and headings.
        frames: a colour round each picture, None for no frame: ``GOOD``, ``BAD`` or your own.

    Raises:
        ValueError: there are no pictures, numbers do not match, or so many rows that no cell fits.
    """
    said = words or Words(captions=captions)
    plan = _plan(pictures, said, columns, cell, framed=bool(frames))
    sheet = np.full((plan.height, plan.width, 3), _GROUND, np.uint8)
    for index, line in enumerate(plan.title):
        write(sheet, line, (_GAP, _GAP + _LINE * index + _HEAD), _HEAD, bold=True)
    for column, text in enumerate(said.columns):
        x, y = plan.corner(0, column)
        _words(sheet, text, (x, y - 6), plan.cell[0], bold=True)
    for row, text in enumerate(said.rows):
        _side(sheet, text, plan, row)
    for index, picture in enumerate(pictures):
        corner = plan.corner(*divmod(index, columns))
        _place(sheet, picture, corner, plan.cell, frames[index] if frames else None)
        if said.captions:
            _caption(sheet, said.captions[index], (corner[0], corner[1] + plan.cell[1]), plan.cell[0])
    return sheet


def joined(sheets: Sequence[Sheet], *, across: bool = False) -> Sheet:
    """Return sheets one below the other, or side by side where ``across``; shorter ones end in empty ground."""
    longest = max(sheet.shape[0 if across else 1] for sheet in sheets)
    padded = []
    for sheet in sheets:
        room = longest - sheet.shape[0 if across else 1]
        below, right = (room, 0) if across else (0, room)
        padded.append(cv2.copyMakeBorder(sheet, 0, below, 0, right, cv2.BORDER_CONSTANT, value=_GROUND))
    return np.asarray(np.concatenate(padded, axis=1 if across else 0), np.uint8)


def named(path: Path) -> Path:
    """Return a path that a sheet can be saved to, as far as its name says.

    Raises:
        ConfigError: the suffix names no picture.
    """
    if path.suffix.lower() not in {".png", ".jpg", ".jpeg"}:
        raise ConfigError(str(path), "is no name of a picture", "write a name that ends in .png or .jpg")
    return path


def save(sheet: Sheet, path: Path) -> Path:
    """Write a sheet as the picture file that the suffix asks for; return the path.

    Raises:
        ConfigError: the suffix names no picture, or the file cannot be written.
    """
    named(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_bytes(path, cv2.imencode(path.suffix.lower(), sheet)[1].tobytes())
    except OSError as exc:
        raise ConfigError(str(path), f"cannot be written ({exc.strerror})") from exc
    return path


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where everything stands, in pixels."""

    cell: tuple[int, int]
    step: tuple[int, int]
    left: int
    top: int
    title: tuple[str, ...]
    width: int
    height: int

    def corner(self, row: int, column: int) -> tuple[int, int]:
        return self.left + column * self.step[0], self.top + row * self.step[1]


def _plan(pictures: Sequence[Shown | None], said: Words, columns: int, cell: int, *, framed: bool) -> _Plan:
    """Return the largest layout that fits, cells no larger than asked for."""
    rows = -(-len(pictures) // columns)
    for given, needed in ((said.captions, len(pictures)), (said.columns, columns), (said.rows, rows)):
        if given and len(given) != needed:
            raise ValueError(f"{len(given)} words for {needed} places")
    if not pictures:
        raise ValueError("a sheet needs a picture")
    lines = max((text.count("\n") + 1 for text in said.captions if text), default=0)
    sides = max((width(line, _TEXT, bold=True) for text in said.rows for line in text.split("\n")), default=-_GAP)
    left = _GAP + min(sides, 200) + _GAP
    shapes = {picture.shape[:2] for picture in pictures if picture is not None}
    for side in range(cell, SMALLEST - 1, -1):
        size = _cell(shapes, side, narrowest=min(_NARROW if said.captions or said.columns else 0, cell))
        extra = 2 * _FRAME if framed else 0
        step = (size[0] + extra + _GAP, size[1] + extra + _GAP + lines * _LINE)
        wide = left + columns * step[0]
        title = _wrapped(said.title, wide - 2 * _GAP)
        top = _GAP + len(title) * _LINE + (_GAP if title else 0) + (_LINE if said.columns else 0)
        high = top + rows * step[1]
        if max(wide, high) <= LARGEST:
            return _Plan(size, step, left + extra // 2, top + extra // 2, title, wide, high)
    raise ValueError(f"{rows} x {columns} pictures do not fit on a sheet")


def _cell(shapes: Collection[tuple[int, ...]], side: int, narrowest: int) -> tuple[int, int]:
    """Return the smallest cell that holds every picture fitted into a square of this side."""
    sizes = [_fitted(shape, (side, side)) for shape in shapes]
    wide, high = zip(*sizes, strict=True) if sizes else ((side,), (side,))
    return max(*wide, narrowest), max(high)


def _fitted(shape: tuple[int, ...], room: tuple[int, int]) -> tuple[int, int]:
    scale = min(room[0] / shape[1], room[1] / shape[0])
    return max(round(shape[1] * scale), 1), max(round(shape[0] * scale), 1)


def _place(
    sheet: Sheet, picture: Shown | None, corner: tuple[int, int], cell: tuple[int, int], frame: Colour | None
) -> None:
    """Draw one picture in the middle of its cell; a small one keeps its pixels as squares."""
    if picture is None:
        return
    size = _fitted(picture.shape, cell)
    scale = size[0] / picture.shape[1]
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST if scale >= _PIXELS_SHOW else cv2.INTER_LINEAR
    drawn = cv2.resize(picture, size, interpolation=how)
    if drawn.ndim == 2 or drawn.shape[2] == 1:  # noqa: PLR2004 - gray
        drawn = cv2.cvtColor(drawn, cv2.COLOR_GRAY2BGR)
    x, y = corner[0] + (cell[0] - size[0]) // 2, corner[1] + (cell[1] - size[1]) // 2
    sheet[y : y + size[1], x : x + size[0]] = drawn
    if frame is not None:
        low, high = (x - _FRAME, y - _FRAME), (x + size[0] + _FRAME - 1, y + size[1] + _FRAME - 1)
        for inset in range(_FRAME):
            cv2.rectangle(sheet, (low[0] + inset, low[1] + inset), (high[0] - inset, high[1] - inset), frame, 1)


def _words(sheet: Sheet, text: str, at: tuple[int, int], room: int, *, bold: bool = False) -> None:
    write(sheet, shortened(text, _TEXT, room, bold=bold), at, _TEXT, DARK, bold=bold)


def _caption(sheet: Sheet, text: str, at: tuple[int, int], room: int) -> None:
    for index, line in enumerate(text.split("\n")):
        _words(sheet, line, (at[0], at[1] + _FRAME + _LINE * (index + 1) - 5), room)


def _side(sheet: Sheet, text: str, plan: _Plan, row: int) -> None:
    """Write a row's heading in the middle of its height."""
    lines = text.split("\n")
    y = plan.corner(row, 0)[1] + plan.cell[1] // 2 - _LINE * len(lines) // 2
    for index, line in enumerate(lines):
        _words(sheet, line, (_GAP, y + _LINE * (index + 1) - 5), plan.left - 2 * _GAP, bold=True)


def _wrapped(text: str, room: int) -> tuple[str, ...]:
    """Return the text in lines of at most ``room`` pixels, broken between words."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and width(longer, _HEAD, bold=True) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return tuple(lines)
