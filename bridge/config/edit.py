"""Changing bridge.toml as a person would: a few keys of one line; comments and order are kept. For commands."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from bridge.durable import keep_names
from bridge.errors import ConfigError

_BOM = "\ufeff"


def edited(text: str, line: str, changes: Mapping[str, Any]) -> str:
    """Return the file's text with keys of one line set, or taken out where the value is None.

    Raises:
        ConfigError: there is no such line, or the text is not TOML.
    """
    mark = _BOM if text.startswith(_BOM) else ""
    try:
        document = tomlkit.parse(text.removeprefix(_BOM))
    except TOMLKitError as exc:
        raise ConfigError("the file", f"is not TOML: {exc}", "correct this place") from exc
    found: Any = next((one for one in document.get("line", ()) if one.get("name") == line), None)
    if found is None:
        raise ConfigError(f"line.{line}", "is not in the file", "write the name of one of its lines")
    for key, value in changes.items():
        if value is None:
            found.pop(key, None)
        elif found.get(key) != value:
            found[key] = value
    return mark + tomlkit.dumps(document)


@contextmanager
def draft(path: Path, text: str) -> Iterator[Path]:
    """Write a file's next content beside it, readable to the same users; where it was not taken, it goes again.

    First the file is replaced by its own content: what cannot be replaced, as a file that is mounted by itself
    into a container, is known before anything else is done.

    Raises:
        ConfigError: the file cannot be replaced.
    """
    beside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        _put(beside, path.read_bytes(), path)
        take(beside, path)
        _put(beside, text.encode(), path)
        yield beside
    except OSError as exc:
        raise ConfigError(str(path), f"cannot be replaced ({exc.strerror})", "let this user write there") from exc
    finally:
        with suppress(OSError):
            beside.unlink()


def _put(beside: Path, content: bytes, like: Path) -> None:
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    shutil.copymode(like, beside)
    with suppress(OSError):  # only root may
        shutil.chown(beside, like.stat().st_uid, like.stat().st_gid)


def take(beside: Path, path: Path) -> None:
    """Let a draft be the file, in one step and for good.

    Raises:
        OSError: the disk refuses; the old file stays.
    """
    beside.replace(path)
    keep_names(path.parent)
