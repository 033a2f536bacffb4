"""Figures of anomaly maps against scikit-learn's on the same maps, and PRO against its definition."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bridge.learning import metrics, pixels, points
from bridge.learning.pixels import Map, Mask

ndimage = pytest.importorskip("scipy.ndimage")
sklearn_metrics = pytest.importorskip("sklearn.metrics")

Pair = tuple[Map, Mask]
shapes = st.tuples(st.integers(1, 7), st.integers(1, 7))
pairs = shapes.flatmap(
    lambda shape: st.tuples(arrays(np.float32, shape, elements=st.integers(-3, 3)), arrays(np.bool_, shape))
)
"""A small map full of ties, and its mask."""
sets = st.lists(pairs, min_size=1, max_size=3).filter(lambda found: len(np.unique(flat(found)[1])) == 2)
"""With pixels of both kinds."""
few = settings(max_examples=40)


def ranked(found: list[Pair]) -> pixels.Ranked:
    return pixels.ranked([one for one, _ in found], [mask for _, mask in found])


def flat(found: list[Pair]) -> tuple[np.ndarray, np.ndarray]:
    """All values and truths."""
    return np.concatenate([one.ravel() for one, _ in found]), np.concatenate([mask.ravel() for _, mask in found])


def blurred(number: int, seed: int = 0, size: tuple[int, int] = (48, 40)) -> list[Pair]:
    """Smooth noise, brighter where a region was planted; every other map has none."""
    rng = np.random.default_rng(seed)
    found = []
    for place in range(number):
        mask = np.zeros(size, np.bool_)
        if place % 2:
            for y, x in rng.integers(0, 30, (3, 2)):
                mask[y : y + rng.integers(1, 9), x : x + rng.integers(1, 9)] = True
        noise = ndimage.gaussian_filter(rng.normal(size=size), 3)
        found.append(((noise + 2 * noise.std() * mask).astype(np.float32), mask))
    return found


def by_definition(found: list[Pair], limit: float) -> float:
    """PRO as Bergmann et al. write it: every threshold, every region, then the area to the limit."""
    regions = []
    for place, (_, mask) in enumerate(found):
        labels, number = ndimage.label(mask, np.ones((3, 3)))
        regions += [(place, labels == name) for name in range(1, number + 1)]
    levels = sorted({value for one, _ in found for value in one.ravel().tolist()}, reverse=True)
    corners = [(0.0, 0.0)]
    for level in levels:
        alarms = [(one >= level) & ~mask for one, mask in found]
        false = sum(int(one.sum()) for one in alarms) / sum(int((~mask).sum()) for _, mask in found)
        overlaps = [float((found[place][0] >= level)[region].mean()) for place, region in regions]
        corners.append((false, sum(overlaps) / len(overlaps)))
    area = 0.0
    for (left, low), (right, high) in pairwise(corners):
        if left >= limit:
            break
        end = min(right, limit)
        at_end = high if right == left else low + (high - low) * (end - left) / (right - left)
        area += (end - left) * (low + at_end) / 2
    return area / limit


def assert_as_others_count(found: list[Pair]) -> None:
    values, bad = flat(found)
    ours = ranked(found)
    assert pixels.auroc(ours) == pytest.approx(sklearn_metrics.roc_auc_score(bad, values))
    assert pixels.average_precision(ours) == pytest.approx(sklearn_metrics.average_precision_score(bad, values))
    precision, recall, thresholds = sklearn_metrics.precision_recall_curve(bad, values)
    with np.errstate(invalid="ignore"):
        shares = np.nan_to_num(2 * precision * recall / (precision + recall))[:-1]
    best = pixels.best_f1(ours)
    assert best.value == pytest.approx(shares.max())
    assert best.threshold == thresholds[np.flatnonzero(np.isclose(shares, shares.max()))[-1]]
    assert sklearn_metrics.f1_score(bad, values >= best.threshold) == pytest.approx(best.value)


@few
@given(sets)
def test_areas_and_f1_are_those_of_scikit_learn(found: list[Pair]) -> None:
    """On maps of few distinct values, of different sizes."""
    assert_as_others_count(found)


def test_the_same_holds_for_smooth_maps() -> None:
    """Where hardly two pixels hold the same."""
    assert_as_others_count(blurred(10))
    assert_as_others_count([(one.astype(np.float64), mask) for one, mask in blurred(10, 1)])


@few
@given(sets, st.sampled_from([0.05, 0.3, 0.5, 1.0]))
def test_pro_is_what_its_definition_says(found: list[Pair], limit: float) -> None:
    """With ties across the limit, regions of one pixel and regions that touch by a corner."""
    assert pixels.pro(ranked(found), limit) == pytest.approx(by_definition(found, limit))


@few
@given(sets, st.floats(0.05, 1))
def test_pro_is_the_mean_of_what_its_pictures_add(found: list[Pair], limit: float) -> None:
    one = ranked(found)
    drawn = [(values, mask, ndimage.label(mask, np.ones((3, 3)))[1]) for values, mask in found if mask.any()]
    own = [pixels.own_pro(one, values, mask, limit) for values, mask, _ in drawn]
    pieces = [regions for _, _, regions in drawn]
    assert np.average(own, weights=pieces) == pytest.approx(pixels.pro(one, limit), abs=1e-9)
    assert all(-1e-12 <= each <= 1 + 1e-12 for each in own)


def test_pro_of_smooth_maps_is_what_its_definition_says() -> None:
    """To the usual 30 % of false alarms."""
    found = blurred(6, 2, (24, 32))
    assert pixels.pro(ranked(found)) == pytest.approx(by_definition(found, pixels.FALSE_ALARMS))


@few
@given(sets)
def test_a_pro_curve_rises_to_its_limit(found: list[Pair]) -> None:
    """From nothing to the limit exactly; at 1, to everything. Its thresholds give its points."""
    values, bad = flat(found)
    curve = pixels.pro_curve(ranked(found), 0.3)
    assert (curve.x[0], curve.y[0], curve.x[-1]) == (0, 0, 0.3)
    whole = pixels.pro_curve(ranked(found), 1.0)
    assert (whole.x[-1], whole.y[-1]) == (1, 1)
    for one in (curve, whole):
        assert (np.diff(one.x) >= 0).all()
        assert (np.diff(one.y) >= 0).all()
    told = [float((values[~bad] >= level).mean()) for level in whole.thresholds]
    assert np.allclose(told, whole.x)


@few
@given(sets)
def test_only_the_order_of_values_counts(found: list[Pair]) -> None:
    """Any rising function of the maps leaves every figure as it is, and moves the threshold with it."""
    one = ranked(found)
    other = ranked([(np.exp(values.astype(np.float64) / 2) - 7, mask) for values, mask in found])
    for figure in (pixels.auroc, pixels.average_precision, pixels.pro):
        assert figure(other) == figure(one)
    ours, theirs = pixels.best_f1(one), pixels.best_f1(other)
    assert theirs.value == ours.value
    assert theirs.threshold == np.exp(ours.threshold / 2) - 7


def test_regions_count_the_same_whatever_their_size() -> None:
    """A large region that is found and a small one that is not: one half, and nine tenths of the pixels."""
    values, mask = np.zeros((20, 20)), np.zeros((20, 20), np.bool_)
    mask[2:8, 2:8] = mask[15:17, 15:17] = True
    values[2:8, 2:8] = 1
    values[~mask] = 0.5
    one = pixels.ranked([values], [mask])
    assert (one.regions, one.bad) == (2, 40)
    assert pixels.pro(one) == pytest.approx(0.5)
    assert pixels.auroc(one) == pytest.approx(0.9)


def test_a_corner_joins_two_pieces() -> None:
    """Eight neighbours."""
    assert pixels.ranked([np.zeros((4, 4))], [np.eye(4, dtype=np.bool_)]).regions == 1


def test_a_map_that_says_nothing_is_worth_a_guess() -> None:
    """One value everywhere: AUROC is a half, PRO half of its limit; a perfect map has one of each."""
    mask = np.zeros((10, 10), np.bool_)
    mask[4:6, 4:6] = True
    flat_map = pixels.ranked([np.full((10, 10), 7.0)], [mask])
    assert pixels.auroc(flat_map) == 0.5
    assert pixels.pro(flat_map) == pytest.approx(0.15)
    assert pixels.average_precision(flat_map) == pytest.approx(0.04)
    perfect = pixels.ranked([mask.astype(np.float32)], [mask])
    figures = (pixels.auroc(perfect), pixels.pro(perfect), pixels.average_precision(perfect))
    assert (*figures, pixels.best_f1(perfect).value) == pytest.approx((1, 1, 1, 1))


def test_one_kind_of_pixel_alone_has_no_area() -> None:
    """NaN, as for scores: nothing anomalous, nothing good, nothing at all."""
    for maps, masks in (([np.ones((3, 3))], [None]), ([np.ones((3, 3))], [np.zeros((3, 3), bool)]), ([], [])):
        one = pixels.ranked(maps, masks)
        figures = (pixels.auroc(one), pixels.pro(one), pixels.average_precision(one), pixels.best_f1(one).value)
        assert np.isnan(figures).all()
    all_bad = pixels.ranked([np.ones((3, 3))], [np.ones((3, 3), bool)])
    assert math.isnan(pixels.auroc(all_bad))
    assert math.isnan(pixels.pro(all_bad))
    assert (pixels.average_precision(all_bad), pixels.best_f1(all_bad).value) == (1, 1)


@pytest.mark.parametrize(
    ("maps", "masks", "words"),
    [
        ([np.full((2, 2), np.nan)], [None], "map 0 holds values that are not finite"),
        ([np.zeros((2, 2)), np.zeros((2, 2))], [None, np.zeros((2, 3), bool)], "map 1 has shape"),
        ([np.zeros((2, 2, 1))], [None], "map 0 has shape"),
        ([np.zeros((2, 2))], [], "shorter"),
    ],
)
def test_what_cannot_be_ranked_is_refused(maps: list[Map], masks: list[Mask | None], words: str) -> None:
    """No value that has no place in the order, no mask of another picture."""
    with pytest.raises(ValueError, match=words):
        pixels.ranked(maps, masks)


def test_a_limit_is_a_share() -> None:
    """More than none, at most all."""
    for limit in (0.0, 1.5, math.nan):
        with pytest.raises(ValueError, match="share of good pixels"):
            pixels.pro(ranked(blurred(2)), limit)


def test_values_are_told_apart_as_finely_as_they_were_written() -> None:
    """Doubles that are one float stay two; whole numbers are taken as they are."""
    near = np.array([[1.0, 1.0 + 1e-12]])
    assert pixels.auroc(pixels.ranked([near], [np.array([[False, True]])])) == 1
    assert pixels.auroc(pixels.ranked([np.array([[1, 2]], np.uint8)], [np.array([[False, True]])])) == 1


@few
@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=2, max_size=80))
def test_the_best_f1_of_scores_is_that_of_scikit_learn(drawn: list[tuple[int, bool]]) -> None:
    """Image level: p(OK) below the threshold is NG; the threshold gives what is told."""
    scores, bad = np.array([score / 20 for score, _ in drawn]), np.array([ill for _, ill in drawn])
    assume(bad.any())
    best = points.best_f1(scores, bad)
    precision, recall, _ = sklearn_metrics.precision_recall_curve(bad, -scores)
    with np.errstate(invalid="ignore"):
        shares = np.nan_to_num(2 * precision * recall / (precision + recall))
    assert best.value == pytest.approx(shares.max())
    assert sklearn_metrics.f1_score(bad, scores < best.threshold) == pytest.approx(best.value)
    curve = metrics.precision_recall(scores, bad)
    assert best.value == pytest.approx(
        max(2 * x * y / (x + y) if x + y else 0 for x, y in zip(curve.x, curve.y, strict=True))
    )


def test_without_anything_bad_there_is_no_best_f1() -> None:
    """NaN, as for pixels."""
    best = points.best_f1(np.array([0.2, 0.9]), np.array([False, False]))
    assert math.isnan(best.value)
    assert math.isnan(best.threshold)
