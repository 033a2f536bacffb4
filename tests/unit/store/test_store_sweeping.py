"""Pictures go when there is no room: the sample's first, then the oldest; what a person labelled never."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.store import Images, Need, Retention
from bridge.store.catalogue import FILE, Catalogue
from bridge.store.images import digest

SIZE = 100
SAMPLE, EVIDENCE = Need.SAMPLE, Need.EVIDENCE


def picture(number: int) -> bytes:
    return f"picture {number}".encode().ljust(SIZE, b".")


def names(numbers: Iterable[int]) -> set[str]:
    return {digest(picture(number)) for number in numbers}


def there(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("??/*")}


async def fill(images: Images, numbers: Iterable[int], need: Need) -> None:
    for number in numbers:
        images.keep(digest(picture(number)), picture(number), need)
    await images.swept()


async def test_over_the_cap_the_oldest_of_the_sample_go_first(tmp_path: Path) -> None:
    """Evidence goes only when there is no sample any more, and the oldest of it first."""
    async with Images(tmp_path, Retention(cap_bytes=6 * SIZE)) as images:
        await fill(images, range(3), EVIDENCE)
        await fill(images, range(10, 15), SAMPLE)
        assert there(tmp_path) == names([0, 1, 2, 12, 13, 14])
        await fill(images, range(3, 8), EVIDENCE)
        assert there(tmp_path) == names([2, 3, 4, 5, 6, 7])
        figures = images.figures()
        assert (figures["files"], figures["bytes"]) == (6, 6 * SIZE)
        assert (figures["removed_over_cap"], figures["written_bytes"]) == (7, 13 * SIZE)


async def test_a_busy_folder_does_not_outgrow_its_cap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for a quiet moment that may never come."""
    monkeypatch.setattr("bridge.store.images.STEP_SECONDS", 3600)
    async with Images(tmp_path, Retention(cap_bytes=5 * SIZE)) as images:
        for number in range(50):
            await images.put(picture(number))
        await images.flush()
        assert there(tmp_path) == names(range(45, 50))


async def test_other_limits_hold_from_then_on(tmp_path: Path) -> None:
    async with Images(tmp_path, Retention(cap_bytes=6 * SIZE)) as images:
        await fill(images, range(6), EVIDENCE)
        images.adopt(Retention(cap_bytes=2 * SIZE))
        await images.swept()
        assert there(tmp_path) == names([4, 5])


async def test_a_picture_of_two_parts_stays_while_either_needs_it(tmp_path: Path) -> None:
    """There is one file for both; it goes with the last need, and a need that comes again is a new one."""
    async with Images(tmp_path, Retention(cap_bytes=3 * SIZE)) as images:
        await fill(images, [0], EVIDENCE)
        await fill(images, [1], SAMPLE)
        await fill(images, [0, 1], SAMPLE)
        assert images.figures()["bytes"] == 2 * SIZE
        await fill(images, [2, 3], EVIDENCE)
        assert there(tmp_path) == names([0, 2, 3])
        await fill(images, [0, 4], EVIDENCE)
        assert there(tmp_path) == names([0, 3, 4])


async def test_below_the_floor_the_sample_goes_and_evidence_stays(tmp_path: Path) -> None:
    """The journal needs the room; what fills the disk may be somebody else, and evidence never comes back."""
    free = [10 * SIZE]
    retention = Retention(floor_bytes=5 * SIZE)
    async with Images(tmp_path, retention, free=lambda _: free[0] - SIZE * len(there(tmp_path))) as images:
        await fill(images, [0], EVIDENCE)
        await fill(images, [1, 2, 3], SAMPLE)
        free[0] -= 2 * SIZE
        await fill(images, [4], EVIDENCE)
        assert images.dropped == 1
        assert there(tmp_path) == names([0, 3]), "the floor is free, and room for the next such picture"
        free[0] = 0
        await images.swept()
        assert there(tmp_path) == names([0])
        assert images.figures()["removed_below_floor"] == 3
        free[0] = 10 * SIZE
        await fill(images, [4], EVIDENCE)
        assert there(tmp_path) == names([0, 4])


