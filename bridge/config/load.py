"""Reading bridge.toml: from a path to a checked Config, or to every mistake in one line each."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bridge.config.schema import Config, fingerprint
from bridge.config.shadow import Shadow
from bridge.config.words import sentences
from bridge.errors import ConfigError
from bridge.plugin.options import beside

_DATA = str(Config.model_fields["data"].default)
_SEEMS = re.compile(rb"""^\s*data\s*=\s*["']([^"'\0]+)["']""", re.MULTILINE)


class ConfigMistakes(ConfigError):  # noqa: N818 - several errors, and it reads as what it holds
    """All mistakes of one file; ``str()`` is one line for each.

    Attributes:
        mistakes: the lines, each with file, key, finding and what to write.
    """

    def __init__(self, mistakes: list[str]) -> None:
        self.mistakes = mistakes
        place, _, found = mistakes[0].partition(": ")
        super().__init__(place, found)

    def __str__(self) -> str:
        return "\n".join(self.mistakes)


def load(path: Path) -> Config:
    """Read and check a configuration file; relative folders in it are beside the file.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or has mistakes (then a ConfigMistakes).
    """
    text, document = _document(path)
    token = beside.set(path.parent.resolve())
    try:
        config = Config.model_validate(document)
    except ValidationError as exc:
        said = sentences(exc.errors(include_url=False), Config, document)
        raise ConfigMistakes([f"{path}: {sentence}" for sentence in said]) from exc
    finally:
        beside.reset(token)
    return config.model_copy(
        update={"data": (path.parent / config.data).resolve(), "fingerprint": fingerprint(text)}
    )


def data_of(path: Path) -> Path:
    """Return the data folder that a file names, checking nothing else of it.

    A command that asks the running gateway needs no more; secrets are there for the gateway's user, not for ours.
    Whoever is in the middle of an edit may have to end a bypass, so a file that is not TOML just now has the
    folder that it seems to name, where there is one.

    Raises:
        ConfigError: the file cannot be read, or names no folder.
    """
    try:
        data = _document(path)[1].get("data", _DATA)
    except ConfigError:
        if (folder := _seems(path)) is None:
            raise
        return folder
    if not isinstance(data, str):
        raise ConfigError(f"{path}: data", "is not a text in quotes", "write a folder")
    return (path.parent / data).resolve()


def shadow_of(path: Path, line: str) -> tuple[Path, Shadow]:
    """Return the data folder that a file names, and a line's [line.shadow] table, checking nothing else of it.

    Raises:
        ConfigError: the file cannot be read, has no such line, or a mistake in that table.
    """
    document = _document(path)[1]
    lines = document.get("line", [])
    tables = [one for one in lines if isinstance(one, dict)] if isinstance(lines, list) else []
    table = next((one for one in tables if one.get("name") == line), None)
    if table is None:
        names = ", ".join(str(one.get("name")) for one in tables)
        raise ConfigError(f"{path}: line {line}", "there is no such line", f"write one of {names}")
    try:
        shadow = Shadow.model_validate(table.get("shadow", {}))
    except ValidationError as exc:
        said = sentences(exc.errors(include_url=False), Shadow, table, f"line.{line}.shadow")
        raise ConfigMistakes([f"{path}: {sentence}" for sentence in said]) from exc
    return data_of(path), shadow


def fingerprint_of(path: Path) -> str:
    """Return the short hash of a file as it now is, checking nothing of it.

    Raises:
        ConfigError: the file cannot be read.
    """
    return fingerprint(_bytes(path))


def _seems(path: Path) -> Path | None:
    """Return the folder that a file with a slip in it seems to name; None where there is none."""
    named = _SEEMS.search(_bytes(path).partition(b"\n[")[0])
    data = (path.parent / (named[1].decode("utf-8", "replace") if named else _DATA)).resolve()
    return data if data.is_dir() else None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as exc:
        raise ConfigError(str(path), "there is no such file", "write one with aoi-bridge init") from exc
    except OSError as exc:
        raise ConfigError(str(path), f"cannot be read ({exc.strerror})") from exc


def _document(path: Path) -> tuple[bytes, dict[str, Any]]:
    text = _bytes(path)
    try:
        return text, tomllib.loads(text.decode("utf-8-sig"))
    except UnicodeDecodeError as exc:
        raise ConfigError(str(path), f"is not UTF-8 at byte {exc.start}", "save it as UTF-8") from exc
    except (ValueError, RecursionError) as exc:
        raise ConfigError(str(path), f"is not TOML: {' '.join(str(exc).split())}", "correct this place") from exc
