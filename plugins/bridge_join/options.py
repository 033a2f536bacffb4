"""What a user may set on joined roads; checked without a network, as are the two sources inside."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from bridge.plugin import AnySource, Milliseconds, Plugged, SourceOptions
from bridge_join.codec import Ids

CALM_SECONDS = 60.0
"""By part id a picture that was late may still come for so long, and meet the part's next presentation."""
CALM_WINDOWS = 2
"""By order a line is in doubt until so many windows passed without a half."""

VERDICTS = {"type": "tcp", "port": 9100}
PICTURES = {
    "type": "hotfolder",
    "path": "/mnt/aoi",
    "verdict_in": "name",
    "pattern": r"^(?P<part>[^_/]+)_(?P<view>[^_/.]+)(?P<verdict>)\.jpg$",
    "complete": "renamed",
    "poll_seconds": 0.05,
}


class JoinOptions(SourceOptions):
    """Two roads of one inspector: its verdicts come by one source, its pictures by another."""

    verdicts: AnySource = Field(examples=[VERDICTS])
    """a table with its type: the source that brings the verdicts, with every option of its own"""
    pictures: AnySource = Field(examples=[PICTURES])
    """a table with its type: the source that brings the pictures, with every option of its own"""
    by: Literal["part", "order"] = "part"
    """part (what has the same part id belongs together) or order (the n-th verdict goes with the n-th pictures)"""
    window_ms: Milliseconds = 500
    """milliseconds that a half waits for its partner, from its own event; then it is handed in alone"""
    part_case: Literal["exact", "any"] = "exact"
    """exact, or any if part ids are the same whether in upper or in lower case"""
    part_pattern: str = ""
    """a regular expression that matches a whole part id, whose group part is compared between the roads; an id
    that it does not match is none; empty for the id as it is"""
    pictures_per_part: Annotated[int, Field(ge=1, le=256)] = 1
    """a number from 1 to 256: how many pictures a part has, where they come one by one, as when each camera drops
    a file; a verdict that names its views is complete as soon as they are there"""
    waiting_max: Annotated[int, Field(ge=2, le=65_536)] = 256
    """a number from 2 to 65536: how many halves may wait; with one more the oldest is handed in as it is"""
    remembered: Annotated[int, Field(ge=100, le=5_000_000)] = 20_000
    """a number from 100 to 5000000: how many parts, at least, are remembered by their halves, so that one that
    comes again alone is known; each takes some 500 bytes of memory and of disk"""

    moves_verdicts: ClassVar[frozenset[str]] = frozenset(
        {"by", "window_ms", "part_case", "part_pattern", "pictures_per_part"}
    )

    @property
    def roads(self) -> dict[str, Plugged]:
        """The two sources, by the keys of their tables."""
        return {"verdicts": self.verdicts, "pictures": self.pictures}

    @property
    def window(self) -> float:
        """The window in seconds."""
        return self.window_ms / 1000

    @property
    def calm(self) -> float:
        """Seconds without a half after which there is no doubt any more."""
        quiet = CALM_WINDOWS * self.window
        return quiet if self.by == "order" else max(quiet, CALM_SECONDS)

    @property
    def holds_ms(self) -> float:
        """For how many milliseconds from its event a part may be held back."""
        inside: list[float] = [road.options.holds_ms for road in self.roads.values()]
        return max(self.window_ms, *inside)

    def unfit_for_live(self) -> str:
        """Return why no live verdict may rest on one of the roads; empty if one may."""
        said = {name: road.options.unfit_for_live() for name, road in self.roads.items()}
        return next((f"{name}.{why}" for name, why in said.items() if why), "")

    def ids(self) -> Ids:
        """Return how part ids are compared."""
        return Ids(re.compile(self.part_pattern) if self.part_pattern else None, self.part_case == "any")

    @field_validator("part_pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            groups = set(re.compile(pattern).groupindex)
        except re.error as exc:
            raise ValueError(f"is no regular expression ({exc})") from exc
        if pattern and groups != {"part"}:
            raise ValueError("needs the one named group (?P<part>…)")
        return pattern

    @model_validator(mode="after")
    def _agree(self) -> Self:
        for name, road in self.roads.items():
            if road.options.when_unreachable == "stop":
                raise ValueError(
                    f"{name}.when_unreachable: is asked of both roads together;"
                    ' write when_unreachable = "stop" beside type = "join"'
                )
        at_once = getattr(self.pictures.options, "in_flight", self.pictures_per_part)
        if at_once < self.pictures_per_part:
            raise ValueError(
                f"pictures.in_flight: {at_once} at once would never be the {self.pictures_per_part} of one part;"
                f" write at least {self.pictures_per_part}, better those of every part within a window"
            )
        return self
