"""Temperature: it is found again where it is known, and stays a number where there is nothing to mend."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy")
from bridge.learning.calibration import COOLEST, HOTTEST, temperature


def drawn(classes: int, number: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are right, and labels drawn from just their probabilities."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (number, classes))
    powers = np.exp(logits)
    bounds = np.cumsum(powers / powers.sum(axis=1, keepdims=True), axis=1)
    return logits, (rng.random((number, 1)) > bounds[:, :-1]).sum(axis=1)


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("known", [0.5, 1.0, 4.0])
def test_a_known_temperature_is_found_again(classes: int, known: float) -> None:
    """Logits that were made too sure by a factor are divided by it."""
    logits, labels = drawn(classes, 20_000)
    assert temperature(logits * known, labels) == pytest.approx(known, rel=0.06)


def test_probabilities_do_as_well_as_logits() -> None:
    """Their logarithm differs by a constant per row, which a softmax does not see."""
    logits, labels = drawn(3, 2000)
    powers = np.exp(logits)
    logarithms = np.log(powers / powers.sum(axis=1, keepdims=True))
    assert temperature(logarithms, labels) == pytest.approx(temperature(logits, labels), rel=1e-4)


def test_a_set_without_a_mistake_does_not_make_every_score_0_or_1() -> None:
    """A hundred right answers are worth about 99 %, not certainty."""
    labels = np.arange(200) % 2
    logits = np.where(np.eye(2)[labels] > 0, 9.0, -9.0)
    found = temperature(logits, labels)
    assert 1 / (1 + np.exp(-18 / found)) == pytest.approx(101 / 102, abs=1e-3)


def test_scores_without_information_are_flattened_within_bounds() -> None:
    """Labels drawn without regard to the logits: as hot as it gets, and still a number."""
    logits, _ = drawn(2, 500)
    found = temperature(logits * 50, np.random.default_rng(1).integers(0, 2, 500))
    assert COOLEST < found <= HOTTEST


def test_nothing_to_learn_from_changes_nothing() -> None:
    """No pictures, or rows that are no numbers: T stays 1, or is what the others say."""
    assert temperature(np.empty((0, 2)), np.empty(0, np.int64)) == 1.0
    logits, labels = drawn(2, 500)
    spoilt = np.vstack([logits, np.full((1, 2), np.nan)])
    assert temperature(spoilt, np.append(labels, 0)) == temperature(logits, labels)
