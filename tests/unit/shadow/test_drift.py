"""Whether scores stayed what they were."""

from __future__ import annotations

import numpy as np
import pytest

from bridge.shadow.drift import drift, psi

RANDOM = np.random.default_rng(3)
BEFORE = RANDOM.beta(8, 2, 5000)


def test_psi_is_the_sum_over_the_reference_s_bins() -> None:
    reference, values = np.arange(100.0), np.concatenate([np.arange(50.0), np.arange(50.0)])
    full, none = 100 / 100.5, 0.5 / 100.5  # a bin without values counts as half of one
    by_hand = (full - 0.5) * np.log(full / 0.5) + (none - 0.5) * np.log(none / 0.5)
    assert psi(reference, values, bins=2) == pytest.approx(by_hand)
    assert psi(reference, reference) == pytest.approx(0.0)


@pytest.mark.parametrize(("shift", "tone"), [(0.0, "stable"), (-0.03, "watch"), (-0.15, "act")])
def test_a_shift_of_the_scores_is_told_by_its_size(shift: float, tone: str) -> None:
    found = drift(BEFORE, RANDOM.beta(8, 2, 5000) + shift)
    assert found.tone == tone
    assert found.ks is not None
    assert (found.ks > 0.08) == (tone != "stable")


def test_too_few_values_say_nothing_and_what_is_no_number_is_left_out() -> None:
    few = np.concatenate([BEFORE[:40], np.full(100, np.nan)])
    assert (drift(BEFORE, few).psi, drift(BEFORE, few).values) == (None, 40)


def test_scores_that_are_all_alike_make_no_trouble() -> None:
    assert drift(np.ones(100), np.ones(100)).psi == pytest.approx(0.0)
    assert (drift(np.ones(100), np.zeros(100)).psi or 0) > 0.25
