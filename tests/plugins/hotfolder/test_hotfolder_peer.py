"""Every way in which an old machine hands over, played by the peer and read by the source."""

import asyncio
import itertools
from pathlib import Path

import pytest
from hotfolder_host import Host, Watch

from bridge.plugin import Verdict
from bridge_hotfolder.peer import FolderAoi

JPEG = b"\xff\xd8 a picture \xff\xd9"
STABLE_SECONDS = 0.5
"""Longer than any stall between the two halves of a file."""
STYLES = ["stable", "renamed", "flag", "footer", "manifest"]


@pytest.mark.parametrize(("style", "form"), list(itertools.product(STYLES, ["json", "csv", "xml", "ini"])))
async def test_each_style_and_form_hands_over_a_whole_part_once(
    tmp_path: Path, watch: Watch, host: Host, style: str, form: str
) -> None:
    """A part comes once, live, with every view's picture, however its files are written."""
    aoi = FolderAoi(tmp_path / "in", style, form=form, pause=0.02)
    async with watch(**aoi.settings(), stable_seconds=STABLE_SECONDS):
        await aoi.put(part="P1", verdict="NG", views={"top": JPEG, "left": JPEG + b"2"}, recipe="M10", defect="D7")
        await host.got(1)
        await asyncio.sleep(0.08)
    (part,) = host.parts
    assert (part.part, part.legacy, part.recipe, part.backlog) == ("P1", Verdict.NG, "M10", False)
    assert {view.name: view.image for view in part.views} == {"top": JPEG, "left": JPEG + b"2"}


@pytest.mark.parametrize("form", ["json", "csv"])
async def test_appended_lines_come_one_by_one(tmp_path: Path, watch: Watch, host: Host, form: str) -> None:
    """One file that only grows gives one part per line, each once."""
    aoi = FolderAoi(tmp_path / "in", "appended", form=form, pause=0.02)
    async with watch(**aoi.settings()):
        for number in range(5):
            await aoi.put(part=f"P{number}", verdict="OK", views={"top": JPEG}, defect="x")
        await host.got(5)
        await asyncio.sleep(0.05)
    assert [part.part for part in host.parts] == [f"P{number}" for number in range(5)]
    assert all(part.views[0].image == JPEG and not part.backlog for part in host.parts)
    assert len({part.key for part in host.parts}) == 5


async def test_a_verdict_in_the_folder_name_groups_images_by_part(
    tmp_path: Path, watch: Watch, host: Host
) -> None:
    """Images of one part come together as its views."""
    aoi = FolderAoi(tmp_path / "in", "name", views=2)
    async with watch(**aoi.settings()):
        await aoi.put(part="P1", verdict="OK", views={"top": JPEG, "left": JPEG})
        await aoi.put(part="P2", verdict="NG", views={"top": JPEG, "left": JPEG})
        await host.got(2)
    told = {part.part: (part.legacy, [view.name for view in part.views]) for part in host.parts}
    assert told == {"P1": (Verdict.OK, ["left", "top"]), "P2": (Verdict.NG, ["left", "top"])}


async def test_out_of_the_box_only_the_path_is_needed(tmp_path: Path, watch: Watch, host: Host) -> None:
    """A JSON result with its picture beside it is read with the defaults."""
    aoi = FolderAoi(tmp_path / "in", "stable", pause=0.01)
    async with watch(stable_seconds=STABLE_SECONDS):
        await aoi.put(part="P1", verdict="PASS", views={"1": JPEG})
        await host.got(1)
    assert host.parts[0].legacy is Verdict.OK
    assert host.parts[0].views[0].image == JPEG
