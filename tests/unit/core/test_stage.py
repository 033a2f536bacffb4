"""Going live and back by ``aoi-bridge stage``: what it refuses, what it writes, and what is to be rewired."""

from __future__ import annotations

import asyncio
import errno
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import core_plugins
import pytest
from core_kit import a_name, until
from filelock import FileLock

from bridge import approvals, starting
from bridge.cli.main import main
from bridge.cli.rewiring import going_back, going_live
from bridge.config import Line, load
from bridge.config.changes import facts
from bridge.config.decision import decision_hashes
from bridge.config.edit import draft, edited, take
from bridge.control import open_control
from bridge.errors import ConfigError
from bridge.gateway import open_gateway
from bridge.messages import Stage
from bridge.shadow.approval import sealed
from bridge.store import Reader

NAME = a_name("staged")
TEXT = """# the plant's own words
http = {{port = 0}}

[judge.well]
type = "opinion"

[[line]]
name = "{name}"   # beside the oven
goal = 2          # for now
topology = "tap"
judge = "well"
{more}
[line.source]
type = "feed"     # the old one
tag = "{name}"
parts = 1

[line.recipe.M10]
[line.recipe.M12]

[[line.reporter]]
type = "tell"
name = "plc"
lane = "realtime"
tag = "{name}"
"""


def written(folder: Path, more: str = "", name: str = NAME) -> Path:
    path = folder / "bridge.toml"
    path.write_text(TEXT.format(name=name, more=more), encoding="utf-8")
    return path


def stage(path: Path, *words: str) -> int:
    return main(["stage", NAME, *words, "--config", str(path)])


def report(path: Path, name: str = "2026-11", **changes: Any) -> Path:
    """Write a report that says ready for what the file would be live with."""
    config = load(path)
    about = facts(config, starting.models(config))[NAME]
    said = {
        "line": NAME,
        "decision_hash": decision_hashes(about),
        "verdict": {"1": {"state": "ready"}, "2": {"state": "not ready"}, "3": {"state": "need more"}},
        "to": time.time() - 3600,
    }
    folder = config.data / "reports" / NAME / name
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps(sealed({**said, **changes})), encoding="utf-8")
    return folder


@pytest.fixture
def path(tmp_path: Path, plugins: Path) -> Path:
    del plugins
    return written(tmp_path)


@contextmanager
def nothing_changes(path: Path) -> Iterator[None]:
    before = path.read_bytes()
    yield
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.glob(".bridge*")] == []


