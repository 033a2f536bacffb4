"""Images on a share are waited for, taken whole, and never from outside of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.plugin import Refused, Unavailable, View
from bridge.plugin.share import Share, whole

JPEG = b"\xff\xd8picture\xff\xd9"


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def share(root: Path, threads: ThreadPoolExecutor, **more: Any) -> Share:
    fast = {"poll_seconds": 0.002, "settle_seconds": 0.02, "timeout_seconds": 1.0}
    return Share(root, threads, **(fast | more))


def view(path: str) -> View:
    return View(reference=path)


async def test_an_image_that_is_there_is_read_at_once(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    (tmp_path / "a.jpg").write_bytes(JPEG)
    assert await share(tmp_path, threads, settle_seconds=9).fetch(view("a.jpg")) == JPEG


async def test_an_image_still_on_its_way_is_waited_for(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    """Neither an absent file nor the first half of one is the image."""
    fetching = asyncio.create_task(share(tmp_path, threads).fetch(view("a.jpg")))
    await asyncio.sleep(0.01)
    (tmp_path / "a.jpg").write_bytes(JPEG[:5])
    await asyncio.sleep(0.01)
    assert not fetching.done()
    (tmp_path / "a.jpg").write_bytes(JPEG)
    assert await fetching == JPEG


async def test_a_format_without_an_end_is_taken_once_it_settles(
    tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    (tmp_path / "a.raw").write_bytes(b"raw")
    assert await share(tmp_path, threads).fetch(view("a.raw")) == b"raw"


@pytest.mark.parametrize("content", [None, b""])
async def test_an_image_that_never_comes_is_unavailable(
    content: bytes | None, tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    if content is not None:
        (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(Unavailable, match="did not come"):
        await share(tmp_path, threads, timeout_seconds=0.05).fetch(view("a.jpg"))


@pytest.mark.parametrize(
    "path",
    [
        "../secret",
        "a/../../secret",
        "/etc/passwd",
        "C:\\secret",
        "C:secret",
        "..\\secret",
        "\\\\pc\\share\\secret",
        "//pc/share/secret",
        "\\secret",
        "D:\\AOI\\..\\secret",
        "D:\\AOI/../../secret",
        "out/secret",
        "",
        ".",
        "a\0b",
    ],
)
async def test_nothing_outside_the_share_is_read(path: str, tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    """Neither by dots, nor from the root, nor through a link; a drive letter is just a name that is not there."""
    root = tmp_path / "share"
    root.mkdir()
    (tmp_path / "secret").write_bytes(JPEG)
    (root / "out").symlink_to(tmp_path)
    with pytest.raises((Refused, Unavailable)):
        await share(root, threads, timeout_seconds=0.02).fetch(view(path))


@given(path=st.text(alphabet="./\\ab\0", max_size=20))
def test_every_place_lies_below_the_root(path: str) -> None:
    root = Path("/nowhere/share")
    with ThreadPoolExecutor(1) as threads:
        try:
            place = share(root, threads).locate(path)
        except Refused:
            return
    assert place.is_relative_to(root)


async def test_what_is_too_large_is_refused_unread(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    (tmp_path / "a.jpg").write_bytes(bytes(100))
    with pytest.raises(Refused, match="100 bytes, more than 99"):
        await share(tmp_path, threads, max_bytes=99).fetch(view("a.jpg"))


async def test_a_pipe_or_folder_is_no_image(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    """Opening a pipe would hold a thread for ever."""
    os.mkfifo(tmp_path / "pipe")
    for path in ("pipe", "."):
        with pytest.raises(Refused, match="no regular file"):
            await share(tmp_path, threads).fetch(view(path))


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ("D:\\AOI\\Images\\lot 1\\a.jpg", "lot 1/a.jpg"),
        ("d:/aoi/images/a.jpg", "a.jpg"),
        ("a.jpg", "a.jpg"),
        ("D:\\AOI\\images2\\a.jpg", "D:/AOI/images2/a.jpg"),
    ],
)
def test_the_machines_own_paths_are_translated(
    said: str, place: str, tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    root = tmp_path.resolve()
    assert share(root, threads, prefix="D:\\AOI\\images\\").locate(said) == root / place


async def test_a_part_that_outlives_its_source_gets_no_image(tmp_path: Path) -> None:
    threads = ThreadPoolExecutor(1)
    threads.shutdown()
    with pytest.raises(Unavailable, match="closed"):
        await share(tmp_path, threads).fetch(view("a.jpg"))


@pytest.mark.parametrize(
    ("data", "end"),
    [
        (JPEG, True),
        (JPEG[:-1], False),
        (b"\x89PNG\r\n\x1a\n....IEND\xaeB`\x82", True),
        (b"\x89PNG\r\n\x1a\n....", False),
        (b"BM\x08\x00\x00\x00..", True),
        (b"BM\x09\x00\x00\x00..", False),
        (b"", False),
        (b"II*\x00", False),
    ],
)
def test_a_known_format_tells_its_own_end(data: bytes, end: bool) -> None:  # noqa: FBT001 - a table of examples
    assert whole(data) is end
