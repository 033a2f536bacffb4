"""Operating points: what may be claimed for each goal, said so that a person knows what to do next."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bridge.judging import claim
from bridge.judging.bundle import Manifest, ModelClass, OperatingPoint
from bridge.judging.spec import Input
from bridge.learning import operating
from bridge.learning.data import Item
from bridge.learning.operating import Aim, Found
from bridge.learning.scoring import Scored, Unit
from bridge.messages import Goal, Verdict

CLASSES = (ModelClass(name="ng", verdict=Verdict.NG), ModelClass(name="ok", verdict=Verdict.OK))


def scored(good: list[float], bad: list[float], groups: int | None = None) -> Scored:
    """Parts of one view each, with these scores; in so many groups, or each for itself."""
    scores = np.array([*good, *bad])
    names = [f"g{place}" for place in range(len(good))] + [f"b{place}" for place in range(len(bad))]
    items = tuple(
        Item(path=Path(name), label="ok", part=name, group=name if groups is None else str(place % groups))
        for place, name in enumerate(names)
    )
    labels = np.array([1] * len(good) + [0] * len(bad))
    both = np.stack([1 - scores, scores], axis=1)
    return Scored(bundle="b 1", classes=CLASSES, items=items, labels=labels, probabilities=both, scores=scores)


def aim(goal: int, risk: float = 0.005, unit: Unit = "part") -> Aim:
    return Aim(goal=Goal(goal), risk=risk, unit=unit)


def said(found: Found) -> str:
    return "\n".join(operating.lines(found))


APART = scored([0.9] * 300 + [0.3] * 20, [0.01] * 950 + [0.4])


def test_goal_1_bounds_the_bad_that_pass_and_tells_what_is_cut() -> None:
    """One of 951 may pass at half a percent; then the good ones of 0.3 pass too."""
    found = operating.find(APART, aim(1))
    assert found.holds
    assert 0.01 < found.threshold < 0.3
    point = found.point
    assert (point.goal, point.errors, point.good, point.bad, point.missing) == (Goal(1), 1, 320, 951, 0)
    assert point.bound <= 0.005
    assert "at most 0.5 % of bad parts pass, at 95 % confidence: holds (1 of 951 do" in said(found)
    assert "320 of 320 (100.0 %" in said(found)


def test_what_one_error_more_would_buy_is_told() -> None:
    """One odd bad part holds the threshold above most good ones; 947 bad parts would allow it to pass."""
    found = operating.find(scored([0.5] * 80 + [0.99] * 20, [0.1] * 699 + [0.9]), aim(1))
    assert found.passed.events == 20
    assert (
        "247 more labelled bad parts allow that one more passes; on these that would raise it to 100.0 %"
        in said(found)
    )
    caught = operating.find(scored([0.2] + [0.9] * 299, [0.5] * 40 + [0.1] * 10), aim(2, 0.01))
    assert caught.caught.events == 10
    assert "173 more labelled good parts allow that one more is called NG" in said(caught)
    assert operating.find(APART, aim(3)).prospect is None


def test_a_promise_that_buys_nothing_is_called_so() -> None:
    """Where good parts look worse than the bad, a threshold above all keeps any risk."""
    found = operating.find(scored([0.1] * 50, [0.9] * 700), aim(1))
    assert found.holds
    assert "0 of 50 (0.0 %" in said(found)
    assert "nothing is gained by it" in said(found)


def test_goal_2_bounds_the_good_that_are_called_ng_and_tells_what_is_caught() -> None:
    """None of 320 is within one percent, so the threshold stays below 0.3, where it catches all but one."""
    found = operating.find(APART, aim(2, 0.01))
    assert found.holds
    assert 0.01 < found.threshold <= 0.3
    assert found.point.errors == 0
    assert "950 of 951 (99.9 %" in said(found)
    assert "cut" not in said(found)


def test_goal_3_bounds_both() -> None:
    """Each with half of what the confidence leaves over."""
    found = operating.find(APART, aim(3))
    assert len(found.claims) == 2
    assert found.claims[0].confidence == pytest.approx(0.975)
    assert "bad parts pass" in said(found)
    assert "good parts are called NG" in said(found)


def test_goal_3_says_where_no_single_threshold_keeps_both() -> None:
    """The kinds overlap: each risk alone can be kept, at other thresholds."""
    found = operating.find(scored([0.2] * 600, [0.8] * 600), Aim(goal=Goal.REPLACE, risk=0.02, false_calls=0.02))
    assert not found.holds
    assert "not by one threshold: the first needs" in said(found)


def test_too_few_parts_say_how_many_more_of_which_kind() -> None:
    """A hundred bad parts without a mistake are not half a percent."""
    found = operating.find(scored([0.9] * 50, [0.1] * 100), aim(1))
    assert not found.holds
    assert found.point.missing == 498
    assert not found.point.holds
    assert "it takes 598 if none passes, 947 if 1 passes, 1,258 if 2 pass" in said(found)
    assert "you have 100, so at least 498 more labelled ones" in said(found)
    of_good = operating.find(scored([0.9] * 50, [0.1] * 100), aim(2, 0.01))
    assert of_good.point.missing == 249
    assert "299 if none is called NG" in said(of_good)


def test_at_a_rate_just_below_the_risk_it_takes_more_than_the_plan() -> None:
    """One of 300 passes at any threshold: at that rate thousands are needed, and that is said."""
    found = operating.find(scored([0.9] * 50, [1.0] + [0.1] * 299), aim(1))
    assert not found.holds
    assert found.point.missing > 947 - 300
    assert f"at the rate seen it takes {found.point.missing:,} more" in said(found)
    assert "so at least" not in said(found)


def test_what_stands_in_the_way_is_named() -> None:
    """Two bad parts that look perfect are more than half a percent of 100: perhaps they are good."""
    found = operating.find(scored([0.9] * 50, [0.1] * 98 + [1.0, 1.0]), aim(1))
    assert found.suspects == ("b98", "b99")
    assert "no number of bad parts will do" in said(found)
    assert "more labelled" not in said(found)
    assert "look whether their labels are right: b98, b99" in said(found)


def test_the_manifest_says_what_was_printed_where_no_number_will_do() -> None:
    """Also where only one of two claims is hopeless."""
    hopeless = scored([0.9] * 400, [0.1] * 98 + [1.0, 1.0])
    assert operating.find(hopeless, aim(1)).point.missing is None
    assert operating.find(hopeless, aim(3)).point.missing is None
    point = operating.find(hopeless, aim(1)).point
    made = Manifest(
        name="b",
        version=1,
        classes=CLASSES,
        threshold=0.5,
        input=Input(width=32, height=32),
        operating_point=OperatingPoint.model_validate_json(point.model_dump_json()),
    )
    (doubt,) = claim.doubts(made, 0.5, ())
    assert "no number of parts will do" in doubt
    assert "it takes" not in doubt


def test_parts_of_one_group_are_warned_of_and_may_be_counted_once() -> None:
    """Nine hundred bad parts in 40 lots are 40 trials for a careful person."""
    crowd = scored([0.9] * 300, [0.01] * 900, groups=40)
    by_part, by_group = operating.find(crowd, aim(1)), operating.find(crowd, aim(1, unit="group"))
    assert by_part.holds
    assert by_part.crowded == (1200, 40)
    assert "--unit group" in said(by_part)
    assert not by_group.holds
    assert by_group.point.bad == 40
    assert "bad groups pass" in said(by_group)
    assert by_group.crowded is None


def test_clustered_parts_break_the_promise_that_groups_keep() -> None:
    """Lots of 20 that share their level: by part the risk is exceeded far too often, by group it is not."""
    rng = np.random.default_rng(0)
    broken = {"part": 0, "group": 0}
    for _ in range(30):
        level = np.repeat(rng.normal(0, 1.5, 60), 20)
        scores = 1 / (1 + np.exp(-(level + rng.normal(-2, 0.3, 1200))))
        crowd = scored([0.001] * 60, scores.tolist())
        items = (*crowd.items[:60], *(_of(item, place // 20) for place, item in enumerate(crowd.items[60:])))
        lots = Scored(
            bundle="b 1",
            classes=CLASSES,
            items=items,
            labels=crowd.labels,
            probabilities=crowd.probabilities,
            scores=crowd.scores,
        )
        for unit in ("part", "group"):
            found = operating.find(lots, aim(1, 0.05 if unit == "part" else 0.1, unit))
            at = np.log(found.threshold / (1 - found.threshold))
            risk = _risk(at, rng) if unit == "part" else _risk_of_lots(at, rng)
            broken[unit] += found.holds and risk > (0.05 if unit == "part" else 0.1)
    assert broken["part"] > 10
    assert broken["group"] <= 4


def _of(item: Item, lot: int) -> Item:
    return Item(path=item.path, label=item.label, part=item.part, group=f"lot {lot}")


def _risk(at: float, rng: np.random.Generator) -> float:
    """The true share of bad parts that pass."""
    drawn = rng.normal(0, 1.5, 20_000) + rng.normal(-2, 0.3, 20_000)
    return float((drawn >= at).mean())


def _risk_of_lots(at: float, rng: np.random.Generator) -> float:
    """The true share of lots of which any bad part passes."""
    drawn = rng.normal(0, 1.5, (4000, 1)) + rng.normal(-2, 0.3, (4000, 20))
    return float((drawn.max(axis=1) >= at).mean())
