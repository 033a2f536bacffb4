"""What the source promises of a running folder: once, live or backlog, never lost, never touched."""

import asyncio
import json
import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from hotfolder_host import Host, Reasons, Watch

from bridge.plugin import ConfigError, Unavailable, Verdict, counted
from bridge_hotfolder import HotfolderOptions, open_source
from bridge_hotfolder.formats import ParseError
from bridge_hotfolder.listing import Stat
from bridge_hotfolder.peer import FolderAoi
from bridge_hotfolder.reading import read_steady

JPEG = b"\xff\xd8 a picture \xff\xd9"
RENAMED = {"complete": "renamed"}


def put(folder: Path, name: str, told: object, image: bytes = b"") -> Path:
    """Write a result as if it had been renamed into place, its image first."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if image:
        path.with_suffix(".jpg").write_bytes(image)
    writing = path.with_suffix(".tmp")
    writing.write_text(told if isinstance(told, str) else json.dumps(told))
    writing.replace(path)
    return path


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def remembered(home: Path) -> int:
    """Return how many files the source has marked as done with."""
    with closing(sqlite3.connect(f"file:{next(home.glob('*.db'))}?mode=ro", uri=True)) as database:
        return int(database.execute("SELECT count(*) FROM files").fetchone()[0])


def unmount(folder: Path) -> None:
    folder.rename(folder.with_name("gone"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir(exist_ok=True)
    return tmp_path / "in"


async def test_what_is_there_at_first_is_backlog_and_what_comes_is_live(
    folder: Path, watch: Watch, host: Host
) -> None:
    """Only a file first absent and then present has a PLC waiting for it."""
    put(folder, "P1.json", {"part": "P1", "verdict": "OK"})
    async with watch(**RENAMED):
        await host.got(1)
        before = asyncio.get_running_loop().time()
        put(folder, "P2.json", {"part": "P2", "verdict": "OK"})
        await host.got(2)
    assert [(part.part, part.backlog) for part in host.parts] == [("P1", True), ("P2", False)]
    assert before <= host.parts[1].event <= before + 1


async def test_a_seen_part_does_not_come_again_after_a_restart(folder: Path, watch: Watch, host: Host) -> None:
    """The seen-set outlives the process; a new file of the same name is a new part."""
    path = put(folder, "P1.json", {"part": "P1", "verdict": "OK"})
    async with watch(**RENAMED):
        await host.got(1)
        await host.until(lambda: remembered(folder.parent / "home"))
    async with watch(**RENAMED):
        assert len(host.parts) == 1
        put(folder, "P1.json", {"part": "P1", "verdict": "NG"})
        await host.got(2)
    assert [part.legacy for part in host.parts] == [Verdict.OK, Verdict.NG]
    assert host.parts[0].key != host.parts[1].key
    assert path.exists()


async def test_a_part_that_was_not_recorded_is_offered_again_under_its_key(
    folder: Path, watch: Watch, host: Host
) -> None:
    """Nothing is seen before the host says recorded; the second offer is backlog, its answer was given."""
    host.recorded = False
    async with watch(**RENAMED):
        put(folder, "P1.json", {"part": "P1", "verdict": "OK"})
        await host.got(1)
        host.recorded = True
        await host.got(2)
    assert host.parts[0].key == host.parts[1].key
    assert [part.backlog for part in host.parts] == [False, True]


async def test_a_source_cut_off_while_the_host_thinks_offers_the_part_again(
    folder: Path, watch: Watch, host: Host
) -> None:
    """A part under way when the process dies is not lost."""
    host.gate = asyncio.Event()
    async with watch(**RENAMED):
        put(folder, "P1.json", {"part": "P1", "verdict": "OK"})
        await host.got(1)
    host.gate = None
    async with watch(**RENAMED):
        await host.got(2)
    assert host.parts[0].key == host.parts[1].key


async def test_a_file_that_was_only_touched_is_no_new_part(folder: Path, watch: Watch, host: Host) -> None:
    """Windows sets the time of change late, and backup tools touch files: content decides."""
    path = put(folder, "P1.json", {"part": "P1", "verdict": "OK"}, JPEG)
    async with watch(**RENAMED):
        await host.got(1)
        await host.until(lambda: remembered(folder.parent / "home"))
        os.utime(path, ns=(1, 1))
        put(folder, "P2.json", {"part": "P2", "verdict": "OK"})
        await host.got(2)
        await asyncio.sleep(0.05)
        path.with_suffix(".jpg").write_bytes(JPEG.replace(b"a", b"b"))
        os.utime(path, ns=(2, 2))
        await host.got(3)
    assert [part.part for part in host.parts] == ["P1", "P2", "P1"]


async def test_a_late_image_is_fetched_inside_the_deadline(folder: Path, watch: Watch, host: Host) -> None:
    """The part is handed in at once, half a picture is not taken for one, the whole one is brought."""
    async with watch(**RENAMED, fetch_above_views=0, image_wait_seconds=10):
        put(folder, "P1.json", {"part": "P1", "verdict": "NG", "image": "img\\P1.jpg"})
        (folder / "img").mkdir()
        (folder / "img" / "P1.jpg").write_bytes(JPEG[:5])
        await asyncio.sleep(0.02)
        (folder / "img" / "P1.jpg").write_bytes(JPEG)
        await host.got(1)
    assert host.parts[0].views[0].image == JPEG


async def test_an_image_expected_beside_a_result_is_fetched_whatever_its_suffix(
    folder: Path, watch: Watch, host: Host
) -> None:
    """The default image name has an open suffix."""
    async with watch(**RENAMED, views=["top", "left"], image_wait_seconds=10):
        (folder / "P1_left.png").write_bytes(b"\x89PNG IEND")
        put(folder, "P1.json", {"part": "P1", "verdict": "NG"})
        await asyncio.sleep(0.03)
        (folder / "P1_top.JPG").write_bytes(JPEG)
        await host.got(1)
    assert {view.name: view.image for view in host.parts[0].views} == {"top": JPEG, "left": b"\x89PNG IEND"}


async def test_an_image_that_never_comes_is_a_view_without_one(folder: Path, watch: Watch, host: Host) -> None:
    """The fetch ends by itself and says what was missing."""
    async with watch(**RENAMED | {"image_wait_seconds": 0.05}):
        put(folder, "P1.json", {"part": "P1", "verdict": "NG", "image": "P1.jpg"})
        await host.got(1)
    assert host.parts[0].views[0].image is None
    assert "P1.jpg did not come" in host.troubles[0]


async def test_an_image_outside_the_folder_costs_that_image_only(
    tmp_path: Path, folder: Path, watch: Watch, host: Host, reasons: Reasons
) -> None:
    """The part is told with a view that is not tied to it, and the reason is kept."""
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(JPEG)
    (folder / "link.jpg").symlink_to(secret)
    async with watch(**RENAMED):
        put(folder, "P1.json", {"part": "P1", "verdict": "NG", "image": "..\\secret.jpg"})
        await host.got(1)
        put(folder, "P2.json", {"part": "P2", "verdict": "NG", "image": "link.jpg"})
        await host.got(2)
        await host.until(lambda: len(reasons()) == 2)
    assert all(part.views[0].image is None and not part.views[0].tied for part in host.parts)
    assert "leads out of the folder" in reasons()[0]


async def test_what_cannot_be_parsed_is_kept_once_with_its_reason(
    tmp_path: Path, folder: Path, watch: Watch, host: Host, reasons: Reasons
) -> None:
    """Bad files stop nothing, are not lost, and are not tried for ever."""
    async with watch(**RENAMED):
        put(folder, "bad.json", "{no json")
        put(folder, "big.csv", "x" * 5000)
        put(folder, "P1.json", {"part": "P1", "verdict": "OK"})
        await host.got(1)
        await host.until(lambda: len(reasons()) == 2)
        await asyncio.sleep(0.05)
    async with watch(**RENAMED):
        pass
    assert len(reasons()) == 2
    assert (folder / "bad.json").exists()
    kept = sorted((tmp_path / "home" / "quarantine").glob("*.bin"))
    assert b"{no json" in {path.read_bytes() for path in kept}


async def test_a_file_larger_than_allowed_is_not_read(
    folder: Path, watch: Watch, host: Host, reasons: Reasons
) -> None:
    """Sizes are bounded before memory is allocated."""
    async with watch(**RENAMED, max_result_bytes=1024):
        put(folder, "P1.json", " " * 2000)
        await host.until(lambda: len(reasons()) == 1)
    assert "2000 bytes, more than 1024" in reasons()[0]


async def test_files_being_written_are_left_alone(folder: Path, watch: Watch, host: Host) -> None:
    """In-progress suffixes are no parts, under any rule."""
    async with watch():
        for suffix in (".tmp", ".part", ".FILEPART"):
            (folder / f"P1.json{suffix}").write_text('{"part": "P1", "verdict": "OK"}')
        await asyncio.sleep(0.09)
    assert host.parts == []


async def test_a_file_that_cannot_be_read_is_said_once(
    folder: Path, watch: Watch, host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is tried again and again; a log line for each try would fill a disk in a week."""
    before, closed = counted("unreadable"), True

    def read(path: Path, limit: int, expected: Stat | None = None) -> tuple[bytes, Stat]:
        if closed:
            raise PermissionError(13, "Permission denied", str(path))
        return read_steady(path, limit, expected)

    monkeypatch.setattr("bridge_hotfolder.source._RETRY_SECONDS", 0.05)
    monkeypatch.setattr("bridge_hotfolder.assembly.read_steady", read)
    async with watch(**RENAMED):
        put(folder, "P1.json", {"part": "P1", "verdict": "OK"})
        await host.until(lambda: counted("unreadable") >= before + 3)
        closed = False
        await host.got(1)
    assert capsys.readouterr().err.count("a file cannot be read now") == 1


