"""Copies of pictures that are no longer at hand: found by the bits that are left, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bridge.errors import ConfigError
from bridge.judging.spec import Input
from bridge.learning import resemblance, seen
from bridge.learning.data import Item, Look
from bridge.learning.resemblance import Alike
from bridge.learning.seen import SEEN, Seen

RNG = np.random.default_rng(3)


def texture(rng: np.random.Generator, around: int = 128) -> NDArray[np.uint8]:
    """A part with an outline of its own and some noise."""
    rough = cv2.resize(rng.normal(0, 30, (28, 22, 3)), (88, 112), interpolation=cv2.INTER_CUBIC)
    return np.clip(rough + around + rng.normal(0, 4, rough.shape), 0, 255).astype(np.uint8)


def saved(picture: NDArray[np.uint8], quality: int = 70) -> NDArray[np.uint8]:
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def brightened(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.clip(picture * 1.1 + 12, 0, 255).astype(np.uint8)


PARTS = [texture(RNG) for _ in range(60)]
KNOWN = resemblance.kept(np.stack(PARTS), [f"part {number}" for number in range(60)])


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one,
        saved,
        brightened,
        lambda one: one[:, ::-1],
        lambda one: one[::-1],
        lambda one: saved(brightened(one[::-1, ::-1])),
        lambda one: cv2.resize(one, (176, 224)),
    ],
    ids=["same", "saved", "brightened", "left and right", "up and down", "all of it", "larger"],
)
def test_a_copy_is_found_and_named(change: object) -> None:
    """Saved again, brightened, mirrored, at another size; it is named by the group of its original."""
    asked = [resemblance.signs(change(PARTS[place])) for place in (7, 40)]  # type: ignore[operator]
    assert resemblance.copies(asked, KNOWN) == [Alike(0, "part 7"), Alike(1, "part 40")]


def test_other_parts_are_no_copies() -> None:
    """However many there are."""
    others = [resemblance.signs(texture(RNG)) for _ in range(300)]
    assert resemblance.copies(others, KNOWN) == []


@pytest.mark.parametrize("noise", [1, 4, 8, 16, 24])
def test_parts_that_all_look_alike_are_no_copies_of_each_other(noise: float) -> None:
    """On a stiff fixture photographs of two parts differ in few bits, or none: rather no copy is told than all."""
    part = texture(RNG)

    def photograph() -> NDArray[np.uint8]:
        return np.clip(part + RNG.normal(0, noise, part.shape), 0, 255).astype(np.uint8)

    learnt = np.stack([photograph() for _ in range(200)])
    known = resemblance.kept(learnt, [str(number) for number in range(200)])
    fresh = [resemblance.signs(photograph()) for _ in range(200)]
    assert len(resemblance.copies(fresh, known)) <= 2


def test_pictures_of_one_group_say_nothing_of_what_others_look_like() -> None:
    """Four views of a part, or one photograph ten times, do not make copies of it strangers."""
    known = resemblance.kept(np.stack([PARTS[0], saved(PARTS[0], 95), PARTS[1]]), ["a", "a", "b"])
    assert resemblance.copies([resemblance.signs(brightened(PARTS[0]))], known)[0].group == "a"


def test_plain_pictures_are_like_nothing() -> None:
    """The signs of nothing are chance, and all of them the same."""
    plain = np.full((64, 64, 3), 90, np.uint8)
    assert resemblance.signs(plain) == ""
    assert resemblance.kept(plain[None], ["a"]) == ()
    assert resemblance.copies(["", ""], KNOWN) == []
    assert resemblance.copies([KNOWN[0][0]], ()) == []


def test_what_cannot_be_cut_has_no_bits(tmp_path: Path) -> None:
    """Whoever judges it says why."""
    cv2.imwrite(str(tmp_path / "whole.png"), PARTS[3])
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    items = [
        Item(path=tmp_path / name, label="", part=name, view="", group=name)
        for name in ("whole.png", "torn.png", "gone.png")
    ]
    bits, *others = resemblance.read(items, Look(into=Input(width=88, height=112)))
    assert resemblance.copies([bits], KNOWN) == [Alike(0, "part 3")]
    assert others == ["", ""]


def test_a_bundle_keeps_the_bits_and_an_older_one_has_none(tmp_path: Path) -> None:
    """What was written before there were any reads as it did, and is written as it was."""
    older = Seen(train=(("a" * 16, "monday"),))
    facts = json.loads(older.encoded())
    assert sorted(facts) == ["calibration", "train", "validation"]
    (tmp_path / SEEN).write_bytes(older.encoded())
    assert seen.read(tmp_path) == older
    newer = older | Seen(prints=KNOWN[:2])
    (tmp_path / SEEN).write_bytes(newer.encoded())
    assert set(seen.read(tmp_path).prints) == set(KNOWN[:2])
    assert newer.groups == {"monday"}
    (tmp_path / SEEN).write_text(json.dumps(facts | {"prints": ["a"]}))
    with pytest.raises(ConfigError, match="is no list of pictures"):
        seen.read(tmp_path)
