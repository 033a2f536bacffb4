"""Sets that are folders: one folder per class, with or without ``train`` and ``test`` around them.

SET/<class>/*.jpg                       classes
SET/train/<class>/*, SET/test/<class>/* classes, and the set's own split (MVTec AD and many others)
SET/ground_truth/<class>/<name>_mask.png, SET/ground_truth/<split>/<class>/<name>.png    masks of defects
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bridge.errors import ConfigError
from bridge.learning.data.found import SPLITS, Found, files, folders

MASKS: Final = "ground_truth"


GOOD: Final = "good"
"""The class of what lies in no class folder, where only good parts are wanted."""


def read(folder: Path, *, good_only: bool = False) -> list[Found]:
    """Return all pictures; folders without any are no classes.

    Args:
        folder: the set.
        good_only: whether a folder without class folders is one of good parts.

    Raises:
        ConfigError: there are no class folders with pictures.
    """
    sides = {path.name: SPLITS[path.name.lower()] for path in folders(folder) if path.name.lower() in SPLITS}
    if sides:
        found = [one for name, side in sides.items() for one in _classes(folder, folder / name, side)]
    else:
        found = list(_classes(folder, folder, ""))
    if not found and good_only:
        found = [Found(path=path, label=GOOD) for path in files(folder)]
    if not found:
        write = "write a folder that holds one folder of pictures per class, or a CSV file"
        raise ConfigError(str(folder), "holds no folder with pictures", write)
    return found


def _classes(root: Path, folder: Path, side: str) -> Iterator[Found]:
    for one in folders(folder):
        if one.name == MASKS:
            continue
        for path in files(one):
            mask = _mask(root / MASKS, folder.name if side else "", one, path)
            yield Found(path=path, label=one.name, split=side, mask=mask)


def _mask(masks: Path, side: str, label: Path, picture: Path) -> Path | None:
    """Return the mask of a picture where there is one, under any of the usual names."""
    inside = picture.relative_to(label).parent
    places = (masks / label.name / inside, masks / side / label.name / inside)
    names = (f"{picture.stem}_mask.png", f"{picture.stem}.png")
    return next((place / name for place in places for name in names if (place / name).is_file()), None)