def test_without_a_report_a_line_stays_in_shadow(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with nothing_changes(path):
        assert stage(path, "live", "--goal", "1") == 2
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith(f"line.{NAME}: there is no report under ")
    assert "it stays in shadow until a report passes" in last


@pytest.mark.parametrize(
    ("goal", "changes", "said"),
    [
        ("2", {}, "under goal 2 it says: not ready"),
        ("1", {"decision_hash": {"1": "0" * 64}}, "it is about decision hash 0000000000000000 under goal 1"),
        ("1", {"to": 1.0}, "days ago, and shadow.report_days is 60"),
    ],
)
def test_each_reason_against_a_report_is_a_line(
    path: Path, capsys: pytest.CaptureFixture[str], goal: str, changes: dict[str, Any], said: str
) -> None:
    report(path, **changes)
    with nothing_changes(path):
        assert stage(path, "live", "--goal", goal) == 2
    assert said in capsys.readouterr().err.splitlines()[0]


def test_a_report_for_another_threshold_does_not_pass(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report(path)
    written(path.parent, "threshold = 0.7")
    assert stage(path, "live", "--goal", "1") == 2
    assert "something that moves verdicts has changed since" in capsys.readouterr().err


async def test_a_passing_report_takes_it_live_and_the_file_keeps_its_words(
    path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with open_gateway(await asyncio.to_thread(load, path)):
        pass
    await asyncio.to_thread(report, path, "older")
    folder = await asyncio.to_thread(report, path, "newer")
    assert await asyncio.to_thread(stage, path, "live", "--goal", "1") == 0
    out = capfd.readouterr().out
    assert f"{NAME} is live under goal 1: decision hash " in out
    assert "the next start takes it" in out
    text = await asyncio.to_thread(path.read_text)
    assert "goal = 1          # for now\n" in text
    assert 'type = "feed"     # the old one\n' in text
    assert text.replace('stage = "live"\n', "").replace("goal = 1 ", "goal = 2 ") == TEXT.format(
        name=NAME, more=""
    )
    config = await asyncio.to_thread(load, path)
    [approval] = (await asyncio.to_thread(approvals.look, config.data))[NAME].approvals
    assert (approval.report, approval.goal) == (str(folder), 1)
    async with open_gateway(config):
        pass
    for change in await asyncio.to_thread(lambda: Reader(config.data).audited_as("goal", "stage")):
        assert change.why == f"approved: the report {folder}"


def test_the_report_that_is_named_is_the_one(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = report(path, "good"), report(path, "bad", to=1.0)
    assert stage(path, "live", "--goal", "1", "--report", str(bad)) == 2
    assert str(bad) in capsys.readouterr().err
    assert stage(path, "live", "--goal", "1", "--report", str(good)) == 0


def test_a_word_stands_for_a_report(path: Path) -> None:
    written(path.parent, 'live_because = "QA-1"')
    assert stage(path, "live", "--goal", "3", "--override", "QA-7") == 0
    line = load(path).line[0]
    assert (line.stage, line.goal, line.live_because) == ("live", 3, "")
    [approval] = approvals.look(load(path).data)[NAME].approvals
    assert (approval.why, approval.report) == ("QA-7", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["live"], "stage live: needs a goal"),
        (["live", "--goal", "1", "--report", "x", "--override", "y"], "not both"),
        (["shadow"], "stage shadow: needs a reason"),
        (["live", "--goal", "1", "--override", "x", "--recipe", "M99"], '"M99" is not a recipe of this line'),
    ],
)
def test_a_slip_is_one_line(path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    with nothing_changes(path):
        assert stage(path, *words) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert said in line
    assert ".bridge." not in line


def test_a_model_that_is_not_there_is_not_approved(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_text(
        path.read_text(encoding="utf-8").replace('type = "opinion"', 'type = "classifier"\nmodel = "pins"'),
        encoding="utf-8",
    )
    assert stage(path, "live", "--goal", "1", "--override", "QA-7") == 2
    assert "without it nobody knows what would be live" in capsys.readouterr().err


async def test_a_gateway_that_runs_takes_it_at_once(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    await asyncio.to_thread(report, path)
    async with open_gateway(await asyncio.to_thread(load, path)) as gateway, open_control(gateway):
        assert await asyncio.to_thread(stage, path, "live", "--goal", "1") == 0
        out = capfd.readouterr().out
        assert f"line.{NAME}.stage: shadow → live" in out
        assert gateway.lines[NAME].config.stage == "live"
        assert gateway.config.fingerprint == (await asyncio.to_thread(load, path)).fingerprint
        assert (await approvals.read(gateway.journal))[NAME].approvals[0].report
        await until(lambda: len(core_plugins.answered[NAME]) >= 2)
        assert await asyncio.to_thread(stage, path, "shadow", "--because", "QA-9") == 0
        assert gateway.lines[NAME].config.stage == "shadow"
        assert (await approvals.read(gateway.journal))[NAME].approvals == ()
        [*_, back] = await asyncio.to_thread(lambda: Reader(gateway.config.data).audited_as("stage"))
        assert (back.new, back.why) == ("shadow", "QA-9")
    assert 'stage = "shadow"' in await asyncio.to_thread(path.read_text)


async def test_what_a_gateway_refuses_is_not_written(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Here another line of the file is live on nobody's word."""
    async with open_gateway(await asyncio.to_thread(load, path)) as gateway, open_control(gateway):
        other = TEXT.format(name="other", more='stage = "live"').partition("[[line]]")[2]
        await asyncio.to_thread(path.write_text, TEXT.format(name=NAME, more="") + "[[line]]" + other)
        with nothing_changes(path):
            assert await asyncio.to_thread(stage, path, "live", "--goal", "1", "--override", "QA-7") == 2
        assert "line.other: none → live" in capfd.readouterr().err
        assert gateway.lines[NAME].config.stage == "shadow"
        assert (await approvals.read(gateway.journal)).get(NAME, approvals.Permit()).approvals == ()


def test_one_recipe_goes_live_first(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report(path)
    assert stage(path, "live", "--goal", "1", "--recipe", "M10") == 0
    assert "for M10 only" in capsys.readouterr().out
    line = load(path).line[0]
    assert line.live_recipes == ("M10",)
    assert [line.stage_of(name) for name in ("M10", "M12", "", "M99")] == [
        Stage.LIVE,
        Stage.SHADOW,
        Stage.SHADOW,
        Stage.SHADOW,
    ]
    assert approvals.look(load(path).data)[NAME].approvals[0].recipes == ("M10",)
    assert starting.objections(load(path)) == []
    wider = path.read_text(encoding="utf-8").replace('["M10"]', '["M10", "M12"]')
    path.write_text(wider, encoding="utf-8")
    assert len(starting.objections(load(path))) == 1
    assert stage(path, "live", "--goal", "1") == 0
    assert load(path).line[0].live_recipes == ()
    assert starting.objections(load(path)) == []


def test_two_at_once_are_one_and_a_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Else the gateway could take one of them last, and the file the other."""
    folder = report(path).parents[2]
    with FileLock(folder / "stage.lock"), nothing_changes(path):
        assert stage(path, "live", "--goal", "1") == 2
    [said] = capsys.readouterr().err.splitlines()
    assert said == "stage: another aoi-bridge stage is at work; look what came of it, and write this one again"
    assert stage(path, "live", "--goal", "1") == 0


def test_a_file_that_cannot_be_replaced_is_known_first(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where it is mounted by itself into a container: nothing is approved, and nothing goes live."""

    def busy(*_: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    report(path)
    monkeypatch.setattr(Path, "replace", busy)
    with nothing_changes(path):
        assert stage(path, "live", "--goal", "1") == 2
    [said] = capsys.readouterr().err.splitlines()
    assert said == f"{path}: cannot be replaced (Device or resource busy); let this user write there"
    assert approvals.look(load(path).data) == {}


def test_an_unknown_line_is_one_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stage", "smt-9", "live", "--goal", "1", "--config", str(path)]) == 2
    assert capsys.readouterr().err.strip() == f"line.smt-9: is not a line of this file; write one of {NAME}"


class TestEditing:
    @pytest.mark.parametrize("text", ["{0}", "\ufeff{0}"])
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_marks_and_line_ends_stay(self, text: str, end: str) -> None:
        before = text.format(TEXT.format(name="a", more='stage = "shadow"')).replace("\n", end)
        after = edited(before, "a", {"stage": "live", "goal": 2, "live_because": None})
        assert after == before.replace('stage = "shadow"', 'stage = "live"')

    def test_lines_may_be_written_in_a_row(self) -> None:
        text = 'line = [{name = "a", goal = 1}, {name = "b", goal = 1}]  # both\n'
        assert edited(text, "b", {"goal": 2}) == text.replace('"b", goal = 1', '"b", goal = 2')

    def test_a_key_that_is_new_stands_above_the_tables(self) -> None:
        text = edited(TEXT.format(name="a", more=""), "a", {"live_recipes": ["M10"]})
        head, _, _ = text.partition("[line.source]")
        assert 'live_recipes = ["M10"]\n' in head
        assert edited(text, "a", {"live_recipes": None}) == TEXT.format(name="a", more="")

    def test_a_line_that_is_not_there_is_a_mistake(self) -> None:
        with pytest.raises(ConfigError, match=r"line\.b: is not in the file"):
            edited(TEXT.format(name="a", more=""), "b", {})

    def test_a_draft_is_taken_or_gone(self, tmp_path: Path) -> None:
        path = tmp_path / "bridge.toml"
        path.write_text("old", encoding="utf-8")
        path.chmod(0o640)
        with draft(path, "new"):
            assert path.read_text(encoding="utf-8") == "old"
        assert [one.name for one in tmp_path.iterdir()] == ["bridge.toml"]
        with draft(path, "new") as beside:
            take(beside, path)
        assert path.read_text(encoding="utf-8") == "new"
        assert path.stat().st_mode & 0o777 == 0o640
        assert [one.name for one in tmp_path.iterdir()] == ["bridge.toml"]


class TestRewiring:
    def line(self, path: Path, **changes: Any) -> Line:
        return load(path).line[0].model_copy(update=changes)

    @pytest.mark.parametrize(
        ("goal", "moves", "stays"),
        [(1, "the inspector's NG must", "its OK stays"), (2, "the inspector's OK must", "its NG stays")],
    )
    def test_beside_a_tap_what_the_goal_rechecks_moves_to_us(
        self, path: Path, goal: int, moves: str, stays: str
    ) -> None:
        said = "\n".join(going_live(self.line(path, goal=goal)))
        assert moves in said
        assert stays in said
        assert "by plc (tell)" in said
        assert "MES: no [[line.reporter]] of the lane guaranteed is there" in said
        assert moves.removesuffix(" must") in "\n".join(going_back(self.line(path, goal=goal)))

    @pytest.mark.parametrize(("goal", "bypass"), [(1, True), (2, True), (3, False)])
    def test_inline_a_bypass_stands_in_for_a_dead_bridge(self, path: Path, goal: int, *, bypass: bool) -> None:
        said = "\n".join(going_live(self.line(path, goal=goal, topology="inline")))
        assert ("fit a bypass for a dead bridge" in said) == bypass
        assert ("there is no bypass" in said) != bypass
        assert len(going_back(self.line(path, topology="inline"))) == 1

    def test_a_ramp_is_told(self, path: Path) -> None:
        assert "Only parts of M10 are live" in "\n".join(going_live(self.line(path, live_recipes=("M10",))))

    def test_the_register_map_is_that_of_the_lines_own_reporter(self, tmp_path: Path, path: Path) -> None:
        text = path.read_text(encoding="utf-8").replace('type = "tell"', 'type = "modbus"\nhost = "10.0.0.5"')
        text = text.replace('lane = "realtime"\ntag = ', "status_address = 300\n# ")
        (tmp_path / "bridge.toml").write_text(text, encoding="utf-8")
        said = going_live(load(tmp_path / "bridge.toml").line[0])
        assert "Registers of plc: aoi-bridge modbus-map --status-address 300" in said
        assert any("by plc (modbus, 10.0.0.5:502)" in one for one in said)
