"""A detector that trains here: what it learns from, what it exports, and what the line then says."""

from __future__ import annotations

import asyncio
from pathlib import Path

import cv2
import drawn_boxes
import numpy as np
import pytest

from bridge.cli.main import main
from bridge.errors import ConfigError
from bridge.judging import bundle
from bridge.judging.detector import DetectorOptions, open_detector
from bridge.judging.spec import Input
from bridge.learning import scoring
from bridge.learning.augmentation import policy
from bridge.learning.backend import keras
from bridge.learning.data import Choice, Dataset, Look, Shares, items, pictures
from bridge.learning.detection import evaluation, learner, training, truth, windows
from bridge.learning.detection.assigning import NOTHING, UNKNOWN, Grids, Marks
from bridge.learning.detection.grids import places
from bridge.learning.detection.learner import Settings
from bridge.learning.detection.windows import Windows
from bridge.learning.levels import SYMMETRIC
from bridge.messages import Spot, Verdict, View

pytestmark = [pytest.mark.learning, pytest.mark.timeout(240), pytest.mark.filterwarnings("default")]

INTO = Input(width=drawn_boxes.SIDE, height=drawn_boxes.SIDE, colour="gray")
QUICK = ("--steps", "160", "--window", "64", "--colour", "gray", "--hold-out", "0", "--augment", "none")


def read(where: Path) -> Dataset:
    return pictures.read(items.read(where), Look(into=INTO))


