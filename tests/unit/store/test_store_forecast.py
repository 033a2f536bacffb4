"""For how many days the disk holds while an MES is away: arithmetic, and a journal that is measured."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_samples import decision

from bridge.clock import ManualClock
from bridge.store import Growth, forecast, open_journal
from bridge.store.forecast import DAY_SECONDS, ENOUGH_PARTS, LOG_BYTES


def test_the_days_are_room_by_parts_a_day_by_their_size() -> None:
    growth = Growth(used_bytes=2_000_000, parts=1000, recent_parts=500, recent_seconds=DAY_SECONDS)
    found = forecast(growth, free_bytes=LOG_BYTES + 10_000_000)
    assert (found.bytes_per_part, found.parts_per_day, found.days) == (2000, 500, 10)


def test_a_first_shift_is_taken_for_the_whole_day() -> None:
    """That says fewer days than there will be, never more."""
    found = forecast(Growth(2_000_000, 1000, 1000, 8 * 3600), LOG_BYTES + 6_000_000)
    assert found.parts_per_day == 3000
    assert found.days == 1


@pytest.mark.parametrize(
    "growth",
    [
        Growth(100_000, 0, 0, 0.0),
        Growth(100_000, ENOUGH_PARTS - 1, 50, DAY_SECONDS),
        Growth(1_000_000, 1000, 1000, 3599),
        Growth(1_000_000, 1000, 0, 0.0),
    ],
    ids=["empty", "few parts", "an hour too short", "nothing today"],
)
def test_it_is_unknown_before_there_is_enough_to_go_by(growth: Growth) -> None:
    assert forecast(growth, 10**12).days is None


@given(
    st.builds(
        Growth,
        used_bytes=st.integers(0, 10**13),
        parts=st.integers(0, 10**9),
        recent_parts=st.integers(0, 10**8),
        recent_seconds=st.floats(0, DAY_SECONDS),
    ),
    st.integers(0, 10**14),
)
def test_it_is_never_negative_and_a_full_disk_holds_for_no_day(growth: Growth, free: int) -> None:
    found = forecast(growth, free)
    assert found.days is None or found.days >= 0
    assert not forecast(growth, LOG_BYTES).days


async def test_only_the_parts_of_the_last_day_make_the_rate(tmp_path: Path) -> None:
    clock = ManualClock()
    async with open_journal(tmp_path, clock) as journal:
        assert (await journal.growth()).parts == 0
        for hour in range(48):
            for _ in range(3):
                await journal.commit(decision(part=f"part {hour}"))
            clock.advance(3600)
        growth = await journal.growth()
    assert (growth.parts, growth.recent_parts, growth.recent_seconds) == (144, 72, DAY_SECONDS)
    assert 100 < growth.used_bytes / growth.parts < 5000


async def test_parts_of_yesterday_alone_make_no_rate(tmp_path: Path) -> None:
    clock = ManualClock()
    async with open_journal(tmp_path, clock) as journal:
        for _ in range(5):
            await journal.commit(decision())
        clock.advance(2 * DAY_SECONDS)
        growth = await journal.growth()
    assert (growth.parts, growth.recent_parts, growth.recent_seconds) == (5, 0, 0.0)
