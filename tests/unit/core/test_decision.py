"""The decision hash: what moves verdicts moves it, and nothing else does; and which approvals fit a line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from core_kit import a_line_config, plugged
from hypothesis import given
from hypothesis import strategies as st

from bridge.config import Config
from bridge.config.changes import Fact, facts
from bridge.config.decision import (
    Approval,
    decision_hash,
    decision_hashes,
    fits,
    fitting,
    granted,
    read_approval,
    unapproved,
)
from bridge.plugin import JudgeOptions, ReporterOptions

RECIPES = {"M10": {"threshold": 0.4}, "M12": {}}


class ModelOptions(JudgeOptions):
    """A judge with a model."""

    model: str = "pins"
    """a name"""


class TellOptions(ReporterOptions):
    """A reporter somewhere."""

    host: str = "mes"
    """a name"""


def laid_out(
    bundle: str = "pins 1 aa int8", model: str = "pins", host: str = "mes", **line: Any
) -> Mapping[str, Fact]:
    judges = {name: plugged("judge", ModelOptions(model=model)) for name in ("pins", "other")}
    told = (plugged("reporter", TellOptions(name="mes", host=host)),)
    config = Config(
        judge=judges, line=(a_line_config(**{"reporter": told, "recipe": RECIPES, "shadow": {}, **line}),)
    )
    return facts(config, {"pins": bundle, "other": "other 1 bb"})["l"]


@pytest.mark.parametrize(
    "other",
    [
        {"judge": "other"},
        {"bundle": "pins 1 aa bf16"},
        {"bundle": "pins 2 cc int8"},
        {"model": "pegs"},
        {"threshold": 0.7},
        {"roi": {"*": {"cx": 1, "cy": 1, "w": 2, "h": 2}}},
        {"fallbacks_in_a_row": 9},
        {"views_expected": 4},
        {"clearable_codes": ("E1",)},
        {"shadow": {"guard_share": 0.5}},
        {"recipe": {"M10": {"threshold": 0.5}, "M12": {}}},
        {"recipe": {"M10": {"threshold": 0.4}, "M12": {"views_expected": 2}}},
        {"recipe": {"M10": {"threshold": 0.4}, "M12": {"clearable_codes": ("E2",)}}},
        {"recipe": {"M10": {"threshold": 0.4}, "M12": {"judge": "other"}}},
        {"recipe": {"M10": {"threshold": 0.4}}},
    ],
)
def test_what_moves_verdicts_moves_the_hash(other: dict[str, Any]) -> None:
    assert decision_hash(laid_out(), 1) != decision_hash(laid_out(**other), 1)


@pytest.mark.parametrize(
    "other",
    [
        {"host": "10.0.0.7"},
        {"reporter": ()},
        {"deadline_ms": 1500},
        {"topology": "tap"},
        {"in_flight": 3},
        {"live_because": "QA-2"},
        {"stage": "shadow"},
        {"live_recipes": ("M10",)},
        {"goal": 2},
        {"shadow": {"days": 60, "miss_limit": 0.02, "guard_breach": "shadow"}},
    ],
)
def test_nothing_else_moves_it(other: dict[str, Any]) -> None:
    assert decision_hashes(laid_out()) == decision_hashes(laid_out(**other))


def test_every_goal_has_a_hash_of_its_own() -> None:
    hashes = decision_hashes(laid_out())
    assert sorted(hashes) == ["1", "2", "3"]
    assert len(set(hashes.values())) == 3
    assert all(len(one) == 64 for one in hashes.values())


def test_what_only_another_goal_looks_at_is_left_out() -> None:
    """So that goal 1 can be approved on a month that was run under goal 2, and its fallback with it."""
    two, accepted = laid_out(goal=2), laid_out(goal=2, legacy_ok_on_failure="accepted")
    assert decision_hash(two, 2) != decision_hash(accepted, 2)
    assert decision_hash(two, 1) == decision_hash(accepted, 1)
    codes = laid_out(clearable_codes=("E1",)), laid_out(shadow={"guard_share": 0.5})
    assert all(decision_hash(one, 3) == decision_hash(laid_out(), 3) for one in codes)


def test_an_approval_fits_its_goal_and_its_hash() -> None:
    line = laid_out()
    [given_for] = granted({"l": line}, ["l"], "ann", "QA-7")
    assert fits(given_for, line)
    assert not fits(given_for, laid_out(goal=2))
    assert not fits(given_for, laid_out(threshold=0.9))
    assert fits(given_for, laid_out(deadline_ms=1500))


def test_an_approval_for_one_recipe_is_none_for_another() -> None:
    one, both, every = (laid_out(live_recipes=names) for names in (("M10",), ("M10", "M12"), ()))
    [narrow] = granted({"l": one}, ["l"], "ann", "QA-7")
    [wide] = granted({"l": every}, ["l"], "ann", "QA-7")
    assert narrow.recipes == ("M10",)
    assert [fits(narrow, line) for line in (one, both, every)] == [True, False, False]
    assert [fits(wide, line) for line in (one, both, every)] == [True, True, True]


def test_a_live_line_is_spoken_for_by_its_own_word_or_by_an_approval() -> None:
    silent = {"l": laid_out(live_because=" ")}
    assert unapproved({"l": laid_out()}, {}) == []
    assert unapproved({"l": laid_out(stage="shadow", live_because="")}, {}) == []
    assert unapproved(silent, {}) == ["l"]
    approvals = granted(silent, ["l"], "ann", "QA-7")
    assert unapproved(silent, fitting(silent, approvals)) == []
    assert unapproved(silent, fitting(silent, [replace(approvals[0], line="m")])) == ["l"]


@given(
    st.builds(
        Approval,
        line=st.just("l"),
        goal=st.sampled_from([1, 2, 3]),
        decision=st.text("0123456789abcdef", min_size=64, max_size=64),
        recipes=st.lists(st.text(), max_size=3).map(tuple),
        report=st.just(""),
        who=st.just("ann"),
        why=st.just("QA-7"),
    )
    | st.builds(
        Approval,
        line=st.just("l"),
        goal=st.just(1),
        decision=st.just("0" * 64),
        report=st.text(min_size=1),
        sha256=st.just("1" * 64),
    )
)
def test_an_approval_survives_the_audit_log(approval: Approval) -> None:
    assert read_approval("l", approval.text(), approval.who, approval.why) == approval


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"goal": "x", "decision": ""}', '{"goal": null, "decision": ""}']
)
def test_what_is_no_approval_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"approval|Expecting|literal"):
        read_approval("l", text, "", "")
