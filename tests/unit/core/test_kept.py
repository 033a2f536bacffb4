"""A plugin within another is opened again by itself, under a name of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from core_kit import a_name, until

from bridge import health
from bridge.plugin import SourceOptions, Unavailable, count, kept
from bridge.plugin.discovery import Plugged, Plugin
from bridge.plugin.kept import kept_open


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(kept, "LONGEST_PAUSE_SECONDS", 0.002)


class Inner:
    """A plugin that is away for so many tries; its verb is the folder that it was given."""

    def __init__(self, away: int = 0, error: type[Exception] = Unavailable) -> None:
        self.away, self.error = away, error
        self.tries = 0
        self.closed = 0

    @property
    def plugged(self) -> Plugged:
        return Plugged(Plugin("source", "inner", SourceOptions, self.open, ""), SourceOptions())

    @asynccontextmanager
    async def open(self, options: SourceOptions) -> AsyncIterator[Path]:
        self.tries += 1
        if self.tries <= self.away:
            raise self.error("the share is away")
        try:
            yield options.home
        finally:
            self.closed += 1


async def test_it_is_tried_until_it_is_there_and_its_counts_bear_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inner, line = Inner(away=3), a_name("line")

    async def use(verb: Path) -> None:
        assert verb == tmp_path / "pictures"
        count("parts")

    with health.instance(line, "source"):
        await kept_open(inner.plugged, tmp_path / "pictures", "pictures", use)
        count("parts", 10)
    assert [health.counted(event, line, "source.pictures") for event in ("away", "parts")] == [3, 1]
    assert health.counted("parts", line, "source") == 10
    said = capsys.readouterr().err
    assert said.count("plugin down") == 1
    assert said.count("plugin up") == 1
    assert "the share is away" in said
    assert inner.closed == 1


async def test_a_bug_in_it_is_told_with_its_traceback_and_ends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inner = Inner(away=1, error=ZeroDivisionError)

    async def use(_: Path) -> None:
        return

    await kept_open(inner.plugged, tmp_path, "pictures", use)
    assert "Traceback" in capsys.readouterr().err


async def test_what_breaks_in_use_is_closed_before_it_is_opened_again(tmp_path: Path) -> None:
    inner = Inner()

    async def use(_: Path) -> None:
        assert inner.closed == inner.tries - 1
        if inner.tries < 3:
            raise Unavailable("hung up")

    await kept_open(inner.plugged, tmp_path, "verdicts", use)
    assert (inner.tries, inner.closed) == (3, 3)


async def test_a_cancellation_ends_it_closed(tmp_path: Path) -> None:
    inner = Inner()

    async def use(_: Path) -> None:
        await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(kept_open(inner.plugged, tmp_path, "verdicts", use))
    await until(lambda: inner.tries)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert inner.closed == 1