def marks(*rows: tuple[float, ...], unknown: tuple[tuple[float, ...], ...] = ()) -> Marks:
    """Return boxes, each with its class last."""
    numbers = np.array(rows, np.float64).reshape(-1, 5)
    return Marks(
        edges=numbers[:, :4],
        kinds=numbers[:, 4].astype(np.int64),
        unknown=np.array(unknown, np.float64).reshape(-1, 4),
    )


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with pictures to learn from and others that are never learnt from."""
    where = tmp_path_factory.mktemp("sets")
    drawn_boxes.yolo(where / "train", 40, 1)
    drawn_boxes.yolo(where / "unseen", 24, 2)
    return where


@pytest.fixture(scope="module")
def made(sets: Path, tmp_path_factory: pytest.TempPathFactory) -> list[bundle.Bundle]:
    """Return what one training writes, in two precisions."""
    out = tmp_path_factory.mktemp("models") / "cells"
    words = ["train", str(sets / "train"), "--kind", "detector", "--out", str(out), *QUICK]
    assert main([*words, "--precision", "f32", "int8"]) == 0
    return [bundle.load(out / version) for version in ("1", "2")]


def test_it_learns_to_find_what_it_has_never_seen(sets: Path, made: list[bundle.Bundle]) -> None:
    """MAP above 0.9 at 0.5 on other pictures, in f32 and in int8; views without a defect are OK."""
    for one in made:
        collection = items.read(sets / "unseen", Choice(classes=one.manifest.classes))
        scored = scoring.score(one, collection)
        figures = evaluation.evaluated(one, scored, one.manifest.threshold)
        assert figures.half > 0.9
        assert figures.found[0] > 0.9 * figures.boxes
        assert figures.false <= 2
        passed = scored.scores >= one.manifest.threshold
        assert (passed == ~scored.bad).mean() > 0.9


def test_a_bundle_says_how_it_was_made_and_proves_itself(
    made: list[bundle.Bundle], capsys: pytest.CaptureFixture[str]
) -> None:
    one = made[0].manifest
    assert (one.kind, one.input.fit, one.precision) == ("detector", "centre", "f32")
    assert [f"{kind.name}={kind.verdict}" for kind in one.classes] == ["hair=NG", "hole=NG", "ok=OK"]
    assert one.detection == training.HOW
    assert one.golden
    assert one.metrics["parity_max_abs"] < 1e-3
    assert (one.recipe["method"], one.recipe["steps"], one.recipe["window"]) == ("detector", 160, 64)
    assert made[1].manifest.precision == "int8"
    assert main(["bundle", "verify", str(made[0].folder)]) == 0
    assert "rejects known bad" in capsys.readouterr().out


def test_the_line_tells_class_and_place_in_pixels_of_the_picture(made: list[bundle.Bundle]) -> None:
    """Of a larger picture too: it is letterboxed, and its boxes come back."""
    shown, rows = drawn_boxes.picture(np.random.default_rng(77))
    large = np.full((192, 240), 128, np.uint8)
    large[:, 24:216] = cv2.resize(shown, (192, 192), interpolation=cv2.INTER_CUBIC)

    async def ask() -> tuple[Verdict | None, tuple[object, ...]]:
        async with open_detector(DetectorOptions(model=str(made[0].folder), threads=1)) as judge:
            said = (await judge([View(image=cv2.imencode(".png", large)[1].tobytes())]))[0]
            return said.verdict, said.boxes

    verdict, boxes = asyncio.run(ask())
    assert verdict is Verdict.NG
    told = {(one.label, round(one.cx / 12), round(one.cy / 12)) for one in boxes if isinstance(one, Spot)}
    for kind, x, y, w, h in rows:
        cx, cy = (24 + 2 * x + w) / 12, (2 * y + h) / 12
        assert any(
            label == drawn_boxes.KINDS[kind] and abs(left - cx) < 1 and abs(top - cy) < 1
            for label, left, top in told
        )


def test_evaluate_counts_boxes_beside_verdicts(
    sets: Path, made: list[bundle.Bundle], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", str(made[0].folder), str(sets / "unseen"), "--out", str(tmp_path / "page")]
    assert main([*words, "--overlap", "0.4", "0.75"]) == 0
    said = capsys.readouterr().out
    assert "AP 0.4  AP 0.75" in said
    assert "mAP " in said
    assert "such boxes that touch no true one" in said
    assert '"boxes": {' in (tmp_path / "page.json").read_text(encoding="utf-8")


def test_an_interrupted_training_ends_as_it_would_have(sets: Path, tmp_path: Path) -> None:
    """To the last bit: weights, optimizer and the best so far are taken up again; another run is not."""
    dataset = read(sets / "train")
    sides = truth.divided(dataset, Shares(validation=0.2, held_out=0))
    material = training.Material(dataset=dataset, sides=sides)
    settings = Settings(policy=policy("fixture"), steps=12, batch=2, window=32, seed=4)

    def run(work: Path, stop: int = 0) -> list[np.ndarray]:
        def told(_doing: str, done: int, _total: int) -> None:
            if done == stop:
                raise KeyboardInterrupt

        net, course = training.train(settings, INTO, material, work, told, said.append)
        assert course.step == 12
        return [np.asarray(one) for one in net.core.weights]

    said: list[str] = []
    whole = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "torn", stop=8)
    again = run(tmp_path / "torn")
    assert any(line.startswith("goes on after step 7") for line in said)
    for one, other in zip(whole, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_places_of_the_grids_that_suit_tell_a_box() -> None:
    """Small boxes on fine grids, large ones on coarse; each has a place, and the smaller of two goes first."""
    grids = Grids(128, 128)
    middles, strides = places(128, 128)
    kinds, edges = grids.told(marks((10, 10, 30, 30, 0), (0, 0, 127, 127, 1), (64, 64, 67, 67, 2)))
    for kind, stride in ((0, 4), (1, 16), (2, 4)):
        assert set(strides[kinds == kind, 0]) == {stride}
    assert (kinds == 0).sum() == 16
    assert (kinds == 2).sum() == 1
    np.testing.assert_array_equal(edges[kinds == 0][0], (10, 10, 30, 30))
    inside = (middles > 10).all(axis=1) & (middles < 30).all(axis=1)
    assert inside[kinds == 0].all()
    both, _ = grids.told(marks((10, 10, 40, 40, 0), (20, 20, 30, 30, 1)))
    assert {0, 1} <= set(both.tolist())
    assert (both == 1).any()


def test_what_is_cut_off_is_neither_right_nor_wrong() -> None:
    grids = Grids(64, 64)
    seen = windows.visible(marks((-30, 10, 10, 30, 0), (40, 40, 60, 60, 1)), 64, 64)
    assert (seen.kinds.tolist(), seen.unknown.tolist()) == ([1], [[0, 10, 10, 30]])
    kinds, _ = grids.told(seen)
    assert {NOTHING, UNKNOWN, 1} == set(kinds.tolist())


@pytest.mark.parametrize("name", ["none", "bolt", "fixture", "aoi", "any-angle"])
def test_boxes_move_with_what_they_are_drawn_around(name: str) -> None:
    """Under each policy: a bright disc's own box is the one that is carried along."""
    shown = np.full((200, 200, 1), 30, np.uint8)
    cv2.circle(shown, (110, 90), 12, 220, -1)
    drawn = marks((97.5, 77.5, 122.5, 102.5, 0))
    quiet = policy(name).only(*(one for one in policy(name).effects if one in windows._MOVES or one == "mirror"))
    made = Windows(pictures=[shown], marks=[drawn], policy=quiet, side=96, normalisation=SYMMETRIC, seed=0)
    seen = 0
    for number in range(60):
        picture, said = made.drawn(np.random.default_rng(number))
        if not len(said.edges) or said.edges.min() < 2 or said.edges.max() > 94:
            continue
        ys, xs = np.nonzero(picture[..., 0] > 125)
        box = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        np.testing.assert_allclose(said.edges[0], box, atol=2.0)
        seen += 1
    assert seen > 15