async def test_a_file_of_any_date_is_a_part_and_comes_once(
    tmp_path: Path, folder: Path, watch: Watch, host: Host
) -> None:
    """Also of a date that 64 bits of nanoseconds do not hold, which some shares can say."""
    for number, seconds in enumerate((0, -1, 1 << 31, 10_000_000_000, 14_000_000_000)):
        path = folder / f"P{number}.tmp"
        path.write_text(json.dumps({"part": f"P{number}", "verdict": "OK"}))
        os.utime(path, (seconds, seconds))
        path.rename(path.with_suffix(".json"))
    async with watch(**RENAMED):
        await host.got(5)
        await host.until(lambda: remembered(tmp_path / "home") == 5)
    async with watch(**RENAMED):
        put(folder, "P5.json", {"part": "P5", "verdict": "OK"})
        await host.got(6)
    assert sorted(part.part for part in host.parts) == [f"P{number}" for number in range(6)]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
async def test_what_is_no_file_is_left_alone_and_stops_nothing(folder: Path, watch: Watch, host: Host) -> None:
    """A pipe would keep a thread for ever, a link in a circle would make the whole folder unreadable."""
    before = counted("no_file")
    os.mkfifo(folder / "pipe.json")
    (folder / "circle.json").symlink_to("circle.json")
    (folder / "endless.json").symlink_to("/dev/zero")
    (folder / "dangling.json").symlink_to("nowhere.json")
    (folder / "folder.json").mkdir()
    async with watch(**RENAMED):
        put(folder, "P1.json", {"part": "P1", "verdict": "OK"})
        await host.got(1)
        put(folder, "P2.json", {"part": "P2", "verdict": "OK"})
        await host.got(2)
    assert counted("no_file") == before + 3
    await host.until(lambda: not any(thread.name == "hotfolder" for thread in threading.enumerate()))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_in_place_of_a_listed_file_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "P1.json")
    with pytest.raises(ParseError, match="no file"):
        read_steady(folder / "P1.json", 1000)


