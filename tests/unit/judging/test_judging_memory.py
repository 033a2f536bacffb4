from __future__ import annotations

import mmap
import subprocess
import sys

import pytest

from bridge.judging.memory import MARGIN_BYTES, PIXEL_BYTES, TooLittle, limit, taken


def test_what_a_process_touches_counts_and_what_it_shares_does_not() -> None:
    """A leak is private; the pictures in the arena are not."""
    size = 64 << 20
    before = taken()
    with mmap.mmap(-1, size, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS) as shared:
        shared[::4096] = b"x" * (size // 4096)
        assert taken() - before < size / 2
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as private:
        private[::4096] = b"x" * (size // 4096)
        assert taken() - before > size / 2


def test_without_a_stated_limit_there_is_room_for_the_largest_picture() -> None:
    assert limit(100, None, 1000) == 100 + MARGIN_BYTES
    assert limit(100, None, 10**9) == 100 + PIXEL_BYTES * 10**9


def test_a_stated_limit_holds_if_the_model_fits_into_it() -> None:
    assert limit(100, 101, 10**9) == 101
    with pytest.raises(TooLittle, match=r"takes 300 MB when warm, and its memory_megabytes is 200"):
        limit(300_000_000, 200_000_000, 1)


GREEDY = """
from bridge.judging import memory
allowed = memory.allow(memory.taken() + 50_000_000, 1)
kept = []
try:
    while True:
        kept.append(bytearray(b"x" * 10_000_000))
except MemoryError:
    print(memory.taken() / allowed)
"""


def test_the_kernel_refuses_more_than_twice_the_limit() -> None:
    """Whatever a part makes the worker do, the machine has the rest."""
    run = subprocess.run([sys.executable, "-c", GREEDY], capture_output=True, text=True, check=True, timeout=50)
    assert 1 < float(run.stdout) <= 2