async def test_what_a_person_labelled_is_never_removed(tmp_path: Path) -> None:
    """Labels come later than pictures, so they are asked for when something would go."""
    labelled: set[str] = set()
    retention = Retention(cap_bytes=2 * SIZE)
    async with Images(tmp_path, retention, protected=lambda asked: labelled & set(asked)) as images:
        labelled |= names([0, 1])
        await fill(images, [0], SAMPLE)
        await fill(images, [1, 2, 3], EVIDENCE)
        assert there(tmp_path) == names([0, 1])
        await fill(images, [5], EVIDENCE)
        assert there(tmp_path) == names([0, 1])


async def test_a_restart_knows_what_is_there_without_looking_at_files(tmp_path: Path) -> None:
    async with Images(tmp_path) as images:
        await fill(images, range(5), EVIDENCE)
    async with Images(tmp_path, Retention(cap_bytes=3 * SIZE)) as images:
        await images.swept()
        assert there(tmp_path) == names([2, 3, 4])
    assert await asyncio.to_thread(catalogued, tmp_path) == (3, 256)


@pytest.mark.parametrize("damage", ["gone", "garbage", "half"])
async def test_a_catalogue_that_is_lost_is_made_anew_from_the_files(tmp_path: Path, damage: str) -> None:
    """What was found counts as evidence, by the age of its file, and as older than what comes."""
    async with Images(tmp_path) as images:
        await fill(images, range(4), EVIDENCE)
        places = [images.path(digest(picture(number))) for number in range(4)]
    await asyncio.to_thread(spoil, tmp_path, damage)
    for age, place in zip((30, 10, 40, 20), places, strict=True):
        assert place is not None
        os.utime(place, (age, age))
    async with Images(tmp_path, Retention(cap_bytes=4 * SIZE)) as images:
        await images.swept()
        assert images.figures()["files"] == 4
        await fill(images, [7], SAMPLE)
        assert there(tmp_path) == names(range(4)), "the newest, for it alone is of the sample"
        await fill(images, [8, 9], EVIDENCE)
        assert there(tmp_path) == names([0, 2, 8, 9])


def catalogued(folder: Path) -> tuple[int, int]:
    """Return how many files are known without a look at them, and how many folders need none."""
    catalogue = Catalogue(folder)
    known = catalogue.files, catalogue.walked
    catalogue.close()
    return known


def lose_and_find(folder: Path) -> None:
    """Remove a picture behind the catalogue's back, and put another there."""
    (lost,) = folder.glob(f"??/{digest(picture(0))}.*")
    lost.unlink()
    found = folder / "00" / f"{'0' * 64}.jpg"
    found.parent.mkdir(exist_ok=True)
    found.write_bytes(picture(9))


def spoil(folder: Path, damage: str) -> None:
    path = folder / FILE
    match damage:
        case "gone":
            path.unlink()
        case "garbage":
            path.write_bytes(b"a spreadsheet" * 1000)
        case "half":
            path.write_bytes(path.read_bytes()[:4096])


async def test_files_that_a_crash_left_unknown_are_found(tmp_path: Path) -> None:
    """After a kill the folders are walked through; what is not there any more is forgotten."""
    async with Images(tmp_path / "before") as images:
        await fill(images, range(3), EVIDENCE)
        killed = await asyncio.to_thread(shutil.copytree, tmp_path / "before", tmp_path / "killed")
    await asyncio.to_thread(lose_and_find, killed)
    async with Images(killed) as images:
        await images.swept()
        assert images.figures()["files"] == 3
        assert images.figures()["bytes"] == 3 * SIZE


@settings(max_examples=30, deadline=None)
@given(
    came=st.lists(st.tuples(st.integers(0, 9), st.sampled_from([SAMPLE, EVIDENCE])), max_size=40),
    cap=st.integers(0, 8),
)
def test_files_and_figures_agree_whatever_came(came: list[tuple[int, Need]], cap: int) -> None:
    """Whatever came in whatever order: the cap holds, and nothing is counted that is not there."""
    asyncio.run(_agree(came, cap))


async def _agree(came: list[tuple[int, Need]], cap: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with Images(folder, Retention(cap_bytes=cap * SIZE, floor_bytes=0)) as images:
            for number, need in came:
                images.keep(digest(picture(number)), picture(number), need)
            await images.swept()
            kept, figures = there(folder), images.figures()
            assert figures["files"] == len(kept)
            assert figures["bytes"] == len(kept) * SIZE
            assert kept <= names(number for number, _ in came)
            assert len(kept) <= cap
