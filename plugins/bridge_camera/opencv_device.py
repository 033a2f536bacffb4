"""A camera through OpenCV's VideoCapture: USB and V4L2, a network stream, or a GStreamer pipeline."""

from __future__ import annotations

import re

import cv2
import numpy as np

from bridge_camera.device import Away, Grabbed, Pixels, Settings, now

OPEN_MS = 10_000
READ_MS = 2_000
"""A network stream that brings no frame for so long is gone."""
_MANUAL = 1
"""V4L2_EXPOSURE_MANUAL; a UVC camera ignores an exposure while it makes its own."""
_MICROSECONDS = 100
"""V4L2 counts exposure times in steps of 100 µs."""
_FOURCC_LETTERS = 4
_IN_A_URL = re.compile(r"(?<=://)\S*@")
"""User and password, which stand in most addresses of network cameras and in no message."""


class OpenCvDevice:
    """A capture that runs freely and is asked for every frame, so that its queue stays empty."""

    def __init__(self, camera: Settings) -> None:
        device = str(camera["device"]).strip()
        self._capture = _opened(device)
        if not self._capture.isOpened():
            self._capture.release()
            raise Away(_why_not(device))
        self._name = _named(device)
        self._frame = 0
        self._stamped = self._capture.getBackendName() == "V4L2"
        try:
            self._configure(camera)
        except BaseException:
            self._capture.release()
            raise
        self.said = f"{self._capture.getBackendName()} {self._size()}, runs freely"

    def _configure(self, camera: Settings) -> None:
        """Make every setting, and hold the camera to it."""
        capture = self._capture
        capture.set(cv2.CAP_PROP_BUFFERSIZE, camera["buffer_frames"])  # a wish: few drivers take it
        if letters := camera["pixel_format"]:
            if len(letters) != _FOURCC_LETTERS:
                raise Away(f"pixel_format {letters} is no code of four letters")
            self._set("pixel_format", cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*letters))
        for key, of in (("width", cv2.CAP_PROP_FRAME_WIDTH), ("height", cv2.CAP_PROP_FRAME_HEIGHT)):
            if camera[key] is not None:
                capture.set(of, camera[key])
        if camera["frames_per_second"] is not None:
            self._set("frames_per_second", cv2.CAP_PROP_FPS, camera["frames_per_second"])
        if camera["exposure_us"] is not None:
            self._set("exposure_us", cv2.CAP_PROP_AUTO_EXPOSURE, _MANUAL)
            self._set("exposure_us", cv2.CAP_PROP_EXPOSURE, camera["exposure_us"] / _MICROSECONDS)
        if camera["gain"] is not None:
            self._set("gain", cv2.CAP_PROP_GAIN, camera["gain"])
        for name, value in camera["features"].items():
            self._set(name, _property(name), float(value))
        wanted = (camera["width"], camera["height"])
        if any(wanted) and wanted != self._pixels(wanted):
            raise Away(f"gives {self._size()} instead of {wanted[0] or 'any'}x{wanted[1] or 'any'}")

    def _set(self, name: str, of: int, value: float) -> None:
        if not self._capture.set(of, value):
            raise Away(f"does not take {name} = {value:g}")

    def _pixels(self, wanted: tuple[int | None, int | None]) -> tuple[int | None, int | None]:
        """Return width and height, each only where it is wanted."""
        has = (
            round(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
            round(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
        )
        return has[0] if wanted[0] else None, has[1] if wanted[1] else None

    def _size(self) -> str:
        width, height = self._pixels((1, 1))
        return f"{width}x{height}"

    def grab(self, seconds: float) -> Grabbed:
        """Take the next frame; how long that may take is up to the driver."""
        del seconds
        began = now()
        if not self._capture.grab():
            raise Away(f"{self._name} hands over no frame any more")
        self._frame += 1
        stamp = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 if self._stamped else None
        return Grabbed(began, now(), self._frame, stamp)

    def picture(self) -> Pixels:
        """Decode the frame that was grabbed last."""
        done, pixels = self._capture.retrieve()
        if not done:
            raise Away(f"{self._name} handed over a frame that cannot be decoded")
        return pixels.astype(np.uint8, copy=False)

    def flush(self) -> None:
        """Nothing is kept here."""

    def shoot(self) -> None:
        """It shoots by itself."""

    def close(self) -> None:
        """Let the camera go."""
        self._capture.release()


def _opened(device: str) -> cv2.VideoCapture:
    if device.isdecimal():
        return cv2.VideoCapture(int(device), cv2.CAP_ANY)
    if "!" in device:
        return cv2.VideoCapture(device, cv2.CAP_GSTREAMER)
    if "://" in device:
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_MS]
        return cv2.VideoCapture(device, cv2.CAP_FFMPEG, limits)
    return cv2.VideoCapture(device, cv2.CAP_V4L2)


def _named(device: str) -> str:
    """Return a device as it may stand in a message."""
    return _IN_A_URL.sub("", device)


def _why_not(device: str) -> str:
    if "!" in device and "GStreamer:                   NO" in cv2.getBuildInformation():
        return "this OpenCV was built without GStreamer; install one that was"
    return f"{_named(device)} cannot be opened: it is not there, in use by another program, or not ours to read"


def _property(name: str) -> int:
    number = getattr(cv2, name, None) if name.startswith("CAP_PROP_") else None
    if not isinstance(number, int):
        raise Away(f"OpenCV knows no property {name}")
    return number
