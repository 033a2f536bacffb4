"""Keeping a plugin open: states, pauses, and walls between one plugin's trouble and the rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from itertools import islice

import pytest
from core_kit import NO_EXCEPTION, a_name, until

from bridge import health, log
from bridge.clock import ManualClock
from bridge.errors import ConfigError, Refused, Unavailable
from bridge.explaining import expected, explain, mistake, unavailable
from bridge.plugin import kept
from bridge.supervise import Slot, back_off, keep, persist, wall
from bridge.watched import State, Watched


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(kept, "LONGEST_PAUSE_SECONDS", 0.002)


def metric(name: str, of: Watched, **labels: str) -> float | None:
    where = {"line": of.line, "plugin": of.name, **labels}
    return health.registry.get_sample_value(f"aoi_bridge_plugin_{name}", where)


def watched() -> Watched:
    return Watched(a_name("line"), "plc")


async def test_a_plugin_that_breaks_is_closed_and_opened_again() -> None:
    """Unavailable from the verb's user means: close, wait, open again."""
    seen: list[str] = []

    @asynccontextmanager
    async def opener() -> AsyncIterator[int]:
        seen.append("open")
        try:
            yield len(seen)
        finally:
            seen.append("close")

    async def use(_: int) -> None:
        if seen.count("open") < 3:
            raise Unavailable("gone")

    state = watched()
    await asyncio.wait_for(keep(state, opener, use), 10)
    assert seen == ["open", "close"] * 3
    assert (state.state, state.opened, state.error) == (State.ENDED, 3, "gone")
    assert metric("restarts_total", state) == 2


async def test_a_peer_that_is_away_at_first_is_dialled_until_it_is_there() -> None:
    tries = 0

    @asynccontextmanager
    async def opener() -> AsyncIterator[str]:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise Unavailable("connection refused")
        yield "verb"

    slot: Slot[str] = Slot(watched())
    keeping = asyncio.create_task(keep(slot.watched, opener, slot.offer))
    async with asyncio.timeout(10):
        assert await slot.get() == "verb"
    assert (slot.watched.state, slot.watched.opened, tries) == (State.UP, 1, 4)
    keeping.cancel()
    await asyncio.wait({keeping})
    assert keeping.cancelled()
    assert slot.verb is None


async def test_a_background_task_of_a_plugin_may_say_unavailable() -> None:
    """A heartbeat in the opener's task group that fails closes the plugin, and it comes back."""

    @asynccontextmanager
    async def opener() -> AsyncIterator[str]:
        async def heartbeat() -> None:
            raise Unavailable("no heartbeat")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(heartbeat())
            yield "verb"

    slot: Slot[str] = Slot(watched())
    keeping = asyncio.create_task(keep(slot.watched, opener, slot.offer))
    await until(lambda: slot.watched.opened >= 3)
    assert slot.watched.error == "no heartbeat"
    keeping.cancel()
    await asyncio.wait({keeping})


async def test_a_cancellation_in_the_moment_of_a_failure_is_not_lost() -> None:
    """A task group that fails raises its own errors and drops the cancellation that came with them."""

    @asynccontextmanager
    async def opener() -> AsyncIterator[None]:
        async def heartbeat() -> None:
            keeping.cancel()
            raise Unavailable("no heartbeat")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(heartbeat())
            yield

    async def use(_: None) -> None:
        await asyncio.Event().wait()

    keeping = asyncio.create_task(keep(watched(), opener, use))
    await asyncio.wait({keeping}, timeout=10)
    assert keeping.cancelled()


async def test_a_bug_of_a_plugin_is_logged_and_the_plugin_comes_back(capsys: pytest.CaptureFixture[str]) -> None:
    state, calls = watched(), 0

    @asynccontextmanager
    async def opener() -> AsyncIterator[None]:
        yield

    async def use(_: None) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise KeyError("oops")

    await asyncio.wait_for(keep(state, opener, use), 10)
    assert state.error == "KeyError: 'oops'"
    assert "oops" in capsys.readouterr().err


@pytest.mark.parametrize("raised", NO_EXCEPTION, ids=repr)
async def test_what_is_no_exception_does_not_end_a_plugin_for_good(raised: BaseException) -> None:
    """A source whose library cancels its own call, panics or exits is opened again, and its state says why."""
    state = watched()
    opened = nullcontext("verb")

    async def use(_: str) -> None:
        if state.opened < 3:
            raise raised

    await asyncio.wait_for(keep(state, lambda: opened, use), 10)
    assert (state.state, state.opened) == (State.ENDED, 3)
    assert "the plugin" in state.error


async def test_a_cancellation_of_ours_passes_the_wall() -> None:
    async def call() -> None:
        with wall():
            await asyncio.Event().wait()

    task = asyncio.create_task(call())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


async def test_cancelling_passes_through_and_closes() -> None:
    closed = asyncio.Event()

    @asynccontextmanager
    async def opener() -> AsyncIterator[None]:
        try:
            yield
        finally:
            closed.set()

    async def use(_: None) -> None:
        await asyncio.Event().wait()

    state = watched()
    task = asyncio.create_task(keep(state, opener, use))
    await until(lambda: state.state is State.UP)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed.is_set()


