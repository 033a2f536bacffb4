"""Numbers on the command line, each checked where it is read, so that a mistake is one line."""

from __future__ import annotations

import math
import re
from argparse import ArgumentTypeError
from typing import Final

LARGEST_SIDE: Final = 8192
"""Pixels of what a model is shown, as ``spec.Input`` limits them."""


def count(text: str) -> int:
    """Return a whole number from 1."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 9 and int(text)):  # noqa: PLR2004 - a thousand million
        raise ArgumentTypeError(f"{text} is no count; write a whole number from 1")
    return int(text)


def rate(text: str) -> float:
    """Return how many in a second: a number above 0."""
    number = _number(text)
    if not 0 < number < math.inf:
        raise ArgumentTypeError(f"{text} is no rate; write a number above 0")
    return number


def above_zero(text: str) -> float:
    """Return an amount or a span: a number above 0."""
    number = _number(text)
    if not 0 < number < math.inf:
        raise ArgumentTypeError(f"{text} is no amount; write a number above 0")
    return number


def share(text: str) -> float:
    """Return a share of a whole, 0 to 1."""
    number = _number(text)
    if not 0 <= number <= 1:
        raise ArgumentTypeError(f"{text} is no share; write a number from 0 to 1")
    return number


def nonzero_share(text: str) -> float:
    """Return a share of a whole that leaves something."""
    number = share(text)
    if not number:
        raise ArgumentTypeError("0 leaves nothing; write a number above 0 and up to 1")
    return number


def of_a_hundred(text: str) -> float:
    """Return a difference of two shares, in points of a hundred."""
    number = _number(text)
    if not 0 <= number <= 100:  # noqa: PLR2004 - a hundred points are all there is to lose
        raise ArgumentTypeError(f"{text} is no number of points; write a number from 0 to 100")
    return number


def seed(text: str) -> int:
    """Return what random numbers follow from: a whole number from 0, as large as every library takes it."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):  # noqa: PLR2004 - below 2 ** 32
        raise ArgumentTypeError(f"{text} is no seed; write a whole number from 0")
    return int(text)


def size(text: str, least: int = 1) -> tuple[int, int]:
    """Return width and height of ``WxH``, each from ``least`` to what a manifest can say."""
    found = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text, re.ASCII)
    if not found or not least <= min(sides := (int(found[1]), int(found[2]))) <= max(sides) <= LARGEST_SIDE:
        said = f"width x height, each from {least} to {LARGEST_SIDE}, as 128x128"
        raise ArgumentTypeError(f"{text!r} is no size; write {said}")
    return sides


def _number(text: str) -> float:
    """Return a number, NaN for anything else: no comparison holds for that."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def said_auc(*found: float) -> str:
    """Return an AUC, and its interval where it has one, in words; it is NaN where all parts are of one kind."""
    if math.isnan(found[0]):
        return "no AUC, for all are of one kind"
    area, *interval = (f"{one:.4f}" for one in found)
    return f"AUC {area} ({'–'.join(interval)})" if interval else f"AUC {area}"
