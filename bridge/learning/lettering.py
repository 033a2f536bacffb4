"""Words on a picture: in the font that OpenCV 5 brings, which knows most scripts; before it, in plain strokes."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Picture: TypeAlias = NDArray[np.uint8]
"""Shape (height, width, 3), blue-green-red."""
Colour: TypeAlias = tuple[int, int, int]
"""Blue, green, red, 0 to 255."""

DARK: Colour = (40, 40, 40)
_LARGE = 1 << 14
"""Wider than any text that is measured."""


def width(text: str, height: int, *, bold: bool = False) -> int:
    """Return how many pixels the text takes at this height of letters."""
    if (face := _face()) is not None:
        room = (_LARGE, _LARGE)
        return int(cv2.getTextSize(room, text, (0, _LARGE // 2), face, height, _weight(bold=bold))[2])
    return int(cv2.getTextSize(_plain(text), cv2.FONT_HERSHEY_SIMPLEX, _scale(height), 1)[0][0])


def write(
    canvas: Picture, text: str, at: tuple[int, int], height: int, colour: Colour = DARK, *, bold: bool = False
) -> None:
    """Write one line on the canvas itself; ``at`` is the left end of the line that the letters stand on."""
    if (face := _face()) is not None:
        cv2.putText(canvas, text, at, colour, face, height, _weight(bold=bold))
        return
    cv2.putText(canvas, _plain(text), at, cv2.FONT_HERSHEY_SIMPLEX, _scale(height), colour, 1 + bold, cv2.LINE_AA)


def shortened(text: str, height: int, room: int, *, bold: bool = False) -> str:
    """Return the text; what needs more than ``room`` pixels loses its middle, as names differ at their ends."""
    if width(text, height, bold=bold) <= room:
        return text
    for kept in range(len(text) - 1, 0, -1):
        short = f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"
        if width(short, height, bold=bold) <= room:
            return short
    return "…"


@cache
def _face() -> Any:
    """Return the font; None before OpenCV 5."""
    return cv2.FontFace("sans") if hasattr(cv2, "FontFace") else None


def _weight(*, bold: bool) -> int:
    return 700 if bold else 400


def _plain(text: str) -> str:
    """Return the text in ASCII: the stroke font knows nothing else."""
    words = text.replace("…", "..").replace("±", "+-").replace("×", "x").replace("°", " deg")
    return unicodedata.normalize("NFKD", words).encode("ascii", "replace").decode()


def _scale(height: int) -> float:
    return height / 30
