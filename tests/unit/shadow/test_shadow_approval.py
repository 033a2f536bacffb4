"""Whether a report may take a line live."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import ConfigError
from bridge.shadow.approval import FILE, Wanted, against, read, reports, sealed

DAY = 86_400.0
NOW = 1_800_000_000.0
HASH = "ab" * 32
WANTED = Wanted(line="smt-3", goal=1, decision=HASH, now=NOW, days=60)
GOOD = {
    "line": "smt-3",
    "decision_hash": {"1": HASH, "2": "cd" * 32, "3": "ef" * 32},
    "verdict": {"1": {"state": "ready", "because": []}, "2": {"state": "not ready"}, "3": {"state": "need more"}},
    "to": NOW - 2 * DAY,
    "parts": 2_600_000,
}


def written(folder: Path, **changes: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(json.dumps(sealed({**GOOD, **changes})), encoding="utf-8")
    return folder


def test_a_passing_report_is_known_by_its_hash(tmp_path: Path) -> None:
    report = read(written(tmp_path / "r"))
    assert against(report, WANTED) == []
    assert report.sha256 == hashlib.sha256((tmp_path / "r" / FILE).read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("wanted", "changes", "said"),
    [
        ({"line": "smt-4"}, {}, "it is about line smt-3"),
        ({"goal": 2, "decision": "cd" * 32}, {}, "under goal 2 it says: not ready"),
        ({"goal": 3, "decision": "ef" * 32}, {}, "under goal 3 it says: need more"),
        ({}, {"verdict": {}}, "under goal 1 it says: silent"),
        (
            {"decision": "cd" * 32},
            {},
            "it is about decision hash abababababababab under goal 1, and live would be",
        ),
        ({}, {"decision_hash": {}}, "it is about decision hash none under goal 1"),
        ({}, {"decision_hash": {"1": HASH[:16]}}, "it is about decision hash abab"),
        ({}, {"to": NOW - 61 * DAY}, "it ends 61 days ago, and shadow.report_days is 60"),
        ({}, {"to": NOW + 2 * DAY}, "it ends in the future"),
        ({"since": NOW - DAY}, {}, "before the line fell back to shadow on"),
    ],
)
def test_each_reason_against_it_is_told(
    tmp_path: Path, wanted: dict[str, Any], changes: dict[str, Any], said: str
) -> None:
    [reason] = against(read(written(tmp_path, **changes)), replace(WANTED, **wanted))
    assert reason.startswith(said) or said in reason


def test_all_reasons_are_told_at_once(tmp_path: Path) -> None:
    reasons = against(read(written(tmp_path, to=0)), replace(WANTED, goal=2, since=NOW - DAY))
    assert len(reasons) == 4


@pytest.mark.parametrize(
    "text", ["", "[]", '{"line": "smt-3"}', "\x00", json.dumps(sealed({**GOOD, "to": "soon"})), json.dumps(GOOD)]
)
def test_what_is_no_report_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="is no report") as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("old", "new"), [('"not ready"', '"ready"'), ("2600000", "2600001"), ("smt-3", "smt-4")])
def test_a_report_that_somebody_changed_is_none(tmp_path: Path, old: str, new: str) -> None:
    """Whatever was changed; how it is laid out does not matter."""
    file = written(tmp_path) / FILE
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")), indent=3), encoding="utf-8")
    assert read(tmp_path).said.line == "smt-3"
    file.write_text(file.read_text("utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError, match="was changed after it was written; write it anew"):
        read(tmp_path)


def test_a_report_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path / "none")


def test_the_newest_report_comes_first(tmp_path: Path) -> None:

    assert reports(tmp_path, "smt-3") == []
    folders = [written(tmp_path / "reports" / "smt-3" / name) for name in ("b", "c", "a")]
    for age, folder in enumerate(folders):
        os.utime(folder / FILE, (NOW - age, NOW - age))
    assert reports(tmp_path, "smt-3") == folders
