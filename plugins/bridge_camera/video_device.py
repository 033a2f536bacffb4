"""A video file as a camera, for trials: all of it true to life but the picture.

A sensor runs freely behind a driver with a queue: frame ``n`` is exposed from ``n`` periods after the opening on
and handed over a period later. A driver whose queue is full drops what comes then, as V4L2 does, so a reader that
stalls finds old frames.
"""

from __future__ import annotations

import math
import time
from collections import deque
from pathlib import Path

import cv2
import numpy as np

from bridge_camera.device import Away, Grabbed, Pixels, Settings, now

_USUAL_RATE = 25.0
_SEEK_FROM = 100
"""Further than this is sought in the file instead of decoded frame by frame."""


class VideoDevice:
    """The frames of a file, over and over."""

    def __init__(self, camera: Settings) -> None:
        path = Path(camera["path"])
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        self._count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)) if self._capture.isOpened() else 0
        if self._count <= 0:
            self._capture.release()
            raise Away(f"{path} is no video that OpenCV can read")
        said = self._capture.get(cv2.CAP_PROP_FPS)
        rate = camera["frames_per_second"] or (said if math.isfinite(said) and said > 0 else _USUAL_RATE)
        self.said = f"{path.name}, {self._count} frames at {rate:g}/s"
        self._seconds = 1 / rate
        self._asked = camera["trigger"] == "software"
        self._queue: deque[int] = deque()
        self._room = camera["buffer_frames"]
        self._opened_at = now()
        self._delivered = -1
        self._shown = -1
        """The frame that was grabbed last."""
        self._read = -1
        """The frame that was decoded last."""

    def _deliver(self) -> None:
        """Let the driver do what it did meanwhile."""
        newest = math.floor((now() - self._opened_at) / self._seconds) - 1
        for frame in range(self._delivered + 1, min(newest, self._delivered + self._room) + 1):
            if len(self._queue) < self._room:
                self._queue.append(frame)
        self._delivered = max(self._delivered, newest)

    def grab(self, seconds: float) -> Grabbed | None:
        """Take the oldest frame of the queue, or wait for the next."""
        began = now()
        if self._asked:
            return Grabbed(began, began, self._shown, exposed=began)
        self._deliver()
        while not self._queue:
            left = began + seconds - now()
            if left <= 0:
                return None
            due = self._opened_at + (self._delivered + 2) * self._seconds
            time.sleep(max(0.0, min(left, due - now())))
            self._deliver()
        self._shown = self._queue.popleft()
        return Grabbed(began, now(), self._shown)

    def picture(self) -> Pixels:
        """Decode it."""
        wanted = self._shown % self._count
        at = self._read + 1
        if not 0 <= wanted - at <= _SEEK_FROM:
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, wanted)
            at = wanted
        for _ in range(wanted - at):
            self._capture.grab()
        done, pixels = self._capture.read()
        if not done:
            raise Away(f"frame {wanted} cannot be decoded")
        self._read = wanted
        return pixels.astype(np.uint8, copy=False)

    def flush(self) -> None:
        """Nothing comes by itself when it is told to shoot."""

    def shoot(self) -> None:
        """Go on by one frame."""
        self._shown += 1

    def close(self) -> None:
        """Let the file go."""
        self._capture.release()
