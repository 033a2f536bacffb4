"""When the gateway came and went: a crash leaves no entry, and is found by the next start."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from core_kit import a_line_config, judge_options, plugged

from bridge.attendance import came, went
from bridge.clock import ManualClock
from bridge.config import Config
from bridge.errors import Unavailable
from bridge.store import Entry, Journal, Reader, open_journal


def a_config(data: Path) -> Config:
    judge = plugged("judge", judge_options())
    line = a_line_config(name="smt-3", threshold=0.5)
    return Config(data=data, judge={"pins": judge}, line=(line,), fingerprint="abc")


async def run(data: Path, *, crash: bool = False) -> None:
    """Come and go, or come and be killed."""
    async with open_journal(data, ManualClock()) as journal:
        await came(journal, a_config(data), {"pins": "pins 3 0123456789ab"})
        journal.note(Entry(what="bypass", line="smt-3"))
        if not crash:
            await went(journal)


async def log(data: Path) -> list[Entry]:
    return await asyncio.to_thread(Reader(data).audit)


async def test_a_start_says_with_what_and_by_whom(tmp_path: Path) -> None:
    await run(tmp_path)
    start, *_ = await log(tmp_path)
    assert start.what == "start"
    assert start.who
    assert start.new.startswith("aoi-bridge ")
    assert "configuration abc; line smt-3: goal 1, live because a test, judge pins, threshold 0.5" in start.new
    assert start.new.endswith("judge pins: fake, model pins 3 0123456789ab")


async def test_a_clean_stop_is_the_last_entry(tmp_path: Path) -> None:
    """Behind everything that was noted before."""
    await run(tmp_path)
    await run(tmp_path)
    assert [entry.what for entry in await log(tmp_path)] == ["start", "bypass", "stop"] * 2


async def test_a_stop_that_nobody_asked_for_says_why(tmp_path: Path) -> None:
    """A port that is taken, a live line that differs from what was approved: no crash, and no clean end either."""
    async with open_journal(tmp_path) as journal:
        await came(journal, a_config(tmp_path), {})
        await went(journal, "http.port: 80 cannot be listened on")
    assert (await log(tmp_path))[-1].why == "http.port: 80 cannot be listened on"


async def test_a_crash_is_found_at_the_next_start(tmp_path: Path) -> None:
    """Derived from the log itself: a start with no stop behind it; each crash is found once."""
    await run(tmp_path, crash=True)
    await run(tmp_path)
    await run(tmp_path)
    entries = await log(tmp_path)
    assert [entry.what for entry in entries if entry.what != "bypass"] == [
        "start",
        "crash found",
        "start",
        "stop",
        "start",
        "stop",
    ]
    assert entries[2].old == "running since 2023-11-14 22:13:20 UTC"
    assert entries[2].why == "no clean stop after entry 1"


async def test_a_disk_that_refuses_holds_up_neither_start_nor_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What could not be written is named in the gateway's own log."""
    monkeypatch.setattr("bridge.store.trail.GOODBYE_SECONDS", 0.01)

    async def refuse(*_: object) -> Entry:
        raise Unavailable("the disk is full")

    monkeypatch.setattr(Journal, "audit", refuse)
    await run(tmp_path)
    assert await log(tmp_path) == []
    said = "".join(capfd.readouterr())
    assert "not in the audit log" in said
    assert "the stop is not in the audit log" in said
