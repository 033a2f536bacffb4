"""What would have come in time: a queue that a live line would have had."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.shadow.punctuality import Queue


def test_a_part_alone_is_in_time_where_the_judge_is_fast_enough() -> None:
    assert Queue().in_time(10.0, 0.5, 10.5)
    assert not Queue().in_time(10.0, 0.6, 10.5)


def test_a_burst_makes_the_later_ones_late_and_the_judge_does_not_begin_what_is_late_already() -> None:
    """Each takes 0.4 s of the 1 s that there is: the third comes too late, the fourth is never begun."""
    queue = Queue()
    assert [queue.in_time(10.0, 0.4, 11.0) for _ in range(4)] == [True, True, False, False]
    assert queue.in_time(11.3, 0.4, 12.3)


def test_what_the_goal_does_not_ask_about_keeps_nobody_waiting() -> None:
    queue = Queue()
    assert [queue.in_time(10.0, 0.4, 10.5, asked=False) for _ in range(3)] == [True] * 3
    assert queue.in_time(10.0, 0.4, 10.5)
    assert not queue.in_time(10.0, 0.4, 10.5)


@given(
    gaps=st.lists(st.floats(0, 2), min_size=1, max_size=50),
    seconds=st.floats(0.01, 1),
    patience=st.floats(0.01, 3),
)
def test_nobody_is_in_time_who_would_not_be_alone(gaps: list[float], seconds: float, patience: float) -> None:
    queue, at = Queue(), 0.0
    for gap in gaps:
        at += gap
        assert not queue.in_time(at, seconds, at + patience) or Queue().in_time(at, seconds, at + patience)
