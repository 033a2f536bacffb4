"""What the next steps are shown, made in other threads where a GPU learns: in order, and nothing swallowed."""

from __future__ import annotations

import random
import threading
import time

import pytest

from bridge.learning.anomaly import ahead

pytestmark = pytest.mark.learning


@pytest.mark.parametrize("gpu", [False, True])
def test_steps_come_in_their_order_from_wherever_they_begin(monkeypatch: pytest.MonkeyPatch, *, gpu: bool) -> None:
    monkeypatch.setattr(ahead, "on_gpu", lambda: gpu)
    threads, rng = set(), random.Random(0)  # noqa: S311 - a delay, no secret

    def make(step: int) -> int:
        threads.add(threading.get_ident())
        time.sleep(rng.random() / 200)
        return step

    assert list(ahead.made(make, 25, 60)) == list(range(25, 60))
    assert list(ahead.made(make, 60, 60)) == []
    assert (threading.get_ident() not in threads) is gpu


@pytest.mark.parametrize("gpu", [False, True])
def test_what_a_step_raises_is_raised_at_that_step(monkeypatch: pytest.MonkeyPatch, *, gpu: bool) -> None:
    monkeypatch.setattr(ahead, "on_gpu", lambda: gpu)
    steps = ahead.made(lambda step: 6 // (3 - step), 0, 10)
    assert [next(steps) for _ in range(3)] == [2, 3, 6]
    with pytest.raises(ZeroDivisionError):
        next(steps)