async def test_what_a_plugin_counts_is_counted_under_its_name() -> None:
    @asynccontextmanager
    async def opener() -> AsyncIterator[None]:
        health.count("garbage")
        yield

    async def use(_: None) -> None:
        await asyncio.create_task(counting())

    async def counting() -> None:
        health.count("garbage", 2)

    state = watched()
    await keep(state, opener, use)
    assert health.counted("garbage", state.line, "plc") == 3


async def test_a_broken_verb_is_lent_to_nobody_from_that_moment() -> None:
    """Between the report of a failure and the reopening nobody gets the broken verb."""
    slot: Slot[object] = Slot(watched())
    verb = object()
    offering = asyncio.create_task(slot.offer(verb))
    assert await slot.get() is verb
    slot.fail(verb, Unavailable("broken"))
    assert slot.verb is None
    waiting = asyncio.create_task(slot.get())
    with pytest.raises(Unavailable, match="broken"):
        await offering
    assert not waiting.done()
    again = asyncio.create_task(slot.offer(verb))
    assert await asyncio.wait_for(waiting, 10) is verb
    again.cancel()


async def test_a_failure_of_an_older_verb_does_not_close_the_newer() -> None:
    slot: Slot[object] = Slot(watched())
    newer = object()
    offering = asyncio.create_task(slot.offer(newer))
    await slot.get()
    slot.fail(object(), Unavailable("long ago"))
    assert slot.verb is newer
    slot.fail(newer, Unavailable("first"))
    slot.fail(newer, Unavailable("second"))
    with pytest.raises(Unavailable, match="first"):
        await offering


async def test_work_of_our_own_goes_on_after_a_bug(capsys: pytest.CaptureFixture[str]) -> None:
    calls = 0

    async def work() -> None:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise ValueError("a bug")
        await asyncio.Event().wait()

    task = asyncio.create_task(persist("l", "outbox", work))
    await until(lambda: calls == 3)
    assert "a bug" in capsys.readouterr().err
    task.cancel()
    await asyncio.wait({task})


def test_a_state_remembers_since_when_and_its_last_error() -> None:
    clock = ManualClock()
    state = Watched(a_name("line"), "plc", clock)
    assert (state.state, state.since) == (State.STARTING, clock.wall())
    clock.advance(5)
    changed = state.changed
    state.become(State.DOWN, "refused")
    assert (state.since, changed.is_set()) == (clock.wall(), True)
    clock.advance(5)
    state.become(State.DOWN, "refused again")
    assert (state.since, state.error) == (clock.wall() - 5, "refused again")
    state.become(State.UP)
    assert (state.since, state.error) == (clock.wall(), "refused again")
    assert metric("up", state) == 1
    assert [metric("state", state, state=each) for each in State] == [0, 1, 0, 0, 0]


def test_pauses_double_up_to_a_ceiling_with_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(kept, "LONGEST_PAUSE_SECONDS", 5.0)
    longest = list(islice(back_off(lambda _, high: high), 9))
    assert longest == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    shortest = list(islice(back_off(lambda low, _: low), 2))
    assert shortest == [0.025, 0.05]


def test_errors_are_one_line_whatever_they_hold() -> None:
    assert explain(Unavailable("no route")) == "no route"
    assert explain(ValueError("two\nlines")) == "ValueError: two lines"
    group = ExceptionGroup("g", [Unavailable("a"), ExceptionGroup("h", [Unavailable("b"), Unavailable("a")])])
    assert explain(group) == "a; b"
    assert expected(group)
    assert expected(ConfigError("x", "y"))
    assert not expected(ExceptionGroup("g", [Unavailable("a"), KeyError("k")]))


def test_any_error_of_a_verb_makes_the_host_reopen_it() -> None:
    same = Unavailable("x")
    assert unavailable(same) is same
    assert str(unavailable(KeyError("k"))) == "KeyError: 'k'"
    assert isinstance(unavailable(Refused("r")), Unavailable)


def logged(capsys: pytest.CaptureFixture[str], state: Watched) -> list[str]:
    """Return what the log said of an instance, without time and place."""
    lines = [line for line in capsys.readouterr().err.splitlines() if state.line in line]
    return [" ".join(line.split("] ", 1)[1].split(f"line={state.line}")[0].split()) for line in lines]


