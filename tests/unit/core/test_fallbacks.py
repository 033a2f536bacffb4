"""The row of fallbacks: when it stands, when it ends, and what does not count."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.fallbacks import Fallbacks
from bridge.messages import Decision, Goal, Stage


def a_decision(*, degraded: bool = False, rechecked: bool = False, backlog: bool = False) -> Decision:
    """Return a decision of few words."""
    return Decision(
        id="",
        line="",
        goal=Goal.CUT_FALSE_CALLS,
        stage=Stage.LIVE,
        part="",
        degraded=degraded,
        rechecked=rechecked,
        backlog=backlog,
    )


def test_backlog_neither_lengthens_nor_ends_a_row() -> None:
    """Nobody waits for it, so it says nothing about the line."""
    fallbacks = Fallbacks(2)
    fallbacks.count(a_decision(degraded=True, rechecked=True))
    fallbacks.count(a_decision(degraded=True, rechecked=True, backlog=True))
    assert not fallbacks.error
    fallbacks.count(a_decision(rechecked=True, backlog=True))
    fallbacks.count(a_decision(degraded=True, rechecked=True))
    assert fallbacks.error


def test_the_decision_that_is_one_too_many_carries_the_error_itself() -> None:
    """Raising it counts nothing: a decision may be looked at twice."""
    fallbacks = Fallbacks(2)
    bad = a_decision(degraded=True, rechecked=True)
    assert not fallbacks.flagged(bad).error
    assert not fallbacks.flagged(bad).error
    fallbacks.count(bad)
    assert fallbacks.flagged(bad).error
    assert not fallbacks.flagged(a_decision(rechecked=True)).error


@given(st.lists(st.sampled_from(["good", "fallback", "pass", "missing"]), max_size=30), st.integers(1, 4))
def test_the_row_of_fallbacks_is_counted_as_the_words_say(story: list[str], limit: int) -> None:
    """Error stands exactly while the last ``limit`` parts, passes left out, were fallbacks."""
    facts: dict[str, tuple[bool, bool]] = {
        "good": (False, True),
        "fallback": (True, True),
        "pass": (False, False),
        "missing": (True, False),
    }
    fallbacks = Fallbacks(limit)
    row: list[str] = []
    for word in story:
        degraded, rechecked = facts[word]
        fallbacks.count(a_decision(degraded=degraded, rechecked=rechecked))
        if degraded:
            row.append(word)
        elif rechecked or "fallback" not in row:
            row.clear()
        assert fallbacks.error is (len(row) >= limit)
