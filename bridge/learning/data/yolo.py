"""Boxes as YOLO keeps them: a ``.txt`` for each picture, with class, middle and size as shares of it in each line.

SET/classes.txt (or data.yaml, obj.names), SET/*.jpg, SET/*.txt         beside the pictures
SET/data.yaml, SET/images/train/*.jpg, SET/labels/train/*.txt           or in folders alike; also train/images
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from bridge.errors import ConfigError
from bridge.judging import headers
from bridge.judging.headers import Unreadable
from bridge.learning.data.found import SPLITS, Found, Mark
from bridge.learning.data.found import files as pictures

_LISTS: Final = ("classes.txt", "obj.names", "labels/classes.txt")
_TABLES: Final = ("data.yaml", "data.yml", "dataset.yaml")
_NUMBERS: Final = 5
_BLOCK: Final = re.compile(r"^names:[ \t]*(?:#.*)?\n((?:[ \t]*(?:-|\d+[ \t]*:).*\n)+)", re.MULTILINE)
_INLINE: Final = re.compile(r"^names:[ \t]*[\[{](.*?)[\]}]", re.MULTILINE | re.DOTALL)


def there(where: Path) -> bool:
    """Return whether a folder is such a set: whether it names its classes."""
    return any((where / name).is_file() for name in (*_LISTS, *_TABLES))


def read(where: Path) -> tuple[list[Found], tuple[str, ...]]:
    """Return all pictures and what is drawn in them.

    Raises:
        ConfigError: the classes have no names, a file is not as YOLO's, or a picture cannot be read.
    """
    names, found, without = _names(where), [], 0
    for path in pictures(where):
        labels = _labels(path, where)
        without += not labels.is_file()
        marks = tuple(_marks(labels, path, names)) if labels.is_file() else ()
        found.append(Found(path=path, label="", split=_side(path, where), marks=marks))
    if not found:
        raise ConfigError(str(where), "holds no picture", "put pictures and their .txt files there")
    said = f"{without} of {len(found)} pictures have no file of boxes and count as good"
    return found, (said,) * bool(without)


def _names(where: Path) -> list[str]:
    for name in _LISTS:
        if (where / name).is_file():
            lines = (where / name).read_text(encoding="utf-8").splitlines()
            return [line.strip() for line in lines if line.strip()]
    path = next(where / name for name in _TABLES if (where / name).is_file())
    text = path.read_text(encoding="utf-8") + "\n"
    block, inline = _BLOCK.search(text), _INLINE.search(text)
    if not (block or inline):
        raise ConfigError(str(path), "has no names", "write names: [hair, chip], or a classes.txt beside it")
    rows = block[1].splitlines() if block else inline[1].split(",") if inline else []
    bare = (re.sub(r"^\s*(?:-|\d+\s*:)\s*", "", row).split(" #")[0].strip().strip("'\"") for row in rows)
    return [one for one in bare if one]


def _labels(picture: Path, root: Path) -> Path:
    """Return where a picture's boxes stand: in ``labels`` where it lies in ``images``, else beside it."""
    parts = list(picture.relative_to(root).parts)
    if "images" in parts:
        at = len(parts) - 1 - parts[::-1].index("images")
        return Path(root, *parts[:at], "labels", *parts[at + 1 :]).with_suffix(".txt")
    return picture.with_suffix(".txt")


def _marks(labels: Path, picture: Path, names: Sequence[str]) -> Iterator[Mark]:
    lines = [line.split() for line in labels.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not lines:
        return
    try:
        header = headers.read(picture.read_bytes())
    except (OSError, Unreadable) as exc:
        raise ConfigError(str(picture), f"cannot be read ({exc})", "remove or replace it") from exc
    for number, words in enumerate(lines, 1):
        where = f"{labels}:{number}"
        try:
            kind, (x, y, wide, high) = int(words[0]), (float(one) for one in words[1:_NUMBERS])
        except ValueError as exc:
            raise ConfigError(where, "is no box", "write class, middle and size, as 0 0.5 0.5 0.1 0.1") from exc
        if len(words) != _NUMBERS or not all(0 <= one <= 1 for one in (x, y, wide, high)) or not wide * high:
            raise ConfigError(where, "is no box", "write class, middle and size as shares of the picture")
        if not 0 <= kind < len(names):
            raise ConfigError(where, f"is of class {kind}, and {len(names)} have names", "name it too")
        yield Mark(
            label=names[kind],
            left=(x - wide / 2) * header.width,
            top=(y - high / 2) * header.height,
            right=(x + wide / 2) * header.width,
            bottom=(y + high / 2) * header.height,
        )


def _side(picture: Path, root: Path) -> str:
    words = (one.lower() for one in picture.relative_to(root).parts[:-1])
    return next((SPLITS[word] for word in words if word in SPLITS), "")
