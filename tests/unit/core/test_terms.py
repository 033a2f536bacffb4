"""How the time of a part is spent; a clock that is a number."""

from __future__ import annotations

from typing import Any

import pytest
from core_kit import NG, OK, a_line_config, a_part
from hypothesis import given
from hypothesis import strategies as st

from bridge.judging.turns import Turns
from bridge.supervise import Slot
from bridge.terms import Terms, terms_of, treatment_of
from bridge.watched import Watched

NOW = 1000.0


def terms(now: float = NOW, line: dict[str, Any] | None = None, **part: Any) -> Terms:
    """Return the terms of one NG part of a line that has a second, a tenth of it in reserve."""
    config = a_line_config(**{"deadline_ms": 1000, "reserve_ms": 100, **(line or {})})
    treatment = treatment_of(config, "", {"pins": Turns(Slot(Watched("", "judge")))})
    return terms_of(a_part(NG, **part), treatment, config, now)


def test_the_reserve_is_kept_from_the_judge_and_half_of_it_from_the_commit() -> None:
    got = terms()
    assert (got.judge_by, got.commit_by, got.expires) == pytest.approx((NOW + 0.9, NOW + 0.95, NOW + 1))
    assert not got.backlog


def test_time_that_passed_before_the_part_arrived_is_spent() -> None:
    assert terms(event=NOW - 0.5).expires == pytest.approx(NOW + 0.5)


def test_an_event_in_the_future_is_now() -> None:
    """A peer's clock that runs ahead buys no time."""
    assert terms(event=NOW + 60).expires == pytest.approx(NOW + 1)


def test_a_part_whose_deadline_has_passed_is_backlog_with_all_the_time_it_needs() -> None:
    got = terms(event=NOW - 2)
    assert got.backlog
    assert NOW + 10 < got.judge_by < got.commit_by
    assert got.expires == pytest.approx(NOW - 1)


@given(
    deadline_ms=st.floats(1, 100_000),
    ago=st.floats(0, 100),
    hurry_ms=st.none() | st.floats(1, 100_000),
)
def test_the_steps_never_cross(deadline_ms: float, ago: float, hurry_ms: float | None) -> None:
    """Judged before committed before told, and a live part is never given more than the line's deadline."""
    got = terms(line={"deadline_ms": 1000 + deadline_ms}, event=NOW - ago, deadline_ms=hurry_ms)
    assert got.judge_by <= got.commit_by
    if not got.backlog:
        assert got.event <= got.judge_by + 1e-9
        assert got.commit_by <= got.expires <= got.event + 1 + deadline_ms / 1000 + 1e-9


def test_a_part_that_the_goal_cannot_change_needs_no_second_opinion() -> None:
    config = a_line_config(goal=1)
    treatment = treatment_of(config, "", {"pins": Turns(Slot(Watched("", "judge")))})
    assert terms_of(a_part(NG), treatment, config, NOW).recheck
    assert not terms_of(a_part(OK), treatment, config, NOW).recheck
