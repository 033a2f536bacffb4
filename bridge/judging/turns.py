"""One judge, many lines: whose turn it is. Live parts go first; shadow and backlog fill the gaps.

Among those the lines take turns: behind the part that the judge has, a line that floods it makes another wait for
one part more, not for all it queued.

A large panel is judged in slices, so that one of shadow, of backlog, or one that is late anyway, never holds the
judge for seconds while a live part waits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from bridge import health
from bridge.errors import Unavailable
from bridge.messages import Failure, Judgement, Verdict, View
from bridge.plugin.api import Judge
from bridge.supervise import Slot, State, expected, explain, unavailable, wall

SLICE_VIEWS = 16
"""A judge gets at most so many views at once."""


@dataclass(slots=True)
class Ticket:
    """Tells whoever asked whether the judge has begun, and the judge who asked and whether they still wait."""

    line: str = ""
    """Which line asks; lines take turns."""
    begun: bool = False
    late: bool = False
    """Set by whoever asked when the answer will not count any more: the rest of it is background."""


class Row:
    """Those who wait for a turn: the lines one after the other, the parts of a line in order of arrival."""

    def __init__(self) -> None:
        self._lines: dict[str, deque[asyncio.Future[None]]] = {}  # in the order in which they are called

    def join(self, line: str) -> asyncio.Future[None]:
        """Return what is done when it is the turn of whoever joined; cancelling it leaves the row."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lines.setdefault(line, deque()).append(turn)
        return turn

    def call(self) -> bool:
        """Give the turn to whoever is next; return False where nobody waits."""
        while self._lines:
            line = next(iter(self._lines))
            waiting = self._lines.pop(line)
            while waiting:
                turn = waiting.popleft()
                if not turn.done():
                    if waiting:
                        self._lines[line] = waiting  # behind all other lines
                    turn.set_result(None)
                    return True
        return False


class Turns:
    """Hands the judge to one part at a time: live before background, and of each the lines in turn."""

    def __init__(self, slot: Slot[Judge], at_once: int = 1) -> None:
        self._slot = slot
        self._free = at_once
        self._live, self._background = Row(), Row()

    @property
    def open(self) -> bool:
        """Whether the judge could be asked now."""
        return self._slot.verb is not None

    async def judge(
        self, views: Sequence[View], ticket: Ticket, *, background: bool = False
    ) -> Sequence[Judgement]:
        """Wait for a turn and judge; ``ticket.begun`` becomes True when the judge has the first views.

        A background request also waits for a judge that is away; a live one fails at once. A live one keeps its
        turn until it is late, a background one gives it up after each slice.

        Raises:
            Unavailable: the judge is away, broke on these views, or answered nonsense.
        """
        judged: list[Judgement] = []
        by: Judge | None = None
        while True:
            background = background or ticket.late
            if background:
                await self._slot.get()  # before its turn: whoever waits for a judge must not keep others waiting
            elif self._slot.verb is None:
                raise Unavailable(self._slot.watched.error or "the judge is not open yet")
            await self._turn(self._background if background else self._live, ticket.line)
            try:
                while (judge := self._slot.verb) is not None:
                    ticket.begun = True
                    if judge is not by:  # opened anew between two slices: one part is not judged by two models
                        judged, by = [], judge
                    judged += await self._ask(judge, views[len(judged) :][:SLICE_VIEWS])
                    if len(judged) >= len(views):
                        return judged
                    if background or ticket.late:
                        break
            finally:
                self._pass_on()

    async def _ask(self, judge: Judge, views: Sequence[View]) -> Sequence[Judgement]:
        watched = self._slot.watched
        try:
            with health.instance(watched.line, watched.name), wall():
                judgements = await judge(views)
        except Exception as exc:
            error = exc if expected(exc) else Unavailable(explain(exc))
            self._slot.fail(judge, error)
            raise unavailable(error) from exc
        if (nonsense := _nonsense(judgements, len(views))) is not None:
            watched.become(State.DEGRADED, nonsense)
            raise Unavailable(nonsense)
        if watched.state is State.DEGRADED:
            watched.become(State.UP)
        return judgements

    async def _turn(self, row: Row, line: str) -> None:
        if self._free:
            self._free -= 1
            return
        turn = row.join(line)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        if not (self._live.call() or self._background.call()):
            self._free += 1


def _nonsense(said: object, views: int) -> str | None:
    """Return what is wrong with a judge's answer, None for one that follows the contract."""
    if not isinstance(said, Sequence) or not all(isinstance(judgement, Judgement) for judgement in said):
        return f"the judge answered no list of judgements but a {type(said).__name__}"
    if len(said) != views:
        return f"the judge answered {len(said)} of {views} views"
    for judgement in said:
        one = isinstance(judgement.verdict, Verdict), isinstance(judgement.failure, Failure)
        if (judgement.verdict is None) + (judgement.failure is None) != 1 or not any(one):
            return f"the judge answered neither a verdict nor a failure but {judgement.verdict!r}"
    return None