async def test_the_old_flag_does_not_vouch_for_a_new_file(folder: Path, watch: Watch, host: Host) -> None:
    """A flag left over from the serial number's last time is used up."""
    async with watch(complete="flag"):
        put(folder, "P1.json", {"part": "P1", "verdict": "OK"})
        (folder / "P1.done").touch()
        await host.got(1)
        await host.until(lambda: remembered(folder.parent / "home"))
        put(folder, "P1.json", {"part": "P1", "verdict": "NG"})
        await asyncio.sleep(0.08)
        assert len(host.parts) == 1
        (folder / "P1.done").write_text("again")
        await host.got(2)


async def test_a_manifest_that_is_never_met_is_handed_in_short(folder: Path, watch: Watch, host: Host) -> None:
    """A part is not lost because one picture is."""
    settings = {"complete": "manifest", "give_up_seconds": 0.1, "image_wait_seconds": 0.02}
    async with watch(**settings):
        put(folder, "P1.json", {"part": "P1", "verdict": "NG", "images": 2, "image": "P1.jpg"}, JPEG)
        await host.got(1)
    assert host.parts[0].legacy is Verdict.NG


async def test_a_footer_that_never_comes_ends_in_quarantine(
    folder: Path, watch: Watch, host: Host, reasons: Reasons
) -> None:
    """A torn file is told apart from a slow one by time alone."""
    settings = {"complete": "footer", "footer": "^END$", "results": ["*.csv"], "give_up_seconds": 0.1}
    async with watch(**settings):
        put(folder, "P1.csv", "part,verdict\nP1,OK\n")
        await host.until(lambda: len(reasons()) == 1)
    assert reasons() == ["the footer never came"]
    assert host.parts == []


