"""Parts for ``faults.py``, and what must become of them: the truth table of goals and failures, once more."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product

import cv2
import numpy as np

from bridge.messages import Decision, Failure, Verdict
from bridge.plugin.peers import Taken
from bridge.simulate.parts import Played

LINES: Mapping[str, tuple[int, str, str]] = {
    "goal-1": (1, "live", "tcp"),
    "goal-2": (2, "live", "hotfolder"),
    "goal-3": (3, "live", "tcp"),
    "shadow": (2, "shadow", "hotfolder"),
}
"""Goal, stage and road of each line."""

OK, NG = Verdict.OK, Verdict.NG

PLANNED: Mapping[tuple[str, Verdict, Verdict], Verdict] = {
    # line, the inspector says, it is → what counts
    ("goal-1", OK, OK): OK,
    ("goal-1", OK, NG): OK,
    ("goal-1", NG, OK): OK,
    ("goal-1", NG, NG): NG,
    ("goal-2", OK, OK): OK,
    ("goal-2", OK, NG): NG,
    ("goal-2", NG, OK): NG,
    ("goal-2", NG, NG): NG,
    ("goal-3", OK, OK): OK,
    ("goal-3", OK, NG): NG,
    ("goal-3", NG, OK): OK,
    ("goal-3", NG, NG): NG,
    ("shadow", OK, OK): OK,
    ("shadow", OK, NG): OK,
    ("shadow", NG, OK): NG,
    ("shadow", NG, NG): NG,
}
FAILED: Mapping[tuple[str, Verdict], Verdict] = {
    # line, the inspector says → what counts where no second opinion was had, or it was not recorded
    ("goal-1", OK): OK,
    ("goal-1", NG): NG,
    ("goal-2", OK): NG,
    ("goal-2", NG): NG,
    ("goal-3", OK): NG,
    ("goal-3", NG): NG,
    ("shadow", OK): OK,
    ("shadow", NG): NG,
}


@dataclass(frozen=True, slots=True)
class Answered:
    """What happened to one part that was played."""

    part: Played
    answer: Verdict | None
    """What the inspector was told; None on a road without answers, or if none came."""
    took_ms: float
    """How long handing it over took, the answer included where there is one; negative infinity if it never was."""
    taken: Taken

    def as_planned(self, line: str) -> bool:
        """Return whether the PLC took what counts where nothing goes wrong."""
        return self.taken.verdict is PLANNED[line, self.part.legacy, self.part.truth]


@dataclass
class Parts:
    """Good and bad parts that the inspector calls OK and NG in every combination, no two pictures alike."""

    line: str
    _made: Iterator[Played] | None = None

    def take(self, count: int) -> list[Played]:
        """Return the next parts."""
        self._made = self._made or self._make()
        return list(islice(self._made, count))

    def _make(self) -> Iterator[Played]:
        rng = np.random.default_rng(sum(self.line.encode()))
        mixed = list(product(Verdict, Verdict))
        number = 0
        while True:
            truth, legacy = mixed[number % len(mixed)]
            light = 190 if truth is OK else 10
            shown = rng.integers(light, light + 50, (48, 48, 3), np.uint8)
            picture: bytes = cv2.imencode(".png", shown)[1].tobytes()
            serial = f"{self.line}-{number:05}"
            yield Played(serial=serial, truth=truth, oddness=0.0, images={"top": picture}, legacy=legacy)
            number += 1


@dataclass
class Told:
    """What became of the parts of one line."""

    counts: Counter[str] = field(default_factory=Counter)
    """Parts that were ``in_time``, ``right``, ``at_the_plc``, ``wrong_ok``; ``wrong: …`` says what was not."""
    failures: Counter[str] = field(default_factory=Counter)
    took: list[float] = field(default_factory=list)


@dataclass
class Line:
    """One line, and what its journal holds."""

    name: str
    answered: Sequence[Answered]
    struck: int
    """How many of them were played while the fault lasted; the rest came after it."""
    decisions: Sequence[Decision]
    costs: Collection[Failure]
    deadline_ms: float

    def told(self) -> Told:
        """Hold everything against the table."""
        told = Told()
        for decision in self.decisions:
            told.failures.update(str(failure) for failure in decision.failures)
            told.counts[f"wrong: {self._fault_of(decision)}"] += bool(self._fault_of(decision))
            for failure in set(decision.failures) - set(self.costs):
                told.counts[f"wrong: {failure}, which this fault does not explain"] += 1
            if not decision.backlog and decision.latency_ms > self.deadline_ms:
                told.counts["wrong: decided late"] += 1
        by_part: dict[str, list[Decision]] = {}
        for decision in self.decisions:
            by_part.setdefault(decision.part, []).append(decision)
        for number, one in enumerate(self.answered):
            self._count(one, by_part.get(one.part.serial, []), told, after=number >= self.struck)
        return told

    def _count(self, one: Answered, made: Sequence[Decision], told: Told, *, after: bool) -> None:
        planned, failed = self._planned(one.part), FAILED[self.name, one.part.legacy]
        told.took.append(one.took_ms)
        in_time = one.took_ms <= self.deadline_ms
        right = one.answer in {None, planned, failed} and all(self._fault_of(each) == "" for each in made)
        passed_wrongly = one.taken.passed and OK not in ({each.final for each in made} or {failed})
        wrong_ok = one.taken.passed and (passed_wrongly or OK not in {planned, failed})
        if after:
            told.counts["wrong_ok"] += wrong_ok
            return
        told.counts["in_time"] += in_time
        told.counts["right"] += right
        told.counts["wrong_ok"] += wrong_ok
        told.counts["at_the_plc"] += one.taken.verdict is not None

    def _planned(self, part: Played) -> Verdict:
        return PLANNED[self.name, part.legacy, part.truth]

    def _fault_of(self, decision: Decision) -> str:
        """Return what is wrong with a decision, empty if it is as the table says.

        Its part is known by its picture, for a machine may give it any name.
        """
        part = self._part_of(decision)
        if part is None:
            return "of no part that was played"
        failed = bool(decision.failures)
        wanted = FAILED[self.name, part.legacy] if failed else self._planned(part)
        if decision.legacy is not part.legacy:
            return "the inspector's verdict was misread"
        return "" if decision.final is wanted else f"{decision.final} for {wanted}"

    def _part_of(self, decision: Decision) -> Played | None:
        seen = {view.image for view in decision.views if view.image}
        for one in self.answered:
            if one.part.serial == decision.part or any(_digest(one.part) == image for image in seen):
                if seen and _digest(one.part) not in seen:
                    continue
                return one.part
        return None


def _digest(part: Played) -> str:
    return hashlib.sha256(part.images["top"]).hexdigest()
