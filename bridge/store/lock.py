"""One gateway per data directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

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
        folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
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
