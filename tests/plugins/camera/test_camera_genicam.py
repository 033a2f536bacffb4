"""GenICam for real: harvesters, and the simulated cameras that its Python binding brings, in worker processes.

These cameras run freely and know no trigger, no exposure and no time stamps; what needs those was never seen here.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path

import cv2
import numpy as np
import pytest
from camera_rig import VIKY, keeping, shoot, steady

from bridge.plugin import Unavailable
from bridge_camera.device import Away
from bridge_camera.freshness import Freshness
from bridge_camera.genicam_device import GenicamDevice
from bridge_camera.options import Camera


def viky(serial: str = "1", **options: object) -> Camera:
    given = {"name": f"c{serial}", "kind": "genicam", "device": serial, "producer": VIKY, "timeout_ms": 9000}
    return Camera.model_validate({**given, **options})


async def test_a_frame_was_exposed_after_its_trigger() -> None:
    """The camera's own count says that frames went by; none was handed over twice."""
    async with keeping(viky(pixel_format="Mono8", width=320, height=240)) as camera:
        assert camera.said == "Viky 1 320x240 Mono8, trigger free"
        await steady(camera)
        frames = []
        for _ in range(3):
            trigger = asyncio.get_running_loop().time()
            picture, shot = await camera.shoot(trigger)
            assert shot.exposed > trigger
            frames.append(shot.frame)
    assert frames == sorted(set(frames))
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    assert pixels.shape == (240, 320)
    assert pixels.std() > 0, "a picture with something in it"


async def test_three_cameras_shoot_at_once_in_colour() -> None:
    """Each in a process of its own, though the producer is the same; colours are told apart."""
    async with AsyncExitStack() as stack:
        wanted = [viky(serial, pixel_format="RGBa8", encoding="png") for serial in "012"]
        cameras = [await stack.enter_async_context(keeping(one)) for one in wanted]
        for camera in cameras:
            await steady(camera)
        now = asyncio.get_running_loop().time()
        shots = await asyncio.gather(*(camera.shoot(now) for camera in cameras))
    seen = [cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR) for picture, _ in shots]
    strongest = [int(np.argmax(pixels.reshape(-1, 3).min(0))) for pixels in seen if pixels is not None]
    assert strongest == [2, 1, 0], "the red, the green and the blue camera, in OpenCV's order of colours"


async def test_buffers_that_are_full_of_old_frames_are_emptied() -> None:
    """A reader that stood still finds the frames of before, and hands none of them over."""

    def look() -> tuple[list[int], int]:
        device, fresh = GenicamDevice(viky(buffer_frames=4).settings()), Freshness()

        def grabbed() -> tuple[int, float]:
            while (one := device.grab(1)) is None:
                pass
            return one.frame, fresh.grabbed(one.began, one.ended)

        try:
            last = [grabbed()[0] for _ in range(30)][-1]
            time.sleep(1.0)  # the camera goes on, and its buffers fill
            trigger = time.monotonic()
            old = []
            while (seen := grabbed())[1] <= trigger:
                old.append(seen[0] - last)
        finally:
            device.close()
        return old, seen[0] - last

    old, first = await asyncio.to_thread(look)
    assert len(old) >= 4, "the buffers were full"
    assert old[0] < 10 < first, "a second has twenty frames"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"device": "77"}, "no camera of serial number 77; found: 0, 1, 2"),
        ({"producer": Path("/nowhere/x.cti")}, "there is no producer /nowhere/x.cti"),
        ({"pixel_format": "Mono99"}, "does not take PixelFormat = Mono99: "),
        ({"width": 60_000}, "does not take Width = 60000: "),
        ({"exposure_us": 500}, "has no feature ExposureTime"),
        ({"trigger": "software"}, "has no feature TriggerMode"),
        ({"features": {"Nonsense": 1}}, "has no feature Nonsense"),
        ({"features": {"Height": "tall"}}, "does not take Height = tall"),
    ],
)
async def test_what_the_camera_does_not_take_is_one_line(options: dict[str, object], why: str) -> None:
    async with keeping(viky(**options)) as camera:
        assert camera.worker is None
        assert why in camera.why
        assert "\n" not in camera.why
        with pytest.raises(Unavailable, match="is away"):
            await shoot(camera)


async def test_after_a_shot_without_an_answer_the_acquisition_begins_anew() -> None:
    """A frame that comes late would be taken for the next part's; the count goes on over the new beginning."""

    def look() -> tuple[int, int, int]:
        device = GenicamDevice(viky().settings())

        def frame() -> int:
            while (one := device.grab(1)) is None:
                pass
            return one.frame

        try:
            before = [frame() for _ in range(5)][-1]
            device._unanswered = True
            device.flush()
            after = frame()
            return before, after, device._starts
        finally:
            device.close()

    before, after, starts = await asyncio.to_thread(look)
    assert starts == 1
    assert after > before


async def test_a_camera_without_a_software_trigger_says_so() -> None:
    def tell() -> None:
        device = GenicamDevice(viky().settings())
        try:
            device.shoot()
        finally:
            device.close()

    with pytest.raises(Away, match="takes no software trigger"):
        await asyncio.to_thread(tell)
