"""A frame's exposure is never taken for later than it was, whatever driver and reader do."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_camera.freshness import KNOWN_AFTER, Freshness

PERIOD = 0.033
QUICK = 0.0001
"""What a grab takes that need not wait."""


@dataclass
class Driver:
    """A sensor that runs freely behind a queue that drops what comes while it is full, by a clock of its own."""

    room: int
    latency: float
    """Seconds from the beginning of an exposure until the frame is in the queue."""
    stamped: bool = False
    quick: float = QUICK
    now: float = 100.0
    _queue: deque[int] = field(default_factory=deque)
    _seen: int = 0

    def __post_init__(self) -> None:
        self._seen = int(self.now / PERIOD)

    def exposed(self, frame: int) -> float:
        return frame * PERIOD

    def _deliver(self) -> None:
        while self.exposed(self._seen) + self.latency <= self.now:
            if len(self._queue) < self.room:
                self._queue.append(self._seen)
            self._seen += 1

    def grab(self, stall: float = 0.0) -> tuple[int, float, float, float | None]:
        """Return a frame, when it was asked for and there, and its stamp; the reader stands still meanwhile."""
        began = self.now
        self._deliver()
        if not self._queue:
            self.now = self.exposed(self._seen) + self.latency
            self._deliver()
        frame = self._queue.popleft()
        self.now += self.quick + stall
        stamp = self.exposed(frame) + self.latency if self.stamped else None
        return frame, began, self.now, stamp


def settled(driver: Driver, fresh: Freshness) -> None:
    for _ in range(3 * KNOWN_AFTER):
        fresh.grabbed(*driver.grab()[1:])


stalls = st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=40)
"""Each: whether the reader stalls inside a grab or between two, and for how long; short ones are most."""


@given(room=st.integers(1, 10), share=st.floats(0.1, 1.9), plan=stalls, stamped=st.booleans())
def test_no_frame_is_taken_for_newer_than_it_is(
    room: int, share: float, plan: list[tuple[bool, float]], *, stamped: bool
) -> None:
    """With any queue, latency and stalls: what is said of a frame is never later than its exposure began."""
    driver, fresh = Driver(room, share * PERIOD, stamped=stamped), Freshness()
    settled(driver, fresh)
    inside_before = False
    for inside, seconds in plan:
        stall = seconds**3
        inside_now = inside and not inside_before  # two stalls inside two grabs in a row are what lead is for
        if not inside_now:
            driver.now += stall
        frame, *grabbed = driver.grab(stall if inside_now else 0.0)
        inside_before = inside_now
        assert fresh.grabbed(*grabbed) <= driver.exposed(frame)


@pytest.mark.parametrize("room", [1, 4, 10])
@pytest.mark.parametrize("stamped", [False, True])
def test_after_a_stall_only_frames_of_after_the_trigger_count(room: int, *, stamped: bool) -> None:
    """The queue is full of the previous part's pictures; none of them is taken for this part's."""
    driver, fresh = Driver(room, 1.5 * PERIOD, stamped=stamped), Freshness()
    settled(driver, fresh)
    driver.now += 1.0
    trigger = driver.now
    seen = []
    for _ in range(room + 8):
        frame, *grabbed = driver.grab()
        if fresh.grabbed(*grabbed) > trigger:
            seen.append(frame)
    assert seen, "no frame ever counted"
    assert driver.exposed(seen[0]) > trigger
    assert driver.exposed(seen[0]) < trigger + 6 * PERIOD, "waited longer than the rule asks"


@pytest.mark.parametrize("room", range(1, 8))
def test_a_queue_that_is_full_at_the_start_fools_nobody(room: int) -> None:
    """Not even where each of its frames takes a while, as if it had been waited for."""
    driver, fresh = Driver(room, PERIOD, quick=0.0015), Freshness()
    driver.now += 1.0
    for _ in range(4 * KNOWN_AFTER):
        frame, *grabbed = driver.grab()
        assert fresh.grabbed(*grabbed) <= driver.exposed(frame)


def test_nothing_counts_until_the_rate_is_known() -> None:
    fresh, driver = Freshness(), Driver(4, PERIOD)
    assert [fresh.grabbed(*driver.grab()[1:]) for _ in range(KNOWN_AFTER)] == [-inf] * KNOWN_AFTER
    assert fresh.period is None


def test_a_camera_that_is_always_read_too_late_never_counts() -> None:
    """A reader that never waits learns nothing of its frames."""
    driver, fresh = Driver(4, PERIOD), Freshness()
    for _ in range(50):
        driver.now += 3 * PERIOD
        assert fresh.grabbed(*driver.grab()[1:]) == -inf


def test_a_stamp_that_stands_still_is_no_new_frame() -> None:
    driver, fresh = Driver(4, PERIOD, stamped=True), Freshness()
    settled(driver, fresh)
    _, began, ended, stamp = driver.grab()
    known = fresh.grabbed(began, ended, stamp)
    assert fresh.grabbed(ended, ended + PERIOD, stamp) == known


@pytest.mark.parametrize("off", [3600.0, -3600.0])
def test_a_stamp_of_another_clock_is_not_believed(off: float) -> None:
    """Then how the hand-over went tells, as where there is no stamp at all."""
    driver, fresh = Driver(4, PERIOD, stamped=True), Freshness()
    for _ in range(3 * KNOWN_AFTER):
        frame, began, ended, stamp = driver.grab()
        assert stamp is not None
        bound = fresh.grabbed(began, ended, stamp + off)
    assert driver.exposed(frame) - 3 * PERIOD < bound <= driver.exposed(frame)


def test_who_knows_the_camera_waits_less() -> None:
    """``lead_ms`` takes the place of two periods."""
    driver = Driver(4, 0.5 * PERIOD)
    wary, sure = Freshness(), Freshness(lead=0.5 * PERIOD)
    for _ in range(3 * KNOWN_AFTER):
        frame, *grabbed = driver.grab()
        bounds = wary.grabbed(*grabbed), sure.grabbed(*grabbed)
    assert bounds[0] < bounds[1] <= driver.exposed(frame)
