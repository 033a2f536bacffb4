"""Splits: no group on two sides, every class where it can be, and the set's own word where it has one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ConfigError
from bridge.judging.bundle import ModelClass
from bridge.learning.data import Dataset, Shares, split
from bridge.messages import Verdict


def labelled(labels: Sequence[int], groups: Sequence[object], sides: Sequence[str] = ()) -> split.Labelled:
    """Return a set of empty pictures."""

    class Sided(Dataset):
        @property
        def splits(self) -> tuple[str, ...]:
            return tuple(sides) or ("",) * len(self.labels)

    names = sorted({0, 1, *labels})
    return Sided(
        pictures=np.zeros((len(labels), 1, 1, 1), np.uint8),
        labels=np.array(labels, np.int64),
        groups=tuple(map(str, groups)),
        parts=tuple(map(str, groups)),
        classes=tuple(ModelClass(name=f"c{n}", verdict=Verdict.NG if n else Verdict.OK) for n in names),
        digest="",
    )


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 15)), min_size=1, max_size=80),
    st.floats(0.05, 0.5),
    st.floats(0, 0.4),
    st.integers(0, 1000),
)
def test_no_group_is_on_two_sides_and_every_class_on_each(
    drawn: list[tuple[int, int]], validation: float, held_out: float, seed: int
) -> None:
    """A split either keeps its promises or is refused; what cannot be held out is said."""
    of = labelled([label for label, _ in drawn], [group for _, group in drawn])
    try:
        found = split.by_group(of, Shares(validation=validation, held_out=held_out), seed)
    except ConfigError:
        return
    sides = [found.train, found.validation, found.held_out]
    assert sorted(np.concatenate(sides)) == list(range(len(drawn)))
    groups = [{of.groups[place] for place in side} for side in sides]
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
    assert not groups[1] & groups[2]
    labels = [set(of.labels[side].tolist()) for side in sides]
    assert labels[0] == labels[1] == set(of.labels.tolist())
    if held_out and labels[2] and labels[2] != labels[0]:
        assert "nothing is held out of" in found.notes[0]


@given(st.integers(0, 100))
def test_groups_of_one_class_are_divided_exactly(seed: int) -> None:
    """Shares are of groups, class by class, however many pictures a group has."""
    labels, groups = np.repeat([0, 1], [40, 20]), np.repeat(np.arange(60), 1)
    found = split.by_group(labelled(labels.tolist(), groups.tolist()), Shares(validation=0.2, held_out=0.25), seed)
    counts = [np.bincount(labels[side]).tolist() for side in (found.train, found.validation, found.held_out)]
    assert counts == [[22, 11], [8, 4], [10, 5]]


def test_a_class_of_three_groups_is_on_every_side() -> None:
    """The rarest class is divided first, even where its groups hold the common one too."""
    labels, groups = [*[0] * 30, 1, 1, 1], [*range(30), 3, 4, 5]
    for seed in range(20):
        found = split.by_group(labelled(labels, groups), seed=seed)
        assert all(1 in np.array(labels)[side] for side in (found.train, found.validation, found.held_out))


def test_a_class_of_two_groups_is_not_held_out_and_one_line_says_so() -> None:
    found = split.by_group(labelled([*[0] * 8, 1, 1], range(10)))
    assert found.notes == ("nothing is held out of c1: too few groups",)


def test_a_class_in_one_group_cannot_be_split() -> None:
    with pytest.raises(ConfigError, match=r"all pictures of a class are in one group or on one side \(c1\)"):
        split.by_group(labelled([*[0] * 8, 1, 1], [*range(8), 9, 9]))


def test_a_split_follows_from_its_seed() -> None:
    """Training can be repeated; another seed validates on other parts."""
    of = labelled([0, 1] * 50, range(100))
    first, again, other = (split.by_group(of, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(first.sides[name], again.sides[name]) for name in first.sides)
    assert not np.array_equal(first.validation, other.validation)


def test_the_sets_own_split_is_kept_and_what_it_lacks_is_drawn() -> None:
    """What the set calls test is held out; nothing of it is ever trained on."""
    sides = [*["train"] * 20, *["test"] * 10]
    found = split.by_group(labelled([0, 1] * 15, range(30), sides))
    assert found.held_out.tolist() == list(range(20, 30))
    assert len(found.validation) == 4
    whole = split.by_group(labelled([0, 1] * 15, range(30), [*sides[:-4], *["validation"] * 4]))
    assert whole.validation.tolist() == list(range(26, 30))
    assert len(whole.train) == 20


def test_an_own_split_that_tears_groups_apart_is_refused() -> None:
    """Unless somebody insists."""
    of = labelled([0, 1] * 10, [*range(10), *range(10)], [*["train"] * 10, *["test"] * 10])
    with pytest.raises(ConfigError, match="tears 10 groups apart, for instance 0; write --split new"):
        split.by_group(of)
    assert len(split.by_group(of, torn=True).held_out) == 10
