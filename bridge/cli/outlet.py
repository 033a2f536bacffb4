"""Where a command writes: held to before it works for minutes or hours."""

from __future__ import annotations

import os
from pathlib import Path

from bridge.errors import ConfigError


def folder(path: Path, flag: str = "--out") -> Path:
    """Return a folder that is there, or can be made, and may be written to; nothing is made yet.

    Raises:
        ConfigError: it cannot.
    """
    nearest = next(one for one in (path.absolute(), *path.absolute().parents) if one.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)):
        found = f"{nearest} is no folder that this user may write to"
        raise ConfigError(f"{flag} {path}", found, "write another folder")
    return path
