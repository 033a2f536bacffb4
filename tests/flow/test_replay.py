"""A shadow month judged again from what the gateway kept: by its bundle, at another threshold, over a kill."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flow_kit import PATIENCE_SECONDS, Insisting, a_line, configured, parts, tiny_bundle, until

from bridge.clock import SystemClock
from bridge.config import Config
from bridge.config.shadow import Shadow
from bridge.errors import ConfigError, Unavailable
from bridge.messages import Verdict, ViewDecision
from bridge.replay.hands import PIECE_VIEWS
from bridge.shadow import reading
from bridge.shadow.month import NG, OK, Month
from bridge.simulate.factory import open_bridge
from bridge.simulate.parts import Played
from bridge.store import Archive, Images, Presented, Reader, Second, Span, Stratum
from bridge.store.ledger import Ledger
from bridge.store.schema import open_to_write

COUNT = 40
KEEP_ALL = "\n[images]\nsample = 1.0\n"

Run = subprocess.CompletedProcess[str]
Found = dict[str, Presented]


def command(path: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "bridge.cli", "replay", "line", *words, "--config", str(path / "bridge.toml")]


def replayed(path: Path, *words: str) -> str:
    """Run the command; return what it printed."""
    ended = subprocess.run(command(path, *words), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def records(folder: Path) -> Found:
    """Return the parts of a journal, by their id."""
    return {one.decision.id: one for one in Archive(folder).page(Span(line="line"), 0, 10_000)}


def read_month(folder: Path) -> Month:
    begin, end = reading.span(folder, "line")
    return reading.read(folder, "line", Shadow(), begin, end + 1).month


def again(path: Path, name: str) -> Found:
    return records(path / "var" / "replays" / name)


def seconds(found: Found) -> dict[str, list[Second]]:
    """Return the second records without what is another each time: when, how long, whether in time."""
    return {name: list(map(_timeless, one.seconds)) for name, one in found.items()}


def _timeless(second: Second) -> Second:
    views = tuple(map(_timeless_view, second.views))
    return replace(second, at=0.0, judge_ms=0.0, in_time=None, views=views)


def _timeless_view(view: ViewDecision) -> ViewDecision:
    return replace(view, judgement=replace(view.judgement, judge_ms=0.0) if view.judgement else None)


def scores(found: Found) -> list[float | None]:
    judged = [view.judgement for one in found.values() for second in one.seconds for view in second.views]
    return [one.score for one in judged if one]


def disagreements(found: Found) -> list[Second]:
    """Return the records of the parts on which somebody disagreed in the month, each drawn for sure."""
    said = [one.seconds[0] for one in found.values()]
    return [one for one in said if one.stratum is Stratum.DISAGREED]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A line's shadow, run by a real gateway that keeps every picture."""
    path = tmp_path_factory.mktemp("month")
    asyncio.run(_recorded(path))
    return path


def panel() -> Played:
    """Return a part of more views than are judged at once."""
    (one, *others) = parts(PIECE_VIEWS + 4, "panel")
    return replace(one, images={other.serial: other.images["top"] for other in others})


async def _recorded(path: Path) -> None:
    bundle = await asyncio.to_thread(tiny_bundle, path / "model", explained=True)
    _, config = await configured(path, bundle, a_line(stage="shadow", goal=1) + KEEP_ALL)
    async with open_bridge(path / "bridge.toml"):
        await Insisting(config.line[0].source.options.port).send([*parts(COUNT - 1), panel()])
        await until(lambda: _kept(config))


def _kept(config: Config) -> bool:
    reader, images = Reader(config.data), Images(config.data / "images")
    found = reader.decisions()
    kept = all(reader.seconds(one.id) and all(images.path(view.image) for view in one.views) for one in found)
    return len(found) == COUNT and kept


