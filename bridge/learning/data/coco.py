"""Boxes as COCO keeps them: ``instances*.json``, or any JSON file with pictures, categories and annotations.

SET/annotations/instances_train.json, SET/train/*.jpg     its sides by the names of the files
SET/train/_annotations.coco.json, SET/train/*.jpg         or of the folders (Roboflow)
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from bridge.errors import ConfigError
from bridge.learning.data.found import SPLITS, Found, Mark

_FOUR: Final = 4
_KEYS: Final = ("images", "annotations", "categories")


def files(where: Path) -> list[Path]:
    """Return the files of annotations that a path means, in order; none where it is no such set."""
    if where.is_file():
        return [where] if where.suffix.lower() == ".json" else []
    names = ("*instances*.json", "*.coco.json", "annotations.json")
    found = {path for name in names for path in (*where.glob(name), *where.glob(f"*/{name}"))}
    sides = (path for path in where.glob("annotations/*.json") if _side(path, where))
    return sorted(found | set(sides))


def read(where: Path) -> tuple[list[Found], tuple[str, ...]]:
    """Return all pictures and what is drawn in them.

    Raises:
        ConfigError: a file is no such JSON, or a picture is not there.
    """
    alone = where.parent.parent if where.parent.name == "annotations" else where.parent
    root, found, crowds = where if where.is_dir() else alone, list[Found](), 0
    for path in files(where):
        said = _said(path)
        crowds += sum(bool(one.get("iscrowd")) for one in said["annotations"])
        found += list(_pictures(said, path, root))
    notes = (f"{crowds} boxes of crowds are left out",) if crowds else ()
    return found, notes


def _said(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise ConfigError(str(path), "is no JSON that can be read", "export the annotations again") from exc
    if not isinstance(said, dict) or not all(isinstance(said.get(key), list) for key in _KEYS):
        raise ConfigError(str(path), f"has no {', '.join(_KEYS)}", "export the annotations as COCO")
    return said


def _pictures(said: dict[str, Any], path: Path, root: Path) -> Iterator[Found]:
    try:
        names = {one["id"]: str(one["name"]) for one in said["categories"]}
        marks: dict[Any, list[Mark]] = {one["id"]: [] for one in said["images"]}
        for one in said["annotations"]:
            if not one.get("iscrowd"):
                marks[one["image_id"]].append(_mark(one["bbox"], names[one["category_id"]]))
        for one in said["images"]:
            picture = _picture(str(one["file_name"]), path, root)
            side = _side(path, root)
            yield Found(path=picture, label="", split=side, marks=tuple(marks[one["id"]]))
    except (KeyError, TypeError, ValueError) as exc:
        found = f"is not as COCO's: {type(exc).__name__} {exc}"
        raise ConfigError(str(path), found, "export the annotations again") from exc


def _mark(box: Any, label: str) -> Mark:
    left, top, wide, high = (float(one) for one in box)
    if not all(map(math.isfinite, (left, top, wide, high))) or wide <= 0 or high <= 0:
        raise ValueError(f"box {box}")
    return Mark(label=label, left=left, top=top, right=left + wide, bottom=top + high)


def _picture(name: str, path: Path, root: Path) -> Path:
    """Return where a picture lies: beside its file of annotations, or in a folder that COCO has it in."""
    side = path.stem.removeprefix("instances_")
    sides = [root / folder / one for folder in ("", "images") for one in (side, side.rstrip("0123456789"))]
    for folder in (path.parent, root, path.parent / "images", root / "images", *sides):
        if (folder / name).is_file():
            return folder / name
    raise ConfigError(str(path), f"names {name}, which is not there", "put it beside the file, or into images")


def _side(path: Path, root: Path) -> str:
    words = [path.stem.removeprefix("instances_"), path.parent.name if path.parent != root else ""]
    return next((SPLITS[word] for one in words if (word := one.lower().rstrip("0123456789")) in SPLITS), "")
