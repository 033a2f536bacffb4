"""Cameras to test with: a video whose frames carry their number, a folder that answers, a camera that is kept."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import cv2
import genicam
import numpy as np

from bridge_camera.codec import Shot
from bridge_camera.folder_device import SHUTTER
from bridge_camera.host import PROGRAM
from bridge_camera.keeping import KeptCamera
from bridge_camera.options import Camera

PATIENCE_SECONDS = 20.0
"""Of everything that is waited for; an idle machine needs milliseconds."""
RATE = 30
"""Frames per second of the video."""
FRAMES = 300
BITS = 10
VIKY = Path(genicam.__file__).parent / "viky.cti"
"""The GenTL producer that comes with the GenICam standard's own Python binding: three simulated cameras."""


def record(path: Path) -> Path:
    """Write a video whose frames show their own number as stripes."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), RATE, (16 * BITS, 32))
    for number in range(FRAMES):
        writer.write(stripes(number))
    writer.release()
    return path


def stripes(number: int, width: int = 16 * BITS, height: int = 32) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return a picture of a number."""
    bits = [255 * (number >> bit & 1) for bit in range(BITS)]
    row = np.repeat(np.array(bits, np.uint8), width // BITS)
    return np.repeat(np.repeat(row[None, :, None], height, 0), 3, 2)


def number_of(picture: bytes) -> int:
    """Read the number off a picture."""
    seen = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert seen is not None
    wide = seen.shape[1] // BITS
    return sum(int(seen[seen.shape[0] // 2, bit * wide + wide // 2] > 127) << bit for bit in range(BITS))


def jpeg(number: int, width: int = 16 * BITS, height: int = 32) -> bytes:
    """Return a number as a JPEG."""
    return bytes(cv2.imencode(".jpg", stripes(number, width, height))[1])


@asynccontextmanager
async def keeping(
    camera: Camera, program: Sequence[str] = PROGRAM, open_seconds: float = PATIENCE_SECONDS
) -> AsyncIterator[KeptCamera]:
    """Keep a camera while the block lasts; it was opened, or could not be, when it begins."""
    kept = KeptCamera(camera, open_seconds, program)
    task = asyncio.create_task(kept.keep())
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await kept.tried.wait()
        yield kept
    finally:
        task.cancel()
        await asyncio.wait([task])


async def shoot(kept: KeptCamera) -> tuple[bytes, Shot]:
    """Trigger now."""
    return await kept.shoot(asyncio.get_running_loop().time())


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that no event tells of."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - counts, files and other processes tell nobody when they change
            await asyncio.sleep(0.005)


async def steady(kept: KeptCamera) -> None:
    """Wait until a camera that runs freely knows its own rate."""
    await until(lambda: kept.worker is not None and kept.worker.period > 0)


def put(folder: Path, name: str, data: bytes) -> None:
    """Let a picture appear whole."""
    fresh = folder / f"{name}.new"
    fresh.write_bytes(data)
    fresh.replace(folder / name)


@asynccontextmanager
async def answering(folder: Path, picture: Callable[[int], bytes | None]) -> AsyncIterator[None]:
    """Put a picture into a folder whenever it is told to shoot; None puts nothing."""

    def told() -> str:
        path = folder / SHUTTER
        return path.read_text(encoding="ascii") if path.exists() else ""

    async def answer(last: str) -> None:
        for number in itertools.count():
            while (now := await asyncio.to_thread(told)) == last:  # noqa: ASYNC110 - another process's file
                await asyncio.sleep(0.002)
            last = now
            if (data := picture(number)) is not None:
                await asyncio.to_thread(put, folder, f"{number:04}.jpg", data)

    task = asyncio.create_task(answer(await asyncio.to_thread(told)))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def signal_worker(kept: KeptCamera, number: int) -> int:
    """Send a signal to the worker of a camera that is open; return its process id."""
    assert kept.worker is not None
    os.kill(kept.worker.process.pid, number)
    return kept.worker.process.pid