@pytest.fixture
def month(recorded: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(recorded, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_the_same_bundle_says_what_it_said_in_the_month(month: Path) -> None:
    """Same parts under the same numbers, same verdicts of model and goals, scores, boxes, heat maps and looks."""
    said = replayed(month, "--bundle", str(month / "model" / "bundle"), "--name", "again")
    was, now = records(month / "var"), again(month, "again")
    assert [one.decision for one in now.values()] == [one.decision for one in was.values()]
    assert [one.recorded_at for one in now.values()] == [one.recorded_at for one in was.values()]
    assert seconds(now) == seconds(was)
    assert {second.model for one in now.values() for second in one.seconds} == set(Verdict)
    views = [second.views for one in now.values() for second in one.seconds]
    assert max(map(len, views)) > PIECE_VIEWS
    assert all(view.judgement and view.judgement.picture for several in views for view in several)
    assert f"{COUNT} of {COUNT} parts judged" in said


def test_the_report_reads_the_month_again(month: Path) -> None:
    """What the judge said, and with what chance each part was drawn, stand where the report looks for them."""
    replayed(month, "--bundle", str(month / "model" / "bundle"), "--name", "again")
    was, now = (read_month(folder) for folder in (month / "var", month / "var" / "replays" / "again"))
    for name in (
        "number",
        "legacy",
        "model",
        "goals",
        "fallbacks",
        "stratum",
        "chance",
        "drawn",
        "lowest",
        "threshold",
    ):
        assert np.array_equal(getattr(now, name), getattr(was, name), equal_nan=True), name
    assert set(was.model.tolist()) == {OK, NG}


def test_another_threshold_on_the_scores_is_what_judging_again_says(month: Path) -> None:
    """And it moves verdicts, so that this says something."""
    highest = sorted(score for score in scores(records(month / "var")) if score is not None)
    threshold = f"{highest[-5]:.9f}"
    replayed(month, "--threshold", threshold, "--name", "held")
    bundle = str(month / "model" / "bundle")
    replayed(month, "--bundle", bundle, "--threshold", threshold, "--name", "judged")
    was, held, judged = records(month / "var"), again(month, "held"), again(month, "judged")
    goals = [{name: one.seconds[0].goals for name, one in found.items()} for found in (was, held, judged)]
    assert goals[0] != goals[1]
    assert goals[1] == goals[2]
    assert scores(held) == scores(judged)


def test_parts_without_pictures_are_counted_and_no_goal_is_scored(month: Path) -> None:
    """And the weights of those that were drawn like them add up to all that were drawn."""
    was = records(month / "var")
    gone = list(was.values())[::3]
    for one in gone:
        kept = Images(month / "var" / "images").path(one.decision.views[0].image)
        assert kept is not None
        kept.unlink()
    said = replayed(month, "--bundle", str(month / "model" / "bundle"), "--name", "poorer")
    without = {name for name, one in again(month, "poorer").items() if not one.seconds[0].goals}
    assert without == {one.decision.id for one in gone}
    assert f"{len(gone)} parts are not judged, for their pictures are not kept" in said
    disagreed, drawn = disagreements(was), disagreements(again(month, "poorer"))
    assert len(drawn) == len(disagreed)
    assert len({one.chance for one in drawn}) == 1
    weights = [1 / one.chance for one in drawn if one.drawn and one.chance]
    assert len(weights) < sum(weights)
    assert sum(weights) == pytest.approx(len(disagreed))
    told = json.loads((month / "var" / "replays" / "poorer" / "replay.json").read_text("utf-8"))
    assert (told["outcome"]["judged"], told["outcome"]["without_picture"]) == (COUNT - len(gone), len(gone))


def lengthened(folder: Path, times: int) -> int:
    """Have the same parts presented again and again, as rows of the journal; return how many there are."""
    found = list(records(folder).values())
    with closing(open_to_write(folder / "journal.db")) as connection:
        ledger = Ledger(connection, SystemClock())
        with ledger.transaction():
            for number in range(times * len(found)):
                one, name = found[number % len(found)], f"{number:032x}"
                ledger.commit(replace(one.decision, id=name, key=None), ())
                ledger.second(replace(one.seconds[0], id=name))
    return (times + 1) * len(found)


def there(folder: Path) -> int:
    """Return how many parts a replay has written."""
    return Archive(folder).count(Span(line="line"))[0] if (folder / "replay.json").exists() else 0


@pytest.mark.timeout(180)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_replay_goes_on(month: Path, how: signal.Signals) -> None:
    """The same command ends with the same journal as one that nobody killed, and then has nothing to do."""
    total = lengthened(month / "var", 20)
    words = ("--bundle", str(month / "model" / "bundle"), "--name", "killed")
    folder = month / "var" / "replays" / "killed"
    process = subprocess.Popen(command(month, *words), stderr=subprocess.PIPE, text=True)
    give_up, begun = time.monotonic() + PATIENCE_SECONDS, 0
    while not begun:
        assert time.monotonic() < give_up
        with suppress(ConfigError, Unavailable):  # just being made
            begun = there(folder)
    process.send_signal(how)
    _, complained = process.communicate()
    if how is signal.SIGINT:
        assert process.returncode == 130
        assert complained == "The same command goes on with it.\naoi-bridge: interrupted\n"
    assert 0 < begun <= there(folder) < total
    assert json.loads((folder / "replay.json").read_text("utf-8"))["finished_at"] is None
    assert f"{total:,} of {total:,} parts judged" in replayed(month, *words)
    assert seconds(again(month, "killed")) == seconds(records(month / "var"))
    assert f"{total:,} of {total:,} parts judged" in replayed(month, *words)


def test_another_replay_of_the_same_name_is_refused(month: Path) -> None:
    replayed(month, "--threshold", "0.5", "--name", "one")
    words = command(month, "--bundle", str(month / "model" / "bundle"), "--name", "one")
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "holds another replay (bundle none, threshold 0.5); write another --name, or remove it" in ended.stderr
    assert ended.stderr.count("\n") == 1
