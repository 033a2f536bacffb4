"""Removing pictures so that the rest has room: over the cap the oldest go, the sample's before the evidence.

Below the disk's floor those of the sample go too, for the journal must go on; evidence does not, because what
fills the disk may be somebody else, and evidence never comes back. What a person labelled is never removed: if
nothing else is left, the cap is exceeded. Every step is short and can be the last one.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from prometheus_client import Counter, Gauge

from bridge import health
from bridge.store.catalogue import FOLDERS, Catalogue, Kept
from bridge.store.retention import Need, Retention

_PICTURE = re.compile(r"[0-9a-f]{64}\.[a-z]{3,4}")
STEP = 16
"""So many pictures go in one step, some milliseconds."""

Protected: TypeAlias = Callable[[Sequence[str]], Collection[str]]
"""Says which of some pictures, by their hashes, a person has labelled."""

removed = Counter(
    "aoi_bridge_images_removed",
    "Pictures removed, by what they were kept for and why they went",
    ["need", "reason"],
    registry=health.registry,
)
_files = Gauge("aoi_bridge_images_files", "Pictures that are kept", registry=health.registry)
_bytes = Gauge("aoi_bridge_images_bytes", "Bytes of all pictures that are kept", registry=health.registry)


def nobody(digests: Sequence[str]) -> Collection[str]:
    """Protect nothing."""
    del digests
    return ()


def place(folder: Path, digest: str, ending: str) -> Path:
    """Return where a picture lies."""
    return folder / digest[:2] / f"{digest}.{ending}"


class Sweeper:
    """The catalogue of an image folder, and what is removed by it; belongs to one thread but for ``figures``."""

    def __init__(
        self, folder: Path, retention: Retention, free: Callable[[Path], int], protected: Protected
    ) -> None:
        self._folder, self._free, self._protected = folder, free, protected
        self.retention = retention
        """The limits; may be replaced from another thread."""
        self._catalogue: Catalogue | None = None
        self._low = False  # whether removing has to go on until so much of the disk is free
        self._target = retention.floor_bytes
        self._figures = {"files": 0.0, "bytes": 0.0, "removed_over_cap": 0.0, "removed_below_floor": 0.0}

    def figures(self) -> dict[str, float]:
        """Return how many pictures there are and how large, and what was removed since the start."""
        return dict(self._figures)

    def room(self, size: int) -> bool:
        """Return whether so many bytes leave the disk's floor free; if not, room is made for the next."""
        target = self.retention.floor_bytes + size
        if self._free(self._folder) >= target:
            return True
        self._low, self._target = True, target
        return False

    @contextmanager
    def catalogue(self) -> Iterator[Catalogue]:
        """Lend the catalogue; after an error of the disk it is opened anew next time."""
        if self._catalogue is None:
            self._catalogue = Catalogue(self._folder)
        try:
            yield self._catalogue
        except sqlite3.DatabaseError:
            self.close()
            raise
        finally:
            self._tell()

    def make_room(self) -> None:
        """Take a step if one is due at once, without waiting for a quiet moment that a busy folder never has."""
        if self._catalogue and self._catalogue.bytes > self.retention.cap_bytes:
            self._remove(Need.EVIDENCE, "over_cap")
        elif self._low:
            self._low = self._below_floor()

    def step(self) -> bool:
        """Do a little of what there is to do; return whether there is more."""
        if self._catalogue is None and not self._folder.exists():
            return False
        with self.catalogue() as catalogue:
            if catalogue.walked < FOLDERS:
                self._walk(catalogue)
                return True
            if catalogue.bytes > self.retention.cap_bytes:
                return self._remove(Need.EVIDENCE, "over_cap")
        if not self._low:
            self._target = self.retention.floor_bytes
        self._low = self._short() and self._below_floor()
        return self._low

    def close(self) -> None:
        """Close the catalogue in order."""
        catalogue, self._catalogue = self._catalogue, None
        if catalogue is not None:
            catalogue.close()

    def _below_floor(self) -> bool:
        """Remove some of the sample; return whether there was any, and more has to go."""
        return self._remove(Need.SAMPLE, "below_floor") and self._short()

    def _short(self) -> bool:
        return self._free(self._folder) < self._target

    def _remove(self, upto: Need, reason: str) -> bool:
        """Remove some of the first to go; return whether there were any."""
        with self.catalogue() as catalogue, catalogue.change():
            going = catalogue.oldest(upto, STEP)
            labelled = set(self._protected([kept.digest for kept in going]))
            for kept in going:
                if kept.digest in labelled:
                    catalogue.protect(kept)
                elif self._short() if reason == "below_floor" else catalogue.bytes > self.retention.cap_bytes:
                    self._let_go(catalogue, kept, reason)
        return bool(going)

    def _let_go(self, catalogue: Catalogue, kept: Kept, reason: str) -> None:
        if catalogue.forget(kept):
            place(self._folder, kept.digest, kept.ending).unlink(missing_ok=True)
            removed.labels(kept.need.name.lower(), reason).inc()
            self._figures[f"removed_{reason}"] += 1

    def _walk(self, catalogue: Catalogue) -> None:
        """Put one of the 256 folders right, looking closer only at files that the catalogue does not know."""
        there = {path.name for path in self._folder.iterdir()}
        with catalogue.change():
            while catalogue.walked < FOLDERS and f"{catalogue.walked:02x}" not in there:
                catalogue.walk({}, {})
        if catalogue.walked < FOLDERS:
            self._look_into(self._folder / f"{catalogue.walked:02x}", catalogue)

    def _look_into(self, folder: Path, catalogue: Catalogue) -> None:
        found: list[Path] = []
        with suppress(FileNotFoundError):
            found = [path for path in folder.iterdir() if _PICTURE.fullmatch(path.name)]
        files = {path.stem: path for path in found}
        sizes: dict[str, tuple[int, float]] = {}
        for digest in catalogue.missing(list(files)):
            with suppress(FileNotFoundError):
                about = files[digest].stat()
                sizes[digest] = about.st_size, about.st_mtime
        with catalogue.change():
            catalogue.walk({digest: path.suffix[1:] for digest, path in files.items()}, sizes)

    def _tell(self) -> None:
        if self._catalogue is not None:
            self._figures |= {"files": self._catalogue.files, "bytes": self._catalogue.bytes}
            _files.set(self._catalogue.files)
            _bytes.set(self._catalogue.bytes)
