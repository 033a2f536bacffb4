"""One judge, many lines: whose turn it is. Live parts go first; shadow and backlog fill the gaps.

Among those the lines take turns: behind the part that the judge has, a line that floods it makes another wait for
one part more, not for all it queued.

A large panel is judged in slices, so that one of shadow, of backlog, or one that is late anyway, never holds the
judge for seconds while a live part waits.

A new judge takes the old one's place between two parts: each part stays with the judge that it began with.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf, isfinite

from bridge import health
from bridge.clock import SystemClock
from bridge.echo import Echo
from bridge.errors import Unavailable
from bridge.explaining import expected, explain, unavailable
from bridge.judging.frames import LARGEST_MAP, MAX_BOXES, are_facts, is_box
from bridge.judging.pace import Pace
from bridge.log import logger
from bridge.messages import Failure, HeatMap, Judgement, Verdict, View
from bridge.plugin.api import Judge
from bridge.supervise import Slot, wall
from bridge.watched import State

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
    until: float = inf
    """The instant of the loop's clock by which a live answer must be there."""


class TooLate(Exception):  # noqa: N818 - named after what became of the part
    """When its turn came, a part that had waited could not be judged in time any more."""


@dataclass(eq=False, slots=True)
class Hearing:
    """One part under way: which judge it began with, and what that one has said of it so far."""

    slot: Slot[Judge] | None = None
    judge: Judge | None = None
    judged: list[Judgement] = field(default_factory=list)


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
        self._under_way: set[Hearing] = set()
        self._swapped, self._left = asyncio.Event(), asyncio.Event()
        self._free = at_once
        self._pace = Pace()
        self._echo = Echo(SystemClock())
        self._live, self._background = Row(), Row()

    @property
    def open(self) -> bool:
        """Whether the judge could be asked now."""
        return self._slot.verb is not None

    def away(self, line: str, part: str, error: Unavailable) -> None:
        """Log that a part went without the judge: now and then, rather than for every part."""
        if times := self._echo.heard(f"{line} {error}"):
            logger(line=line).warning("judge away", part=part, reason=str(error), times=times)

    async def swap(self, slot: Slot[Judge]) -> None:
        """Have parts that begin from now on judged by another; return once the old judge has no part left."""
        old, self._slot = self._slot, slot
        self._swapped.set()
        self._swapped = asyncio.Event()
        while any(part.slot is old for part in self._under_way):
            self._left.clear()
            await self._left.wait()

    async def judge(
        self, views: Sequence[View], ticket: Ticket, *, background: bool = False
    ) -> Sequence[Judgement]:
        """Wait for a turn and judge; ``ticket.begun`` becomes True when the judge has the first views.

        A background request also waits for a judge that is away; a live one fails at once. A live one keeps its
        turn until it is late, a background one gives it up after each slice.

        Raises:
            Unavailable: the judge is away, broke on these views, or answered nonsense.
            TooLate: a live part's turn came when it could not be judged by ``ticket.until`` any more; a judge that
                nobody else wants is always tried.
        """
        part = Hearing()
        self._under_way.add(part)
        try:
            while len(part.judged) < len(views):
                background = background or ticket.late
                if background:
                    await self._lent(part)  # before its turn: who waits for a judge must not keep others waiting
                elif (slot := self._slot_of(part)).verb is None:
                    raise Unavailable(slot.watched.error or "the judge is not open yet")
                waited = await self._turn(self._background if background else self._live, ticket.line)
                try:
                    if waited and not background and not ticket.begun:
                        self._let_go_if_hopeless(views, ticket)
                    await self._hear(part, views, ticket, background=background)
                finally:
                    self._pass_on()
            return part.judged
        finally:
            self._under_way.discard(part)
            self._left.set()

    def _let_go_if_hopeless(self, views: Sequence[View], ticket: Ticket) -> None:
        if asyncio.get_running_loop().time() + self._pace.needs(len(views)) > ticket.until:
            raise TooLate

    async def _hear(self, part: Hearing, views: Sequence[View], ticket: Ticket, *, background: bool) -> None:
        """Have one turn: all slices of a live part, one of any other."""
        while (judge := (slot := self._slot_of(part)).verb) is not None:
            ticket.begun = True
            if judge is not part.judge:  # opened anew between two slices: one part is not judged by two models
                part.slot, part.judge, part.judged = slot, judge, []
            part.judged += await self._ask(slot, judge, views[len(part.judged) :][:SLICE_VIEWS])
            if len(part.judged) >= len(views) or background or ticket.late:
                return

    def _slot_of(self, part: Hearing) -> Slot[Judge]:
        """Return where the part's judge is found: the one it began with, as long as that one is open."""
        return part.slot if part.slot is not None and part.slot.verb is part.judge else self._slot

    async def _lent(self, part: Hearing) -> None:
        """Wait until the part's judge is open, or another one that took its place."""
        while self._slot_of(part).verb is None:
            opened = asyncio.ensure_future(self._slot.get())
            swapped = asyncio.ensure_future(self._swapped.wait())
            try:
                await asyncio.wait((opened, swapped), return_when=asyncio.FIRST_COMPLETED)
            finally:
                opened.cancel()
                swapped.cancel()

    async def _ask(self, slot: Slot[Judge], judge: Judge, views: Sequence[View]) -> Sequence[Judgement]:
        watched = slot.watched
        began = asyncio.get_running_loop().time()
        try:
            with health.instance(watched.line, watched.name), wall():
                judgements = await judge(views)
        except Exception as exc:
            error = exc if expected(exc) else Unavailable(explain(exc))
            slot.fail(judge, error)
            raise unavailable(error) from exc
        if (nonsense := _nonsense(judgements, len(views))) is not None:
            watched.become(State.DEGRADED, nonsense)
            raise Unavailable(nonsense)
        if watched.state is State.DEGRADED:
            watched.become(State.UP)
        self._pace.note(asyncio.get_running_loop().time() - began, len(views))
        return judgements

    async def _turn(self, row: Row, line: str) -> bool:
        """Wait for a turn; return whether there was anything to wait for."""
        if self._free:
            self._free -= 1
            return False
        turn = row.join(line)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._pass_on()
            raise
        return True

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
        told = judgement.boxes or judgement.heat_map or judgement.picture
        if told and (strange := _strange(judgement)):
            return f"the judge answered {strange}"
    return None


def _strange(judgement: Judgement) -> str | None:
    """Return what is wrong with what a judge says that it saw: it goes into the journal and to the MES."""
    try:
        if len(judgement.boxes) > MAX_BOXES:
            return f"{len(judgement.boxes)} boxes for one view, more than {MAX_BOXES}"
        if strange := [box for box in judgement.boxes if not is_box(box)]:
            return f"a box that is none: {strange[0]}"
        if judgement.heat_map is not None and not _is_map(judgement.heat_map):
            return f"a heat map that is none: {judgement.heat_map}"
        if judgement.picture is not None and not are_facts(judgement.picture):
            return f"a picture that cannot look so: {judgement.picture}"
    except (TypeError, ValueError, AttributeError) as exc:
        return f"boxes, a heat map or facts of a picture of other types ({exc})"
    return None


def _is_map(seen: HeatMap) -> bool:
    sized = 0 < seen.rows <= LARGEST_MAP and 0 < seen.columns <= LARGEST_MAP
    placed = len(seen.corners) == len(("top left", "top right", "bottom right", "bottom left"))
    finite = all(isfinite(x) and isfinite(y) for x, y in seen.corners)
    return sized and placed and finite and len(seen.values) == seen.rows * seen.columns