class TestFlapping:
    """A peer that opens and fails at once neither spins nor floods the log."""

    def test_it_is_told_at_growing_intervals_with_a_count(self, capsys: pytest.CaptureFixture[str]) -> None:
        clock = ManualClock()
        state = Watched(a_name("line"), "plc", clock)
        for _ in range(200):
            state.become(State.UP)
            state.become(State.DOWN, "connection reset")
            clock.advance(5)
        words = capsys.readouterr().err
        assert words.count("plugin down") < 10
        assert words.count("plugin up") < 10
        assert "times=" in words

    def test_the_last_word_of_the_log_is_true_when_it_stays_down(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A failure that was passed over is told when the next try fails too."""
        state = watched()
        assert state.become(State.DOWN, "gone") is True
        assert state.become(State.UP) is True
        assert state.become(State.DOWN, "gone") is False
        assert state.become(State.UP) is False
        assert state.become(State.DOWN, "gone") is False
        assert logged(capsys, state)[-1] == "plugin up"
        assert state.become(State.DOWN, "gone") is True
        assert logged(capsys, state) == ["plugin down"]

    def test_another_error_is_told_at_once(self, capsys: pytest.CaptureFixture[str]) -> None:
        state = watched()
        state.become(State.DOWN, "connection refused")
        state.become(State.DOWN, "connection refused")
        state.become(State.DOWN, "no route to host")
        assert logged(capsys, state) == ["plugin down", "plugin down"]
        assert state.error == "no route to host"

    async def test_its_pauses_grow_though_it_opens_each_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Only what stayed up for a while starts again with the shortest pause."""
        pauses: list[float] = []
        clock = ManualClock()
        state = Watched(a_name("line"), "plc", clock)
        monkeypatch.setattr(kept, "FIRST_PAUSE_SECONDS", 0.05)
        monkeypatch.setattr(kept, "LONGEST_PAUSE_SECONDS", 5.0)

        async def paused(seconds: float) -> None:
            pauses.append(seconds)

        monkeypatch.setattr(kept.asyncio, "sleep", paused)

        async def use(_: str) -> None:
            if len(pauses) == 12:
                clock.advance(kept.STEADY_SECONDS + 1)
            if len(pauses) < 13:
                raise Unavailable("reset")

        await keep(state, lambda: nullcontext("verb"), use)
        assert (state.opened, metric("restarts_total", state)) == (14, 13)
        assert all(2.5 <= pause <= 5.0 for pause in pauses[8:12])
        assert pauses[12] <= 0.05


@pytest.mark.parametrize(("asked", "paused"), [(0.0, 0.002), (7.0, 7.0), (1e9, kept.LONGEST_ASKED_SECONDS)])
async def test_a_peer_that_asks_for_a_pause_has_it(
    asked: float, paused: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within reason, and never a shorter one than ours; also where it is one of several that failed."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(kept.asyncio, "sleep", pause)
    monkeypatch.setattr(kept, "back_off", lambda: iter([0.002]))

    @asynccontextmanager
    async def opener() -> AsyncIterator[None]:
        if not pauses:
            raise ExceptionGroup("", [Unavailable("gone"), Unavailable("busy", after_seconds=asked)])
        yield

    async def use(_: None) -> None:
        return

    await keep(watched(), opener, use)
    assert pauses == [paused]


class TestMistakes:
    async def test_a_mistake_is_tried_again_only_now_and_then(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Loading a judge costs seconds of a core, and only a person can mend its bundle."""
        pauses: list[float] = []

        async def paused(seconds: float) -> None:
            pauses.append(seconds)

        monkeypatch.setattr(kept.asyncio, "sleep", paused)

        @asynccontextmanager
        async def opener() -> AsyncIterator[None]:
            if len(pauses) < 3:
                raise ExceptionGroup("", [ConfigError("models/pins", "is not there")])
            yield

        async def use(_: None) -> None:
            return

        state = watched()
        await keep(state, opener, use)
        assert pauses == [kept.MISTAKE_PAUSE_SECONDS] * 3
        assert state.error == "models/pins: is not there"

    async def test_why_the_first_opening_failed_is_kept(self) -> None:
        """It decides whether the gateway starts at all; what fails later does not."""
        tries = 0

        @asynccontextmanager
        async def opener() -> AsyncIterator[None]:
            nonlocal tries
            tries += 1
            if tries < 3:
                raise Unavailable(f"try {tries}")
            yield

        async def use(_: None) -> None:
            return

        state = watched()
        await keep(state, opener, use)
        assert str(state.first_error) == "try 1"

    def test_a_mistake_is_found_in_a_group(self) -> None:
        found = ConfigError("x", "y")
        assert mistake(ExceptionGroup("", [Unavailable("a"), ExceptionGroup("", [found])])) is found
        assert mistake(ExceptionGroup("", [Unavailable("a")])) is None


def test_a_secret_is_never_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """A library may put the address it dialled, with its password, into the text of its error."""
    log.conceal("hunter22")
    state = watched()
    state.become(State.DOWN, explain(OSError("cannot open mqtt://bridge:hunter22@broker")))
    assert state.error == "OSError: cannot open mqtt://bridge:***@broker"
    log.logger().warning("library", said="hunter22", exc_info=ValueError("hunter22"))
    words = capsys.readouterr().err
    assert "hunter22" not in words
    assert words.count("***") >= 3


def test_an_instance_that_is_gone_leaves_the_metrics() -> None:
    state = watched()
    state.forget()
    assert metric("up", state) is None
    assert metric("state", state, state="starting") is None
