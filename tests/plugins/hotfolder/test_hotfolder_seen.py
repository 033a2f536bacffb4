"""The seen-set survives being killed, stays bounded, and is replaced when it breaks."""

import subprocess
import sys
import textwrap
import tracemalloc
from pathlib import Path

from bridge_hotfolder import HotfolderOptions
from bridge_hotfolder.completion import Candidate, Completion
from bridge_hotfolder.listing import Listing, Stat
from bridge_hotfolder.seen import SeenFile, open_seen


def test_marks_survive_a_kill(tmp_path: Path) -> None:
    """Each mark is there after kill -9, without any closing."""
    script = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        from bridge_hotfolder.listing import Stat
        from bridge_hotfolder.seen import SeenFile, open_seen
        with open_seen(Path(sys.argv[1])) as seen:
            for number in range(100):
                seen.mark({f"P{number}": SeenFile(Stat(number, 1), b"d", "f")})
            os.kill(os.getpid(), signal.SIGKILL)
    """)
    done = subprocess.run([sys.executable, "-c", script, tmp_path / "seen.db"], check=False)
    assert done.returncode == -9
    with open_seen(tmp_path / "seen.db") as seen:
        assert len(seen) == 100
        assert seen.get("P7") == SeenFile(Stat(7, 1), b"d", "f")


def test_what_vanished_is_forgotten_after_a_while_only(tmp_path: Path) -> None:
    """A share that is away for an hour brings nothing twice; years of files fill no disk."""
    with open_seen(tmp_path / "seen.db") as seen:
        seen.mark({"gone": SeenFile(Stat(1, 1)), "here": SeenFile(Stat(1, 1)), "back": SeenFile(Stat(1, 1))})
        seen.tidy({"here"}, 100.0, 50.0)
        seen.tidy({"here", "back"}, 120.0, 50.0)
        assert len(seen) == 3
    with open_seen(tmp_path / "seen.db") as seen:
        seen.tidy({"here"}, 151.0, 50.0)
        assert seen.get("gone") is None
        assert seen.get("back") is not None
    with open_seen(tmp_path / "seen.db") as seen:
        assert len(seen) == 2


def test_what_comes_back_is_known_again(tmp_path: Path) -> None:
    """A share that is remounted, or a folder that is moved away and back, brings nothing twice."""
    known = SeenFile(Stat(3, 4), b"digest", "flag")
    with open_seen(tmp_path / "seen.db") as seen:
        seen.mark({"P1": known})
        seen.tidy(set(), 100.0, 50.0)
        assert seen.get("P1") == known
        assert seen.get("P2") is None
        seen.tidy({"P1"}, 140.0, 50.0)
        seen.tidy({"P1"}, 200.0, 50.0)
        assert seen.get("P1") == known


def test_memory_holds_what_lies_in_the_folder_only(tmp_path: Path) -> None:
    """An old machine that clears its folder makes a million files a week."""
    digest = bytes(32)

    def pass_through(first: int) -> None:
        names = {f"lot/part-{number:09d}.json" for number in range(first, first + 500)}
        seen.mark({name: SeenFile(Stat(1, 1), digest) for name in names})
        seen.tidy(names, 100.0, 1e9)
        seen.tidy(set(), 200.0, 1e9)

    with open_seen(tmp_path / "seen.db") as seen:
        pass_through(0)
        tracemalloc.start()
        for number in range(1, 11):
            pass_through(number * 500)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(seen) == 5500
    assert held < 200_000, "five thousand files take a megabyte where they are kept"


def test_a_broken_seen_set_is_put_aside(tmp_path: Path) -> None:
    """The source starts all the same: keys keep decisions from being made twice."""
    (tmp_path / "seen.db").write_bytes(b"no database at all" * 100)
    with open_seen(tmp_path / "seen.db") as seen:
        seen.mark({"P1": SeenFile(Stat(1, 1))})
    assert (tmp_path / "seen.broken").exists()


class Nothing:
    def get(self, _: str) -> None:
        return None


def step(completion: Completion, now: float, size: int = 1, path: str = "P1.json") -> list[Candidate]:
    return completion.step(Listing(device=1, files={path: Stat(size, 1)}), now)


def test_a_file_is_stable_by_our_own_clock_alone() -> None:
    """Every change begins the wait anew; the file's own time is compared, never trusted."""
    completion = Completion(HotfolderOptions(path="/aoi", stable_seconds=1.0), Nothing())
    assert completion.step(Listing(device=1), -1.0) == []
    assert step(completion, 0.0) == []
    assert step(completion, 0.75, size=2) == []
    assert step(completion, 1.5, size=2) == []
    (found,) = step(completion, 1.75, size=2)
    assert (found.path, found.event, found.backlog) == ("P1.json", 1.75, False)


def test_a_candidate_is_offered_once_until_it_is_given_back() -> None:
    """What is under way is not offered a second time."""
    completion = Completion(HotfolderOptions(path="/aoi", complete="renamed"), Nothing())
    (found,) = step(completion, 0.0)
    assert step(completion, 1.0) == []
    completion.again(found, 3.0, told=True)
    assert step(completion, 2.0) == []
    (again,) = step(completion, 3.0)
    assert again.backlog


def test_backlog_is_offered_in_portions_and_live_parts_at_once() -> None:
    """Fifty thousand old files fill no queue."""
    options = HotfolderOptions(path="/aoi", complete="renamed")
    completion = Completion(options, Nothing())
    old = {f"{number}.json": Stat(1, 1) for number in range(5000)}
    first = completion.step(Listing(device=1, files=dict(old)), 0.0)
    assert 0 < len(first) < 1000
    second = completion.step(Listing(device=1, files=old | {"new.json": Stat(1, 1)}), 1.0)
    assert [found.path for found in second] == ["new.json"]
