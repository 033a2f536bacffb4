"""What became of a line since it is live as it is: read on and on, in short looks, from journal and labels.

Each look reads only what came since the one before. Everything here blocks on the disk.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from bridge.labels import Label
from bridge.messages import Verdict
from bridge.shadow.guarding import Guarded
from bridge.shadow.seeding import is_seeded
from bridge.store import Reader
from bridge.store.labels import labels
from bridge.store.lived import Lived, Shown

DAY = 86_400.0
REFERENCE_DAYS = 7
"""The first days are what the last days are held to."""
LOOK_SECONDS = 6 * 3600.0
"""One look at the journal covers so much time."""
SETTLED_SECONDS = 60.0
"""What is younger is left to the next look: its second record may still be on its way."""
LABELLED_WITHIN = 4
"""A label by serial number belongs to an inspection up to so many times ``within_hours`` before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """How parts looked to the model in some days."""

    scores: Counter[float] = field(default_factory=Counter)
    compared: int = 0
    disagreed: int = 0
    held: int = 0
    """Parts that were held back for blind labelling."""

    def __add__(self, other: Span) -> Span:
        """Return both together."""
        return Span(
            scores=self.scores + other.scores,
            compared=self.compared + other.compared,
            disagreed=self.disagreed + other.disagreed,
            held=self.held + other.held,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """All that is known of a line since it is live as it is."""

    guarded: Guarded
    before: Span
    """The first days."""
    now: Span
    """The last days, none of the first ones."""
    due: int = 0
    """Parts that were held back so long ago that people should have looked at them."""


@dataclass(slots=True)
class _Said:
    """What people said of one presentation."""

    shown: Shown
    people: dict[str, tuple[float, Verdict]] = field(default_factory=dict)
    decided: tuple[float, Verdict] | None = None

    def hear(self, label: Label) -> None:
        said = (label.at, label.verdict)
        if label.decides:
            self.decided = max(self.decided or said, said)
        else:
            self.people[label.who] = max(self.people.get(label.who, said), said)

    @property
    def truth(self) -> Verdict | None:
        """What is true of it; None where people contradict each other and nobody settled it."""
        said = {self.decided[1]} if self.decided else {verdict for _, verdict in self.people.values()}
        return said.pop() if len(said) == 1 else None


class Living:
    """One line since a time."""

    def __init__(self, folder: Path, line: str, since: float, within_hours: float, seeded: str = "") -> None:
        self.since = since
        self._seeded = seeded
        self._folder, self._line, self._reader = folder, line, Reader(folder)
        self._within = within_hours * 3600 * LABELLED_WITHIN
        self._until = since
        self._label = 0
        self._guarded = Guarded()
        self._before = Span()
        self._spans: deque[tuple[float, Span]] = deque()
        self._said: dict[bytes, _Said] = {}

    def read_on(self, now: float) -> bool:
        """Read some hours more of what came until a Unix time; return whether there is more to be read.

        Raises:
            ConfigError: a file is not what it should be.
            Unavailable: the disk refuses.
        """
        end, turn = now - SETTLED_SECONDS, self.since + REFERENCE_DAYS * DAY
        if self._until >= end:
            return False
        until = min(self._until + LOOK_SECONDS, end)
        if self._until < turn < until:
            until = turn
        self._count(self._reader.lived(self._line, self._until, until, self._seeded), until)
        self._until = until
        return until < end

    def look(self, now: float) -> Seen:
        """Return what is known at a Unix time, all that is not read yet included; raises as ``read_on``."""
        while self.read_on(now):
            pass
        while self._spans and self._spans[0][0] <= now - REFERENCE_DAYS * DAY:
            self._spans.popleft()
        self._listen()
        latest = Span()
        for _, span in self._spans:
            latest += span
        guarded, settled = self._judged(), now >= self.since + 2 * REFERENCE_DAYS * DAY
        return Seen(
            guarded=guarded, before=self._before, now=latest, due=guarded.held - latest.held if settled else 0
        )

    def _count(self, came: Lived, until: float) -> None:
        known = self._guarded
        self._guarded = Guarded(
            parts=known.parts + came.parts,
            clearable=known.clearable + came.clearable,
            held=known.held + came.held,
            stayed=known.stayed + came.ng - came.held,
        )
        span = Span(scores=Counter(came.scores), compared=came.compared, disagreed=came.disagreed, held=came.held)
        if until <= self.since + REFERENCE_DAYS * DAY:
            self._before += span
        else:
            self._spans.append((until, span))

    def _listen(self) -> None:
        """Put new labels to the presentations that they are of."""
        new = labels(self._folder, self._line, after=self._label)
        if not new:
            return
        times = [label.at for label in new if not label.id]
        since, until = (min(times) - self._within, max(times) + 1.0) if times else (0.0, 0.0)
        ids = {bytes.fromhex(label.id) for label in new if label.id}
        serials = {label.part for label in new if not label.id}
        found = self._reader.shown(self._line, ids, serials, since, until)
        for label in new:
            if (shown := _meant(label, found, self._within)) is not None:
                self._said.setdefault(shown.id, _Said(shown)).hear(label)
        self._label = new[-1].number

    def _judged(self) -> Guarded:
        """Return the counts with what people said of parts since then."""
        counts: Counter[str] = Counter()
        first = max(0, int(self.since * 1000)).to_bytes(6, "big")
        for said in self._said.values():
            shown, truth = said.shown, said.truth
            if truth is None or not shown.stayed_ng or shown.id < first or is_seeded(shown.part, self._seeded):
                continue
            bad = truth is Verdict.NG
            counts.update(("labelled", "bad")[: 1 + bad] if shown.held else ["confirmed" if bad else "refuted"])
        return replace(self._guarded, **counts)


def _meant(label: Label, found: Iterable[Shown], within: float) -> Shown | None:
    """Return the presentation that a label is of: the one it names, or the newest of its serial before it."""
    if label.id:
        return next((shown for shown in found if shown.id.hex() == label.id), None)
    before = [one for one in found if one.part == label.part and label.at - within <= one.at <= label.at]
    return max(before, key=lambda one: one.at, default=None)
