"""``aoi-bridge shadow plan``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bridge.cli.main import main

EXPECTED = ["--parts-per-day", "4000", "--ng", "0.003", "--false-calls", "0.02"]


def test_a_month_that_is_not_enough_is_said_with_what_would_be(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["shadow", "plan", *EXPECTED, "--missed", "0.002"]) == 1
    said = capsys.readouterr().out
    assert "True NG overruled: a month is not enough; instead" in said
    assert "known-bad parts more" in said
    assert "lines like this, pooled" in said
    assert "at 50 ppm it finds none in 93% of months" in said


def test_a_month_that_is_enough_ends_well_and_says_it_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["shadow", "plan", *EXPECTED, "--ng", "0.05", "--escapes-ppm", "500", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [need["days"] <= 30 for need in said["needs"]] == [True, True, True]
    assert said["claim"]["correlation"] == 0.1


def test_a_month_of_too_few_lots_is_no_plan(capsys: pytest.CaptureFixture[str]) -> None:
    few = [*EXPECTED, "--ng", "0.05", "--escapes-ppm", "800", "--lots-per-day", "0.5", "--correlation", "0"]
    assert main(["shadow", "plan", *few]) == 1
    assert "Lots: a month has 15, and at least 20 are asked for" in capsys.readouterr().out
    assert main(["shadow", "plan", *few[:-4], "--lots-per-day", "1", "--correlation", "0"]) == 0


def test_a_line_s_own_limits_count_unless_others_are_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bridge.toml"
    main(["init", "--source", "tcp", "--reporter", "tcp", "--out", str(file)])
    text = file.read_text(encoding="utf-8")
    capsys.readouterr()
    file.write_text(text + "\n[line.shadow]\ndays = 60\nmiss_limit = 0.02\n", encoding="utf-8")
    name = text.split('name = "', 1)[1].split('"', 1)[0]
    main(["shadow", "plan", name, "--config", str(file), *EXPECTED, "--days", "90", "--json"])
    claim = json.loads(capsys.readouterr().out)["claim"]
    assert (claim["days"], claim["miss_limit"]) == (90, 0.02)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--ng", "0.01", "--false-calls", "0.02"], "--parts-per-day: is missing; write how many"),
        ([*EXPECTED, "--ng", "0.99"], "--ng: and --false-calls are more than all parts"),
        ([*EXPECTED, "--confidence", "0.3"], "--confidence: 0.3: input should be greater"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["shadow", "plan", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith(said)
    assert error.count("\n") == 1
