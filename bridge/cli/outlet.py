"""Where a command writes: held to before it works for minutes or hours."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from bridge.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""As ``bridge.plugin.Name``, whose module takes long to import."""


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


def file(path: Path, flag: str = "--out") -> Path:
    """Return a file that can be written, as far as can be told beforehand; an old one is written over.

    Raises:
        ConfigError: it is a folder, or lies in none that may be written to.
    """
    if path.is_dir():
        raise ConfigError(f"{flag} {path}", "is a folder", "write the name of a file")
    folder(path.parent, flag)
    return path


def made(path: Path, flag: str = "--out") -> Path:
    """Return a folder that is there now.

    Raises:
        ConfigError: it cannot be made.
    """
    try:
        folder(path, flag).mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ConfigError(f"{flag} {path}", f"cannot be made ({exc.strerror})", "write another folder") from exc
    return path


def model(path: Path, name: str | None) -> str:
    """Return what the model in a folder is called: as written, else as the folder is.

    Raises:
        ConfigError: no bundle can be called so.
    """
    said = name or path.name
    if not _NAME.fullmatch(said):
        where = f"--name {name}" if name else f"--out {path}"
        write = "write letters, digits, _, . and -, at most 64" + ("" if name else ", or --name")
        raise ConfigError(where, f"{said!r} is no name of a model", write)
    return said


@contextmanager
def held(work: Path) -> Iterator[None]:
    """Hold the folder where an unfinished command leaves what it has; the system frees it even after a crash.

    Raises:
        ConfigError: another command is at work there.
    """
    work.mkdir(parents=True, exist_ok=True)
    taken = FileLock(work / "lock")
    try:
        taken.acquire(timeout=0)
    except Timeout as exc:
        found = f"another command is at work in {work}"
        raise ConfigError(f"--out {work.parent}", found, "wait for its end, or write another folder") from exc
    try:
        yield
    finally:
        taken.release()
