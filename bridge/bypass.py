"""A bypass: for an approved time the inspector's own verdict counts again, because somebody asked for it.

Approved is what the configuration's ``[line.bypass]`` says, beforehand and in words. A request that outlasts its
time has no effect any more until it is taken back and made again. Under goal 3 there is no bypass: nobody else has
a verdict. Every change is told to ``audit``. Nothing of it survives a restart, which ends a bypass.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from bridge.clock import Clock
from bridge.config import Line as LineConfig
from bridge.errors import Refused
from bridge.messages import Goal

PEOPLE = "the command line"
"""Those who ask by the command line, all together: what one began, another may end."""


LOOK_SECONDS = 1.0
"""So late the audit log may learn that the time of a bypass is over; parts never do."""


class Audit(Protocol):
    """Puts one change into the audit log."""

    def __call__(self, what: str, *, old: str = "", new: str = "", why: str = "", who: str = "") -> None:
        """Note what was changed, from what to what, why and by whom."""


class Bypass:
    """The bypass of one line."""

    def __init__(self, config: LineConfig, clock: Clock, audit: Audit) -> None:
        replaced = Goal(config.goal) is Goal.REPLACE
        self._approved = None if replaced else config.bypass
        self._refusal = (
            "under goal 3 there is no bypass: nobody else has a verdict"
            if replaced
            else "none is approved for this line; write a [line.bypass] table, with who approved it and why"
        )
        self._clock, self._audit = clock, audit
        self._wanted: dict[str, bool] = {}
        self._until: float | None = None
        """While one is in force: when it ends (monotonic seconds)."""

    @property
    def in_force(self) -> bool:
        """Whether the inspector's verdict counts; looking notices that the time is over."""
        if self._until is not None and self._clock.monotonic() >= self._until:
            self._end("the approved time is over", who="")
        return self._until is not None

    def want(self, who: str, *, wanted: bool) -> bool:
        """Say that somebody wants a bypass, or does not any more; return whether one is in force.

        It begins when somebody who did not want one begins to, and ends when nobody wants one, or in time.
        """
        rising = wanted and not self._wanted.get(who, False)
        self._wanted[who] = wanted
        if rising and not self.in_force:
            self._begin(who)
        elif not any(self._wanted.values()) and self.in_force:
            self._end("taken back", who)
        return self.in_force

    def ask(self, who: str, *, wanted: bool, because: str = "") -> bool:
        """Begin or end a bypass on the word of a person and for their reason; return whether one is in force.

        Every yes is a new wish, so that a bypass whose time is over begins again. A no takes back what any person
        asked for; what a machine asks for stays.

        Raises:
            Refused: none is approved; audited.
        """
        if not wanted:
            self._wanted[PEOPLE] = False
            if not any(self._wanted.values()) and self.in_force:
                self._end(_joined("taken back", because), who)
        elif self.in_force:
            self._wanted[PEOPLE] = True
            self._audit("bypass", old="in force", new="in force, wanted by one more", why=because, who=who)
        else:
            self._begin(who, because)
            if self._until is None:
                raise Refused(self._refusal)
            self._wanted[PEOPLE] = True
        return self.in_force

    async def keep_time(self) -> None:
        """Notice that the time is over also where no part comes and nobody looks, for the audit log says when."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.left_seconds()

    def close(self, why: str) -> None:
        """End one that is in force, because its line stops."""
        if self.in_force:
            self._end(why, who="")

    @property
    def wanted_by(self) -> list[str]:
        """Who wants one now: plugins by their names, and people together."""
        return [who for who, wanted in self._wanted.items() if wanted]

    def left_seconds(self) -> float:
        """Return how long it will still be in force, 0 where none is."""
        return self._until - self._clock.monotonic() if self.in_force and self._until is not None else 0.0

    def _begin(self, who: str, because: str = "") -> None:
        if self._approved is None:
            self._audit("bypass refused", why=self._refusal, who=who)
            return
        self._until = self._clock.monotonic() + self._approved.minutes * 60
        new = f"in force for {self._approved.minutes:g} min"
        self._audit("bypass", old="none", new=new, why=_joined(self._approved.because, because), who=who)

    def _end(self, why: str, who: str) -> None:
        self._until = None
        self._wanted.pop(PEOPLE, None)  # a machine holds its bit; a person's word is used up
        self._audit("bypass", old="in force", new="none", why=why, who=who)


def _joined(approved: str, because: str) -> str:
    return f"{approved}; {because}" if because else approved
