"""How a folder is written is told from listings alone, and nothing in it is changed by looking."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.sniff import watch as watching
from bridge.sniff.capture import Capture, Event
from bridge.sniff.feed import history
from bridge.sniff.files import stories
from bridge.sniff.watch import Mark, Watch, changes

MARKS = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d.tmp", "e/f"]),
    st.builds(Mark, st.integers(0, 3), st.integers(0, 2), st.integers(1, 5)),
    max_size=5,
)


@given(before=MARKS, now=MARKS)
def test_changes_lead_from_one_listing_to_the_next(before: dict[str, Mark], now: dict[str, Mark]) -> None:
    """Applied to what was there, they give what is there; what stayed the same is not told."""
    held = dict(before)
    for change in changes(before, now):
        if change.how == "gone":
            del held[change.path]
        else:
            if change.how == "renamed":
                assert held.pop(change.before) == change.mark
            assert held.get(change.path) != change.mark
            held[change.path] = change.mark
    assert held == now


def told(watch: Watch) -> list[tuple[str, str]]:
    return [(event.how, event.path) for event in watch.look()]


def test_a_file_is_read_once_it_rests_and_again_when_it_grows(tmp_path: Path) -> None:
    """Of what grew, only what came behind is kept; of what was written anew, all of it."""
    watch = Watch(tmp_path)
    assert watch.first() == []
    path = tmp_path / "log.csv"
    path.write_bytes(b"part,verdict\r\n")
    assert told(watch) == [("new", "log.csv")]
    (read,) = watch.look()
    assert (read.how, read.data, read.offset) == ("new", b"part,verdict\r\n", 0)
    assert watch.look() == []
    with path.open("ab") as file:
        file.write(b"P1,OK\r\n")
    assert told(watch) == [("growing", "log.csv")]
    (grown,) = watch.look()
    assert (grown.how, grown.data, grown.offset) == ("grown", b"P1,OK\r\n", 14)
    path.write_bytes(b"new header, longer than the old one\r\n")
    watch.look()
    (anew,) = watch.look()
    assert (anew.how, anew.offset, anew.data[:3]) == ("changed", 0, b"new")


def test_a_file_that_is_renamed_keeps_its_story(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    watch.first()
    (tmp_path / "P1.csv.tmp").write_bytes(b"P1,OK")
    events = list(watch.look())
    (tmp_path / "P1.csv.tmp").replace(tmp_path / "P1.csv")
    events += [*watch.look(), *watch.look(), *watch.look()]
    assert [event.how for event in events] == ["new", "renamed", "new"]
    (story,) = stories(events)
    assert (story.path, story.data) == ("P1.csv", b"P1,OK")


def test_large_files_are_kept_by_their_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replayed, they have their size, their beginning and their end; what lay between is nought."""
    monkeypatch.setattr(watching, "WHOLE_BYTES", 10_000)
    data = b"\xff\xd8" + bytes(range(256)) * 100 + b"\xff\xd9"
    watch = Watch(tmp_path)
    watch.first()
    (tmp_path / "P1.jpg").write_bytes(data)
    events = [*watch.look(), *watch.look()]
    assert sum(len(event.data) + len(event.tail) for event in events) < 5000
    written = history(Capture("folder", "", 0, events))[-1][1]
    assert len(written) == len(data)
    assert (written[:4000], written[-60:]) == (data[:4000], data[-60:])


def test_looking_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "P1.json").write_bytes(b"{}")
    facts = (tmp_path / "sub" / "P1.json").stat()
    watch = Watch(tmp_path)
    (there,) = watch.first()
    watch.look()
    again = (tmp_path / "sub" / "P1.json").stat()
    assert (there.how, there.path, there.data) == ("there", "sub/P1.json", b"{}")
    assert (facts.st_mtime_ns, facts.st_mode, facts.st_size) == (again.st_mtime_ns, again.st_mode, again.st_size)


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../../up", "\\\\server\\x"])
def test_a_capture_cannot_write_outside_of_its_folder(path: str) -> None:
    """A capture may come from anywhere."""
    events = (Event(what="file", path=path, data=b"x", size=1), Event(what="file", path="ok", before=path))
    assert list(history(Capture("folder", "", 0, events))) == []
