"""The quarantine: bounded in entries and in bytes, over restarts and from several threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bridge.plugin import Quarantine


def held(folder: Path) -> list[bytes]:
    """Return what lies in the folder, oldest first; every entry has its reason beside it."""
    entries = sorted(folder.glob("*.bin"))
    assert [path.stem for path in entries] == [path.stem for path in sorted(folder.glob("*.json"))]
    return [path.read_bytes() for path in entries]


def test_the_oldest_go_when_there_are_too_many_bytes(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path, total_bytes=10)
    for number in range(20):
        quarantine.put(b"%04d" % number, "bad")
    assert held(tmp_path) == [b"0018", b"0019"]


def test_an_entry_larger_than_all_is_kept_until_the_next(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path, total_bytes=10)
    quarantine.put(b"x" * 100, "bad")
    assert held(tmp_path) == [b"x" * 100]
    quarantine.put(b"next", "bad")
    assert held(tmp_path) == [b"next"]


def test_what_an_earlier_run_left_counts(tmp_path: Path) -> None:
    for run in range(4):
        quarantine = Quarantine(tmp_path, keep=3)
        quarantine.put(b"%d" % run, "bad")
        quarantine.put(b"%d" % run, "bad")
    assert held(tmp_path) == [b"2", b"3", b"3"]


def test_several_threads_share_it(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path, keep=5)
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda number: quarantine.put(b"%d" % number, "bad"), range(200)))
    assert len(set(paths)) == 200
    assert len(held(tmp_path)) == 5


def test_it_goes_on_after_somebody_emptied_it(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path, keep=2)
    quarantine.put(b"1", "bad")
    for path in tmp_path.iterdir():
        path.unlink()
    for word in (b"2", b"3", b"4"):
        quarantine.put(word, "bad")
    assert held(tmp_path) == [b"3", b"4"]
