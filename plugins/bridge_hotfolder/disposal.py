"""Clearing up after a part, only where the configuration says that the folder is ours."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from bridge.plugin import count, logger
from bridge_hotfolder.options import HotfolderOptions


def dispose(paths: Iterable[str], options: HotfolderOptions) -> None:
    """Delete or move files below the hot folder; blocks. What cannot be cleared stays, and is counted."""
    for path in dict.fromkeys(paths):
        # An image that path_prefix maps to somewhere else is not in our folder.
        if path.startswith("/") or options.after == "leave":
            continue
        try:
            _clear(options.path / path, options.path / options.move_to / path, options)
        except FileNotFoundError:
            continue
        except OSError as exc:
            count("not_cleared")
            logger(folder=str(options.path)).warning("a file cannot be cleared", path=path, reason=str(exc))


def _clear(path: Path, target: Path, options: HotfolderOptions) -> None:
    if options.after == "delete":
        path.unlink()
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():  # a serial number used again
        target = target.with_name(f"{target.stem}.{path.stat().st_mtime_ns}{target.suffix}")
    shutil.move(path, target)
