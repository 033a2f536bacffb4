"""Truth: whose word counts, which part it belongs to, and that a contradiction is never swallowed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.shadow.truth import LabelColumns, PartColumns, Truth, distinct_parts, serials, truth_of

HOUR = 3600.0
OK, NG, CONTRADICTED = 1, 2, 3


class Shown(NamedTuple):
    serial: int
    at: float


class Word(NamedTuple):
    who: str
    verdict: int
    at: float = 100 * HOUR
    number: int = 0
    serial: int = 0
    decides: bool = False
    blind: bool = True


def parts_of(shown: Sequence[Shown], within: float = 24) -> PartColumns:
    serial = np.array([one.serial for one in shown], np.int64)
    at = np.array([one.at for one in shown], np.float64)
    number = np.arange(1, len(shown) + 1)
    return PartColumns(number=number, serial=serial, at=at, distinct=distinct_parts(serial, at, within))


def labels_of(words: Sequence[Word]) -> LabelColumns:
    people = sorted({word.who for word in words})
    return LabelColumns(
        at=np.array([word.at for word in words], np.float64),
        who=np.array([people.index(word.who) for word in words], np.int32),
        verdict=np.array([word.verdict for word in words], np.int8),
        number=np.array([word.number for word in words], np.int64),
        serial=np.array([word.serial for word in words], np.int64),
        blind=np.array([word.blind for word in words], bool),
        decides=np.array([word.decides for word in words], bool),
        people=people,
    )


def truth(shown: Sequence[Shown], words: Sequence[Word], within: float = 24) -> Truth:
    return truth_of(labels_of(words), parts_of(shown, within), within)


ONE = [Shown(0, 0.0)]


@pytest.mark.parametrize(
    ("words", "verdict", "people"),
    [
        ([], 0, 0),
        ([Word("a", OK, number=1)], OK, 1),
        ([Word("a", OK, number=1), Word("b", OK, number=1)], OK, 2),
        ([Word("a", OK, number=1), Word("b", NG, number=1)], CONTRADICTED, 2),
        ([Word("a", OK, 2.0, number=1), Word("a", NG, 1.0, number=1)], OK, 1),
        ([Word("a", OK, 1.0, number=1), Word("a", NG, 1.0, number=1)], NG, 1),
        ([Word("a", OK, number=1), Word("b", NG, number=1), Word("c", NG, number=1, decides=True)], NG, 2),
        ([Word("c", NG, number=1, decides=True), Word("a", OK, 200 * HOUR, number=1)], NG, 1),
        ([Word("a", OK, 2.0, number=1, decides=True), Word("b", NG, 1.0, number=1, decides=True)], OK, 0),
        ([Word("a", OK, number=-1), Word("b", NG, number=9), Word("c", NG)], 0, 0),
    ],
)
def test_whose_word_counts(words: Sequence[Word], verdict: int, people: int) -> None:
    """The newest of each person; people who agree; else whoever decides, the newest of them."""
    found = truth(ONE, words)
    assert (found.verdict[0], found.people[0]) == (verdict, people)
    assert (found.label[0] >= 0) == (verdict in {OK, NG})


def test_a_serial_number_means_the_newest_inspection_before_the_label() -> None:
    """Not a later one, not one of another serial number, not one of long ago."""
    shown = [Shown(7, 0.0), Shown(7, 50 * HOUR), Shown(8, 60 * HOUR), Shown(7, 300 * HOUR)]
    times = [-1.0, 0.0, 49 * HOUR, 50 * HOUR, 146 * HOUR, 147 * HOUR, 300 * HOUR, 10_000 * HOUR]
    found = truth(shown, [Word("a", OK, at, serial=7) for at in times])
    assert found.belongs.tolist() == [-1, 0, 0, 1, 1, -1, 3, -1]


def test_presentations_of_one_part_share_their_truth() -> None:
    """A label on the re-inspection tells of the part; one of the same serial number days later does not."""
    shown = [
        Shown(7, 0.0),
        Shown(7, 20 * HOUR),
        Shown(7, 40 * HOUR),
        Shown(7, 90 * HOUR),
        Shown(0, 0.0),
        Shown(0, 0.0),
    ]
    parts = parts_of(shown)
    assert parts.distinct.tolist() == [0, 0, 0, 3, 1, 2]
    found = truth(shown, [Word("a", NG, number=2), Word("b", OK, number=4)])
    assert found.verdict.tolist() == [NG, 0, 0, OK]


def test_pairs_are_of_people_who_judged_independently() -> None:
    """Each two of three once; whoever decides is in none, but is what they are held against."""
    words = [
        Word("c", NG, number=1),
        Word("a", OK, number=1),
        Word("b", NG, number=1, blind=False),
        Word("z", NG, number=1, decides=True),
        Word("a", OK, number=2),
    ]
    found = truth([Shown(0, 0.0), Shown(0, 1.0)], words)
    pairs = found.pairs
    assert [*zip(pairs.who_a, pairs.verdict_a, pairs.who_b, pairs.verdict_b, strict=True)] == [
        (0, OK, 1, NG),
        (0, OK, 2, NG),
        (1, NG, 2, NG),
    ]
    assert found.disputed.tolist() == [True, False]
    assert found.settled.tolist() == [True, False]
    assert found.blind.tolist() == [False, True]
    assert found.said.who[found.against_truth()].tolist() == [0, 1, 2]


def test_serial_numbers_become_numbers() -> None:
    """Equal where they are equal, nothing where there is none."""
    first, again, other, none = serials(["B-1", "B-1", b"B\xff", ""])
    assert first == again != other
    assert none == 0 != first


SHOWN = st.builds(Shown, st.integers(0, 2), st.integers(0, 6).map(lambda hours: hours * 10 * HOUR))
WORD = st.builds(
    Word,
    st.sampled_from("abc"),
    st.sampled_from((OK, NG)),
    st.integers(0, 12).map(lambda hours: hours * 10 * HOUR),
    st.integers(-1, 9),
    st.integers(0, 3),
    st.booleans(),
    st.booleans(),
)


@given(st.lists(SHOWN, max_size=8), st.lists(WORD, max_size=12))
def test_arrays_say_what_a_walk_through_lists_says(shown: list[Shown], words: list[Word]) -> None:
    """The fast way and the plain one agree on every mixture."""
    found = truth(shown, words, 15)
    distinct = parts_of(shown, 15).distinct.tolist()
    of: dict[int, list[Word]] = {}
    for word, row in zip(words, found.belongs, strict=True):
        assert row == _belongs(word, shown)
        if row >= 0:
            of.setdefault(distinct[row], []).append(word)
    for part, verdict in enumerate(found.verdict):
        assert verdict == _joined(of.get(part, []))


def _belongs(word: Word, shown: list[Shown]) -> int:
    if word.number:
        return word.number - 1 if 0 < word.number <= len(shown) else -1
    before = [
        (one.at, row)
        for row, one in enumerate(shown)
        if word.serial and one.serial == word.serial and one.at <= word.at <= one.at + 60 * HOUR
    ]
    return max(before, default=(0.0, -1))[1]


def _joined(words: list[Word]) -> int:
    said = sorted(words, key=lambda word: word.at)
    if ruling := [word.verdict for word in said if word.decides]:
        return ruling[-1]
    newest = {word.who: word.verdict for word in said}
    return {0: 0, 1: next(iter(newest.values()), 0)}.get(len(set(newest.values())), CONTRADICTED)
