"""Cameras in worker processes: pictures of after the trigger only, and one camera's trouble is its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from camera_rig import (
    FRAMES,
    PATIENCE_SECONDS,
    RATE,
    answering,
    jpeg,
    keeping,
    number_of,
    put,
    shoot,
    signal_worker,
    steady,
    until,
)

from bridge.plugin import Unavailable
from bridge_camera import host
from bridge_camera.folder_device import SHUTTER
from bridge_camera.options import Camera
from bridge_camera.video_device import VideoDevice


def a_folder(path: Path, trigger: str = "software", **options: object) -> Camera:
    path.mkdir(exist_ok=True)
    return Camera.model_validate(
        {"name": "front", "kind": "folder", "path": path, "trigger": trigger, "timeout_ms": 9000, **options}
    )


def a_video(path: Path, **options: object) -> Camera:
    return Camera.model_validate({"name": "front", "kind": "video", "path": path, "timeout_ms": 9000, **options})


# -- a camera that runs freely ------------------------------------------------------------------------------------


async def test_a_frame_was_exposed_after_its_trigger(video: Path) -> None:
    """Part after part: the number of frames between two pictures is what the sensor made between two triggers."""
    async with keeping(a_video(video)) as camera:
        await steady(camera)
        before, shot = await shoot(camera)
        for _ in range(3):
            idle = asyncio.get_running_loop().time() - shot.arrived
            now, shot = await shoot(camera)
            assert shot.exposed > 0
            assert (number_of(now) - number_of(before)) % FRAMES >= idle * RATE - 1
            before = now


async def test_a_stalled_reader_hands_over_no_frame_of_before(video: Path) -> None:
    """While the worker stands still its driver's queue fills with old frames, and then the trigger comes."""
    async with keeping(a_video(video, buffer_frames=8)) as camera:
        await steady(camera)
        before, shot = await shoot(camera)
        signal_worker(camera, signal.SIGSTOP)
        await asyncio.sleep(0.6)  # the sensor goes on: this is the time that the test is about
        trigger = asyncio.get_running_loop().time()
        waiting = asyncio.create_task(camera.shoot(trigger))
        await asyncio.sleep(0)
        signal_worker(camera, signal.SIGCONT)
        now, late = await waiting
        assert late.exposed > trigger
        assert (number_of(now) - number_of(before)) % FRAMES >= (trigger - shot.arrived) * RATE - 1


async def test_a_naive_reader_would_hand_over_the_part_before(video: Path) -> None:
    """The queue that the test above relies on is real: its next frame is far older than the moment it is taken."""
    device = await asyncio.to_thread(VideoDevice, a_video(video, buffer_frames=8).settings())
    await asyncio.to_thread(device.grab, 1)
    await asyncio.sleep(0.6)
    opened = device._opened_at
    trigger = asyncio.get_running_loop().time()
    grabbed = await asyncio.to_thread(device.grab, 1)
    device.close()
    assert grabbed is not None
    assert opened + grabbed.frame / RATE < trigger - 0.4


async def test_a_timeout_too_short_for_the_camera_is_said(video: Path) -> None:
    async with keeping(a_video(video, timeout_ms=20)) as camera:
        await steady(camera)
        with pytest.raises(Unavailable, match="camera front: no frame that began after the trigger came in time"):
            await shoot(camera)


async def test_who_knows_the_camera_waits_less(video: Path) -> None:
    """``lead_ms`` brings the picture sooner, and it is still one of after the trigger."""
    took = {}
    for lead in (None, 33):
        async with keeping(a_video(video, lead_ms=lead)) as camera:
            await steady(camera)
            times = []
            for _ in range(5):
                trigger = asyncio.get_running_loop().time()
                _, shot = await camera.shoot(trigger)
                assert shot.exposed > trigger
                times.append(shot.arrived - trigger)
            took[lead] = sorted(times)[2]
    assert took[33] < took[None]


# -- a camera that is told to shoot, or that a wire tells ---------------------------------------------------------


async def test_a_folder_is_told_to_shoot_and_nothing_of_before_counts(tmp_path: Path) -> None:
    camera = a_folder(tmp_path / "front")
    put(tmp_path / "front", "old.jpg", jpeg(1))
    async with keeping(camera) as kept, answering(tmp_path / "front", lambda number: jpeg(100 + number)):
        put(tmp_path / "front", "older.jpg", jpeg(2))
        assert [number_of((await shoot(kept))[0]) for _ in range(3)] == [100, 101, 102]


