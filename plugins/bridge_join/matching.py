"""Which verdict belongs to which pictures: by part id, or by order, within a window of time.

Pure: instants are arguments, all of our own monotonic clock; the clocks of the two machines mean nothing here.

A picture tied to the wrong part may clear a bad one, so a pair is *tied* only where nothing else could have been
meant. Halves of one part id (by order: of the line) meet at one *place*, first come, first matched. The place is
in **doubt**, and what meets there is not tied, from the moment

- a second part begins there while a first one waits, or less than a window after the last half of another came;
- a half was handed in without its partner, which may still come and be taken for the next part's.

Doubt ends when nothing has come there for so long (``calm``) that no half of before can be under way any more. A
half that stays alone after its partner was handed in alone, or right after its part was joined, is *late*: the
part was answered, and no PLC waits for it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Generic, TypeVar

from bridge_join.halves import Before, Half, Handed, Side, Why, lone

T = TypeVar("T")

PLACES_MAX = 65_536
"""Part ids that are remembered for a while; the one that would be forgotten first goes where there are more."""


@dataclass(slots=True, eq=False)
class _Group(Generic[T]):
    """A part in the making."""

    until: float
    doubtful: bool = False
    late: bool = False
    verdict: Half[T] | None = None
    pictures: list[Half[T]] = field(default_factory=list)
    before: Before | None = None
    place: _Place[T] | None = None
    """Where it waits; None for what comes again."""
    open: bool = True

    def put(self, half: Half[T]) -> None:
        self.until = min(self.until, half.until)
        self.before = half.before or self.before
        if half.side is Side.VERDICT:
            self.verdict = half
        else:
            self.pictures.append(half)

    @property
    def halves(self) -> tuple[Half[T], ...]:
        return (self.verdict, *self.pictures) if self.verdict else tuple(self.pictures)

    @property
    def lone(self) -> Side | None:
        return lone(self.halves)

    @property
    def views(self) -> frozenset[str]:
        return frozenset(view for half in self.pictures for view in half.views)

    @property
    def shown(self) -> int:
        return sum(half.shown for half in self.pictures)


@dataclass(slots=True, eq=False)
class _Place(Generic[T]):
    """Where the halves of one part id meet; by order there is one place only."""

    part: str
    groups: list[_Group[T]] = field(default_factory=list)
    """Parts in the making, the oldest first."""
    seen: float = float("-inf")
    """When the last half came."""
    doubt: float = float("-inf")
    """Until when what begins here is in doubt, if nothing more comes."""
    late: dict[Side, float] = field(default_factory=dict)
    """Until when a half that stays alone is late."""
    listed: bool = False
    """Whether it is among those that will be forgotten; it is so once."""


class Matching(Generic[T]):
    """The halves that wait for their partners."""

    def __init__(
        self,
        *,
        by_order: bool,
        window: float,
        calm: float,
        pictures: int,
        room: int,
        began: float = float("-inf"),
    ) -> None:
        """Begin with nothing.

        Args:
            by_order: whether the n-th verdict goes with the n-th pictures, rather than by part id.
            window: seconds within which the halves of a part come.
            calm: seconds without a half after which a place is in doubt no more.
            pictures: how many pictures a part has, if they come by and by; the first delivery may bring more.
            room: how many halves may wait.
            began: since when the roads are heard; by order nobody knows what went before, so it begins in doubt.
        """
        self._by_order, self._window, self._calm = by_order, window, calm
        self._pictures, self._room = pictures, room
        self._places: dict[str, _Place[T]] = {}
        self._again: dict[str, _Group[T]] = {}
        self._due: list[tuple[float, int, _Group[T]]] = []
        self._forget: list[tuple[float, int, _Place[T]]] = []
        self._numbers = count()
        self._waiting = 0
        if by_order:
            self._begin_doubt(self._place(""), began)

    def __len__(self) -> int:
        """Return how many halves wait."""
        return self._waiting

    @property
    def due(self) -> float | None:
        """The instant at which ``expire`` is to be called next; None while nothing waits."""
        while self._due and not self._current(self._due[0]):
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def arrive(self, half: Half[T]) -> list[Handed[T]]:
        """Take a half in; return what is to be handed in now, in this order."""
        handed = self.expire(half.arrived)
        handed += self._take(half)
        handed += self.expire(half.arrived)
        while self._waiting > self._room and self.due is not None:
            handed.append(self._hand(self._due[0][2], Why.FULL, half.arrived))
        return handed

    def expire(self, now: float) -> list[Handed[T]]:
        """Return what waited for long enough."""
        handed = []
        while (due := self.due) is not None and due <= now:
            handed.append(self._hand(self._due[0][2], Why.WINDOW, now))
        self._tidy(now)
        return handed

    def disturb(self, part: str, now: float) -> None:
        """Put the place of a part in doubt: what met there cannot have been one part."""
        self._begin_doubt(self._place(part), now)

    def _take(self, half: Half[T]) -> Iterator[Handed[T]]:
        before = half.before
        if before is not None and before.halves == 1:
            yield Handed(why=Why.AGAIN, halves=(half,), before=before, tied=before.tied)
        elif before is not None and before.known == before.halves:
            yield from self._reunited(half, before)
        elif not half.part and not self._by_order:
            yield Handed(why=Why.NAMELESS, halves=(half,), before=before)
        else:
            yield from self._matched(half)

    def _reunited(self, half: Half[T], before: Before) -> Iterator[Handed[T]]:
        """Put halves together that were one part before; nothing else is ever matched with them."""
        group = self._again.setdefault(before.key, _Group(until=half.until, doubtful=not before.tied))
        if half.side is Side.VERDICT and group.verdict is not None:  # no part has two
            yield Handed(why=Why.AGAIN, halves=(half,), before=before, tied=before.tied)
            return
        self._put(group, half)
        if len(group.halves) == before.halves:
            yield self._hand(group, Why.AGAIN, half.arrived)

    def _matched(self, half: Half[T]) -> Iterator[Handed[T]]:
        place = self._place(half.part)
        group = next((group for group in place.groups if self._fits(group, half)), None)
        if group is None:
            group = self._begun(place, half)
        if half.arrived <= place.doubt:
            place.doubt = half.arrived + self._calm
        place.seen = half.arrived
        self._put(group, half)
        if self._whole(group):
            yield self._hand(group, Why.COMPLETE, half.arrived)

    def _fits(self, group: _Group[T], half: Half[T]) -> bool:
        if half.before and group.before and half.before.key != group.before.key:
            return False
        if half.side is Side.VERDICT:
            return group.verdict is None
        room = group.shown + half.shown <= self._pictures and not half.views & group.views
        return room or not group.pictures

    def _begun(self, place: _Place[T], half: Half[T]) -> _Group[T]:
        if place.groups or half.arrived - place.seen < self._window:
            self._begin_doubt(place, half.arrived)
        group = _Group(
            until=half.until,
            doubtful=half.arrived <= place.doubt,
            late=half.arrived < place.late.get(half.side, float("-inf")),
            place=place,
        )
        place.groups.append(group)
        return group

    def _begin_doubt(self, place: _Place[T], now: float) -> None:
        place.doubt = max(place.doubt, now + self._calm)
        for group in place.groups:
            group.doubtful = True

    def _whole(self, group: _Group[T]) -> bool:
        """Say whether all that was expected is there: so many pictures, or every view that the verdict names."""
        return group.verdict is not None and self._pictured(group)

    def _pictured(self, group: _Group[T]) -> bool:
        if group.shown >= self._pictures:
            return True
        named = group.verdict.views if group.verdict else frozenset()
        return bool(named) and bool(group.pictures) and named <= group.views

    def _put(self, group: _Group[T], half: Half[T]) -> None:
        group.put(half)
        self._waiting += 1
        heapq.heappush(self._due, (group.until, next(self._numbers), group))

    def _current(self, entry: tuple[float, int, _Group[T]]) -> bool:
        until, _, group = entry
        return group.open and until == group.until

    def _hand(self, group: _Group[T], why: Why, now: float) -> Handed[T]:
        group.open = False
        self._waiting -= len(group.halves)
        if group.place is not None:
            self._leave(group.place, group, now)
        elif group.before is not None:
            del self._again[group.before.key]
        alone = group.verdict is None and len(group.pictures) == 1
        return Handed(
            why=why,
            halves=group.halves,
            before=group.before,
            tied=alone or not group.doubtful,
            whole=self._pictured(group),
            late=group.late and group.lone is not None,
        )

    def _leave(self, place: _Place[T], group: _Group[T], now: float) -> None:
        """Note at a place what was handed in, for what may still come of it."""
        place.groups.remove(group)
        if self._whole(group):
            for side in Side:
                place.late[side] = max(place.late.get(side, now), now + self._window)
        else:
            self._begin_doubt(place, now)
            if not (group.late and group.lone):
                missing = group.lone.other if group.lone else Side.PICTURES
                place.late[missing] = now + self._calm
        self._forget_later(place)

    def _place(self, part: str) -> _Place[T]:
        name = "" if self._by_order else part
        if name not in self._places:
            self._places[name] = _Place(name)
            self._forget_later(self._places[name])
        return self._places[name]

    def _forget_later(self, place: _Place[T]) -> None:
        if not place.listed:
            place.listed = True
            heapq.heappush(self._forget, (self._remembered_until(place), next(self._numbers), place))

    def _remembered_until(self, place: _Place[T]) -> float:
        return max(place.seen + self._window, place.doubt, *place.late.values())

    def _tidy(self, now: float) -> None:
        """Forget places where nothing waits and nothing is remembered any more."""
        while self._forget and (self._forget[0][0] <= now or len(self._places) > PLACES_MAX):
            crowded = self._forget[0][0] > now
            _, _, place = heapq.heappop(self._forget)
            place.listed = False
            if place.groups:
                continue  # it is listed again when they leave
            if self._remembered_until(place) > now and not crowded:
                self._forget_later(place)
            else:
                del self._places[place.part]
