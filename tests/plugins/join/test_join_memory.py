"""What became of halves is known after every kind of end, in bounded memory and on a bounded disk."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_join import memory
from bridge_join.halves import Before
from bridge_join.memory import NEWER, OLDER, Memory, remembering

PAIR = Before(key="verdict:K1", halves=2, known=2, tied=True)


@asynccontextmanager
async def opened(folder: Path, most: int = 100) -> AsyncIterator[Memory]:
    async with remembering(folder, most) as found:
        yield found


async def noted(found: Memory, number: int) -> None:
    await found.note([f"v{number}", f"p{number}"], Before(key=f"J{number}", halves=2, known=2, tied=True))


async def test_what_was_noted_is_known_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as found:
        assert found.recall("v") is None
        await found.note(["v", "p"], PAIR)
        assert found.recall("p") == PAIR
        assert not found.answered(PAIR.key)
        found.answer(PAIR.key, recorded=True)
    async with opened(tmp_path) as found:
        assert (found.recall("v"), found.recall("p")) == (PAIR, PAIR)
        assert found.answered(PAIR.key)


async def test_what_was_written_outlives_a_killed_process(tmp_path: Path) -> None:
    """Nothing is held back in a buffer of ours: another reader sees it at once."""
    async with opened(tmp_path) as found:
        await found.note(["v", "p"], PAIR)
        assert memory._read(tmp_path / NEWER).halves == found._newer.halves


async def test_a_part_that_comes_again_for_ever_takes_no_more_of_the_disk(tmp_path: Path) -> None:
    """A machine may repeat its last part every second, a hot folder offer one that is not cleared away."""
    async with opened(tmp_path) as found:
        await found.note(["v", "p"], PAIR)
        found.answer(PAIR.key, recorded=False)
        for _ in range(10):
            found.answer(PAIR.key, recorded=True)
    async with opened(tmp_path) as found:
        found.answer(PAIR.key, recorded=True)
    assert len((tmp_path / NEWER).read_bytes().splitlines()) == 2


async def test_an_answer_that_was_not_recorded_is_not_known_after_a_restart(tmp_path: Path) -> None:
    """Then both halves come again, and are to be judged together."""
    async with opened(tmp_path) as found:
        await found.note(["v", "p"], PAIR)
        found.answer(PAIR.key, recorded=False)
        assert found.answered(PAIR.key)
    async with opened(tmp_path) as found:
        assert not found.answered(PAIR.key)


async def test_a_line_that_was_cut_short_costs_only_itself(tmp_path: Path) -> None:
    async with opened(tmp_path) as found:
        for number in range(3):
            await noted(found, number)
    whole = await asyncio.to_thread((tmp_path / NEWER).read_bytes)
    for cut in range(1, 60):
        await asyncio.to_thread((tmp_path / NEWER).write_bytes, whole[:-cut])
        async with opened(tmp_path) as found:
            assert found.recall("v1") is not None
            await noted(found, 9)
        async with opened(tmp_path) as found:
            assert found.recall("p9") is not None


@given(st.lists(st.binary(max_size=40) | st.sampled_from([b"{}", b"[]", b'{"key": 1, "halves": 2}', b"null"])))
def test_a_file_of_anything_is_read_for_what_it_is_worth(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("memory") / NEWER
    good = json.dumps({"key": "J", "halves": ["00" * 12], "of": 1, "tied": True}).encode()
    path.write_bytes(b"\n".join([*lines, good]) + b"\n")
    assert memory._read(path).halves[bytes(12)] == Before(key="J", halves=1, known=1, tied=True)


async def test_at_least_so_many_are_remembered_and_no_more_than_twice_as_many(tmp_path: Path) -> None:
    most = 10
    async with opened(tmp_path, most) as found:
        for number in range(101):
            await noted(found, number)
        known = [number for number in range(101) if found.recall(f"v{number}")]
    assert known == list(range(90, 101))
    lines = [(tmp_path / name).read_bytes().count(b"\n") for name in (OLDER, NEWER)]
    assert lines == [10, 1]
    async with opened(tmp_path, most) as found:
        assert [number for number in range(101) if found.recall(f"p{number}")] == known


async def test_the_disk_is_forced_once_for_all_that_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forced: list[int] = []
    monkeypatch.setattr(os, "fsync", forced.append)
    async with opened(tmp_path) as found:
        forced.clear()
        await asyncio.gather(*(noted(found, number) for number in range(50)))
        await asyncio.gather(*(found.kept() for _ in range(50)))
        assert 1 <= len(forced) <= 2


async def test_what_comes_while_the_disk_is_forced_waits_for_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one under way may have begun before it was written."""
    async with opened(tmp_path) as found:
        loop, begun, release = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

        def slow(_: int) -> None:
            loop.call_soon_threadsafe(begun.set)
            release.wait()

        monkeypatch.setattr(os, "fsync", slow)
        first = found.kept()
        await begun.wait()
        second = found.kept()
        release.set()
        assert second is not first
        await asyncio.gather(first, second)


async def test_a_disk_that_refuses_is_said_and_forgets_nothing_that_is_known(tmp_path: Path) -> None:
    async with opened(tmp_path) as found:
        found._files._file.close()
        found._files._file = open("/dev/full", "wb", buffering=0)  # noqa: ASYNC230, SIM115, PTH123 - a device
        with pytest.raises(OSError, match="No space left"):
            await found.note(["v", "p"], PAIR)
        assert found.recall("v") == PAIR
