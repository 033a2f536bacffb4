"""Where a person drew the defects: a mask beside a picture, or its polygons, and the same as a model is shown it.

A set keeps masks as pictures (``data.folders`` and ``data.tables`` find them) or as labelme files in a folder of
their own. Good pictures need none. A bad picture without one says nothing of where its defect lies: it counts for
its verdict, and by pixel it must be left out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError
from bridge.judging import headers
from bridge.judging.headers import Unreadable
from bridge.judging.spec import Input
from bridge.judging.transforms import Matrix, scaling, slope
from bridge.learning.data import Item, Look
from bridge.learning.data.pictures import Told, silent

Mask: TypeAlias = NDArray[np.bool_]
"""Shape (height, width); what is True is defect."""

HALF: Final = 0.5
"""A pixel that the model is shown is defect if at least this share of what it shows is."""
_ABOVE: Final = 3
"""So many folders above a picture may name that of its polygons."""


def read(
    items: Sequence[Item], bad: Sequence[bool], look: Look, polygons: Path | None = None, told: Told = silent
) -> list[Mask | None]:
    """Return the masks of pictures, cut and sized as the pictures are; blocks.

    Args:
        items: N pictures that can be judged.
        bad: which are NG, N of them.
        look: how they are cut and sized.
        polygons: the folder of the labelme files; None where there are none.
        told: how far it is.

    Returns:
        N masks of the look's height and width, empty where the defect lies outside of what is shown; None for a
        good picture, and for a bad one of which nobody drew the defect.

    Raises:
        ConfigError: a picture or a mask cannot be read or do not fit.
    """
    found: list[Mask | None] = []
    for item, ill in zip(items, bad, strict=True):
        mask = drawn(item, polygons) if ill else None
        found.append(None if mask is None else shown(mask, _placement(item, look), look.into))
        told(len(found), len(items))
    return found


def drawn(item: Item, polygons: Path | None = None) -> Mask | None:
    """Return where a person drew the defect, as large as the picture; None where nobody did.

    Args:
        item: the picture; its own mask comes before polygons.
        polygons: the folder of the labelme files, named as the pictures, or of such folders.

    Raises:
        ConfigError: the picture, its mask or its polygons cannot be read, or do not fit.
    """
    if item.mask is not None:
        return painted(item.mask, *_size(item))
    if polygons is None:
        return None
    found = outlined(_labelme(polygons, item.path), *_size(item))
    return found if found.any() else None


def shown(mask: Mask, placement: Matrix, into: Input) -> Mask:
    """Return a mask as the model is shown its picture.

    A pixel of the model's input is defect if it is so by half. A piece that is so nowhere, as a hair, stays where
    it is covered at least half as much as at its best: no defect vanishes because the picture shrinks.

    Args:
        mask: of the whole picture.
        placement: from the model's input to the picture, as ``preprocess.Cut`` has it.
        into: the model's input.
    """
    covered = _covered(mask, placement, into)
    number, found = cv2.connectedComponents((covered > 0).astype(np.uint8), connectivity=8)
    piece, best = np.asarray(found, np.int64), np.zeros(number)
    np.maximum.at(best, piece, covered)
    least = np.where(best >= HALF, HALF, best / 2)
    return np.asarray((covered > 0) & (covered >= least[piece]), np.bool_)


def _covered(mask: Mask, placement: Matrix, into: Input) -> NDArray[np.float64]:
    """Return the share of each of the input's pixels that is defect: the mask looked at on a finer grid."""
    width, height = into.width, into.height
    steps = np.linalg.norm(slope(placement, width / 2, height / 2), axis=0)
    across, down = (max(math.ceil(step - 1e-6), 1) for step in steps)
    finer = placement @ np.diag([1 / across, 1 / down, 1.0])
    centres = scaling(1, -0.5, -0.5) @ finer @ scaling(1, 0.5, 0.5)  # OpenCV counts from pixels' centres
    how = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    points = cv2.warpPerspective(mask.astype(np.uint8), centres, (width * across, height * down), flags=how)
    return np.asarray(points.reshape(height, down, width, across).mean(axis=(1, 3)), np.float64)


def painted(path: Path, height: int, width: int) -> Mask:
    """Return the mask of a picture's size that a file holds: what is not zero is defect.

    Raises:
        ConfigError: it cannot be read, or has another size.
    """
    found = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_GRAYSCALE) if path.is_file() else None
    if found is None:
        raise ConfigError(str(path), "is no mask that can be read", "write a PNG of the picture's size")
    if found.shape != (height, width):
        size = f"{found.shape[1]} x {found.shape[0]}"
        raise ConfigError(str(path), f"is {size} and its picture {width} x {height}", "write one of the same size")
    return np.asarray(found > 0, np.bool_)


def outlined(path: Path, height: int, width: int) -> Mask:
    """Return the mask of a labelme file: its polygons and rectangles, filled.

    Args:
        path: the JSON file; one that is not there means that nothing is defect.
        height: of the picture.
        width: of the picture.

    Raises:
        ConfigError: it is no labelme file, or a shape is neither.
    """
    mask = np.zeros((height, width), np.uint8)
    if not path.is_file():
        return mask.astype(np.bool_)
    try:
        shapes = [_corners(shape) for shape in json.loads(path.read_bytes())["shapes"]]
    except (ValueError, KeyError, TypeError) as exc:
        raise ConfigError(str(path), "is no labelme file of polygons and rectangles") from exc
    cv2.fillPoly(mask, shapes, (1,))
    return mask.astype(np.bool_)


def _corners(shape: dict[str, Any]) -> NDArray[np.int32]:
    points = np.array(shape["points"], np.float64)
    if shape.get("shape_type", "polygon") == "rectangle":
        (left, top), (right, bottom) = points
        points = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    elif shape.get("shape_type", "polygon") != "polygon":
        raise ValueError(shape["shape_type"])
    return np.asarray(np.floor(points), np.int32)


def _labelme(folder: Path, picture: Path) -> Path:
    if not folder.is_dir():
        raise ConfigError(f"--polygons {folder}", "is no folder", "write the folder of the labelme files")
    name = f"{picture.stem}.json"
    places = (folder / name, *(folder / one.name / name for one in list(picture.parents)[:_ABOVE]))
    return next((place for place in places if place.is_file()), folder / name)


def _size(item: Item) -> tuple[int, int]:
    try:
        header = headers.read(item.path.read_bytes())
    except (OSError, Unreadable) as exc:
        raise _unreadable(item, exc) from exc
    return header.height, header.width


def _placement(item: Item, look: Look) -> Matrix:
    try:
        return look.cut(item.path.read_bytes(), item.view).placement
    except (OSError, Unreadable) as exc:
        raise _unreadable(item, exc) from exc


def _unreadable(item: Item, exc: Exception) -> ConfigError:
    return ConfigError(str(item.path), f"cannot be read ({exc})", "remove or replace it")
