"""The book of labels: nothing twice, nothing changed, several writers, one line where the disk refuses."""

from __future__ import annotations

import multiprocessing
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.clock import ManualClock
from bridge.errors import ConfigError, Unavailable
from bridge.labels import Label
from bridge.messages import Verdict
from bridge.store import open_labels
from bridge.store.labels import APPLICATION, FILE, MIGRATIONS, Added, columns, labels

ID = "0198c0de" * 4
SAID = Label(
    verdict=Verdict.NG,
    who="Kim",
    at=1_700_000_000.25,
    part="B-1",
    id=ID,
    defect="E12",
    note="bridge at pin 4",
    blind=True,
    key="row 1",
    line="smt-3",
    road="repair",
)


def test_a_label_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """Every field of it, also a serial number that is no Unicode."""
    odd = replace(SAID, part="B\udcff", id="", verdict=Verdict.OK, decides=True, blind=False, key=None)
    with open_labels(tmp_path, ManualClock()) as book:
        assert book.add([SAID, odd]) == Added(new=2, known=0)
    assert labels(tmp_path) == [replace(SAID, number=1), replace(odd, number=2)]
    assert labels(tmp_path, "smt-3", after=1) == [replace(odd, number=2)]
    assert labels(tmp_path, "smt-4") == []


def test_a_label_that_is_told_again_is_known_by_its_road_and_key(tmp_path: Path) -> None:
    """A station that sends twice is counted once; another line or road has keys of its own."""
    others = [replace(SAID, line="smt-4"), replace(SAID, road="csv"), replace(SAID, key="row 2")]
    with open_labels(tmp_path) as book:
        assert book.add([SAID, SAID]) == Added(new=1, known=1)
        assert book.add([replace(SAID, verdict=Verdict.OK), *others]) == Added(new=3, known=1)
        assert book.add([replace(SAID, key=None), replace(SAID, key=None)]) == Added(new=2, known=0)
    assert labels(tmp_path)[0].verdict is Verdict.NG


def test_a_label_is_never_changed_or_removed(tmp_path: Path) -> None:
    """The file itself refuses."""
    with open_labels(tmp_path) as book:
        book.add([SAID])
    with closing(sqlite3.connect(tmp_path / FILE)) as other:
        for statement in ("UPDATE label SET verdict = 1", "DELETE FROM label"):
            with pytest.raises(sqlite3.DatabaseError, match="append-only"):
                other.execute(statement)


@pytest.mark.parametrize("lacking", [{"part": "", "id": ""}, {"who": " "}, {"line": ""}, {"road": ""}])
def test_a_label_of_nobody_or_of_nothing_is_refused(tmp_path: Path, lacking: dict[str, str]) -> None:
    """It could never be used, and nothing of the same call is written."""
    with open_labels(tmp_path) as book, pytest.raises(ValueError, match="label"):
        book.add([replace(SAID, key="before"), replace(SAID, **lacking)])  # type: ignore[arg-type]
    assert labels(tmp_path) == []


def _write(folder: Path, name: str) -> None:
    with open_labels(folder) as book:
        for number in range(40):
            book.add([replace(SAID, who=name, key=f"{name} {number}"), replace(SAID, key=f"shared {number}")])


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    """None of them fails, also not on the very first opening, and every label is there once."""
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_write, args=(tmp_path, name)) for name in ("a", "b", "c")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(50)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert len(labels(tmp_path)) == len({label.key for label in labels(tmp_path)}) == 160


def test_columns_are_the_rows_turned(tmp_path: Path) -> None:
    """What the report reads in bulk, of one line alone; nothing where there is no book."""
    assert columns(tmp_path, "smt-3").number == ()
    with open_labels(tmp_path) as book:
        book.add([SAID, replace(SAID, line="smt-4"), replace(SAID, id="", key=None, verdict=Verdict.OK)])
    said = columns(tmp_path, "smt-3")
    assert (said.number, said.verdict, said.id) == ((1, 3), (2, 1), (bytes.fromhex(ID), None))
    assert (said.who, said.part, said.blind, said.road) == (("Kim",) * 2, ("B-1",) * 2, (1, 1), ("repair",) * 2)


def test_a_file_that_is_no_book_is_left_alone(tmp_path: Path) -> None:
    """It is named in one line, by writers and by readers."""
    (tmp_path / FILE).write_bytes(b"this is no database, and long enough to be read as one" * 40)
    with pytest.raises(ConfigError, match="is no book of labels"), open_labels(tmp_path):
        pass
    with pytest.raises(ConfigError, match="is no book of labels"):
        labels(tmp_path)
    assert b"no database" in (tmp_path / FILE).read_bytes()


def test_a_book_of_a_newer_bridge_is_not_written(tmp_path: Path) -> None:
    """It says who can."""
    with closing(sqlite3.connect(tmp_path / FILE)) as newer:
        newer.executescript(f"PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {len(MIGRATIONS) + 1};")
    with pytest.raises(ConfigError, match="install the aoi-bridge that wrote it"), open_labels(tmp_path):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full")
def test_a_disk_that_refuses_is_one_line(tmp_path: Path) -> None:
    """It names the file; what was written before stays."""
    with open_labels(tmp_path) as book:
        book.add([SAID])
        book.connection.execute("PRAGMA max_page_count = 8")
        many = [replace(SAID, key=str(number), note="x" * 4000) for number in range(100)]
        with pytest.raises(Unavailable, match=r"labels\.db: database or disk is full"):
            book.add(many)
    assert len(labels(tmp_path)) == 1
