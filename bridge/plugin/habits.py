"""Bad habits of the simulated neighbours, each by a name: what real machines do on a bad day, to be tried at will.

A peer says what it can do by wrapping its opener with ``with_habits``; ``aoi-bridge simulate ... --habits`` lists
it and ``--habit NAME`` plays it. What an inspector does to the parts themselves (twice, late, nameless) is the
same on every road, so it lives here; what it does to its files or frames lives with the adapter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Generic, Protocol, TypeAlias, TypeVar

from bridge.errors import ConfigError, Unavailable
from bridge.messages import Inspection, Verdict
from bridge.plugin.peers import Play

Taken_contra = TypeVar("Taken_contra", contravariant=True)
Made_co = TypeVar("Made_co", covariant=True)
Options = TypeVar("Options")
Peer = TypeVar("Peer")

Habits: TypeAlias = Mapping[str, float]
"""The habits being played: name → number. Peers look at it whenever it matters, so it may change meanwhile."""

NO_HABITS: Habits = {}
DOCUMENTS_BETWEEN = 10
"""After so many documents comes the next spell of something that lasts."""


@dataclass(frozen=True, slots=True)
class Habit:
    """One thing that a peer may do wrong."""

    says: str
    """One line for people; the number, where there is one, is "so many" of something in it."""
    number: float | None = None
    """The number where none is given; None: the habit has none."""


class Opens(Protocol[Taken_contra, Made_co]):
    """How the opener of a peer with habits looks."""

    def __call__(self, options: Taken_contra, habits: Habits) -> AbstractAsyncContextManager[Made_co]:
        """Open the peer."""
        ...


@dataclass(frozen=True, slots=True)
class Habitual(Generic[Options, Peer]):
    """An opener of a peer, and the habits that it knows."""

    opener: Opens[Options, Peer]
    habits: Mapping[str, Habit]

    def __call__(self, options: Options, habits: Habits = NO_HABITS) -> AbstractAsyncContextManager[Peer]:
        """Open the peer with these habits."""
        return self.opener(options, habits)


def with_habits(
    habits: Mapping[str, Habit],
) -> Callable[[Opens[Options, Peer]], Habitual[Options, Peer]]:
    """Say which habits an opener knows."""

    def wrap(opener: Opens[Options, Peer]) -> Habitual[Options, Peer]:
        return Habitual(opener, habits)

    return wrap


def read_habits(text: str, known: Mapping[str, Habit], flag: str = "--habit") -> dict[str, float]:
    """Read ``NAME[=NUMBER][,…]`` as it is typed.

    Raises:
        ConfigError: a name is unknown, or its number is none.
    """
    chosen = {}
    for word in filter(None, map(str.strip, text.split(","))):
        name, _, number = word.partition("=")
        if name not in known:
            raise ConfigError(f"{flag} {name}", "this peer has no such habit", f"write one of {', '.join(known)}")
        usual = known[name].number
        try:
            chosen[name] = float(number) if number else (usual or 0.0)
        except ValueError as exc:
            raise ConfigError(f"{flag} {word}", f"{number} is no number") from exc
        if (number and usual is None) or not 0 <= chosen[name] < float("inf"):
            raise ConfigError(
                f"{flag} {word}", "this habit takes no such number", f"write {usual_of(name, known)}"
            )
    return chosen


def usual_of(name: str, known: Mapping[str, Habit]) -> str:
    """Return a habit as one would type it, with its usual number."""
    number = known[name].number
    return name if number is None else f"{name}={number:g}"


@dataclass
class Mood:
    """Counts, and says whether a habit strikes this time: each so-manieth time, by its number."""

    habits: Habits
    _met: Counter[str] = field(default_factory=Counter)

    def strikes(self, name: str, every: int | None = None) -> bool:
        """Return whether the habit is played and its turn has come.

        ``every`` so many times where its number means something else.
        """
        number = self.habits.get(name)
        if number is None:
            return False
        self._met[name] += 1
        return self._met[name] % max(1, every or round(number)) == 0


PART_HABITS: Mapping[str, Habit] = {
    "duplicate": Habit("one part in so many is handed over twice", 3),
    "out-of-order": Habit("one part in so many is held back and comes after the next", 3),
    "no-barcode": Habit("one part in so many has no serial number", 3),
    "reused-serial": Habit("one part in so many carries the serial number of the part before", 3),
    "code-page": Habit("serial numbers end in letters of the code page that the options name"),
}
MES_HABITS: Mapping[str, Habit] = {
    "refuse": Habit("one document in so many is refused", 3),
    "stall": Habit(
        f"after every {DOCUMENTS_BETWEEN}th document nothing is read or answered for so many seconds", 5
    ),
    "half-close": Habit("after one document in so many nothing more is sent on its connection", 5),
    "ack-lost": Habit("one document in so many is kept, and its acknowledgement lost", 3),
    "die": Habit(f"after every {DOCUMENTS_BETWEEN}th document the MES is gone for so many seconds", 5),
}
"""What an MES on a connection may do."""
_LETTERS = "부품部品零件é"


@asynccontextmanager
async def moody(play: Play, habits: Habits, encoding: str = "utf-8") -> AsyncIterator[Play]:
    """Be an inspector with ``PART_HABITS``; what is still held back at the end is handed over then."""
    machine = _Moody(play, Mood(habits), _encodable(encoding))
    try:
        yield machine
    finally:
        with suppress(Unavailable):
            await machine.release()


@dataclass
class _Moody:
    """An inspector that spoils parts before it hands them over."""

    play: Play
    mood: Mood
    letters: str
    _held: Inspection | None = None
    _before: str = ""

    async def __call__(self, part: Inspection) -> Verdict | None:
        named = self._named(part)
        if self.mood.strikes("out-of-order") and self._held is None:
            self._held = named
            return None
        answer = await self.play(named)
        await self.release()
        if self.mood.strikes("duplicate"):
            await self.play(named)
        return answer

    async def release(self) -> None:
        """Hand over what was held back."""
        if (held := self._held) is not None:
            self._held = None
            await self.play(held)

    def _named(self, part: Inspection) -> Inspection:
        name = part.part
        if self.mood.strikes("no-barcode"):
            name = ""
        elif self.mood.strikes("reused-serial"):
            name = self._before or name
        elif "code-page" in self.mood.habits:
            name += self.letters
        self._before = part.part
        return replace(part, part=name)


def _encodable(encoding: str) -> str:
    """Return letters beyond ASCII that a code page has."""
    return "".join(one for one in _LETTERS if one.encode(encoding, "ignore"))