async def test_a_group_short_of_an_image_is_handed_in_after_a_while(
    folder: Path, watch: Watch, host: Host
) -> None:
    """The missing view is there, without an image."""
    aoi = FolderAoi(folder, "name")
    async with watch(**aoi.settings() | {"views": ["a", "b"], "image_wait_seconds": 0.1}):
        await aoi.put(part="P1", verdict="OK", views={"a": JPEG})
        await host.got(1)
    assert {view.name: view.image for view in host.parts[0].views} == {"a": JPEG, "b": None}


async def test_images_with_a_name_of_no_meaning_are_kept_with_the_reason(
    folder: Path, watch: Watch, host: Host, reasons: Reasons
) -> None:
    """An image that cannot be tied to a part is not dropped."""
    async with watch(**FolderAoi(folder, "name").settings()):
        (folder / "IMG0001.jpg").write_bytes(JPEG)
        await host.until(lambda: len(reasons()) == 1)
    assert "IMG0001.jpg does not match" in reasons()[0]


@pytest.mark.parametrize(
    ("after", "left", "where"), [("leave", 3, {"in"}), ("delete", 0, set()), ("move", 3, {"done"})]
)
async def test_files_are_cleared_only_if_the_folder_is_ours(
    folder: Path, watch: Watch, host: Host, after: str, left: int, where: set[str]
) -> None:
    """By default nothing on the old machine is deleted, renamed or written."""
    async with watch(complete="flag", after=after):
        put(folder, "P1.json", {"part": "P1", "verdict": "OK"}, JPEG)
        (folder / "P1.done").touch()
        await host.got(1)
        await host.until(lambda: remembered(folder.parent / "home"))
        await host.until(lambda: {path.parent.name for path in files_below(folder)} == where)
        await asyncio.sleep(0.08)  # nothing more happens to them
    assert {path.parent.name for path in files_below(folder)} == where
    assert len(files_below(folder)) == left
    assert len(host.parts) == 1


async def test_the_folder_is_not_written_to(folder: Path, watch: Watch, host: Host) -> None:
    """A read-only share is enough."""
    put(folder, "P1.json", {"part": "P1", "verdict": "OK"}, JPEG)
    before = {path: path.stat() for path in files_below(folder)}
    async with watch(**RENAMED):
        await host.got(1)
    assert {path: path.stat().st_mtime_ns for path in before} == {p: s.st_mtime_ns for p, s in before.items()}


