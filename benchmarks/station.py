"""A station of four cameras: from a PLC's trigger to the verdict in its registers, and what a big picture costs.

    python benchmarks/station.py [--parts 200] [--shots 40]

First the bolt station of the examples: a PLC polled over Modbus, four cameras, the demo's model, a real gateway
process; the pictures are the demo's, and there as soon as the cameras are told to shoot. The time is the PLC's
own, from setting Trigger until its program (a look every 5 ms) finds ResultsValid.

Then the cameras alone, four at once: frames of 8 megapixels, decoded and encoded in the cameras' own processes,
from the frame to its JPEG in this process, beside a bare decoding and encoding of one such frame; JPEG files of
5 MB that are handed on as they are, beside a bare read of the same file; and how long a sensor that runs freely at
30 frames/s makes a part wait for a frame that is sure to have begun after its trigger.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from harness import finish, quantiles

from bridge_camera.codec import Shot
from bridge_camera.folder_device import SHUTTER
from bridge_camera.keeping import KeptCamera
from bridge_camera.options import Camera

STATION = Path(__file__).parents[1] / "examples" / "bolt_station" / "run.py"
CAMERAS = 4
WIDTH, HEIGHT, RATE = 3264, 2448, 30
LIMIT_MS = 900
"""What the paper that the station is after allows for four pictures, taking them included."""


async def station(parts: int) -> dict[str, object]:
    """Return the figures of whole parts."""
    spec = importlib.util.spec_from_file_location("bolt_station", STATION)
    assert spec is not None
    assert spec.loader is not None
    example: Any = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = example
    spec.loader.exec_module(example)
    with contextlib.redirect_stdout(None):
        shown, decisions = await example.main(parts)
    *bolts, _ = shown
    took = [one.milliseconds for one in bolts]
    return {
        "trigger_to_verdict": quantiles(took) | {"max": round(max(took), 1)},
        "judge": quantiles([one.judge_ms for one in decisions if one.judge_ms]),
        "fallbacks": sum(one.degraded for one in decisions) - 1,  # the covered lens is meant to be one
        "escapes_of_the_demo_model": sum(
            str(one.part.truth) == "NG" and str(one.verdict) == "OK" for one in bolts
        ),
    }


async def big(folder: Path, shots: int) -> dict[str, object]:
    """Return the figures of big pictures, four cameras at once."""
    video = await asyncio.to_thread(_record, folder / "sensor.avi", WIDTH, HEIGHT)
    told = {"kind": "video", "path": video, "trigger": "software", "timeout_ms": 20_000}
    async with _open([Camera.model_validate({"name": f"c{n}", **told}) for n in range(CAMERAS)]) as cameras:
        frames = [await _all(cameras) for _ in range(shots)]
    small = await asyncio.to_thread(_record, folder / "small.avi", 640, 480)
    free = [Camera(name=f"c{n}", kind="video", path=small, timeout_ms=20_000) for n in range(CAMERAS)]
    async with _open(free) as cameras:
        while not all(one.worker and one.worker.period for one in cameras):  # noqa: ASYNC110 - other processes
            await asyncio.sleep(0.1)
        waits = [await _all(cameras) for _ in range(shots)]
    jpeg = _noise(5_000_000)
    folders = [folder / f"f{number}" for number in range(CAMERAS)]
    for one in folders:
        one.mkdir()
    files = [
        Camera(name=one.name, kind="folder", path=one, trigger="software", timeout_ms=20_000) for one in folders
    ]
    async with _open(files) as cameras:
        answering = [asyncio.create_task(_answer(one, jpeg)) for one in folders]
        whole = [await _all(cameras) for _ in range(shots)]
        for task in answering:
            task.cancel()
    bare = [_read(folders[0] / "0.jpg") for _ in range(shots)]
    return {
        "8_megapixel": {
            "size_kb": round(frames[0][0][2] / 1000),
            "decode_encode_hand_over": quantiles([one[1] for part in frames for one in part]),
            "bare_decode_and_encode": quantiles([_transcode(video) for _ in range(10)]),
        },
        "free_30_per_s": {"trigger_to_frame": quantiles([one[0] for part in waits for one in part])},
        "5_mb_file": {
            "hand_over": quantiles([one[1] for part in whole for one in part]),
            "bare_read": quantiles(bare),
        },
    }


@contextlib.asynccontextmanager
async def _open(options: Sequence[Camera]) -> AsyncIterator[list[KeptCamera]]:
    cameras = [KeptCamera(one, 60) for one in options]
    tasks = [asyncio.create_task(one.keep()) for one in cameras]
    try:
        for one in cameras:
            await one.tried.wait()
        yield cameras
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _all(cameras: Sequence[KeptCamera]) -> list[tuple[float, float, int]]:
    """Shoot once with all; return of each the milliseconds up to the hand-over and behind it, and the bytes."""
    now = time.monotonic()

    async def one(camera: KeptCamera) -> tuple[float, float, int]:
        picture, shot = await camera.shoot(now)
        return _split(shot, now, len(picture))

    return list(await asyncio.gather(*map(one, cameras)))


def _split(shot: Shot, triggered_at: float, size: int) -> tuple[float, float, int]:
    return (shot.arrived - triggered_at) * 1000, (time.monotonic() - shot.arrived) * 1000, size


async def _answer(folder: Path, data: bytes) -> None:
    """Put a file there at each shot, and take the one before away."""
    number, told = 0, None
    while True:
        with contextlib.suppress(FileNotFoundError):
            if (now := (folder / SHUTTER).stat().st_mtime_ns) != told:
                told = now
                fresh = folder / f"{number}.new"
                await asyncio.to_thread(fresh.write_bytes, data)
                fresh.replace(folder / f"{number}.jpg")
                if number > 1:
                    (folder / f"{number - 1}.jpg").unlink()
                number += 1
        await asyncio.sleep(0.002)


def _transcode(video: Path) -> float:
    capture = cv2.VideoCapture(str(video), cv2.CAP_FFMPEG)
    capture.grab()
    began = time.perf_counter()
    _, frame = capture.read()
    cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 92])
    capture.release()
    return (time.perf_counter() - began) * 1000


def _read(path: Path) -> float:
    began = time.perf_counter()
    path.read_bytes()
    return (time.perf_counter() - began) * 1000


def _record(path: Path, width: int, height: int) -> Path:
    """Write a few frames as a sensor gives them: shapes, shading and noise."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), RATE, (width, height))
    rng = np.random.default_rng(1)
    shade = np.linspace(40, 200, width, dtype=np.float32)[None, :, None]
    for number in range(10):
        frame = np.broadcast_to(shade, (height, width, 3)) + rng.normal(0, 6, (height, width, 1)).astype(
            np.float32
        )
        frame = np.clip(frame, 0, 255).astype(np.uint8)
        cv2.circle(frame, (300 * number + 100, 1200), 400, (30, 90, 160), 60)
        writer.write(frame)
    writer.release()
    return path


def _noise(size: int) -> bytes:
    return b"\xff\xd8" + np.random.default_rng(2).bytes(size) + b"\xff\xd9"


async def run(parts: int, shots: int) -> dict[str, object]:
    """Return all figures."""
    with tempfile.TemporaryDirectory() as folder:
        alone = await big(Path(folder), shots)
    whole = await station(parts)
    worst = whole["trigger_to_verdict"]
    assert isinstance(worst, dict)
    good = worst["max"] < LIMIT_MS and not whole["fallbacks"]
    return {"station": whole, "limit_ms": LIMIT_MS, **alone, "good": good}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", type=int, default=200)
    parser.add_argument("--shots", type=int, default=40)
    asked = parser.parse_args()
    finish(asyncio.run(run(asked.parts, asked.shots)))
