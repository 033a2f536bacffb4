"""A part is found the moment it is written, where the system says so; and in its time where it does not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hotfolder_host import Host

from bridge_hotfolder import HotfolderOptions, notices, open_source
from bridge_hotfolder.notices import Notices, listening_for_notices

NEVER = 600.0
"""Seconds between two looks: what is found in a test was noticed."""


async def look(noticed: Notices, folder: Path, *below: str) -> None:
    await asyncio.to_thread(noticed.follow, folder, ["", *below])


async def woken(noticed: Notices) -> bool:
    """Return whether a notice came; one that never will is not waited for long."""
    began = asyncio.get_running_loop().time()
    await noticed.wait(0.2)
    return asyncio.get_running_loop().time() - began < 0.2


async def test_a_part_is_found_without_another_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old machine writes to a share that this computer exports, in a folder that is new."""
    folder = tmp_path / "aoi"
    folder.mkdir()
    options = HotfolderOptions(path=folder, complete="renamed", poll_seconds=NEVER, home=tmp_path / "home")
    looked = asyncio.Event()
    follow = Notices.follow

    def followed(self: Notices, root: Path, below: object) -> None:
        follow(self, root, below)  # type: ignore[arg-type]
        loop.call_soon_threadsafe(looked.set)

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(Notices, "follow", followed)
    host = Host(fetching=False)
    async with open_source(options) as run, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(run(host))
        await looked.wait()
        looked.clear()
        (folder / "lot7").mkdir()
        await looked.wait()
        (folder / "lot7" / "P1.json.tmp").write_text('{"part": "P1", "verdict": "OK"}')
        (folder / "lot7" / "P1.json.tmp").rename(folder / "lot7" / "P1.json")
        assert [part.part for part in await host.got(1)] == ["P1"]
        running.cancel()


async def test_a_file_that_is_still_written_wakes_nobody(tmp_path: Path) -> None:
    async with listening_for_notices((".tmp",)) as noticed:
        await look(noticed, tmp_path)
        (tmp_path / "P1.json.tmp").write_text("{")
        assert not await woken(noticed)
        (tmp_path / "P1.json.tmp").rename(tmp_path / "P1.json")
        assert await woken(noticed)


async def test_a_file_that_is_only_begun_wakes_nobody(tmp_path: Path) -> None:
    """Whatever it is called: it is looked at once its writer has closed it."""
    async with listening_for_notices(()) as noticed:
        await look(noticed, tmp_path)
        with (tmp_path / "P1.json").open("w") as file:
            file.write("{}")
            file.flush()
            assert not await woken(noticed)
        assert await woken(noticed)


async def test_a_folder_that_went_away_is_let_go(tmp_path: Path) -> None:
    """Old machines make a folder for each lot and clear it away; nothing must pile up."""
    async with listening_for_notices(()) as noticed:
        for number in range(3):
            (tmp_path / f"lot{number}").mkdir()
            await look(noticed, tmp_path, f"lot{number}")
            (tmp_path / f"lot{number}").rmdir()
        await look(noticed, tmp_path)
        assert len(noticed._watched) == 1
        (tmp_path / "P1.json").write_text("{}")
        assert await woken(noticed)


async def test_a_folder_that_was_made_anew_is_heard_again(tmp_path: Path) -> None:
    """It has its old name and is another, also where the old one only stepped aside."""
    lot = tmp_path / "lot"
    async with listening_for_notices(()) as noticed:
        for aside in ("", "kept"):
            lot.mkdir(exist_ok=True)
            await look(noticed, tmp_path, "lot", *filter(None, [aside]))
            if aside:
                lot.rename(tmp_path / aside)
            else:
                lot.rmdir()
            lot.mkdir()
            await look(noticed, tmp_path, "lot", *filter(None, [aside]))
            while await woken(noticed):
                pass
            (lot / f"P{aside}.json").write_text("{}")
            assert await woken(noticed)


async def test_too_many_folders_are_polled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "WATCHED_MOST", 2)
    async with listening_for_notices(()) as noticed:
        for name in "abc":
            (tmp_path / name).mkdir()
        await look(noticed, tmp_path, *"abc")
        (tmp_path / "a" / "P1.json").write_text("{}")
        assert not await woken(noticed)


async def test_a_system_without_notices_is_polled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "inotify_simple", None)
    async with listening_for_notices(()) as noticed:
        await look(noticed, tmp_path)
        (tmp_path / "P1.json").write_text("{}")
        assert not await woken(noticed)
