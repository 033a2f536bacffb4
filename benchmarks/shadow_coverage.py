"""Do the bounds of a shadow month hold? Thousands of simulated months whose truth is known, statistics only.

Each month has 100,000 parts in 90 lots (a shift each). Within a lot every probability (bad, called NG, overruled
…) varies like a Beta distribution with the stated intra-lot correlation. Labels follow the sampling plan: every
disagreement, one part in a hundred as unreliable, every agreed NG, and 1,500 of the agreed OK parts. What is
covered is the rate of the process, from which the month was drawn; beside it stands the naive way: what the
labels show, over all parts, with the bound of Clopper and Pearson.

    python benchmarks/shadow_coverage.py --months 4000
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from numpy.typing import NDArray
from simulated_months import Lots, drawn_month

from bridge.messages import Goal
from bridge.shadow.estimates import Estimate, Estimates
from bridge.shadow.month import Month
from bridge.shadow.statistics import clopper_pearson_upper

PARTS, LOTS, AUDITED = 100_000, 90, 1_500
BAD, ESCAPED, FALSE = 0.01, 0.02, 0.015
OVERRULED, CLEARED, ADDED, CAUGHT = 0.005, 0.7, 0.0003, 0.6
UNRELIABLE = 0.01
CORRELATIONS = (0.0, 0.05, 0.1)
ASSUMED = 0.1
G1, G2, G3 = Goal.CUT_FALSE_CALLS, Goal.CATCH_ESCAPES, Goal.REPLACE

GOOD = 1 - BAD
TRUE_RATES = {
    "false calls, inspector": GOOD * FALSE,
    "false calls, goal 1": GOOD * FALSE * (1 - CLEARED),
    "false calls added, goal 2": GOOD * (1 - FALSE) * ADDED,
    "false calls, goal 3": GOOD * (FALSE * (1 - CLEARED) + (1 - FALSE) * ADDED),
    "escapes, inspector": BAD * ESCAPED,
    "escapes, goal 1": BAD * (ESCAPED + (1 - ESCAPED) * OVERRULED),
    "escapes, goal 2": BAD * ESCAPED * (1 - CAUGHT),
    "escapes added, goal 1": BAD * (1 - ESCAPED) * OVERRULED,
    "true NG overruled, goal 1": OVERRULED,
}
ASKED: dict[str, Callable[[Estimates], Estimate]] = {
    "false calls, inspector": lambda e: e.false_calls(None),
    "false calls, goal 1": lambda e: e.false_calls(G1),
    "false calls added, goal 2": lambda e: e.added_false_calls(G2),
    "false calls, goal 3": lambda e: e.false_calls(G3),
    "escapes, inspector": lambda e: e.escapes(None),
    "escapes, goal 1": lambda e: e.escapes(G1),
    "escapes, goal 2": lambda e: e.escapes(G2),
    "escapes added, goal 1": lambda e: e.added_escapes(G1),
    "true NG overruled, goal 1": lambda e: e.overruled(G1),
}


def simulated(seed: int, correlation: float) -> Month:
    """Return one month, labelled by the sampling plan."""
    lots = Lots(np.random.default_rng([seed, round(correlation * 1000)]), correlation, PARTS, LOTS)
    bad = lots.happens(BAD)
    called_ng = np.where(bad, ~lots.happens(ESCAPED), lots.happens(FALSE))
    disagrees = np.where(
        called_ng,
        np.where(bad, lots.happens(OVERRULED), lots.happens(CLEARED)),
        np.where(bad, lots.happens(CAUGHT), lots.happens(ADDED)),
    )
    unreliable = lots.random.random(PARTS, np.float32) < UNRELIABLE
    return drawn_month(lots, bad, called_ng, disagrees, unreliable, AUDITED / PARTS, seconds=1.0)


def naive(estimate: Estimate) -> tuple[float, float]:
    """Return what the labels show, over all parts, and its bound as if they were spread evenly and alone."""
    trials = max(1, round(estimate.trials))
    return estimate.events / trials, clopper_pearson_upper(min(estimate.events, trials), trials)


def looked_at(task: tuple[int, int, float]) -> NDArray[np.float64]:
    """Return of some months, for each rate: value, upper bound, naive value, naive bound."""
    first, last, correlation = task
    rows = []
    for seed in range(first, last):
        estimates = Estimates(simulated(seed, correlation), 0.95, ASSUMED)
        found = [asked(estimates) for asked in ASKED.values()]
        rows.append([(one.value or 0.0, one.upper, *naive(one)) for one in found])
    return np.array(rows)


def tasks(months: int, correlation: float, size: int = 50) -> Iterator[tuple[int, int, float]]:
    """Yield months in portions."""
    for first in range(0, months, size):
        yield first, min(first + size, months), correlation


def main() -> None:
    """Print, for each correlation and rate, how often the bound held and how wide it was."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--months", type=int, default=4000)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    args = parser.parse_args()
    print(f"{args.months} months, correlation assumed {ASSUMED}; covered: target 94 %")
    worst = 1.0
    with ProcessPoolExecutor(args.processes) as pool:
        for correlation in CORRELATIONS:
            found = np.concatenate(list(pool.map(looked_at, tasks(args.months, correlation))))
            print(f"\ncorrelation {correlation:g}: truth, covered, median bound, naive bias, naive covered")
            for at, (name, truth) in enumerate(TRUE_RATES.items()):
                value, bound, plain, simple = found[:, at].T
                covered = float((bound >= truth).mean())
                worst = min(worst, covered)
                print(
                    f"  {name:26} {truth * 1e6:8.0f} ppm  {covered:6.1%}  {np.median(bound) * 1e6:8.0f} ppm"
                    f"  {plain.mean() / truth - 1:+6.0%} (ours {value.mean() / truth - 1:+.1%})"
                    f"  {float((simple >= truth).mean()):6.1%}"
                )
    print(f"\nworst coverage {worst:.1%}")


if __name__ == "__main__":
    main()
