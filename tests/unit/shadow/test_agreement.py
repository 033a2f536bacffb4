"""How far two judgements agree."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize
from sklearn.metrics import cohen_kappa_score

from bridge.shadow.agreement import Pair, attribute, kappa, mcnemar, non_inferior


def pairs(both: int, first: int, second: int, neither: int) -> list[Pair]:
    return [(True, True)] * both + [(True, False)] * first + [(False, True)] * second + [(False, False)] * neither


def test_kappa_is_scikit_learns() -> None:
    said = pairs(40, 9, 6, 45)
    found = kappa(said)
    assert found.value == pytest.approx(cohen_kappa_score(*zip(*said, strict=True)))
    assert (found.parts, found.agreed) == (100, 85)


def test_kappa_s_interval_is_about_that_of_months_drawn_anew() -> None:
    said = pairs(40, 9, 6, 45)
    found, random = kappa(said), np.random.default_rng(1)
    drawn = [kappa([said[i] for i in random.integers(0, 100, 100)]).value for _ in range(400)]
    assert found.lower == pytest.approx(np.quantile(np.array(drawn, float), 0.025), abs=0.04)
    assert found.upper == pytest.approx(np.quantile(np.array(drawn, float), 0.975), abs=0.04)


def test_raters_who_never_vary_have_no_kappa() -> None:
    assert kappa(pairs(0, 0, 0, 20)).value is None
    assert kappa([]).value is None


def test_the_figures_of_a_rater_are_graded_as_aiag_does() -> None:
    good = attribute(pairs(99, 3, 1, 97))
    assert (good.effectiveness, good.miss, good.false_alarm) == (0.98, 0.01, 0.03)
    assert good.grade == "acceptable"
    assert attribute(pairs(96, 3, 4, 97)).grade == "marginal"
    assert attribute(pairs(80, 3, 20, 97)).grade == "unacceptable"
    assert attribute(pairs(0, 3, 0, 97)).grade is None


def test_mcnemar_is_exact_and_says_nothing_of_no_pairs() -> None:
    assert mcnemar(8, 1).p == pytest.approx(2 * (1 + 9) / 2**9)
    assert mcnemar(0, 0).p == 1.0


def test_non_inferiority_inverts_the_score_test() -> None:
    """At the bound the statistic, with the rates that fit best under it, is exactly critical."""
    b, c, n = 12, 7, 300
    bound = non_inferior(b, c, n, 0.05)

    def misfit(rate: float) -> float:
        probabilities = (rate + bound.upper, rate, 1 - 2 * rate - bound.upper)
        return -sum(k * np.log(p) for k, p in zip((b, c, n - b - c), probabilities, strict=True))

    best = optimize.minimize_scalar(misfit, bounds=(1e-6, (1 - bound.upper) / 2 - 1e-6), method="bounded").x
    spread = np.sqrt(n * (2 * best + bound.upper * (1 - bound.upper)))
    assert (b - c - n * bound.upper) / spread == pytest.approx(-1.6449, abs=1e-3)
    assert bound.holds
    assert not non_inferior(b, c, n, 0.02).holds


def test_pairs_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="make no pairs"):
        non_inferior(5, 5, 9, 0.01)
