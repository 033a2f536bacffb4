"""Intervals of pixel figures: a resample is counted as the set it stands for, and alike pictures say less."""

from __future__ import annotations

import math
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bridge.learning import pixel_intervals, pixels
from bridge.learning.pixels import Map, Mask

cells = arrays(np.float32, (4, 5), elements=st.integers(-3, 3))
drawn = st.lists(st.tuples(cells, arrays(np.bool_, (4, 5)), st.integers(0, 3)), min_size=1, max_size=5)
"""Maps full of ties, masks, and how often each picture is drawn."""


def planted(number: int, seed: int = 0) -> tuple[list[Map], list[Mask | None]]:
    """Noise, brighter in a square; every third picture is good."""
    rng = np.random.default_rng(seed)
    masks: list[Mask | None] = []
    for place in range(number):
        mask = np.zeros((20, 20), np.bool_)
        y, x = rng.integers(0, 15, 2)
        mask[y : y + 5, x : x + 5] = True
        masks.append(mask if place % 3 else None)
    bright = rng.uniform(0, 3, number)
    noise = rng.normal(size=(number, 20, 20))
    return [
        one + by * (0 if mask is None else mask) for one, by, mask in zip(noise, bright, masks, strict=True)
    ], masks


@settings(max_examples=60)
@given(drawn)
def test_a_weight_of_three_is_the_same_picture_three_times(found: list[tuple[Map, Mask, int]]) -> None:
    """Exactly so where the maps hold few values: every one of them is a level."""
    maps, masks, times = (list(one) for one in zip(*found, strict=True))
    often = [place for place, number in enumerate(times) for _ in range(number)]
    again = pixels.ranked([maps[place] for place in often], [masks[place] for place in often])
    assume(again.good and again.bad)
    counted = pixel_intervals.tally(pixels.ranked(maps, masks), maps, masks, "x" * len(maps))
    weights = np.array([times], np.float64)
    good, bad, share = weights @ counted.good, weights @ counted.bad, weights @ counted.found
    assert pixel_intervals._auroc(good, bad, share)[0] == pytest.approx(pixels.auroc(again))
    assert pixel_intervals._average_precision(good, bad, share)[0] == pytest.approx(
        pixels.average_precision(again)
    )
    assert pixel_intervals._best_f1(good, bad, share)[0] == pytest.approx(pixels.best_f1(again).value)
    for limit in (0.05, 0.3, 1.0):
        x, y = good / good[:, -1:], share / share[:, -1:]
        assert pixel_intervals._area(x, y, limit)[0] / limit == pytest.approx(pixels.pro(again, limit))


def test_levels_lose_little_where_hardly_two_pixels_hold_the_same() -> None:
    """Thousands of values, a thousand levels: less than any interval is wide."""
    maps, masks = planted(40)
    one = pixels.ranked(maps, masks)
    counted = pixel_intervals.tally(one, maps, masks, "x" * 40)
    good, bad, share = (each.sum(axis=0, keepdims=True) for each in (counted.good, counted.bad, counted.found))
    assert counted.good.shape[1] < len(one.values) * 2
    assert pixel_intervals._auroc(good, bad, share)[0] == pytest.approx(pixels.auroc(one), abs=1e-4)
    area = pixel_intervals._area(good / good[:, -1:], share / share[:, -1:], 0.3)[0] / 0.3
    assert area == pytest.approx(pixels.pro(one), abs=1e-3)


def test_every_figure_is_the_exact_one_within_its_interval() -> None:
    """The interval is drawn, the figure is not; twice the same."""
    maps, masks = planted(30)
    one = pixels.ranked(maps, masks)
    groups = [str(place) for place in range(30)]
    found = pixel_intervals.intervals(one, maps, masks, groups)
    exact = (pixels.auroc(one), pixels.average_precision(one), pixels.best_f1(one).value, pixels.pro(one))
    for figure, value in zip((found.auroc, found.average_precision, found.best_f1, found.pro), exact, strict=True):
        assert figure.value == value
        assert 0 <= figure.low < value < figure.high <= 1
        assert figure.how == "bootstrap"
    assert astuple(pixel_intervals.intervals(one, maps, masks, groups)) == astuple(found)


def test_pictures_of_one_part_say_less_than_as_many_parts() -> None:
    """The same pictures five times each."""
    maps, masks = planted(12)
    maps, masks = maps * 5, masks * 5
    one = pixels.ranked(maps, masks)
    apart = pixel_intervals.intervals(one, maps, masks, [str(place) for place in range(60)])
    together = pixel_intervals.intervals(one, maps, masks, [str(place % 12) for place in range(60)])
    assert together.auroc.value == apart.auroc.value
    for wide, narrow in ((together.auroc, apart.auroc), (together.pro, apart.pro)):
        assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_a_single_group_has_no_interval() -> None:
    """Nothing can be drawn anew; and where there is no figure, there is none either."""
    maps, masks = planted(4)
    found = pixel_intervals.intervals(pixels.ranked(maps, masks), maps, masks, ["a"] * 4)
    assert found.pro.how == "none"
    assert math.isnan(found.pro.low)
    assert not math.isnan(found.pro.value)
    good = pixel_intervals.intervals(pixels.ranked(maps, [None] * 4), maps, [None] * 4, list("abcd"))
    assert math.isnan(good.auroc.value)
