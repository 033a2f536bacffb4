"""The old inspector's errors: exactly as many as asked for, where a real machine makes them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.messages import Verdict
from bridge.simulate.population import legacy_verdicts, oddness

OK, NG = Verdict.OK, Verdict.NG

parts = st.lists(st.tuples(st.sampled_from([OK, NG]), st.floats(0, 1)), max_size=60)
share = st.floats(0, 1)


@given(parts, share, share, st.integers(0, 2**32))
def test_errs_exactly_as_often_as_asked(
    drawn: list[tuple[Verdict, float]], false_calls: float, escapes: float, seed: int
) -> None:
    """Counts are round(share * parts) for both kinds of error, whatever the parts look like."""
    truth = [verdict for verdict, _ in drawn]
    said = legacy_verdicts(truth, [value for _, value in drawn], false_calls, escapes, seed)
    errors = [true for true, heard in zip(truth, said, strict=True) if true is not heard]
    assert errors.count(OK) == round(false_calls * truth.count(OK))
    assert errors.count(NG) == round(escapes * truth.count(NG))


def test_false_calls_fall_on_the_oddest_good_parts() -> None:
    """A good part in the odder half is called NG far more often than one in the plainer half."""
    values = np.linspace(0, 1, 1000)
    said = legacy_verdicts([OK] * 1000, values.tolist(), 0.12, 0, 1)
    places = [index for index, verdict in enumerate(said) if verdict is NG]
    assert np.mean(np.array(places) >= 700) > 0.9


def test_escapes_are_the_faintest_defects() -> None:
    """A strong defect hardly ever escapes."""
    values = np.linspace(0, 1, 1000)
    said = legacy_verdicts([NG] * 1000, values.tolist(), 0, 0.05, 1)
    places = [index for index, verdict in enumerate(said) if verdict is OK]
    assert np.mean(np.array(places) < 300) > 0.9


def test_the_same_seed_errs_on_the_same_parts_and_another_on_others() -> None:
    """A run can be repeated, and a second machine of the same kind errs a little differently."""
    truth, values = [OK] * 200, list(np.linspace(0, 1, 200))
    first = legacy_verdicts(truth, values, 0.1, 0, 1)
    assert legacy_verdicts(truth, values, 0.1, 0, 1) == first
    assert legacy_verdicts(truth, values, 0.1, 0, 2) != first


@pytest.mark.parametrize(("values", "rate"), [([0.5], 0.1), ([0.5, 0.5], 1.5), ([0.5, 0.5], -0.1)])
def test_refuses_what_makes_no_sense(values: list[float], rate: float) -> None:
    """Lengths that differ and shares outside 0 to 1 are the caller's mistake."""
    with pytest.raises(ValueError, match=r"oddnesses|shares"):
        legacy_verdicts([OK, NG], values, rate, 0, 0)


def _encoded(level: float, seed: int) -> bytes:
    noise = np.random.default_rng(seed).normal(level, 6, (90, 120))
    return cv2.imencode(".png", np.clip(noise, 0, 255).astype(np.uint8))[1].tobytes()


def test_a_picture_unlike_the_good_ones_is_the_oddest() -> None:
    """Oddness is a distance from the typical good picture, whatever size and format pictures have."""
    pictures = [_encoded(120 + index % 5, index) for index in range(30)] + [_encoded(200, 99)]
    values = oddness(pictures, [OK] * 31)
    assert int(np.argmax(values)) == 30


def test_oddness_needs_a_good_part_and_readable_pictures() -> None:
    """Without a good part there is no typical one."""
    with pytest.raises(ValueError, match="no part is good"):
        oddness([_encoded(100, 1)], [NG])
    with pytest.raises(ValueError, match="decoded"):
        oddness([b"no picture"], [OK])
