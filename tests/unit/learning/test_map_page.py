"""An anomaly judge's evaluation shows by pixel what it is worth, and what it missed; no Keras here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import spotted

from bridge.cli.main import main

pytest.importorskip("matplotlib")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spotted.write(tmp_path / "set")


def evaluated(*words: str) -> tuple[str, dict[str, object]]:
    assert main(["evaluate", "spots", "set/set.csv", "--ok", "lit", "--out", "told", *words]) == 0
    return Path("told.html").read_text(encoding="utf-8"), json.loads(Path("told.json").read_text(encoding="utf-8"))


def test_drawn_defects_are_shown_the_least_found_first() -> None:
    """Each with what it adds to PRO; of a bad one that nobody drew nothing is said by pixel."""
    spotted.judge(Path("spots"), anomaly=True)
    page, told = evaluated("--polygons", "set")
    anomaly = told["anomaly"]
    assert isinstance(anomaly, dict)
    drawn = [one["pro"] for one in anomaly["drawn"]]
    assert len(drawn) == 11
    assert drawn == sorted(drawn)
    mean = sum(drawn) / len(drawn)
    assert mean == pytest.approx(anomaly["pixel"]["figures"]["pro"]["value"], abs=1e-5)
    for said in ("Where it sees the defect", "least found first", "PRO to 30% false alarms", "1 NG left out"):
        assert said in page
    assert page.count("<br>PRO of this picture") == 11


def test_without_a_drawing_figures_are_by_picture() -> None:
    spotted.judge(Path("spots"), anomaly=True)
    page, told = evaluated()
    assert "No defect is drawn in these pictures" in page
    assert "PRO of this picture" not in page
    assert isinstance(told["anomaly"], dict)
    assert told["anomaly"]["pixel"] is None