async def test_no_more_parts_are_under_way_than_allowed(folder: Path, watch: Watch, host: Host) -> None:
    """A slow host is not flooded."""
    host.gate = asyncio.Event()
    async with watch(**RENAMED, in_flight=3):
        for number in range(9):
            put(folder, f"P{number}.json", {"part": f"P{number}", "verdict": "OK"})
        await host.got(3)
        await asyncio.sleep(0.03)
        host.gate.set()
        await host.got(9)
    assert host.most_running == 3


async def test_a_live_part_overtakes_the_backlog(folder: Path, watch: Watch, host: Host) -> None:
    """A folder full of old files keeps no PLC waiting."""
    for number in range(30):
        put(folder, f"old{number}.json", {"part": f"old{number}", "verdict": "OK"})
    host.gate, host.fetching = asyncio.Event(), False
    async with watch(**RENAMED, in_flight=2):
        await host.got(1)
        put(folder, "P1.json", {"part": "P1", "verdict": "OK"})
        await host.until(lambda: any(not part.backlog for part in host.parts))
        assert len(host.parts) == 2
        host.gate.set()
        await host.got(31)


async def test_a_share_that_goes_away_ends_the_source_and_comes_back_as_backlog(
    tmp_path: Path, folder: Path, watch: Watch, host: Host
) -> None:
    """Unavailable lets the host open anew; what gathered meanwhile has no PLC waiting."""
    async with watch(**RENAMED) as task:
        unmount(folder)
        with pytest.raises(Unavailable, match="cannot be listed"):
            await task
    with pytest.raises(Unavailable, match="is away"):
        async with watch():
            pass
    (tmp_path / "gone").rename(folder)
    put(folder, "P1.json", {"part": "P1", "verdict": "OK"})
    async with watch(**RENAMED):
        await host.got(1)
    assert host.parts[0].backlog


async def test_parts_under_way_are_answered_before_the_source_ends(
    tmp_path: Path, folder: Path, watch: Watch, host: Host
) -> None:
    """A part whose decision is recorded is marked, even if the share is gone by then."""
    host.gate = asyncio.Event()
    async with watch(**RENAMED) as task:
        put(folder, "P1.json", {"part": "P1", "verdict": "OK"})
        await host.got(1)
        unmount(folder)
        await asyncio.sleep(0.05)
        host.gate.set()
        with pytest.raises(Unavailable):
            await task
    (tmp_path / "gone").rename(folder)
    async with watch(**RENAMED):
        await asyncio.sleep(0.05)
    assert len(host.parts) == 1


async def test_a_path_that_is_a_file_is_the_users_mistake(tmp_path: Path) -> None:
    """One line says what to write."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="is a file"):
        async with open_source(HotfolderOptions(path=tmp_path / "file", home=tmp_path)):
            pass


async def test_many_parts_of_one_lot_file_have_keys_of_their_own(folder: Path, watch: Watch, host: Host) -> None:
    """A file is seen only when each of its parts is recorded; its own image is tied to none of them."""
    async with watch(**RENAMED, row="part"):
        (folder / "lot.jpg").write_bytes(JPEG)
        put(folder, "lot.csv", "part,verdict\nP1,OK\nP1,NG\n,OK\n")
        await host.got(3)
    assert len({part.key for part in host.parts}) == 3
    assert all(part.views[0].image is None for part in host.parts)


async def test_a_result_rewritten_while_it_is_read_is_read_again(folder: Path, watch: Watch, host: Host) -> None:
    """Half a file is never taken for a whole one, whatever the rule."""
    async with watch(complete="stable"):
        for text in ('{"part"', '{"part": "P1",', '{"part": "P1", "verdict": "OK"}'):
            (folder / "P1.json").write_text(text)
            await asyncio.sleep(0.015)
        await host.got(1)
    assert [part.part for part in host.parts] == ["P1"]
