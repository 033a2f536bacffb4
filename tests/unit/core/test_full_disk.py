"""A disk that is really full: parts are answered by its row, pictures go first, and all comes back by itself."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from core_kit import NG, OK, Stand, until

from bridge.line import Line
from bridge.messages import Decision, Failure, Inspection, Origin, Verdict, View
from bridge.store import Entry, Images, Retention, open_journal

DISK = 4 << 20
FLOOR = 1 << 20
PICTURE = 50_000
SHORT = {"deadline_ms": 8000, "reserve_ms": 7000}


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of its own that holds four megabytes."""
    path = tmp_path / "disk"
    path.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if mount is None or umount is None or os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    made = [mount, "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(path)]
    if (done := subprocess.run(made, capture_output=True, check=False)).returncode:
        pytest.skip(f"no small file system may be mounted here: {done.stderr.decode().strip()}")
    try:
        yield path
    finally:
        subprocess.run([umount, "-l", str(path)], check=True)


@pytest.fixture
async def small(tiny: Path) -> AsyncIterator[Stand]:
    """Return a stand whose journal and pictures are on the small disk."""
    retention = Retention(sample=1, floor_bytes=FLOOR)
    async with (
        open_journal(tiny) as journal,
        Images(tiny / "images", retention) as images,
        asyncio.TaskGroup() as tasks,
    ):
        stand = Stand(tiny, journal, images, tasks)
        try:
            yield stand
        finally:
            await stand.stop()


def occupy(disk: Path, leave: int) -> None:
    """Let somebody else's file take all of the disk but so much."""
    with (disk / "somebody else's").open("wb", buffering=0) as file, suppress(OSError):
        while shutil.disk_usage(disk).free > leave:
            file.write(bytes(4096))


def leave(disk: Path) -> None:
    (disk / "somebody else's").unlink()


def a_picture(number: int, legacy: Verdict) -> Inspection:
    """Return a part with a picture of a size."""
    image = f"{number} {legacy}".encode().ljust(PICTURE, b".")
    view = View(image=image, legacy=legacy)
    return Inspection(part=str(number), key=f"k{number}", legacy=legacy, views=(view,))


async def answered(line: Line, part: Inspection) -> Decision:
    async with asyncio.timeout(20):
        return await line.inspect(part)


async def unrecorded(line: Line, legacy: Verdict, begin: int) -> tuple[Inspection, Decision]:
    """Hand in parts until the disk takes no more, which pages that are there already put off for a while."""
    for number in range(begin, begin + 2000):
        part = a_picture(number, legacy)
        if not (decision := await answered(line, part)).recorded:
            return part, decision
    raise AssertionError("the disk was never full")


async def test_pictures_are_dropped_first_and_decisions_go_on(small: Stand) -> None:
    """Below the floor no picture is kept, and the journal has what is left of the disk to itself."""
    line = small.line(**SHORT)
    await until(lambda: line._treatments[""].turns.open)
    await asyncio.to_thread(occupy, small.folder, FLOOR - 1)
    for number in range(20):
        assert (await answered(line, a_picture(number, NG))).recorded
    await small.images.flush()
    assert small.images.dropped == 20
    await asyncio.to_thread(leave, small.folder)
    assert (await answered(line, a_picture(99, NG))).recorded
    await small.images.flush()
    assert (small.images.dropped, small.images.figures()["files"]) == (20, 1)


@pytest.mark.parametrize(
    ("goal", "stage", "legacy", "final", "origin"),
    [
        (1, "live", NG, NG, Origin.FALLBACK),
        (1, "live", OK, OK, Origin.FALLBACK),
        (2, "live", OK, NG, Origin.FALLBACK),
        (3, "live", OK, NG, Origin.FALLBACK),
        (2, "shadow", OK, OK, Origin.LEGACY),
    ],
)
async def test_a_full_disk_is_answered_by_its_row_and_what_was_not_recorded_is_recorded_later(
    small: Stand, goal: int, stage: str, legacy: Verdict, final: Verdict, origin: Origin
) -> None:
    """Nothing is acknowledged that is not on the disk; when there is room again no restart is needed."""
    line = small.line(goal=goal, stage=stage, **SHORT)
    await until(lambda: line._treatments[""].turns.open)
    recorded = await answered(line, a_picture(0, legacy))
    await asyncio.to_thread(occupy, small.folder, 0)
    part, decision = await unrecorded(line, legacy, 1)
    assert (decision.final, decision.origin, decision.degraded) == (final, origin, True)
    assert Failure.NOT_RECORDED in decision.failures
    assert await small.look(lambda reader: reader.decision(recorded.id)) is not None
    assert (await answered(line, part)).final is final, "what was answered is final, room or not"
    await asyncio.to_thread(leave, small.folder)
    again = await answered(line, part)
    assert (again.recorded, again.final, again.failures) == (True, decision.final, decision.failures)
    assert (await answered(line, a_picture(-1, legacy))).recorded
    stored = await small.look(lambda reader: reader.decisions(limit=5000))
    assert [one.key for one in stored].count(part.key) == 1
    await until(lambda: [one.key for one in small.mes.told] == [one.key for one in stored])


async def test_the_audit_log_waits_for_room(small: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has happened is written when there is room, and the chain is whole."""
    monkeypatch.setattr("bridge.store.trail.RETRY_SECONDS", 0.01)
    line = small.line(**SHORT)
    await asyncio.to_thread(occupy, small.folder, 0)
    await unrecorded(line, OK, 0)
    for number in range(10):
        small.journal.note(Entry(what="bypass", why=f"{number} {'x' * 10_000}"))
    await answered(line, a_picture(-1, OK))
    assert len(small.journal._trail._waiting) > 0
    await asyncio.to_thread(leave, small.folder)
    await until(lambda: not small.journal._trail._waiting)
    noted = await small.look(lambda reader: reader.audit())
    assert [entry.why[0] for entry in noted] == [str(number) for number in range(10)]
    assert not (await small.look(lambda reader: reader.verify())).fault
