"""What a threshold promises holds for some lines and not for others, and that is said in a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import Make, brightness_manifest

from bridge.judging import claim
from bridge.judging.bundle import Manifest
from bridge.judging.check import check
from bridge.judging.claim import Use
from bridge.judging.classifier import ClassifierOptions
from bridge.messages import Box, Goal

CLAIM = {"goal": 1, "risk": 0.005, "bound": 0.0037, "holds": True, "good": 900, "bad": 806, "errors": 0}


def manifest(**changes: Any) -> Manifest:
    return brightness_manifest(threshold=0.6, operating_point=CLAIM | changes)


@pytest.mark.parametrize(
    ("changes", "use", "judges", "doubt"),
    [
        ({}, Use("press", Goal(1)), 0.6, None),
        ({}, Use("press", Goal(1), 0.7), 0.6, None),
        ({}, Use("press", Goal(1), 0.5), 0.6, "line press has goal 1 at threshold 0.5, and the promise is of 0.6"),
        ({}, Use("press", Goal(1)), 0.5, "line press has goal 1 at threshold 0.5, and the promise is of 0.6"),
        ({}, Use("press", Goal(2)), 0.6, "line press has goal 2, and the bundle was calibrated for goal 1"),
        ({"goal": 2}, Use("press", Goal(2), 0.5), 0.6, None),
        ({"goal": 2}, Use("press", Goal(2), 0.7), 0.6, "line press has goal 2 at threshold 0.7"),
    ],
)
def test_a_line_may_rely_on_what_was_shown_for_its_goal_and_threshold(
    changes: dict[str, Any], use: Use, judges: float, doubt: str | None
) -> None:
    """A stricter threshold keeps a promise about escapes, a laxer one a promise about false calls."""
    found = list(claim.doubts(manifest(**changes), judges, [use]))
    assert len(found) == (doubt is not None)
    assert all((doubt or "") in one for one in found)


def test_what_was_not_shown_says_how_much_is_missing() -> None:
    (doubt,) = claim.doubts(manifest(holds=False, bound=0.02, bad=150, missing=447), 0.6, [Use("a", Goal(1))])
    assert doubt == (
        "not shown: at goal 1, 0.50% of bad parts may pass: 0 of 150 did, so at most 2.00% with 95% confidence; "
        "it takes 447 more labelled parts"
    )
    assert claim.short(manifest(holds=False).operating_point) == "goal 1: not shown"


def test_where_errors_are_too_many_no_number_of_parts_is_named() -> None:
    """And where each of two risks is kept, but not by one threshold, more parts are no answer either."""
    (doubt,) = claim.doubts(manifest(holds=False, bad=100, errors=2, missing=None), 0.6, [Use("a", Goal(1))])
    assert doubt.endswith("; at that rate no number of parts will do")
    (doubt,) = claim.doubts(manifest(goal=3, holds=False), 0.6, [Use("a", Goal(3))])
    assert doubt.endswith("; no single threshold keeps both risks")


HERE, THERE = Box(cx=8, cy=8, w=8, h=8), Box(cx=9, cy=8, w=8, h=8)
SPEC = {"cx": 8, "cy": 8, "w": 8, "h": 8}


@pytest.mark.parametrize(
    ("own", "stated", "views"),
    [
        ({}, {}, ""),
        ({"*": SPEC}, {}, ""),
        ({"*": SPEC}, {"*": HERE}, ""),
        ({"*": SPEC}, {"*": THERE}, "*"),
        ({}, {"*": HERE}, "*"),
        ({"top": SPEC}, {"*": HERE}, ""),
        ({"top": SPEC}, {"*": THERE}, "top"),
        ({"top": SPEC, "side": SPEC}, {"top": HERE, "side": THERE}, "side"),
    ],
)
def test_a_line_that_looks_elsewhere_cannot_rely_on_it(
    own: dict[str, Any], stated: dict[str, Box], views: str
) -> None:
    """The parts that proved the promise were cut by the bundle's own region."""
    found = list(
        claim.doubts(
            brightness_manifest(threshold=0.6, operating_point=CLAIM, roi=own),
            0.6,
            [Use("press", Goal(1), rois=stated)],
        )
    )
    assert found == (
        [f"line press has a roi of its own ({views}), and the promise is of the bundle's"] if views else []
    )


def test_a_promise_in_few_words() -> None:
    point = manifest().operating_point
    assert point is not None
    assert claim.short(point) == "goal 1: 0.50%"
    assert claim.short(None) == "none"
    assert "0 of 806 did, so at most 0.37% with 95% confidence" in claim.said(point)


async def test_check_says_precision_temperature_and_promise(make: Make, tmp_path: Path) -> None:
    make(threshold=0.6, temperature=1.5, operating_point=CLAIM)
    options = ClassifierOptions.model_validate({"model": "bright", "home": tmp_path / "models", "threads": 1})
    found = {one.what: one for one in await check(options, uses=(Use("press", Goal(1)),))}
    assert found["model loads"].said.endswith("precision f32, temperature 1.5")
    assert found["keeps its promise"].good is True
    found = {one.what: one for one in await check(options, uses=(Use("press", Goal(2)),))}
    assert found["keeps its promise"].good is None
    assert "line press has goal 2" in found["keeps its promise"].said


async def test_check_says_that_nothing_was_shown(make: Make, tmp_path: Path) -> None:
    """No mistake, so it is no reason to fail, but nobody shall believe otherwise."""
    make()
    options = ClassifierOptions.model_validate({"model": "bright", "home": tmp_path / "models", "threads": 1})
    found = {one.what: one for one in await check(options)}
    assert (found["keeps its promise"].good, found["keeps its promise"].said) == (
        None,
        "nothing was shown of its threshold; run aoi-bridge calibrate",
    )
