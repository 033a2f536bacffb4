"""What the worker was asked, until it is answered: pictures, where they lie, and what was said of them so far."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from bridge.judging.arena import Block
from bridge.judging.frames import Answer, Garbled, Opinion
from bridge.messages import Box


@dataclass(frozen=True, slots=True)
class Picture:
    """What the worker is asked about."""

    image: bytes = field(repr=False)
    roi: Box | None = None
    onto: int | None = None
    """Which of the references it is registered onto; None: it is cut as it is."""
    explain: float | None = None
    """Below this p(OK) it is to be told where the model looked; None: never."""


@dataclass(slots=True)
class Asked:
    """A request that the worker still has."""

    pictures: Sequence[Picture]
    blocks: list[Block]
    expires: float
    opinions: list[Opinion]
    done: asyncio.Future[list[Opinion]]

    def take(self, answer: Answer) -> None:
        """Add to the opinions.

        Raises:
            Garbled: there are more than were asked for, or in the end fewer while somebody still waited.
        """
        self.opinions += answer.opinions
        missing = len(self.pictures) - len(self.opinions)
        waited_for = not self.done.done() and time.monotonic() <= self.expires
        if missing < 0 or (answer.last and missing and waited_for):
            raise Garbled(f"{len(self.opinions)} answers to {len(self.pictures)} questions")
