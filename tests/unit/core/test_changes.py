"""What a new configuration changes, and what of it a live line takes only for a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from core_kit import a_line_config, plugged
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from bridge import in_force
from bridge.config import Config
from bridge.config import Line as LineConfig
from bridge.config.changes import NOWHERE, Change, Fact, compare, facts
from bridge.errors import ConfigError
from bridge.in_force import InForce, Pending, approved_bundles, held_against, remembered
from bridge.objections import fixed, naming, passes_bad, too_slow, unreasoned
from bridge.plugin import JudgeOptions, ReporterOptions


class ModelOptions(JudgeOptions):
    """A judge with a model."""

    model: str = "pins"
    """a name"""
    threads: int = 1
    """a number"""


class KnownOptions(ModelOptions):
    """A judge that says which of its options move no verdict."""

    harmless = frozenset({"threads"})


class TellOptions(ReporterOptions):
    """A reporter with a secret."""

    token: SecretStr = SecretStr("hush")
    """a secret"""


def a_config(*lines: LineConfig, judge: JudgeOptions | None = None, **more: Any) -> Config:
    judges = {"pins": plugged("judge", judge or KnownOptions()), "other": plugged("judge", KnownOptions())}
    return Config(judge=judges, line=lines or (a_line_config(stage="live", live_because="QA"),), **more)


def changed(before: Config, after: Config, **bundles: tuple[str, str]) -> list[Change]:
    old = {name: pair[0] for name, pair in bundles.items()}
    new = {name: pair[1] for name, pair in bundles.items()}
    return compare(facts(before, old), facts(after, new))


LIVE = {"stage": "live", "live_because": "QA"}


@pytest.mark.parametrize(
    ("key", "value", "guarded"),
    [
        ("goal", 2, True),
        ("judge", "other", True),
        ("threshold", 0.7, True),
        ("roi", {"*": {"cx": 1, "cy": 1, "w": 2, "h": 2}}, True),
        ("views_expected", 4, True),
        ("clearable_codes", ("E1",), True),
        ("fallbacks_in_a_row", 9, True),
        ("deadline_ms", 1500, False),
        ("topology", "tap", False),
        ("in_flight", 3, False),
        ("live_because", "QA-2", False),
    ],
)
def test_what_moves_verdicts_is_guarded_on_a_live_line(key: str, value: object, *, guarded: bool) -> None:
    before = a_line_config(**LIVE, topology="inline")
    after = a_line_config(**{**LIVE, "topology": "inline", key: value})
    found = [change for change in changed(a_config(before), a_config(after)) if change.what == key]
    assert [change.guarded for change in found] == [guarded]


def test_a_goal_2_lines_word_on_failures_is_guarded() -> None:
    before, after = (a_line_config(**LIVE, goal=2, legacy_ok_on_failure=word) for word in ("refused", "accepted"))
    [change] = changed(a_config(before), a_config(after))
    assert (str(change), change.guarded) == ("line.l.legacy_ok_on_failure: refused → accepted", True)


def test_nothing_is_guarded_on_a_line_that_stays_in_shadow() -> None:
    found = changed(*(a_config(a_line_config(stage="shadow", goal=goal)) for goal in (1, 3)))
    assert {change.what: change.guarded for change in found} == {"goal": False}


@pytest.mark.parametrize(("old", "new", "guarded"), [("shadow", "live", True), ("live", "shadow", False)])
def test_going_live_is_guarded_and_going_back_is_not(old: str, new: str, *, guarded: bool) -> None:
    found = changed(
        a_config(a_line_config(stage=old, live_because="QA")),
        a_config(a_line_config(stage=new, live_because="QA")),
    )
    assert [(change.what, change.guarded) for change in found] == [("stage", guarded)]


def test_a_recipe_that_comes_or_goes_is_guarded() -> None:
    without, with_one = a_line_config(**LIVE), a_line_config(**LIVE, recipe={"M10": {"threshold": 0.4}})
    came = changed(a_config(without), a_config(with_one))
    went = changed(a_config(with_one), a_config(without))
    assert (
        {change.what for change in came}
        == {change.what for change in went}
        == {"recipe.M10", "recipe.M10.threshold"}
    )
    assert all(change.guarded for change in came + went)
    assert (came[0].old, went[0].new) == (NOWHERE, NOWHERE)


@pytest.mark.parametrize(
    ("options", "what", "guarded"),
    [
        (KnownOptions(threads=2), "judge.pins.threads", False),
        (KnownOptions(model="pegs"), "judge.pins.model", True),
        (KnownOptions(when_unreachable="stop"), "judge.pins.when_unreachable", True),
    ],
)
def test_an_option_of_a_judge_is_guarded_unless_the_judge_calls_it_harmless(
    options: JudgeOptions, what: str, *, guarded: bool
) -> None:
    [change] = changed(a_config(), a_config(judge=options))
    assert (change.what, change.guarded) == (what, guarded)


def test_another_bundle_under_the_same_name_is_guarded() -> None:
    [change] = changed(a_config(), a_config(), pins=("pins 1 aa", "pins 2 bb"))
    assert str(change) == "line.l.judge.pins.bundle: pins 1 aa → pins 2 bb"
    assert change.guarded


@pytest.mark.parametrize("pair", [("", "pins 1 aa"), ("pins 1 aa", "")])
def test_a_bundle_that_is_not_known_is_no_change(pair: tuple[str, str]) -> None:
    assert changed(a_config(), a_config(), pins=pair) == []


def test_the_bundle_of_a_judge_that_the_line_does_not_ask_is_none_of_its_business() -> None:
    assert changed(a_config(), a_config(), other=("other 1 aa", "other 2 bb")) == []


def test_a_line_that_comes_live_is_guarded_and_one_that_goes_is_not() -> None:
    first, second = a_line_config(**LIVE), a_line_config(name="m", **LIVE)
    [came] = changed(a_config(first), a_config(first, second))
    [went] = changed(a_config(first, second), a_config(first))
    short = "live, goal 1, judge pins"
    assert (str(came), came.guarded) == (f"line.m: none → {short}", True)
    assert (str(went), went.guarded) == (f"line.m: {short} → none", False)


def test_a_secret_is_never_written_out() -> None:
    told = plugged("reporter", TellOptions(name="mes"))
    laid_out = facts(a_config(a_line_config(reporter=(told,))), {})
    assert "hush" not in repr(laid_out)
    assert "reporter.mes.token" in laid_out["l"]


def test_the_order_of_codes_is_no_change() -> None:
    before, after = (a_line_config(**LIVE, clearable_codes=codes) for codes in (("a", "b"), ("b", "a")))
    assert changed(a_config(before), a_config(after)) == []


fact = st.builds(Fact, st.sampled_from(["1", "2", "3"]), st.booleans())
said = st.builds(
    lambda stage, rest: {"stage": Fact(stage, guarded=True), **rest},
    st.sampled_from(["shadow", "live"]),
    st.dictionaries(st.sampled_from(["goal", "live_because", "judge.p.type", "judge.p.bundle", "x"]), fact),
)
layouts = st.dictionaries(st.sampled_from(["a", "b"]), said)


@given(layouts)
def test_what_is_the_same_is_no_change(layout: Any) -> None:
    assert compare(layout, layout) == []


@given(layouts, layouts)
def test_every_difference_is_told_once_and_only_live_lines_are_guarded(old: Any, new: Any) -> None:
    changes = compare(old, new)
    assert len({(change.line, change.what) for change in changes}) == len(changes)
    for change in changes:
        assert change.old != change.new
        if change.guarded:
            assert new[change.line]["stage"].value == "live"
    told = {change.line for change in changes}
    for line in old.keys() & new.keys():
        unknown = {key for key in old[line].keys() ^ new[line].keys() if key.endswith(".bundle")}
        plain = [{k: f.value for k, f in where[line].items() if k not in unknown} for where in (old, new)]
        assert (plain[0] != plain[1]) == (line in told)


@given(layouts, layouts, st.text(max_size=5))
def test_a_start_takes_guarded_changes_for_a_reason_only(old: Any, new: Any, override: str) -> None:
    reasoned, refused = held_against(InForce(old), new, override, "me")
    assert all(change.guarded for change in refused)
    if override:
        assert refused == []
    for change in refused:
        because = [where.get(change.line, {}).get("live_because", Fact("")).value for where in (old, new)]
        gone = [old[name].get("live_because", Fact("")).value for name in old.keys() - new.keys()]
        assert because[1].strip() in {because[0].strip(), "", *(text.strip() for text in gone)}
    assert [one.change for one in reasoned] == compare(old, new)


@given(layouts, layouts)
def test_a_start_goes_on_with_what_was_pending_as_well_as_with_what_was_before(old: Any, new: Any) -> None:
    """Killed in the middle of a reload or of a promotion, it comes back without being asked for a reason again."""
    record = InForce(old, Pending(new, "ann", "QA-7"))
    reasoned, refused = held_against(record, new, "", "")
    assert refused == []
    assert {(one.who, one.why) for one in reasoned} <= {("ann", "QA-7")}
    assert held_against(record, old, "", "")[1] == []


def test_a_live_line_under_another_name_needs_another_reason() -> None:
    """Else a line is renamed, and its goal with it, and the words that stood there already vouch for both."""
    old = facts(a_config(a_line_config(name="one", goal=1, **LIVE)), {})
    new = facts(a_config(a_line_config(name="uno", goal=2, **LIVE)), {})
    (refused,) = held_against(InForce(old), new, "", "")[1]
    assert refused.line == "uno"
    assert not held_against(InForce(old), new, "renamed", "")[1]
    reasoned = facts(a_config(a_line_config(name="uno", goal=2, stage="live", live_because="QA-8")), {})
    assert not held_against(InForce(old), reasoned, "", "")[1]
    beside = facts(a_config(a_line_config(name="one", **LIVE), a_line_config(name="two", **LIVE)), {})
    assert not held_against(InForce(old), beside, "", "")[1], "one approval may be for several lines"


@given(layouts)
def test_before_the_first_start_nothing_is_a_change(new: Any) -> None:
    assert held_against(None, new, "", "") == ([], [])


@given(layouts, layouts, st.none() | st.builds(Pending, layouts, st.text(), st.text()))
def test_bundles_that_cannot_be_found_are_remembered(old: Any, new: Any, pending: Pending | None) -> None:
    del pending
    kept = remembered(old, new)
    assert compare(new, kept) == []
    for line, said_there in kept.items():
        assert said_there.items() >= new[line].items()


def test_the_record_survives_the_disk(tmp_path: Path) -> None:
    laid_out = facts(a_config(), {"pins": "pins 1 aa"})
    for record in (InForce(laid_out), InForce(laid_out, Pending(laid_out, "ann", "QA"))):
        in_force.write(tmp_path, record)
        assert in_force.read(tmp_path) == record
    assert approved_bundles(laid_out) == {"pins": "pins 1 aa"}
    assert [path.name for path in tmp_path.iterdir()] == [in_force.FILE]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"facts": 7, "pending": null}', '{"facts": {"l": 1}}'])
def test_a_record_that_is_none_of_ours_is_one_line(tmp_path: Path, text: str) -> None:
    assert in_force.read(tmp_path) is None
    (tmp_path / in_force.FILE).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be read"):
        in_force.read(tmp_path)


def test_what_a_gateway_has_for_its_life_needs_a_restart() -> None:
    assert fixed(a_config(), a_config()) == []
    [data, http] = fixed(a_config(), a_config(data="elsewhere", http={"port": 1}))
    assert data.startswith("data: ")
    assert http.endswith("this needs a restart")


def test_each_line_without_a_reason_is_named() -> None:
    changes = changed(a_config(a_line_config(**LIVE)), a_config(a_line_config(**LIVE, goal=2)))
    assert unreasoned(changes, "say why") == ["line.l.goal: 1 → 2 on a live line needs a reason; say why"]


def test_a_judge_that_is_too_slow_for_a_line_is_named_with_the_line() -> None:
    recipes = {"M10": {"judge": "other", "views_expected": 4}, "M12": {}}
    config = a_config(a_line_config(deadline_ms=500, reserve_ms=100, views_expected=2, recipe=recipes))
    assert too_slow(config, {"pins": 200.0, "other": 100.0}) == []
    [said_of_it] = too_slow(config, {"pins": 100.0, "other": 101.0})
    assert said_of_it.startswith("line.l.deadline_ms: the judge other takes 404 ms for 4 view(s)")


def test_an_operating_point_that_passes_a_known_bad_picture_is_named() -> None:
    config = a_config(a_line_config(threshold=0.4, recipe={"M10": {"threshold": 0.6}, "M12": {"judge": "other"}}))
    assert passes_bad(config, {"pins": 0.39}) == []
    [said_of_it] = passes_bad(config, {"pins": 0.4})
    assert said_of_it.startswith("line.l.threshold: at 0.4 the judge pins passes a picture known to be bad")


def test_a_model_is_named_by_its_name_alone() -> None:
    assert naming(a_config(judge=KnownOptions(model="/srv/pins")), "pins") == ["other"]
