"""Variation: what a picture becomes follows from the seed, and stays a picture."""

from __future__ import annotations

import numpy as np
import pytest

from bridge.learning.augmentation import vary

PICTURES = np.random.default_rng(0).integers(0, 256, (5, 20, 14, 3), np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("any_angle", [True, False])
def test_a_batch_keeps_its_shape_and_the_original_stays(channels: int, any_angle: bool) -> None:  # noqa: FBT001 - a parameter
    """What is varied is a copy."""
    batch = PICTURES[..., :channels].copy()
    varied = vary(batch, np.random.default_rng(1), any_angle=any_angle)
    assert varied.shape == batch.shape
    assert varied.dtype == np.uint8
    assert not np.array_equal(varied, batch)
    assert np.array_equal(batch, PICTURES[..., :channels])


def test_the_same_seed_varies_the_same_way() -> None:
    """So that an interrupted training goes on exactly as it would have."""
    one, two, other = (vary(PICTURES, np.random.default_rng(seed), any_angle=False) for seed in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_level_is_varied_by_more_than_a_lamp_ages() -> None:
    """A brightness that goes with a label in the set does not go with it in training."""
    grey = np.full((200, 8, 8, 1), 128, np.uint8)
    levels = vary(grey, np.random.default_rng(0), any_angle=False).mean(axis=(1, 2, 3))
    assert levels.std() > 15