def test_a_turn_of_a_quarter_is_exact() -> None:
    """And so are mirrors and zoom."""
    quarter = windows.shift(50, 50) @ np.array([[0, -2, 0], [2, 0, 0], [0, 0, 1.0]])
    np.testing.assert_allclose(windows.carried(np.array([[1, 2, 5, 10.0]]), quarter), [[30, 52, 46, 60]])


def test_losses_are_zero_where_all_is_right_and_count_what_is_not() -> None:
    """GIoU of boxes apart is below 0; a focal loss of what is said rightly vanishes."""
    ops = keras.ops

    def boxes(*rows: tuple[float, ...]) -> tuple[object, object]:
        numbers = np.array(rows, np.float32)
        return ops.convert_to_tensor(numbers[:, :2]), ops.convert_to_tensor(numbers[:, 2:])

    shared, general = learner.overlap(
        boxes((0, 0, 10, 10), (0, 0, 10, 10)), boxes((0, 0, 10, 10), (20, 0, 30, 10))
    )
    np.testing.assert_allclose(shared, [1, 0], atol=1e-5)
    np.testing.assert_allclose(general, [1, -1 / 3], atol=1e-5)
    lost = learner.focal(ops.convert_to_tensor([0.0, 8.0, 8.0]), ops.convert_to_tensor([0.5, 1.0, 0.0]))
    np.testing.assert_allclose(lost, [0, 0, 8], atol=1e-2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--head", "gap"), "--head: means nothing to --kind detector; leave it out"),
        (("--size", "90x96"), "--size: 90x96 is no multiple of 16 on both sides; write 96x96"),
        (("--window", "100"), "--window: 100 is no multiple of 16 up to 96; write one"),
    ],
)
def test_a_mistake_is_one_line(
    words: tuple[str, ...], said: str, sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "models")
    assert main(["train", str(sets / "train"), "--kind", "detector", "--out", out, *words]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_a_set_without_boxes_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("ok", "bad"):
        (tmp_path / "set" / name).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "set" / name / "1.png"), np.zeros((32, 32), np.uint8))
    assert main(["train", str(tmp_path / "set"), "--kind", "detector", "--out", str(tmp_path / "m")]) == 2
    assert "holds no boxes to learn from; write a COCO file" in capsys.readouterr().err


def test_a_class_is_on_both_sides_and_parts_on_one(sets: Path) -> None:
    dataset = read(sets / "train")
    sides = truth.divided(dataset, Shares(validation=0.25, held_out=0.25))
    found = np.concatenate(list(sides.sides.values()))
    assert sorted(found.tolist()) == list(range(len(dataset.items)))
    for chosen in sides.sides.values():
        there = {mark.label for at in chosen.tolist() for mark in dataset.items[at].marks or ()}
        assert there == set(drawn_boxes.KINDS)


def test_a_sets_own_split_may_lack_good_pictures_but_no_class(tmp_path: Path) -> None:
    dataset = read(drawn_boxes.coco(tmp_path / "set", 6, 2))
    sides = truth.divided(dataset, Shares(validation=0.2, held_out=0))
    assert (len(sides.train), len(sides.validation)) == (6, 6)
    assert [str(one.name) for one in dataset.classes] == ["hair", "hole", "ok"]
    only = [
        at for at, item in enumerate(dataset.items) if not any(one.label == "hair" for one in item.marks or ())
    ]
    with pytest.raises(ConfigError, match=r"have no box to learn from \(hair\)"):
        truth.divided(dataset.take(only), Shares(validation=0.2, held_out=0))


def test_reflecting_borders_are_left_out_and_that_is_said(
    sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "own.toml"
    table.write_text('border = "reflect"\nshift = 0.1\n', encoding="utf-8")
    words = ["train", str(sets / "train"), "--kind", "detector", "--augment", str(table), "--window", "100"]
    assert main([*words, "--out", str(tmp_path / "m")]) == 2
    assert "reflect would show a defect twice" in capsys.readouterr().out
