"""What happens again and again is told at growing intervals, with a count."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.clock import ManualClock
from bridge.echo import FIRST_SECONDS, LONGEST_SECONDS, REMEMBERED, Echo


def test_the_first_is_told_at_once_and_then_at_growing_intervals_with_a_count() -> None:
    clock = ManualClock()
    echo = Echo(clock)
    told = []
    for second in range(3000):
        if times := echo.heard("connection refused"):
            told.append((second, times))
        clock.advance(1)
    assert told == [
        (0, 1),
        (10, 10),
        (30, 20),
        (70, 40),
        (150, 80),
        (310, 160),
        (630, 320),
        (1230, 600),
        (1830, 600),
        (2430, 600),
    ]


def test_another_text_is_told_at_once_and_another_number_is_no_other_text() -> None:
    echo = Echo(ManualClock())
    assert echo.heard("reset by 10.0.0.1:4711") == 1
    assert echo.heard("reset by 10.0.0.1:4712") == 0
    assert echo.heard("timed out") == 1


def test_what_was_not_heard_for_long_is_new() -> None:
    clock = ManualClock()
    echo = Echo(clock)
    for _ in range(5):
        echo.heard("away")
    clock.advance(LONGEST_SECONDS)
    assert echo.heard("away") == 1
    clock.advance(FIRST_SECONDS)
    assert echo.heard("away") == 1


@given(st.lists(st.tuples(st.text(alphabet="ab1", max_size=3), st.floats(0, 1000)), max_size=200))
def test_nothing_is_lost_from_the_count(heard: list[tuple[str, float]]) -> None:
    """What is told adds up to no more than what came, and memory has a bound."""
    clock = ManualClock()
    echo = Echo(clock)
    told = 0
    for text, pause in heard:
        told += echo.heard(text)
        clock.advance(pause)
    assert told <= len(heard)
    assert len(echo._heard) <= REMEMBERED


def test_ever_new_texts_take_no_more_memory() -> None:
    echo = Echo(ManualClock())
    for number in range(10 * REMEMBERED):
        assert echo.heard("x" * number) == 1
    assert len(echo._heard) == REMEMBERED
