"""A folder as a camera: whatever puts a picture there has taken it, at the moment at which it appears.

A picture counts from the last look on at which it was not there. Told to shoot, we write a file ``shoot`` in the
folder, for whatever takes the pictures to see; nothing else is ever written there, and nothing removed.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from bridge_camera.device import POLL_SECONDS, Away, Grabbed, Settings, now

SHUTTER: Final = "shoot"
"""The file that says so; it holds a number that grows with each shot."""
SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"})
SETTLE_SECONDS: Final = 0.05
"""A picture of a format whose end says nothing must not have grown for so long."""
_ENDS: Final = {b"\xff\xd8": b"\xff\xd9", b"\x89P": b"IEND\xaeB`\x82"}
"""How a JPEG and a PNG begin and end."""
_TAIL: Final = 64
"""Some cameras fill up behind the end."""


@dataclass
class _Arriving:
    """A picture that is there and may not be complete."""

    absent_at: float
    """The last look at which it was not there."""
    size: int = -1
    grown_at: float = 0.0


class FolderDevice:
    """The pictures that appear in a folder."""

    def __init__(self, camera: Settings) -> None:
        self._folder = Path(camera["path"])
        self._known: set[str] = set()
        self._arriving: dict[str, _Arriving] = {}
        self._looked = 0.0
        self._shots = self._frame = 0
        self._data = b""
        self.flush()
        self.said = f"{self._folder}, {len(self._known)} pictures of before"

    def flush(self) -> None:
        """Whatever is there now is of before."""
        self._looked = now()
        self._known = self._listed()
        self._arriving.clear()

    def _listed(self) -> set[str]:
        try:
            with os.scandir(self._folder) as entries:
                return {one.name for one in entries if Path(one.name).suffix.lower() in SUFFIXES}
        except OSError as exc:
            raise Away(f"{self._folder} cannot be listed ({exc.strerror})") from exc

    def grab(self, seconds: float) -> Grabbed | None:
        """Wait for a picture that was not there before, until it is complete."""
        began = now()
        while True:
            self._look()
            for name, one in sorted(self._arriving.items()):
                if self._read(name, one):
                    del self._arriving[name]
                    self._known.add(name)
                    self._frame += 1
                    return Grabbed(began, now(), self._frame, exposed=one.absent_at)
            if now() >= began + seconds:
                return None
            time.sleep(POLL_SECONDS)

    def _look(self) -> None:
        """Note what came and what went since the look before."""
        at = now()
        names = self._listed()
        self._known &= names
        self._arriving = {name: one for name, one in self._arriving.items() if name in names}
        for name in names - self._known - set(self._arriving):
            self._arriving[name] = _Arriving(absent_at=self._looked)
        self._looked = at

    def _read(self, name: str, one: _Arriving) -> bool:
        """Read a picture if it is all there."""
        try:
            with (self._folder / name).open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                if size != one.size:
                    one.size, one.grown_at = size, now()
                if not _complete(file, size, still=now() - one.grown_at):
                    return False
                file.seek(0)
                self._data = file.read()
        except OSError:
            return False  # gone again, or held by whoever writes it
        return True

    def picture(self) -> bytes:
        """Return the file as it lies there."""
        return self._data

    def shoot(self) -> None:
        """Write the file that says so, whole or not at all."""
        self._shots += 1
        shutter = self._folder / SHUTTER
        try:
            fresh = shutter.with_suffix(".new")
            fresh.write_text(f"{os.getpid()} {self._shots}\n", encoding="ascii")
            fresh.replace(shutter)
        except OSError as exc:
            raise Away(f"{shutter} cannot be written ({exc.strerror})") from exc

    def close(self) -> None:
        """Nothing is held."""


def _complete(file: BinaryIO, size: int, still: float) -> bool:
    """Return whether a picture ends as its format says, or, where that says nothing, has not grown for a while."""
    file.seek(0)
    head = file.read(6)
    if head[:2] == b"BM":
        return size >= int.from_bytes(head[2:6], "little") > 0
    end = _ENDS.get(head[:2])
    if end is None:
        return size > 0 and still >= SETTLE_SECONDS
    file.seek(max(0, size - _TAIL))
    return file.read().rstrip(b"\0").endswith(end)
