"""One file that only grows: by offset, over restarts, truncation and rotation."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hotfolder_host import Host, Reasons, Watch

from bridge_hotfolder import HotfolderOptions
from bridge_hotfolder.listing import look
from bridge_hotfolder.seen import open_seen
from bridge_hotfolder.tail import Line, Tails

Tailing: TypeAlias = tuple[Path, Callable[[], Tails], Callable[[Tails], list[Line]]]

HEADER = "part,verdict,recipe\n"


@pytest.fixture
def tailing(tmp_path: Path) -> Iterator[Tailing]:
    """A tail over tmp_path/"in" that can be stopped and begun anew."""
    (tmp_path / "in").mkdir()
    options = HotfolderOptions(path=tmp_path / "in", complete="appended", results=("log*",), format="csv")
    with open_seen(tmp_path / "seen.db") as seen:

        def step(tails: Tails) -> list[Line]:
            return tails.step(look(options), 0.0)

        yield tmp_path / "in" / "log.csv", lambda: Tails(options, seen), step


def texts(lines: list[Line]) -> list[str]:
    return [line.data.decode().strip() for line in lines]


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_only_whole_lines_are_read_and_each_once(tailing: Tailing) -> None:
    """A line without its end is still being written."""
    path, begin, step = tailing
    tails = begin()
    append(path, HEADER[:4])
    assert step(tails) == []
    append(path, HEADER[4:] + "P1,OK,\nP2,")
    assert texts(step(tails)) == ["P1,OK,"]
    append(path, "NG,\n\n")
    assert texts(step(tails)) == ["P2,NG,"]
    assert step(tails) == []


def test_what_was_there_at_first_is_backlog(tailing: Tailing) -> None:
    """Lines appended later are live, in the same file."""
    path, begin, step = tailing
    append(path, HEADER + "P1,OK,\n")
    tails = begin()
    first = step(tails)
    append(path, "P2,OK,\n")
    assert [line.backlog for line in first + step(tails)] == [True, False]


def test_a_file_that_its_writer_keeps_closed_stops_no_other(
    tailing: Tailing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands in it once it can be read has waited, so it is backlog; what comes after that is live."""
    path, begin, step = tailing
    other, closed, opened = path.with_name("log2.csv"), True, Path.open

    def opening(self: Path, *args: Any, **more: Any) -> Any:
        if closed and self == other:
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, *args, **more)

    tails = begin()
    step(tails)
    append(path, HEADER + "P1,OK,\n")
    append(other, HEADER + "Q1,OK,\n")
    monkeypatch.setattr(Path, "open", opening)
    assert texts(step(tails)) == ["P1,OK,"]
    closed = False
    assert [(line.data[:2], line.backlog) for line in step(tails)] == [(b"Q1", True)]
    append(other, "Q2,OK,\n")
    assert [(line.data[:2], line.backlog) for line in step(tails)] == [(b"Q2", False)]


def test_a_restart_goes_on_after_the_last_recorded_line_in_order(tailing: Tailing) -> None:
    """A line not recorded is read again, and so is what came after it, under the same keys."""
    path, begin, step = tailing
    append(path, HEADER + "P1,OK,\nP2,OK,\nP3,OK,\n")
    tails = begin()
    one, two, three = step(tails)
    tails.done(one)
    tails.done(three)
    again = step(begin())
    assert [line.key for line in again] == [two.key, three.key]


def test_a_truncated_file_is_read_from_its_start_under_new_keys(tailing: Tailing) -> None:
    """The same line at the same place is another part."""
    path, begin, step = tailing
    append(path, HEADER + "P1,OK,\nP2,OK,\n")
    tails = begin()
    before = step(tails)
    path.write_text(HEADER + "P1,OK,\n")
    after = step(tails)
    assert texts(after) == ["P1,OK,"]
    assert after[0].key != before[0].key


def test_a_file_replaced_by_a_longer_one_is_noticed(tailing: Tailing) -> None:
    """Its beginning tells, not its size."""
    path, begin, step = tailing
    append(path, HEADER + "P1,OK,\n")
    tails = begin()
    step(tails)
    path.write_text(HEADER + "P7,OK,\nP8,OK,\nP9,OK,\n")
    assert texts(step(tails)) == ["P7,OK,", "P8,OK,", "P9,OK,"]


def test_a_rotated_file_is_finished_under_its_new_name(tailing: Tailing) -> None:
    """Nothing is read twice, and the last lines before the rotation are not lost."""
    path, begin, step = tailing
    append(path, HEADER + "P1,OK,\n")
    tails = begin()
    (one,) = step(tails)
    tails.done(one)
    append(path, "P2,OK,\n")
    path.rename(path.with_name("log.1"))
    append(path, HEADER + "P3,OK,\n")
    lines = step(tails)
    assert sorted(texts(lines)) == ["P2,OK,", "P3,OK,"]
    assert len({line.key for line in [one, *lines]}) == 3
    for line in lines:
        tails.done(line)
    assert step(begin()) == []


def test_a_header_of_columns_without_meaning_is_told_for_each_line(tailing: Tailing) -> None:
    """The lines come, with the header that the codec will refuse."""
    path, begin, step = tailing
    append(path, "a,b\n1,2\n")
    (line,) = step(begin())
    assert line.header == b"a,b\n"


async def test_garbage_between_lines_costs_those_lines_only(
    tmp_path: Path, watch: Watch, host: Host, reasons: Reasons
) -> None:
    """A bad line is kept with its reason, and the next is read."""
    results = tmp_path / "in" / "results.csv"
    async with watch(complete="appended"):
        results.write_bytes(b"part,verdict\nP1,OK\n\xff\xfe\x80\nP2,1,2,3\nP3,NG\n")
        await host.got(2)
        await host.until(lambda: len(reasons()) == 2)
    assert {part.part for part in host.parts} == {"P1", "P3"}


async def test_a_line_not_recorded_is_offered_again(tmp_path: Path, watch: Watch, host: Host) -> None:
    """As with files: under the same key, as backlog."""
    host.recorded = False
    async with watch(complete="appended"):
        (tmp_path / "in" / "results.jsonl").write_text("")
        (tmp_path / "in" / "results.csv").write_text("part,verdict\nP1,OK\n")
        await host.got(1)
        host.recorded = True
        await host.got(2)
        await asyncio.sleep(0.02)
    assert host.parts[0].key == host.parts[1].key
    assert [part.backlog for part in host.parts] == [False, True]
