"""The words of a join: a half as it came, how it came before, and halves that are handed in together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")


class Side(StrEnum):
    """By which road a half came."""

    VERDICT = "verdict"
    PICTURES = "pictures"

    @property
    def other(self) -> Side:
        """The road of its partner."""
        return Side.PICTURES if self is Side.VERDICT else Side.VERDICT


class Why(StrEnum):
    """Why halves are handed in now."""

    COMPLETE = "complete"
    WINDOW = "window"
    """The window ended before all of it was there."""
    FULL = "full"
    """More halves waited than may."""
    NAMELESS = "nameless"
    """The half has no part id, so that nothing can be matched with it."""
    AGAIN = "again"
    """It was handed in so before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """How a half was handed in when it came first."""

    key: str
    """The key of the part that it became a half of."""
    halves: int
    """Of how many halves that part was made."""
    known: int
    """How many of them have a key of their own, and so are known when they come again."""
    tied: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Half(Generic[T]):
    """One half of a part, as it arrived."""

    side: Side
    part: str
    """The part id as both roads spell it; empty where there is none."""
    arrived: float
    until: float
    """The instant at which it is handed in at the latest."""
    views: frozenset[str] = frozenset()
    """The views that it names."""
    shown: int = 1
    """How many pictures it brings, or is to be counted for."""
    before: Before | None = None
    what: T


def lone(halves: Sequence[Half[T]]) -> Side | None:
    """Return the only side that is among these halves; None where both are, or neither."""
    sides = {half.side for half in halves}
    return sides.pop() if len(sides) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Handed(Generic[T]):
    """Halves that are handed in as one part."""

    why: Why
    halves: tuple[Half[T], ...]
    """The verdict first, where there is one, then pictures as they came."""
    before: Before | None = None
    tied: bool = True
    """False where the pictures may be another part's."""
    whole: bool = False
    """Whether all pictures that were expected are there."""
    late: bool = False
    """True for what comes alone after its part was answered: no PLC waits for it any more."""

    @property
    def lone(self) -> Side | None:
        """The only side that is there; None where both are."""
        return lone(self.halves)
