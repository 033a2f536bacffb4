"""The month's paper on the line itself: every minute a pulse, each change of a plugin's state once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from core_kit import a_decision, a_name, until

from bridge import pulse
from bridge.clock import ManualClock
from bridge.pulse import CHANGES_A_PULSE, STOPPED, Counts, Heart, Peers
from bridge.store import Journal, Reader
from bridge.watched import State, Watched

FOR_EVER = 0.0, 4e9


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def peers(journal: Journal, clock: ManualClock) -> Peers:
    return Peers(journal, clock)


def plugin(peers: Peers, clock: ManualClock, line: str, name: str = "plc") -> Watched:
    return Watched(line, name, clock, notice=peers.note)


async def noted(tmp_path: Path, journal: Journal, line: str) -> list[tuple[str, str, str, str]]:
    """Return what stands in the journal; what was noted before is written before a job that comes after it."""
    await journal.alive()
    found = await asyncio.to_thread(Reader(tmp_path).peers, line, *FOR_EVER)
    return [(one.line, one.name, one.state, one.said) for one in found]


async def test_each_change_is_noted_once_with_its_reason(
    tmp_path: Path, journal: Journal, peers: Peers, clock: ManualClock
) -> None:
    line, other = a_name("line"), a_name("line")
    plc = plugin(peers, clock, line)
    plc.become(State.UP)
    plc.become(State.DOWN, "no route to host")
    plc.become(State.DOWN, "no route to host")
    clock.unix += 5
    plc.become(State.UP)
    plc.noticed(STOPPED)
    plugin(peers, clock, other).become(State.UP)
    assert await noted(tmp_path, journal, line) == [
        (line, "plc", "up", ""),
        (line, "plc", "down", "no route to host"),
        (line, "plc", "up", ""),
        (line, "plc", "stopped", ""),
    ]
    found = await asyncio.to_thread(Reader(tmp_path).peers, line, clock.unix, clock.unix + 1)
    assert [one.state for one in found] == ["up", "stopped"]


async def test_a_judge_belongs_to_every_line_and_one_on_trial_to_none(
    tmp_path: Path, journal: Journal, peers: Peers, clock: ManualClock
) -> None:
    name = a_name("judge")
    trial = Watched("", name, clock, shown=False, notice=peers.note)
    trial.become(State.UP)
    assert await noted(tmp_path, journal, "any") == []
    trial.show()
    assert await noted(tmp_path, journal, "any") == [("", name, "up", "")]


async def test_one_that_comes_and_goes_all_the_time_fills_no_disk(
    tmp_path: Path, journal: Journal, peers: Peers, clock: ManualClock
) -> None:
    """How it does then is noted with the next pulse; a stop always is."""
    line = a_name("line")
    plc = plugin(peers, clock, line)
    for _ in range(200):
        plc.become(State.DEGRADED, "refused")
        plc.become(State.UP)
    plc.become(State.DEGRADED, "refused")
    assert len(await noted(tmp_path, journal, line)) == CHANGES_A_PULSE
    peers.catch_up()
    peers.catch_up()
    plc.noticed(STOPPED)
    assert (await noted(tmp_path, journal, line))[CHANGES_A_PULSE:] == [
        (line, "plc", "degraded", "refused"),
        (line, "plc", "stopped", "refused"),
    ]
    clock.now += 60
    plc.become(State.UP)
    assert (await noted(tmp_path, journal, line))[-1] == (line, "plc", "up", "")


async def test_a_change_after_the_journal_was_closed_is_nobodys_trouble(
    journal: Journal, peers: Peers, clock: ManualClock
) -> None:
    plc = plugin(peers, clock, a_name("line"))
    await journal._writer.stop()
    assert plc.become(State.UP)


async def test_a_pulse_says_how_the_line_does(
    tmp_path: Path, journal: Journal, peers: Peers, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once when the line is opened, and then every minute; what other lines owe is theirs."""
    monkeypatch.setattr(pulse, "PULSE_SECONDS", 0.01)
    monkeypatch.setattr(pulse, "free_bytes", lambda _: 1 << 40)
    line, other = a_name("line"), a_name("line")
    for number, owner in enumerate([line, line, other]):
        await journal.commit(a_decision(owner, number), ["mes"])
    skipped = 0

    def count() -> Counts:
        nonlocal skipped
        skipped += 1
        clock.unix += 60
        return Counts(3, skipped, 7)

    beating = asyncio.create_task(Heart(line, count, journal, peers, tmp_path, clock).run())
    await until(lambda: skipped >= 2)
    beating.cancel()
    await journal.alive()
    reader = Reader(tmp_path)
    first, second, *_ = await asyncio.to_thread(reader.pulses, line, *FOR_EVER)
    assert (first.queued, first.skipped, first.late, first.backlog, first.disk_free) == (3, 1, 7, 2, 1 << 40)
    assert (second.at - first.at, second.skipped) == (60, 2)
    assert await asyncio.to_thread(reader.pulses, line, first.at, second.at) == [first]
    assert await asyncio.to_thread(reader.pulses, other, *FOR_EVER) == []


async def test_a_disk_that_cannot_be_asked_has_no_room(
    tmp_path: Path, journal: Journal, peers: Peers, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: Path) -> int:
        raise OSError("the share is away")

    monkeypatch.setattr(pulse, "free_bytes", gone)
    await Heart("l", lambda: Counts(0, 0, 0), journal, peers, tmp_path, clock).beat()
    await journal.alive()
    (beat,) = await asyncio.to_thread(Reader(tmp_path).pulses, "l", *FOR_EVER)
    assert beat.disk_free == 0
