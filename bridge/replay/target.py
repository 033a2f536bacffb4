"""The journal of a replay, and what stands in it: how far it is, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.clock import Clock
from bridge.messages import Decision, Failure
from bridge.store import Entry, Second, Stratum
from bridge.store.ledger import Ledger
from bridge.store.rows import FAILURES, failures_of
from bridge.store.schema import FILE, open_to_write

DONE = "replayed"
"""The entry of the audit log that says that all is there."""

_UP_TO = "SELECT coalesce(max(number), 0), count(*) FROM part"
_PARTS = "SELECT count(*) FROM part"
_JUDGED = "SELECT count(*) FROM second WHERE kind = 1 AND goal_1 IS NOT NULL"
_GONE = "SELECT count(*) FROM second WHERE kind = 1 AND goal_1 IS NULL AND instr(failures, ?)"
_FAILED = "SELECT failure, count(*) FROM second_view WHERE failure IS NOT NULL GROUP BY 1"
_VIEWS = "SELECT count(*) FROM second_view WHERE score IS NOT NULL"
_DRAWN = "SELECT stratum, count(*) FROM second WHERE drawn AND stratum IS NOT NULL GROUP BY 1"
_SETTLE = "UPDATE second SET chance = chance * ? WHERE stratum = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a replay."""

    parts: int
    judged: int
    """Parts of which every goal was scored."""
    views: int
    """Views with a score."""
    without_picture: int
    """Parts of which a picture is not kept any more, or never was."""
    passed_over: int
    """Parts that nobody judged in the original month either, and nobody could now."""
    drawn: int
    """Parts that the original month drew for labelling."""
    drawn_judged: int
    failures: Mapping[str, int]
    """Views that could not be judged, by the reason."""


class Target:
    """The journal of a replay; made by ``opened``."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @property
    def done(self) -> bool:
        """Whether all is there."""
        return self._ledger.newest_audit(DONE) is not None

    def reached(self) -> tuple[int, int]:
        """Return the number of the last part, 0 for none, and how many there are: all up to it are complete."""
        last, amount = self._ledger.connection.execute(_UP_TO).fetchone()
        return last, amount

    def write(self, parts: Sequence[tuple[Decision, float]], seconds: Sequence[Second]) -> None:
        """Write a page, all of it or nothing."""
        with self._ledger.transaction():
            for decision, recorded_at in parts:
                self._ledger.again(decision, recorded_at)
            for second in seconds:
                self._ledger.second(second)

    def drawn(self) -> Counter[Stratum]:
        """Return how many parts that were drawn for labelling were judged, by stratum."""
        found = self._ledger.connection.execute(_DRAWN).fetchall()
        return Counter({Stratum(stratum): amount for stratum, amount in found})

    def finish(self, shares: Mapping[Stratum, float], entry: Entry) -> None:
        """Multiply the chances of strata by what is left of them, and say that all is there; both or neither."""
        with self._ledger.transaction():
            for stratum, share in shares.items():
                self._ledger.connection.execute(_SETTLE, (share, int(stratum)))
            self._ledger.audit(entry)

    def outcome(self, drawn: int) -> Outcome:
        """Count what is there; reads all of it."""
        parts, judged, views = (self._one(query) for query in (_PARTS, _JUDGED, _VIEWS))
        gone = self._one(_GONE, bytes([FAILURES[Failure.IMAGE_MISSING] or 0]))
        failed = self._ledger.connection.execute(_FAILED).fetchall()
        return Outcome(
            parts=parts,
            judged=judged,
            views=views,
            without_picture=gone,
            passed_over=parts - judged - gone,
            drawn=drawn,
            drawn_judged=self.drawn().total(),
            failures={str(failures_of(bytes([code]))[0]): amount for code, amount in failed},
        )

    def _one(self, query: str, *values: bytes) -> int:
        (amount,) = self._ledger.connection.execute(query, values).fetchone()
        return int(amount)


@contextmanager
def opened(folder: Path, clock: Clock) -> Iterator[Target]:
    """Open the journal of a replay, beginning it where there is none; belongs to the thread that opened it.

    Raises:
        ConfigError: what is there is no journal, or may not be written.
        sqlite3.DatabaseError: the disk refuses.
    """
    with closing(open_to_write(folder / FILE)) as connection:
        yield Target(Ledger(connection, clock))
