"""What a bundle has seen is left out: by bytes, by group, and else by the set's own word."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import lamps
import pytest

from bridge.learning import unseen
from bridge.learning.data import Collection
from bridge.learning.seen import Known, Seen, short

LAMPS = [
    ("lit", 200, "a", "1", "monday"),
    ("dark", 20, "b", "1", "monday"),
    ("lit", 210, "c", "1", "tuesday"),
    ("dark", 30, "d", "1", "wednesday"),
    ("lit", 220, "e", "1", "thursday"),
    ("dark", 40, "f", "1", "friday"),
]


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    return lamps.read(tmp_path / "set", LAMPS)


def known(collection: Collection, part: str, group: str | None = None) -> Known:
    """How a bundle remembers the picture of this part."""
    item = next(item for item in collection.items if item.part == part)
    return short(hashlib.sha256(item.path.read_bytes()).hexdigest()), item.group if group is None else group


def parts(collection: Collection, places: object) -> set[str]:
    return {collection.items[place].part for place in places.tolist()}  # type: ignore[attr-defined]


def test_each_picture_is_where_it_was_used_and_its_group_is_no_stranger(collection: Collection) -> None:
    """Part a was trained on; b is of the same day; c validated, d calibrated; e and f are fresh."""
    past = Seen(
        train=(known(collection, "a"),),
        validation=(known(collection, "c"),),
        calibration=(known(collection, "d"),),
    )
    found = unseen.divide(collection, past)
    assert parts(collection, found.train) == {"a"}
    assert parts(collection, found.neighbours) == {"b"}
    assert parts(collection, found.validation) == {"c"}
    assert parts(collection, found.calibration) == {"d"}
    assert parts(collection, found.fresh) == {"e", "f"}
    assert set(found.known(collection, found.fresh)) == {known(collection, "e"), known(collection, "f")}


def test_a_renamed_picture_is_known_by_its_bytes_and_so_is_its_group(collection: Collection) -> None:
    """Also where groups of this set have other names than those of training."""
    past = Seen(train=(known(collection, "a", group="lot 7"),))
    for same_names in (True, False):
        found = unseen.divide(collection, past, same_names=same_names)
        assert parts(collection, found.train) == {"a"}
        assert parts(collection, found.neighbours) == {"b"}


def test_new_pictures_of_a_seen_group_are_left_out_unless_names_mean_nothing(collection: Collection) -> None:
    """Lot names mostly mean the same everywhere; running numbers start anew in each set."""
    past = Seen(train=(("0123456789abcdef", "monday"),))
    assert parts(collection, unseen.divide(collection, past).fresh) == {"c", "d", "e", "f"}
    assert len(unseen.divide(collection, past, same_names=False).fresh) == 6


def test_a_file_that_cannot_be_read_is_left_to_the_judging(collection: Collection) -> None:
    """It has no digits, and two of them are not the same picture."""
    for item in collection.items[:2]:
        item.path.unlink()
    found = unseen.divide(collection, Seen(train=(("", "pictures that were no files"),)))
    assert len(found.fresh) == 6


def test_without_a_memory_the_sets_own_test_side_is_taken(collection: Collection) -> None:
    """And everything where the set does not say."""
    found = unseen.divide(collection, Seen())
    assert unseen.by_its_own_split(collection, found) == found
    sides = ("train", "test", "train", "held-out", "train", "")
    split = replace(
        collection,
        items=tuple(replace(item, split=side) for item, side in zip(collection.items, sides, strict=True)),
    )
    own = unseen.by_its_own_split(split, unseen.divide(split, Seen()))
    assert own.fresh.tolist() == [1, 3]
    assert own.train.tolist() == [0, 2, 4]
