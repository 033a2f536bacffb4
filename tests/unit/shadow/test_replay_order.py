"""What a person asks for becomes a job: which judge runs which bundle, over which parts, under which name."""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.clock import ManualClock
from bridge.config import load
from bridge.errors import ConfigError
from bridge.judging import bundle
from bridge.judging.trial import write_detector
from bridge.messages import Decision, Goal, Stage
from bridge.replay import manifest, order
from bridge.replay.order import Wanted
from bridge.replay.run import Job
from bridge.simulate.factory import DEMO_BUNDLE
from bridge.store.ledger import Ledger
from bridge.store.schema import FILE, open_to_write

JUDGE = """
[judge.{name}]
type = "{kind}"
model = "{model}"
"""
LINE = """
[[line]]
name = "smt-3"
goal = 1
judge = "first"
source = {type = "hotfolder", path = "aoi"}
"""
RECIPE = """
[line.recipe.M10]
judge = "second"
"""


@pytest.fixture
def detector(tmp_path: Path) -> Path:
    write_detector(tmp_path / "detector")
    return tmp_path / "detector"


def month(folder: Path, *judges: str, recipe: str = "") -> None:
    """Write a configuration of these judges, and a journal of three parts."""
    (folder / "bridge.toml").write_text("".join(judges) + LINE + recipe, encoding="utf-8")
    (folder / "var").mkdir()
    with closing(open_to_write(folder / "var" / FILE)) as connection:
        ledger = Ledger(connection, ManualClock())
        with ledger.transaction():
            for number in range(3):
                one = Decision(id=f"{number:032x}", line="smt-3", goal=Goal(1), stage=Stage.SHADOW, part="")
                ledger.commit(replace(one, event_at=100.0 + number), ())


def a_judge(name: str = "first", kind: str = "classifier", model: Path = DEMO_BUNDLE) -> str:
    return JUDGE.format(name=name, kind=kind, model=model)


def prepared(folder: Path, **wanted: object) -> tuple[Job, manifest.Manifest, Path]:
    asked = Wanted(**{"line": "smt-3", **wanted})  # type: ignore[arg-type]
    return order.prepared(asked, load(folder / "bridge.toml"), ManualClock())


def test_a_model_of_the_data_folder_goes_by_its_name(tmp_path: Path) -> None:
    """``bolts@candidate`` is its newest version that is not live."""
    month(tmp_path, a_judge())
    made = bundle.load(DEMO_BUNDLE).manifest
    folder = tmp_path / "var" / "models" / made.name / str(made.version)
    shutil.copytree(DEMO_BUNDLE, folder)
    job, _, _ = prepared(tmp_path, bundle=f"{made.name}@candidate")
    assert job.judges["first"].options.model == str(folder)


def test_the_only_judge_runs_the_bundle_on_one_core_with_its_own_options(tmp_path: Path) -> None:
    month(tmp_path, a_judge() + "threshold = 0.7\nthreads = 2\n")
    job, told, folder = prepared(tmp_path, bundle=str(DEMO_BUNDLE), workers=3)
    options = job.judges["first"].options
    assert (options.model, options.threshold, options.threads) == (str(DEMO_BUNDLE), 0.7, 1)
    identity = bundle.load(DEMO_BUNDLE).identity
    assert (told.bundle, told.parts, told.last, job.workers) == (identity, 3, 3, 3)
    name, version, _ = identity.split()
    assert folder == tmp_path / "var" / "replays" / f"smt-3-{name}-{version}"


def test_a_bundle_of_another_kind_is_run_by_the_judge_of_its_kind(tmp_path: Path, detector: Path) -> None:
    month(tmp_path, a_judge())
    job, _, _ = prepared(tmp_path, bundle=str(detector))
    assert job.judges["first"].plugin.name == "detector"
    assert job.judges["first"].options.model == str(detector)


def test_of_several_judges_the_one_that_runs_this_model_takes_the_bundle(tmp_path: Path, detector: Path) -> None:
    """The parts of other recipes are judged as ever, and keep their threshold."""
    month(tmp_path, a_judge(), a_judge("second", "detector", detector), recipe=RECIPE)
    job, _, _ = prepared(tmp_path, bundle=str(detector), threshold=0.9)
    assert job.judges_held == {"second"}
    assert job.judges["first"].options.model == str(DEMO_BUNDLE)


def test_a_bundle_that_no_judge_of_several_runs_is_refused(tmp_path: Path, detector: Path) -> None:
    month(tmp_path, a_judge(), a_judge("second"), recipe=RECIPE)
    with pytest.raises(ConfigError, match="no version of what the judges first, second of this line run"):
        prepared(tmp_path, bundle=str(detector))


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"line": "smt-4"}, "line 'smt-4': is not in the configuration; write one of smt-3"),
        ({}, "replay: is told neither a bundle nor a threshold; write --bundle or --threshold"),
        ({"threshold": 0.5, "since": 200.0}, "has no part in .* in this span; write another span"),
    ],
)
def test_what_makes_no_replay_is_said_in_one_line(tmp_path: Path, wanted: dict[str, object], said: str) -> None:
    month(tmp_path, a_judge())
    with pytest.raises(ConfigError, match=said):
        prepared(tmp_path, **wanted)


def test_a_replay_that_was_begun_keeps_its_end_though_more_parts_have_come(tmp_path: Path) -> None:
    """So that it ends, beside a line that goes on."""
    month(tmp_path, a_judge())
    _, told, folder = prepared(tmp_path, threshold=0.5, until=102.0)
    assert (told.parts, told.last) == (2, 2)
    folder.mkdir(parents=True)
    manifest.write(folder, replace(told, parts=1, last=1))
    job, again, _ = prepared(tmp_path, threshold=0.5, until=102.0)
    assert (again.last, job.span.last, job.parts) == (1, 1, 1)


def test_other_rules_are_another_replay(tmp_path: Path) -> None:
    """What moves verdicts is part of what a replay is; another MES is not."""
    month(tmp_path, a_judge())
    _, told, folder = prepared(tmp_path, threshold=0.5)
    folder.mkdir(parents=True)
    manifest.write(folder, told)
    path = tmp_path / "bridge.toml"
    path.write_text(path.read_text("utf-8") + "deadline_ms = 500\n", encoding="utf-8")
    prepared(tmp_path, threshold=0.5)
    path.write_text(path.read_text("utf-8") + 'clearable_codes = ["SHORT"]\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="holds another replay"):
        prepared(tmp_path, threshold=0.5)
