"""The other side of a protocol, for simulators, the demo and tests: an old inspector, a PLC, an MES.

A plugin may offer one for each of its kinds, in the entry point group ``aoi_bridge.peers`` under the name
``source.NAME``, ``reporter.NAME`` or ``labels.NAME``: an opener with the *same options model*, so that one
bridge.toml tells both sides where they meet. What it yields follows one of the protocols below. A peer that can
misbehave says how with ``bridge.plugin.habits``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from bridge.labels import Label
from bridge.messages import Inspection, Verdict

Play: TypeAlias = Callable[[Inspection], Awaitable[Verdict | None]]
"""An old inspector: hands one part over, pictures included, in the way the options say.

Returns the bridge's answer where this road gives one, else None as soon as the part is handed over.

Raises:
    Unavailable: the bridge is away; the part may be played again.
"""


Say: TypeAlias = Callable[[Label], Awaitable[None]]
"""A repair or verification station: says what a person found, in the way the options say.

It returns as soon as that is handed over; where this road acknowledges, when it is acknowledged.

Raises:
    Unavailable: the bridge is away, or has not taken it; the same may be said again.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a PLC did with one part."""

    part: str
    passed: bool
    """True only if an OK was accepted by all the rules; False: ejected."""
    verdict: Verdict | None
    """What was validly reported; None where nothing valid came in time."""
    readable_at: float | None
    """The instant (monotonic seconds) at which the result stood in the registers."""
    why: str
    """Why it was not passed, empty where it was."""


class Station(Protocol):
    """A PLC with one inspection station."""

    async def present(self, part: str, seconds: float) -> Taken:
        """Let a part stand at the station, take its verdict within this time, and pass or eject it."""
        ...


class Book(Protocol):
    """An MES: what it was told, and the troubles that a real one makes."""

    @property
    def documents(self) -> Mapping[str, Mapping[str, Any]]:
        """Return what was accepted, by inspection id, in order of first arrival."""
        ...

    @property
    def told_at(self) -> Mapping[str, float]:
        """Return when each id came first, in monotonic seconds."""
        ...

    @property
    def resent(self) -> int:
        """Return how many arrivals carried an id that had come before: allowed."""
        ...

    def refuse_all(self, reason: str) -> None:
        """Refuse whatever comes from now on, with this reason."""
        ...

    def accept_all(self) -> None:
        """Accept whatever comes from now on."""
        ...

    def stall(self) -> None:
        """Read nothing and answer nothing, but keep connections open."""
        ...

    def resume(self) -> None:
        """Go on after ``stall``."""
        ...

    def half_close(self) -> None:
        """Stop sending on every open connection, but go on reading."""
        ...

    def lose(self, acknowledgements: int) -> None:
        """Keep what the next documents tell, but send no acknowledgement for so many of them."""
        ...

    def die(self) -> None:
        """Cut every connection without a goodbye and refuse new ones."""
        ...

    async def start(self) -> None:
        """Come back after ``die``, in the same place and with all that was kept; alive, go on.

        Raises:
            OSError: the place is taken.
        """
        ...
