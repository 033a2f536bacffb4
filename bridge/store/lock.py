"""One gateway per data directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from bridge.durable import keep_names
from bridge.errors import ConfigError

PRIVATE = 0o700
"""Serial numbers, verdicts and pictures are for this user only; a folder that is there already keeps its mode."""


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold the data directory, creating it for this user alone; the system frees it even after a crash.

    Raises:
        ConfigError: another process holds it, or it cannot be written.
    """
    try:
        make_folder(folder)
        held = FileLock(folder / "lock")
        held.acquire(timeout=0)
    except Timeout as exc:
        write = "stop the other aoi-bridge, or write another data folder"
        raise ConfigError(str(folder), "is in use by another aoi-bridge", write) from exc
    except OSError as exc:
        write = "write a data folder that this user may write to"
        raise ConfigError(str(folder), f"cannot be used ({exc.strerror})", write) from exc
    try:
        yield
    finally:
        held.release()


def make_folder(folder: Path) -> None:
    """Make a folder, for this user alone, whose name a power cut does not take away with all that is in it.

    Raises:
        OSError: it cannot be made.
    """
    new = [above for above in folder.parents if not above.exists()]
    folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    for above in {folder.parent, *(made.parent for made in new)}:
        keep_names(above)