async def test_pictures_of_a_folder_are_handed_on_as_they_are(tmp_path: Path) -> None:
    picture = jpeg(5)
    async with keeping(a_folder(tmp_path / "front")) as kept, answering(tmp_path / "front", lambda _: picture):
        assert (await shoot(kept))[0] == picture


async def test_a_picture_that_comes_too_late_is_not_the_next_parts(tmp_path: Path) -> None:
    """It was for a part that has gone; when the next one is triggered it is thrown away."""
    folder = tmp_path / "front"
    async with keeping(a_folder(folder, timeout_ms=150)) as kept:
        with pytest.raises(Unavailable, match="came in time"):
            await shoot(kept)
        put(folder, "late.jpg", jpeg(1))
        async with answering(folder, lambda _: jpeg(2)):
            assert number_of((await shoot(kept))[0]) == 2


async def test_a_picture_counts_once_it_is_complete(tmp_path: Path) -> None:
    """Half of a picture is no picture; one whose format says nothing must lie still for a while."""
    folder, whole = tmp_path / "front", jpeg(7)
    async with keeping(a_folder(folder)) as kept:
        waiting = asyncio.create_task(shoot(kept))
        await until((folder / SHUTTER).exists)
        (folder / "new.jpg").write_bytes(whole[:-9])
        await asyncio.sleep(0.1)
        assert not waiting.done()
        (folder / "new.jpg").write_bytes(whole)
        assert (await waiting)[0] == whole
        waiting = asyncio.create_task(shoot(kept))
        await asyncio.sleep(0.05)
        (folder / "new.tif").write_bytes(b"II*\0 whatever a TIFF holds")
        assert (await waiting)[0].startswith(b"II*")


async def test_the_next_part_takes_the_place_of_one_that_is_not_done(tmp_path: Path) -> None:
    """By then another part stands there: a picture taken now is not of the part before."""
    folder = tmp_path / "front"
    async with keeping(a_folder(folder)) as kept:
        first = asyncio.create_task(shoot(kept))
        await until((folder / SHUTTER).exists)
        async with answering(folder, lambda _: jpeg(2)):
            await asyncio.sleep(0.02)
            second = await shoot(kept)
        with pytest.raises(Unavailable, match="the next part came first"):
            await first
        assert number_of(second[0]) == 2


async def test_a_wire_may_shoot_before_we_hear_of_the_part(tmp_path: Path) -> None:
    folder = tmp_path / "front"
    async with keeping(a_folder(folder, "line", timeout_ms=400)) as kept:
        put(folder, "1.jpg", jpeg(1))
        await until(lambda: kept.worker is not None)
        await asyncio.sleep(0.05)
        assert number_of((await shoot(kept))[0]) == 1
        waiting = asyncio.create_task(shoot(kept))
        await asyncio.sleep(0.05)
        put(folder, "2.jpg", jpeg(2))
        assert number_of((await waiting)[0]) == 2


async def test_a_frame_of_the_wire_from_long_ago_is_of_another_part(tmp_path: Path) -> None:
    folder = tmp_path / "front"
    async with keeping(a_folder(folder, "line", timeout_ms=200, line_before_ms=100)) as kept:
        put(folder, "1.jpg", jpeg(1))
        await asyncio.sleep(0.3)
        with pytest.raises(Unavailable, match="came in time"):
            await shoot(kept)


async def test_two_frames_for_one_part_are_none(tmp_path: Path) -> None:
    """A wire that bounces: nobody knows which of the two shows the part."""
    folder = tmp_path / "front"
    async with keeping(a_folder(folder, "line", line_before_ms=5000)) as kept:
        put(folder, "1.jpg", jpeg(1))
        put(folder, "2.jpg", jpeg(2))
        await asyncio.sleep(0.2)
        with pytest.raises(Unavailable, match="2 frames came for one part"):
            await shoot(kept)


