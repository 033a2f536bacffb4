"""From a frame to the bytes of a picture: turned as the camera hangs, and encoded.

The same pixels and settings give the same bytes, so that the host knows a picture that comes a second time.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from bridge_camera.device import Pixels, Settings, Unusable

_TURNS: Final = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}
cv2.setNumThreads(1)  # there are as many workers as cameras
_FAST_PNG: Final = 1
"""The lowest compression that still is one: a PNG is chosen for its pixels, not for its size."""


def encode(picture: Pixels | bytes, camera: Settings) -> tuple[bytes, int, int]:
    """Return a picture's bytes, its width and its height.

    Raises:
        Unusable: a file is no picture, or the picture cannot be encoded.
    """
    turn, encoding = camera["rotate"], camera["encoding"]
    if isinstance(picture, bytes):
        picture = _decoded(picture)
    if turn:
        picture = cv2.rotate(picture, _TURNS[turn]).astype(np.uint8, copy=False)
    height, width = picture.shape[:2]
    done, data = cv2.imencode(*_how(encoding or "jpeg", camera["jpeg_quality"], picture))
    if not done:
        raise Unusable(f"a picture of {width}x{height} cannot be encoded as {encoding or 'jpeg'}")
    return data.tobytes(), width, height


def _how(encoding: str, quality: int, picture: Pixels) -> tuple[str, Pixels, list[int]]:
    match encoding:
        case "png":
            return ".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, _FAST_PNG]
        case "bmp":
            return ".bmp", picture, []
        case _:
            return ".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality]


def _decoded(data: bytes) -> Pixels:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
        raise Unusable("a file of the folder is no picture")
    return pixels.astype(np.uint8, copy=False)
