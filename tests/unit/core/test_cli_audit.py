"""``aoi-bridge audit``: what a quality engineer and an auditor see."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bridge.cli.main import main
from bridge.store import Entry, Reader, record


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a data folder with three entries."""
    for line, at in (("smt-3", 1_700_000_000), ("smt-4", 1_700_100_000), ("smt-3", 1_700_200_000)):
        entry = Entry(what="threshold", who="ann", line=line, old="0.5", new="0.6", why="QA-7 [b]\x1b[2J", at=at)
        record(tmp_path, entry)
    return tmp_path


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, object]]:
    assert main(["audit", "show", "--json", *words]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_entries_are_listed_by_line_and_by_time(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From a day, or a moment with its zone."""
    folder = ["--data", str(data)]
    assert [row["number"] for row in shown(capsys, *folder)] == [1, 2, 3]
    assert [row["number"] for row in shown(capsys, *folder, "--line", "smt-3")] == [1, 3]
    (last,) = shown(capsys, *folder, "--since", "2023-11-16T22:13:20+00:00", "--line", "smt-3")
    assert (last["at"], last["old"], last["new"]) == ("2023-11-17T05:46:40+00:00", "0.5", "0.6")
    assert len(str(last["hash"])) == 64
    assert len(shown(capsys, *folder, "--since", "2023-11-16")) in {1, 2}


def test_an_entry_is_text_for_people_and_steers_no_terminal(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a machine sent may stand in it."""
    assert main(["audit", "show", "--data", str(data), "--line", "smt-4"]) == 0
    first, changed, why = capsys.readouterr().out.splitlines()
    assert first.startswith("2  2023-11-1")
    assert first.endswith("  line smt-4  threshold, by ann")
    assert (changed.strip(), why.strip()) == ("0.5 → 0.6", r"because: QA-7 [b]\x1b[2J")


def test_a_whole_log_is_said_to_be_whole(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    newest = Reader(data).audit()[-1].hash.hex()
    assert main(["audit", "verify", "--data", str(data), "--number", "3", "--hash", newest[:16]]) == 0
    assert capsys.readouterr().out == f"The audit log is whole; its newest entry is 3 with hash {newest}\n"


@pytest.mark.parametrize(
    ("statement", "words", "fault"),
    [
        ("UPDATE audit SET new = '0.7' WHERE number = 2", [], "entry 2 is not what was written"),
        ("DELETE FROM audit WHERE number = 3", [], "entry 3 is missing: the end was cut off"),
        ("SELECT 1", ["--number", "2", "--hash", "0" * 64], "entry 2 is not the one whose hash was copied"),
        ("SELECT 1", ["--number", "9", "--hash", "0" * 64], "entry 9 is missing"),
    ],
)
def test_a_fault_is_one_line_that_names_the_entry(
    data: Path, capsys: pytest.CaptureFixture[str], statement: str, words: list[str], fault: str
) -> None:
    with closing(sqlite3.connect(data / "journal.db", isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER audit_is_not_changed")
        connection.execute("DROP TRIGGER audit_is_not_shortened")
        connection.execute(statement)
    assert main(["audit", "verify", "--data", str(data), *words]) == 1
    (said,) = capsys.readouterr().out.splitlines()
    assert said.startswith(f"The audit log is not as it was written: {fault}")


@pytest.mark.parametrize(
    "words",
    [["verify", "--hash", "0" * 64], ["verify", "--number", "1"], ["verify"]],
)
def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    """Half a copy, or a folder without a journal."""
    assert main(["audit", *words, "--data", str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_nothing_to_show_is_said_so(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Silence would pass for "nothing was changed" where a name is mistyped."""
    assert main(["audit", "show", "--line", "smt-33", "--data", str(data)]) == 0
    assert capsys.readouterr().out == "No entry is as recent, or of this line.\n"


@pytest.mark.parametrize(
    "words",
    [
        ["verify", "--hash", "ab"],
        ["verify", "--hash", "0" * 64, "--number", "0"],
        ["verify", "--hash", "0" * 64, "--number", "-1"],
        ["show", "--since", "yesterday"],
        [],
    ],
)
def test_a_wrong_command_line_is_one_line(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["audit", *words])
    assert left.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
