"""A capture holds every byte as it came, and is gone on with after whatever ended it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.errors import ConfigError
from bridge.sniff.capture import Event, read, writing

SAID = st.builds(
    Event,
    what=st.sampled_from(["open", "machine", "answer", "end", "close"]),
    t=st.floats(0, 1e6).map(lambda t: round(t, 6)),
    connection=st.integers(1, 99),
    peer=st.text(max_size=10),
    data=st.binary(max_size=60) | st.just("P1,양품\r\n".encode("cp949")) | st.just(b"\x02P1,OK\x03\r\n"),
)
FILES = st.builds(
    Event,
    what=st.just("file"),
    t=st.floats(0, 1e6).map(lambda t: round(t, 6)),
    path=st.text(min_size=1, max_size=20),
    how=st.sampled_from(["there", "new", "growing", "grown", "changed", "renamed", "gone"]),
    before=st.text(max_size=20),
    size=st.integers(0, 1 << 40),
    offset=st.integers(0, 1 << 40),
    data=st.binary(max_size=60),
    tail=st.binary(max_size=60),
)
LIMIT = 10_000_000


@settings(max_examples=30)  # each forces the disk
@given(events=st.lists(SAID | FILES, max_size=20))
def test_what_is_written_is_read(events: list[Event], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Every byte, every name."""
    path = tmp_path_factory.mktemp("capture") / "c.jsonl"
    with writing(path, "tcp", "listen a:1", LIMIT) as (writer, _):
        assert all(writer.write(event) for event in events)
    capture = read(path)
    assert list(capture.events) == events
    assert (capture.kind, capture.origin, capture.torn) == ("tcp", "listen a:1", 0)


@settings(max_examples=25)  # each forces the disk
@given(cut=st.integers(1, 50))
def test_a_line_cut_by_a_kill_costs_nothing_else(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What was written before is there, and what comes after a restart too."""
    path = tmp_path_factory.mktemp("capture") / "c.jsonl"
    first, last, later = (Event(what="machine", connection=n, data=b"P%d,OK\r\n" % n) for n in (1, 2, 3))
    with writing(path, "tcp", "listen a:1", LIMIT) as (writer, _):
        writer.write(first)
        writer.write(last)
    path.write_bytes(path.read_bytes()[:-cut])
    with writing(path, "tcp", "listen a:1", LIMIT) as (writer, held):
        assert held.events[0] == first
        writer.write(later)
    capture = read(path)
    said = [event.data for event in capture.events if event.what == "machine"]
    assert said in ([first.data, later.data], [first.data, last.data, later.data])
    assert capture.events[-2].what == "resumed"
    assert capture.torn == (1 if len(said) == 2 else 0)


def test_it_never_grows_beyond_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    with writing(path, "tcp", "listen a:1", 2000) as (writer, _):
        written = [writer.write(Event(what="machine", connection=1, data=b"x" * 100)) for _ in range(50)]
        assert writer.full
        assert not writer.write(Event(what="end", connection=1))
    assert path.stat().st_size <= 2000
    assert len(read(path).events) == sum(written) > 5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("", "is no capture"),
        ("hello\n", "is no capture"),
        ('{"capture": 1, "kind": "radio"}\n', "is no capture"),
        ('{"capture": 1, "kind": []}\n', "is no capture"),
        ('{"capture": 1, "kind": "tcp", "began": null}\n', "is no capture"),
        ('{"capture": 2, "kind": "tcp"}\n', "version 2"),
    ],
)
def test_what_is_no_capture_is_said_in_one_line(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "c.jsonl"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=said) as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_a_capture_of_another_kind_is_not_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    with writing(path, "tcp", "listen a:1", LIMIT):
        pass
    with pytest.raises(ConfigError, match="kind tcp"), writing(path, "folder", "folder /aoi", LIMIT):
        pass


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_a_full_disk_is_one_line_before_anything_is_recorded() -> None:
    with pytest.raises(ConfigError, match="cannot be written"), writing(Path("/dev/full"), "tcp", "x", LIMIT):
        pass


def mad_events() -> st.SearchStrategy[bytes]:
    """Events whose facts are anything that JSON can say, and what Python reads beside it."""
    values = (
        st.none()
        | st.booleans()
        | st.floats()
        | st.text(max_size=3)
        | st.just([])
        | st.sampled_from(["open", "new"])
    )
    names = ("t", "is", "n", "size", "mtime", "offset", "data", "base64", "how")
    usual = {"t": 1.0, "is": "machine", "n": 1}
    return st.dictionaries(st.sampled_from(names), values).map(lambda said: json.dumps(usual | said).encode())


@given(st.binary(max_size=300) | mad_events())
@example(b'{"is": "machine", "t": 1, "n": 1e400}')
@example(b'{"is": "machine", "t": NaN, "n": 1}')
def test_no_line_of_a_file_breaks_the_reader(folder: Path, line: bytes) -> None:
    """A capture may have been edited, or come over a bad stick."""
    path = folder / "c.jsonl"
    path.write_bytes(b'{"capture": 1, "kind": "tcp", "origin": "", "began": 0}\n' + line + b"\n")
    assert all(math.isfinite(event.t) for event in read(path).events)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples."""
    return tmp_path_factory.mktemp("capture")
