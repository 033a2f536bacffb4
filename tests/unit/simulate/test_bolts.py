"""The synthetic bolt: deterministic, with right masks, and no single number tells good from bad."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bridge.simulate.bolt_camera import Station
from bridge.simulate.bolt_set import labelled, member, write
from bridge.simulate.bolts import HEIGHT, TRAINING_SEEDS, VIEWS, VISIBLE_PIXELS, WIDTH, Bolt, Defect, bolt, oddness

SEEDS = range(40, 46)


@cache
def made(seed: int, defect: Defect | None = None) -> Bolt:
    return bolt(seed, defect)


def test_the_same_seed_gives_the_same_pixels() -> None:
    """A run can be repeated on any day."""
    first, second = bolt(7, Defect.DENTED), bolt(7, Defect.DENTED)
    for view in VIEWS:
        assert np.array_equal(first.views[view], second.views[view])
        assert np.array_equal(first.masks[view], second.masks[view])
    assert first.severity == second.severity
    assert not np.array_equal(first.views["front"], made(8).views["front"])


def test_oddness_is_known_before_a_bolt_is_made() -> None:
    """An old inspector's errors are planned for the whole run while pictures are made as it plays."""
    assert oddness(40) == made(40).nuisance
    assert oddness(40, Defect.DENTED) == made(40, Defect.DENTED).severity


def test_pictures_have_the_promised_shape_and_compress_to_a_readable_jpeg() -> None:
    """Four 8-bit colour pictures; what is encoded decodes to nearly the same."""
    part = made(40)
    assert tuple(part.views) == VIEWS
    for view, picture in part.views.items():
        assert picture.shape == (HEIGHT, WIDTH, 3)
        assert picture.dtype == np.uint8
        decoded = cv2.imdecode(np.frombuffer(part.encode(view), np.uint8), cv2.IMREAD_COLOR)
        assert np.abs(decoded.astype(int) - picture).mean() < 6


def test_a_good_part_has_empty_masks_and_no_severity() -> None:
    """The truth about a good part is that nothing is wrong anywhere."""
    part = made(41)
    assert part.severity == 0
    assert not any(mask.any() for mask in part.masks.values())
    assert not any(part.shows(view) for view in VIEWS)
    assert 0 <= part.nuisance <= 1


@pytest.mark.parametrize("defect", Defect)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_defect_changes_the_picture_inside_its_mask_and_nowhere_else(seed: int, defect: Defect) -> None:
    """The bad bolt is its good twin with the masked pixels changed: the mask is exactly the truth."""
    good, bad = made(seed), made(seed, defect)
    for view in VIEWS:
        differs = (good.views[view] != bad.views[view]).any(axis=2)
        assert not (differs & ~bad.masks[view]).any()
        if bad.masks[view].any():
            assert differs[bad.masks[view]].mean() > 0.9


@pytest.mark.parametrize("defect", Defect)
def test_every_defect_is_seen_by_some_camera(defect: Defect) -> None:
    """A bad part is bad for a reason that a picture shows, however faint the defect."""
    for seed in SEEDS:
        assert any(made(seed, defect).shows(view) for view in VIEWS)
        faint = bolt(seed, defect, severity=0.05)
        assert any(faint.shows(view) for view in VIEWS)


@pytest.mark.parametrize("defect", [Defect.DENTED, Defect.FOREIGN_MATTER])
def test_a_local_defect_is_hidden_from_some_cameras(defect: Defect) -> None:
    """One camera is not enough: a dent at the back is not seen from the front."""
    counts = [sum(made(seed, defect).shows(view) for view in VIEWS) for seed in SEEDS]
    assert max(counts) <= 3
    assert np.mean(counts) < 2.5


@pytest.mark.parametrize("defect", Defect)
def test_a_stronger_defect_shows_more(defect: Defect) -> None:
    """Severity orders defects by how much of the pictures they change."""
    areas = [
        np.mean(
            [sum(mask.sum() for mask in bolt(seed, defect, severity=severity).masks.values()) for seed in SEEDS]
        )
        for severity in (0.1, 0.5, 1.0)
    ]
    assert areas == sorted(areas)
    assert areas[0] > VISIBLE_PIXELS


def _statistics(picture: NDArray[np.uint8]) -> list[float]:
    """Return what a threshold could be set on: means, spreads, edges, bright, dark and blue areas."""
    hsv = cv2.cvtColor(picture, cv2.COLOR_BGR2HSV)
    gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    blue = (hsv[..., 0] > 85) & (hsv[..., 0] < 135) & (hsv[..., 1] > 70)
    edges = (cv2.Canny(gray, 80, 160) > 0).mean()
    planes = [*picture.reshape(-1, 3).mean(0), *hsv.reshape(-1, 3).mean(0), *hsv.reshape(-1, 3).std(0)]
    return [*map(float, planes), gray.std(), edges, (gray > 200).mean(), (gray < 40).mean(), blue.mean()]


def _auc(good: NDArray[np.float64], bad: NDArray[np.float64]) -> float:
    below = np.mean(bad[:, None] < good[None, :]) + np.mean(bad[:, None] == good[None, :]) / 2
    return float(max(below, 1 - below))


def test_no_threshold_on_a_single_number_tells_good_from_bad() -> None:
    """However the four views are joined, no simple statistic separates parts: a judge must look at the thread."""
    defects = list(Defect)
    good = np.array([[_statistics(one) for one in bolt(1000 + seed).views.values()] for seed in range(40)])
    bad = np.array(
        [[_statistics(one) for one in bolt(2000 + seed, defects[seed % 4]).views.values()] for seed in range(40)]
    )
    for join in (np.mean, np.min, np.max, np.ptp):
        joined = join(good, axis=1), join(bad, axis=1)
        assert max(_auc(a, b) for a, b in zip(joined[0].T, joined[1].T, strict=True)) < 0.9


def test_the_training_set_uses_its_own_seeds_and_names_each_view_by_what_it_shows() -> None:
    """What is trained on is never played, and a view without the defect is an OK view of a bad part."""
    parts = [member(number) for number in range(10)]
    assert all(part.seed >= TRAINING_SEEDS for part in parts)
    assert {part.defect is None for part in parts} == {True, False}
    for part in parts:
        for view, label in labelled(part):
            assert (label == "ng") == part.shows(view)


def test_another_station_relights_the_very_same_bolt() -> None:
    """What is seen differs, what is wrong with the part does not: a new line's pictures of known parts."""

    def dimmer(station: Station) -> Station:
        return replace(station, exposure=station.exposure * 0.6)

    here, there = bolt(3, Defect.DENTED, 0.8), bolt(3, Defect.DENTED, 0.8, dimmer)
    assert there.views["front"].mean() < here.views["front"].mean() - 10
    assert (there.seed, there.defect, there.severity) == (here.seed, here.defect, here.severity)
    assert [there.shows(view) for view in VIEWS] == [here.shows(view) for view in VIEWS]


def test_a_set_is_written_as_another_station_shows_it(tmp_path: Path) -> None:
    """A new line's set has the same parts and labels in other pictures."""
    for folder in ("old", "new"):
        for label in ("ok", "ng"):
            (tmp_path / folder / label).mkdir(parents=True)
    here = write(tmp_path / "old", 2)
    there = write(tmp_path / "new", 2, lambda station: replace(station, exposure=station.exposure * 0.9))
    assert there == here
    for name, *_ in here:
        assert (tmp_path / "old" / name).read_bytes() != (tmp_path / "new" / name).read_bytes()
