"""Sets in which boxes are drawn around defects, as COCO or as YOLO keep them.

A picture has many boxes, and where one class is asked for it is the rarest of those that are drawn in it: then
each class is learnt from and validated on. A picture without boxes is good.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bridge.errors import ConfigError
from bridge.learning.data import coco, yolo
from bridge.learning.data.found import Found


def there(where: Path) -> bool:
    """Return whether a path is such a set."""
    return bool(coco.files(where)) or yolo.there(where)


def read(where: Path) -> tuple[list[Found], tuple[str, ...]]:
    """Return all pictures, not yet labelled, and what a person should know of how they were read.

    Raises:
        ConfigError: a file is not as its layout says, a picture is missing, or no box is drawn at all.
    """
    found, notes = coco.read(where) if coco.files(where) else yolo.read(where)
    if not any(one.marks for one in found):
        raise ConfigError(str(where), "holds no box", "draw some, or write a folder of class folders")
    return found, notes


def labelled(found: Sequence[Found], ok: Sequence[str], nothing: str) -> list[Found]:
    """Return pictures with the rarest class drawn in each; one of a defect goes before one that is OK.

    Args:
        found: with marks.
        ok: the classes that are OK.
        nothing: what a picture without boxes is called.
    """
    counts = Counter(label for one in found for label in {mark.label for mark in one.marks or ()})

    def rarest(one: Found) -> str:
        labels = {mark.label for mark in one.marks or ()}
        return min(labels, key=lambda name: (name in ok, counts[name], name), default=nothing)

    return [replace(one, label=rarest(one)) for one in found]
