"""Localisation: hits by stated rules, beside what chance would hit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.learning import localisation
from bridge.learning.localisation import Hit, Sight
from bridge.messages import Box

ALL = Box(cx=100, cy=50, w=200, h=100)


def spot(x: int, y: int, size: int = 10) -> np.ndarray:
    """A mask of 200 x 100 pixels with one square defect that begins at x, y."""
    mask = np.zeros((100, 200), np.bool_)
    mask[y : y + size, x : x + size] = True
    return mask


def sight(peak: tuple[float, float] | None, *boxes: Box, shown: Box = ALL) -> Sight:
    return Sight(shown=shown, peak=peak, boxes=boxes)


def test_a_peak_may_be_off_by_three_hundredths_of_the_longer_side() -> None:
    """Six pixels of 200, and no seventh."""
    mask = spot(50, 40)
    for x, hits in ((55.5, True), (66.0, False), (65.2, True), (44.5, True), (42.5, False)):
        judged = localisation.judged(mask, sight((x, 45)))
        assert judged is not None
        assert judged.peak is hits, x
    nothing_hot = localisation.judged(mask, sight(None))
    assert nothing_hot is not None
    assert not nothing_hot.peak
    assert not nothing_hot.middle
    middle = localisation.judged(spot(90, 45), sight((0, 0)))
    assert middle is not None
    assert middle.middle


def test_chance_is_what_a_blind_guess_would_hit() -> None:
    """By throwing points and boxes: the closed form is their mean."""
    mask, box = spot(120, 60), Box(cx=40, cy=30, w=40, h=20)
    judged = localisation.judged(mask, sight((10, 10), box))
    assert judged is not None
    rng = np.random.default_rng(0)
    thrown = [
        localisation.judged(
            mask,
            sight((x, y), Box(cx=20 + round(160 * u), cy=10 + round(80 * v), w=40, h=20)),
        )
        for x, y, u, v in zip(
            rng.uniform(0, 200, 4000), rng.uniform(0, 100, 4000), rng.random(4000), rng.random(4000), strict=True
        )
    ]
    assert np.mean([one.peak for one in thrown if one]) == pytest.approx(judged.peak_by_chance, abs=0.01)
    assert np.mean([one.boxes for one in thrown if one]) == pytest.approx(judged.boxes_by_chance, abs=0.02)


def test_a_box_over_everything_hits_and_says_how_much_it_covers() -> None:
    """Its hit is worth nothing: chance hits as often."""
    judged = localisation.judged(spot(50, 40), sight((0, 0), ALL))
    assert judged is not None
    assert (judged.boxes, judged.boxes_by_chance, judged.covered, judged.fits) == (True, 1.0, 1.0, False)


def test_a_box_fits_a_piece_or_all_of_a_defect() -> None:
    """Two pieces may be found as one, or one by one."""
    mask = spot(50, 40) | spot(70, 40)
    for box, overlap in (
        (Box(cx=55, cy=45, w=10, h=10), 1.0),
        (Box(cx=65, cy=45, w=30, h=10), 1.0),
        (Box(cx=55, cy=50, w=10, h=20), 0.5),
        (Box(cx=150, cy=50, w=10, h=20), 0.0),
    ):
        judged = localisation.judged(mask, sight((0, 0), box))
        assert judged is not None
        assert judged.overlap == pytest.approx(overlap)
        assert judged.fits is (overlap >= 0.3)


def test_what_the_model_was_not_shown_does_not_count() -> None:
    """A defect outside the region is no miss, and chance is taken within the region only."""
    shown = Box(cx=100, cy=50, w=100, h=50)
    assert localisation.judged(spot(5, 5), sight((60, 30), shown=shown)) is None
    whole, part = (localisation.judged(spot(100, 50), sight((105, 55), shown=one)) for one in (ALL, shown))
    assert whole is not None
    assert part is not None
    assert part.peak
    assert part.defect == pytest.approx(4 * whole.defect)


@given(st.integers(0, 190), st.integers(0, 90), st.floats(-50, 300), st.floats(-50, 150), st.floats(0, 400))
def test_any_peak_and_box_can_be_judged(x: int, y: int, at_x: float, at_y: float, size: float) -> None:
    """Also those that leave the picture, and boxes of no size."""
    judged = localisation.judged(spot(x, y), sight((at_x, at_y), Box(cx=at_x, cy=at_y, w=size, h=size)))
    assert judged is not None
    assert 0 < judged.defect <= judged.peak_by_chance <= 1
    assert 0 < judged.boxes_by_chance <= 1
    assert 0 <= judged.overlap <= 1
    assert judged.boxes or not judged.fits


def hit(*, peak: bool) -> Hit:
    return Hit(
        peak=peak, peak_by_chance=0.1, middle=False, boxes=peak, boxes_by_chance=0.2, overlap=0, covered=0.3,
        defect=0.01,
    )  # fmt: skip


def test_shares_come_with_intervals_over_groups() -> None:
    """Ten pictures of one part say less than ten parts."""
    hits = [hit(peak=place % 4 != 0) for place in range(40)]
    apart = localisation.summed("all", hits, [str(place) for place in range(40)])
    together = localisation.summed("all", hits, [str(place % 4) for place in range(40)])
    assert apart.peak.value == together.peak.value == 0.75
    assert together.peak.high - together.peak.low > 1.5 * (apart.peak.high - apart.peak.low)
    assert (apart.peak_by_chance, apart.boxes_by_chance) == (pytest.approx(0.1), pytest.approx(0.2))
    perfect = localisation.summed("all", hits[1:4], ["a", "b", "c"])
    assert perfect.peak.how == "counted"
    assert perfect.peak.low < 0.4, "three parts prove little"
    named = localisation.by(["x", "y"] * 20, hits, [str(place) for place in range(40)])
    assert [(one.name, one.peak.value) for one in named] == [("x", 0.5), ("y", 1.0)]
