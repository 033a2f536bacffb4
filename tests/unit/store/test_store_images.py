from __future__ import annotations

import asyncio
import hashlib
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.store import Images
from bridge.store.images import LOOP_BYTES, digest, ending, free_bytes
from bridge.store.retention import Retention

JPEG = b"\xff\xd8\xff\xe0 a picture"


def files(folder: Path) -> list[Path]:
    """Return the pictures, without the catalogue that lies beside them."""
    return [path for path in folder.glob("??/*") if path.is_file()]


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (JPEG, "jpg"),
        (b"\x89PNG\r\n\x1a\n..", "png"),
        (b"BM....", "bmp"),
        (b"II*\x00..", "tif"),
        (b"MM\x00*..", "tif"),
        (b"GIF89a", "gif"),
        (b"RIFF....WEBPVP8 ", "webp"),
        (b"RIFF....WAVE", "bin"),
        (b"", "bin"),
    ],
)
async def test_an_image_is_kept_under_its_hash_with_the_ending_of_its_kind(
    tmp_path: Path, data: bytes, name: str
) -> None:
    async with Images(tmp_path) as images:
        kept = await images.put(data)
        await images.flush()
        assert kept == hashlib.sha256(data).hexdigest() == images.digest(data)
        assert images.path(kept) == tmp_path / kept[:2] / f"{kept}.{name}"
        assert images.read(kept) == data


@given(data=st.binary(max_size=64))
def test_any_bytes_have_an_ending(data: bytes) -> None:
    assert ending(data) in {"jpg", "png", "bmp", "tif", "gif", "webp", "bin"}


async def test_the_same_image_is_written_once(tmp_path: Path) -> None:
    async with Images(tmp_path) as images:
        name = await images.put(JPEG)
        await images.flush()
        before = images.path(name).stat()
        await images.put(JPEG)
        await images.flush()
        assert images.path(name).stat().st_ino == before.st_ino
        assert files(tmp_path) == [images.path(name)]


async def test_half_an_image_is_none_and_is_healed(tmp_path: Path) -> None:
    """After a power cut a file may have its name and not its bytes."""
    async with Images(tmp_path) as images:
        name = await images.put(JPEG)
        await images.flush()
        images.path(name).write_bytes(JPEG[:5])
        assert images.read(name) is None
        await images.put(JPEG)
        await images.flush()
        assert images.read(name) == JPEG


async def test_what_a_crash_left_unfinished_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / "half.jpg").write_bytes(b"half")
    async with Images(tmp_path) as images:
        await images.put(JPEG)
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "ab" * 32 + "/..", "AB" * 32, "0" * 64])
def test_a_name_that_is_no_hash_of_ours_leads_nowhere(tmp_path: Path, name: str) -> None:
    """Hashes come from outside, over a console's address line."""
    images = Images(tmp_path)
    assert images.path(name) is None
    assert images.read(name) is None


async def test_a_queue_that_is_full_drops_and_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow disk costs images, never a part's time."""
    monkeypatch.setattr("bridge.store.images.QUEUE_BYTES", 2 * len(JPEG))
    gate = threading.Event()
    async with Images(tmp_path) as images:
        images._submit(lambda: gate.wait(5) and None)
        for place in range(4):
            data = JPEG[:-1] + bytes([place])
            images.keep(digest(data), data)
        assert images.dropped == 2
        gate.set()
        await images.flush()
        await images.put(JPEG)
        await images.flush()
    assert images.dropped == 2
    assert len(files(tmp_path)) == 3


async def test_images_leave_the_last_of_the_disk_to_the_journal(tmp_path: Path) -> None:
    """A full disk would cost decisions; images are kept again once there is room."""
    free = [1000]
    retention = Retention(floor_bytes=900)
    async with Images(tmp_path / "images", retention, free=lambda _: free[0]) as images:
        small, large = b"x" * 100, b"y" * 101
        names = [await images.put(data) for data in (small, large)]
        await images.flush()
        assert images.dropped == 1
        assert [images.read(name) for name in names] == [small, None]
        free[0] = 1001
        await images.put(large)
        await images.flush()
        assert (images.dropped, images.read(names[1])) == (1, large)


def test_free_space_is_known_before_the_folder_is_there(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "no" / "images") > 0


async def test_large_images_are_hashed_beside_the_loop(tmp_path: Path) -> None:
    data = JPEG + bytes(LOOP_BYTES)
    async with Images(tmp_path) as images:
        assert await images.put(data) == digest(data)


async def test_closing_writes_what_is_queued(tmp_path: Path) -> None:
    async with Images(tmp_path) as images:
        names = [await images.put(JPEG + bytes([place])) for place in range(50)]
    assert all(Images(tmp_path).read(name) for name in names)


async def test_a_folder_never_used_is_never_made(tmp_path: Path) -> None:
    async with Images(tmp_path / "images"):
        await asyncio.sleep(0)
    assert not (tmp_path / "images").exists()
