"""A replay's month, of which only kept pictures were judged again, tells the truth with the original chances."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from month_kit import month

from bridge.messages import Goal
from bridge.shadow.estimates import Estimates
from bridge.shadow.month import NG, NONE, OK, Month
from bridge.store import Stratum

PARTS, MONTHS = 4000, 80
AUDIT, AUDIT_NG, SAMPLE = 0.1, 0.3, 0.1


def replayed(rng: np.random.Generator) -> tuple[Month, dict[str, float]]:
    """Return a month as a replay finds it, and what a judge that saw every part would have told."""
    bad = rng.random(PARTS) < 0.05
    legacy = np.where(np.where(bad, rng.random(PARTS) < 0.9, rng.random(PARTS) < 0.1), NG, OK)
    old, new = (
        np.where(np.where(bad, rng.random(PARTS) < p, rng.random(PARTS) < 0.05), NG, OK) for p in (0.8, 0.7)
    )
    differs = old != legacy
    chance = np.where(differs, 1.0, np.where(legacy == NG, AUDIT_NG, AUDIT))
    drawn = rng.random(PARTS) < chance
    judged = drawn | (rng.random(PARTS) < SAMPLE)
    goals = np.stack([np.where(legacy == NG, new, OK), np.where(legacy == OK, new, NG), new], 1)
    fallbacks = np.stack([legacy, np.full(PARTS, NG), np.full(PARTS, NG)], 1)
    agreed = np.where(legacy == NG, Stratum.AGREED_NG, Stratum.AGREED_OK)
    plain = month(legacy, np.where(judged, new, NONE), np.where(bad, NG, OK), chance=chance, drawn=drawn)
    told = replace(
        plain,
        goals=np.where(judged[:, None], goals, fallbacks).astype(np.int8),
        stratum=np.where(differs, Stratum.DISAGREED, agreed).astype(np.int8),
    )
    true = {
        "added escapes": float((bad & (legacy == NG) & (new == OK)).mean()),
        "added false calls": float((~bad & (legacy == OK) & (new == NG)).mean()),
        "overruled": float((new == OK)[bad & (legacy == NG)].mean()),
    }
    return told, true


def test_estimates_of_a_replay_have_no_bias() -> None:
    """Although few pictures of agreements are there, and the new judge disagrees on other parts than the old."""
    rng = np.random.default_rng(0)
    off: dict[str, list[float]] = {}
    for _ in range(MONTHS):
        told, true = replayed(rng)
        one = Estimates(told, 0.95, 0.0)
        found = {
            "added escapes": one.added_escapes(Goal.CUT_FALSE_CALLS),
            "added false calls": one.added_false_calls(Goal.CATCH_ESCAPES),
            "overruled": one.overruled(Goal.CUT_FALSE_CALLS),
        }
        for name, estimate in found.items():
            assert estimate.value is not None
            off.setdefault(name, []).append(estimate.value - true[name])
    for name, values in off.items():
        error = np.std(values) / np.sqrt(MONTHS)
        assert abs(np.mean(values)) < 3.5 * error, name
