"""How often is a line declared ready that should not be? Months whose true rate is just over the limit.

Somebody looks every day for 120 days. Each day's verdict is that of the last planned look, so the looks are what
can go wrong; for some months every single day is asked, to hold that. 250 parts a day in three lots; within a
lot rates vary like a Beta distribution with the stated correlation. All else about the line is far within its
limits.

    python benchmarks/shadow_ready.py --months 2000
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from simulated_months import Lots, drawn_month

from bridge.config.shadow import Shadow
from bridge.messages import Goal
from bridge.shadow.estimates import Estimates
from bridge.shadow.month import Month
from bridge.shadow.readiness import DAY, LOOKS, at_look, limits_of, readiness

DAYS, PER_DAY, LOTS_A_DAY = 120, 250, 3
PARTS, LOTS = DAYS * PER_DAY, DAYS * LOTS_A_DAY
BAD, FALSE, CLEARED = 0.12, 0.05, 0.7
OVER = 1.05
"""So far is the true rate over its limit."""
SHADOW = Shadow(miss_limit=0.01, escapes_ppm=1200, false_calls_ppm=8000)
CORRELATIONS = (0.0, 0.05, 0.1)
SCENARIOS = {
    "true NG overruled, 1.05 % where 1 % may be": (Goal.CUT_FALSE_CALLS, 0.01 * OVER, 0.0, {"escapes_ppm": 5e5}),
    "escapes added, 1,260 ppm where 1,200 may be": (
        Goal.CUT_FALSE_CALLS,
        1200e-6 / BAD * OVER,
        0.0,
        {"miss_limit": 0.5},
    ),
    "false calls added, 8,400 ppm where 8,000 may be": (Goal.CATCH_ESCAPES, 0.0, 8000e-6 * OVER, {}),
    "goal 3, all of them": (Goal.REPLACE, 0.01 * OVER, 8000e-6 * OVER, {}),
}


def simulated(seed: int, correlation: float, overruled: float, added: float) -> Month:
    """Return 120 days, every part labelled; ``added`` is a share of all parts."""
    lots = Lots(np.random.default_rng([seed, round(correlation * 1000)]), correlation, PARTS, LOTS)
    bad = lots.happens(BAD)
    called_ng = bad | lots.happens(FALSE)
    disagrees = np.where(
        called_ng,
        np.where(bad, lots.happens(overruled), lots.happens(CLEARED)),
        lots.happens(added / ((1 - BAD) * (1 - FALSE))),
    )
    return drawn_month(lots, bad, called_ng, disagrees, np.zeros(PARTS, bool), audit=1.0, seconds=DAY / PER_DAY)


def ready_at(month: Month, shadow: Shadow, goal: Goal, look: int) -> bool:
    """Return whether every limit holds at a look, which is when a line is declared ready."""
    confidence = 1 - (1 - shadow.confidence) * LOOKS[look - 1][1]
    estimates = Estimates(at_look(month, look, shadow.days), confidence, shadow.correlation)
    return all(limit.holds for limit in limits_of(estimates, shadow, goal))


def ready_on_any_day(month: Month, shadow: Shadow, goal: Goal) -> bool:
    """Return whether somebody who asks each day is ever told that the line is ready."""
    return any(
        readiness(month.of(month.at < day * DAY), shadow, goal, day).state == "ready" for day in range(1, DAYS + 1)
    )


def looked_at(task: tuple[int, int, float, str, int]) -> tuple[list[bool], int]:
    """Return of some months whether they were ever ready; and how many days differed from what the looks said."""
    first, last, correlation, scenario, daily = task
    goal, overruled, added, other = SCENARIOS[scenario]
    shadow = SHADOW.model_copy(update=other)
    ready, differ = [], 0
    for seed in range(first, last):
        month = simulated(seed, correlation, overruled, added)
        ready.append(any(ready_at(month, shadow, goal, look + 1) for look in range(len(LOOKS))))
        if seed < daily:
            differ += ready_on_any_day(month, shadow, goal) is not ready[-1]
    return ready, differ


def tasks(
    months: int, correlation: float, scenario: str, daily: int
) -> Iterator[tuple[int, int, float, str, int]]:
    """Yield months in portions."""
    for first in range(0, months, 25):
        yield first, min(first + 25, months), correlation, scenario, daily


def main() -> None:
    """Print how often a line just over its limit is declared ready."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--months", type=int, default=2000)
    parser.add_argument("--daily", type=int, default=2, help="of so many months every day is asked (2)")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    args = parser.parse_args()
    print(f"{args.months} lines over 120 days, correlation assumed {SHADOW.correlation}; wrong ready: target 5 %")
    with ProcessPoolExecutor(args.processes) as pool:
        for scenario in SCENARIOS:
            for correlation in CORRELATIONS:
                found = list(pool.map(looked_at, tasks(args.months, correlation, scenario, args.daily)))
                ready = np.concatenate([one for one, _ in found])
                differ = sum(days for _, days in found)
                asked = f"asked daily: {args.daily} lines, {differ} otherwise"
                print(f"  {scenario:50} correlation {correlation:4g}: {ready.mean():5.1%}   ({asked})", flush=True)


if __name__ == "__main__":
    main()