# -- the picture --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("encoding", "head"), [("jpeg", b"\xff\xd8"), ("png", b"\x89PNG"), ("bmp", b"BM")])
async def test_it_is_turned_and_encoded_as_asked(tmp_path: Path, encoding: str, head: bytes) -> None:
    """Any encoding, and the same pixels give the same bytes again: a repeated picture is known as one."""
    folder = tmp_path / "front"
    camera = a_folder(folder, rotate=90, encoding=encoding)
    async with keeping(camera) as kept, answering(folder, lambda _: jpeg(3, 160, 32)):
        (first, shot), (second, _) = await shoot(kept), await shoot(kept)
    assert first.startswith(head)
    assert first == second
    assert (shot.width, shot.height) == (32, 160)
    pixels = cv2.imdecode(np.frombuffer(first, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    assert pixels.shape == (160, 32, 3)
    assert pixels[8].mean() > 200, "the first stripe is on top now"
    assert pixels[-8].mean() < 50


async def test_a_file_that_is_no_picture_is_a_missing_view(tmp_path: Path) -> None:
    """The camera goes on."""
    folder = tmp_path / "front"
    pictures = [b"\xff\xd8 nothing \xff\xd9", jpeg(4)]
    async with keeping(a_folder(folder, rotate=180)) as kept, answering(folder, pictures.__getitem__):
        with pytest.raises(Unavailable, match="is no picture"):
            await shoot(kept)
        assert (await shoot(kept))[1].width == 160


async def test_five_megabytes_cost_little(tmp_path: Path) -> None:
    """A big picture goes through memory that both share, and arrives whole."""
    folder = tmp_path / "front"
    big = b"\xff\xd8" + os.urandom(5_000_000) + b"\xff\xd9"
    async with keeping(a_folder(folder)) as kept, answering(folder, lambda _: big):
        for _ in range(host.SLOTS + 2):
            data, shot = await shoot(kept)
            handed = asyncio.get_running_loop().time() - shot.arrived
            assert data == big
    assert handed < 0.5, "an idle machine needs ten milliseconds"


async def test_a_picture_that_no_thread_was_free_to_read_leaves_nothing_open(tmp_path: Path) -> None:
    """A disk so slow that every thread waits for it costs views, and no file descriptors."""
    folder, gate = tmp_path / "front", threading.Event()
    big = b"\xff\xd8" + os.urandom(2 * host.INLINE_BYTES) + b"\xff\xd9"
    loop = asyncio.get_running_loop()
    async with keeping(a_folder(folder, timeout_ms=300)) as kept:
        loop.set_default_executor(ThreadPoolExecutor(1))
        busy = loop.run_in_executor(None, gate.wait, PATIENCE_SECONDS)
        before = _open_files()
        for number in range(host.SLOTS + 1):
            taking = asyncio.create_task(shoot(kept))
            await until(lambda number=number: _shots(folder) > number)
            put(folder, f"{number}.jpg", big)
            with pytest.raises(Unavailable, match="did not answer in time"):
                await taking
        gate.set()
        await busy
        await until(lambda: _open_files() <= before)


def _open_files() -> int:
    return psutil.Process().num_fds()


def _shots(folder: Path) -> int:
    """Return how often a camera was told to shoot."""
    shutter = folder / SHUTTER
    return int(shutter.read_text(encoding="ascii").split()[1]) if shutter.exists() else 0


# -- cameras that are away, hang or crash -------------------------------------------------------------------------


async def test_a_camera_that_is_away_is_tried_again(tmp_path: Path) -> None:
    """Every picture is missing at once while it is away; it comes back by itself."""
    folder = tmp_path / "front"
    camera = a_folder(folder)
    folder.rmdir()
    async with keeping(camera) as kept:
        with pytest.raises(Unavailable, match=r"camera front: is away: .*front cannot be listed \(No such file"):
            await shoot(kept)
        folder.mkdir()
        await until(lambda: kept.worker is not None)
        async with answering(folder, lambda _: jpeg(1)):
            assert number_of((await shoot(kept))[0]) == 1


async def test_a_worker_that_dies_costs_its_view_and_is_started_again(tmp_path: Path) -> None:
    folder = tmp_path / "front"
    async with keeping(a_folder(folder)) as kept:
        waiting = asyncio.create_task(shoot(kept))
        await until((folder / SHUTTER).exists)
        died = signal_worker(kept, signal.SIGKILL)
        with pytest.raises(Unavailable, match=r"its worker died \(SIGKILL\)"):
            await waiting
        await until(lambda: kept.worker is not None and kept.worker.process.pid != died)
        async with answering(folder, lambda _: jpeg(1)):
            assert number_of((await shoot(kept))[0]) == 1
    assert not psutil.pid_exists(died)


async def test_a_worker_that_hangs_costs_its_view_in_time_and_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "SILENCE_SECONDS", 1.5)
    async with keeping(a_folder(tmp_path / "front", timeout_ms=200)) as kept:
        hung = signal_worker(kept, signal.SIGSTOP)
        began = asyncio.get_running_loop().time()
        with pytest.raises(Unavailable, match="did not answer in time"):
            await shoot(kept)
        assert asyncio.get_running_loop().time() - began < 1.0
        await until(lambda: kept.worker is None)
        assert kept.why == "its driver was silent for 1.5 s"
        await until(lambda: kept.worker is not None)
    assert not psutil.pid_exists(hung)


SLEEPER = """
import socket, sys, time
time.sleep(3600)
"""
CHATTERER = """
import socket, sys
link = socket.socket(fileno=int(sys.argv[-2]))
link.sendall(b"\\x00\\x00\\x00\\x05hello")
link.recv(1 << 16)
"""


@pytest.mark.parametrize(
    ("program", "why"),
    [(SLEEPER, "was not open within 0.5 s"), (CHATTERER, "its worker talked nonsense"), ("", "its worker died")],
)
async def test_a_worker_that_never_opens_is_one_line(tmp_path: Path, program: str, why: str) -> None:
    async with keeping(a_folder(tmp_path / "front"), ["-c", program], open_seconds=0.5) as kept:
        with pytest.raises(Unavailable, match=f"camera front: is away: {why}"):
            await shoot(kept)


async def test_no_worker_outlives_the_gateway(tmp_path: Path) -> None:
    """A gateway that is killed leaves nothing behind, even where its worker is stopped."""
    (tmp_path / "front").mkdir()
    script = f"""
import asyncio, sys
from pathlib import Path
from bridge_camera.keeping import KeptCamera
from bridge_camera.options import Camera

async def main():
    kept = KeptCamera(Camera(name="front", kind="folder", path=Path({str(tmp_path / "front")!r})), 20)
    task = asyncio.create_task(kept.keep())
    await kept.tried.wait()
    print(kept.worker.process.pid, file=sys.stderr, flush=True)
    await task

asyncio.run(main())
"""
    gateway = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        assert gateway.stderr is not None
        worker = int(await asyncio.wait_for(gateway.stderr.readline(), PATIENCE_SECONDS))
        os.kill(worker, signal.SIGSTOP)
    finally:
        gateway.kill()
        await gateway.wait()
    await until(lambda: not psutil.pid_exists(worker) or psutil.Process(worker).status() == psutil.STATUS_ZOMBIE)


@pytest.mark.parametrize(
    ("device", "why"),
    [
        ("/dev/video77", "/dev/video77 cannot be opened"),
        ("77", "77 cannot be opened"),
        ("rtsp://127.0.0.1:9/x", "rtsp://127.0.0.1:9/x cannot be opened"),
        ("rtsp://admin:s3cret@127.0.0.1:9/x", "rtsp://127.0.0.1:9/x cannot be opened"),
        ("videotestsrc ! appsink", "this OpenCV was built without GStreamer"),
    ],
)
async def test_a_device_that_cannot_be_opened_says_why(device: str, why: str) -> None:
    async with keeping(Camera(name="front", device=device)) as kept:
        assert kept.worker is None
        assert kept.why.startswith(why)


async def test_all_cameras_shoot_at_once(tmp_path: Path) -> None:
    """Between the first and the last of eight orders there is next to no time."""
    async with AsyncExitStack() as stack:
        cameras = []
        for number in range(8):
            folder = tmp_path / f"c{number}"
            folder.mkdir()
            options = Camera(name=folder.name, kind="folder", path=folder, trigger="software", timeout_ms=9000)
            cameras.append(await stack.enter_async_context(keeping(options)))
            await stack.enter_async_context(answering(folder, lambda _, n=number: jpeg(n)))  # type: ignore[misc]
        now = asyncio.get_running_loop().time()
        shots = await asyncio.gather(*(camera.shoot(now) for camera in cameras))
    assert [number_of(picture) for picture, _ in shots] == list(range(8))
    exposed = sorted(shot.exposed for _, shot in shots)
    assert exposed[0] > now
    assert exposed[-1] - exposed[0] < 0.25, "an idle machine needs five milliseconds"
