"""An inspector with bad habits, read by the source: nothing is lost, whatever it does to its files."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from hotfolder_host import Host, Watch

from bridge.plugin import Inspection, Verdict, View
from bridge_hotfolder import HotfolderOptions
from bridge_hotfolder.habits import AOI_HABITS
from bridge_hotfolder.peer import open_inspector

JPEG = b"\xff\xd8 picture %d of a part \xff\xd9"
QUICK = {"partial": 0.01, "race": 0.05, "away-and-back": 0.02, "clock-jump": 86_400}
SETTINGS: dict[str, Any] = {"image_wait_seconds": 10.0, "images": ("{stem}_top.*",), "views": ("top",)}


def part(number: int) -> Inspection:
    view = View(name="top", image=JPEG % number)
    return Inspection(part=f"P{number}", legacy=Verdict.NG, views=(view,))


@pytest.mark.parametrize("style", ["stable", "renamed"])
@pytest.mark.parametrize("habit", sorted(set(AOI_HABITS) - {"vanish", "no-barcode", "reused-serial", "code-page"}))
async def test_every_part_comes_with_its_own_picture(
    tmp_path: Path, watch: Watch, host: Host, habit: str, style: str
) -> None:
    """In pieces, early, late, twice, out of order, dated wrongly: what arrives is what was inspected."""
    chosen = {**SETTINGS, "complete": style}
    options = HotfolderOptions.model_validate({"path": tmp_path / "in", **chosen})
    number = QUICK.get(habit, AOI_HABITS[habit].number or 0)
    async with watch(**chosen):
        async with open_inspector(options, {habit: number}) as play:
            for one in range(4):
                await play(part(one))
        await host.until(lambda: len({found.part for found in host.parts}) == 4)
    assert not host.troubles
    assert {found.part: found.views[0].image for found in host.parts} == {f"P{n}": JPEG % n for n in range(4)}
    assert all(found.legacy is Verdict.NG and not found.backlog for found in host.parts)


async def test_serial_numbers_of_a_code_page_are_read_as_they_were_written(
    tmp_path: Path, watch: Watch, host: Host
) -> None:
    chosen = {**SETTINGS, "complete": "renamed", "encoding": "cp949"}
    options = HotfolderOptions.model_validate({"path": tmp_path / "in", **chosen})
    async with watch(**chosen), open_inspector(options, {"code-page": 0}) as play:
        await play(part(1))
        await host.got(1)
    assert host.parts[0].part == "P1부품部品零件"


async def test_a_share_that_vanishes_brings_back_what_was_written_meanwhile(tmp_path: Path) -> None:
    """The machine goes on writing; the folder comes back at the latest when the machine ends."""
    options = HotfolderOptions.model_validate({"path": tmp_path / "in", "complete": "renamed"})
    async with open_inspector(options, {"vanish": 3600}) as play:
        for one in range(12):
            await play(part(one))
        assert not options.path.exists()
    assert {path.stem for path in options.path.glob("*.json")} == {f"P{one}" for one in range(12)}


async def test_a_name_of_another_code_page_is_told_of_once(
    tmp_path: Path, watch: Watch, host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    """A share that is mounted without its code page must not lose parts without a word."""
    folder = tmp_path / "in"
    async with watch():
        await asyncio.to_thread(_leave, os.fsencode(folder), "부품.json".encode("cp949"), b"P1.json")
        await host.got(1)
    assert [found.part for found in host.parts] == ["P1"]
    assert capsys.readouterr().err.count("its name is no text") == 1


def _leave(folder: bytes, *names: bytes) -> None:
    for name in names:
        with open(os.path.join(folder, name), "wb") as file:  # noqa: PTH118, PTH123 - a name that is no text
            file.write(b'{"part": "P1", "verdict": "OK"}')
