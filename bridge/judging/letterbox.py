"""Where a region lies in the model's input, if it keeps its proportions there, and back again. Pure.

As those who train YOLO do it: the larger side is fitted, the other one follows in whole pixels, and what is left
is grey. Rounding is part of the transform, so that a box comes back to where it was and not beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bridge.judging.spec import Input
from bridge.messages import Box

GREY: Final = 114
"""What is left of the input, in every channel."""


@dataclass(frozen=True, slots=True)
class Inside:
    """The region's place in the model's input, in whole pixels of it."""

    left: int
    top: int
    width: int
    height: int


def inside(region: Box, into: Input) -> Inside:
    """Return where a region comes to lie; at least one pixel wide and high."""
    if into.fit == "stretch":
        return Inside(0, 0, into.width, into.height)
    scale = min(into.width / region.w, into.height / region.h)
    width = min(into.width, max(1, round(region.w * scale)))
    height = min(into.height, max(1, round(region.h * scale)))
    if into.fit == "corner":
        return Inside(0, 0, width, height)
    return Inside((into.width - width) // 2, (into.height - height) // 2, width, height)
