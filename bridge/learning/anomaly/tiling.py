"""Pictures larger than what a network is shown: overlapping tiles, judged each, their maps laid over one another.

All of it is in the graph, so that the live path and OpenVINO know of one picture and one map. A map's places at
the edge of a tile see less, or nothing beyond it; where tiles overlap, each place's weight falls off linearly
towards its tile's edge, and weights add up to 1 everywhere, so that there is no seam.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError
from bridge.learning.anomaly import pdn
from bridge.learning.backend import keras
from bridge.learning.networks.trunk import Model, Tensor

STEP: Final = 32
"""Tiles begin at multiples of so many pixels: every backbone's places lie then as in the whole picture."""
OVERLAP: Final = 2 * pdn.BORDER * pdn.STEP
"""Pixels that tiles of a PDN share at least: what one does not describe at its edge, its neighbour does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiling:
    """How a picture is cut."""

    height: int
    """Pixels of the picture, as all here."""
    width: int
    tile_height: int
    tile_width: int
    tops: tuple[int, ...]
    lefts: tuple[int, ...]

    @property
    def tile(self) -> tuple[int, int]:
        """Height and width of a tile."""
        return self.tile_height, self.tile_width

    @property
    def places(self) -> list[tuple[int, int]]:
        """Top and left of each tile, row by row."""
        return list(product(self.tops, self.lefts))

    @property
    def facts(self) -> dict[str, Any]:
        """Size and places of the tiles, in JSON values."""
        return {
            "width": self.tile_width,
            "height": self.tile_height,
            "tops": list(self.tops),
            "lefts": list(self.lefts),
        }

    def cut(self, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the tiles of N pictures, picture by picture: (N x tiles, tile height, tile width, channels)."""
        tiles = [pictures[:, y : y + self.tile_height, x : x + self.tile_width] for y, x in self.places]
        return np.stack(tiles, axis=1).reshape(-1, self.tile_height, self.tile_width, pictures.shape[-1])


def planned(size: tuple[int, int], tile: tuple[int, int], overlap: int) -> Tiling:
    """Return the fewest tiles that cover a picture, spread evenly.

    Args:
        size: height and width of the picture, multiples of ``STEP``.
        tile: of a tile, same.
        overlap: pixels that neighbours share at least.

    Raises:
        ConfigError: a side does not suit.
    """
    for flag, sides in (("--size", size), ("--tile", tile)):
        if any(side % STEP for side in sides):
            said = f"{sides[1]}x{sides[0]} cannot be tiled"
            raise ConfigError(flag, said, f"write multiples of {STEP}, as 256x256")
    if any(whole < part for whole, part in zip(size, tile, strict=True)):
        raise ConfigError("--tile", f"{tile[1]}x{tile[0]} is larger than the picture", "write a smaller one")
    if overlap > min(tile) - STEP:
        said = f"{overlap} pixels leave nothing new in a tile of {tile[1]}x{tile[0]}"
        raise ConfigError("--overlap", said, f"write {min(tile) - STEP} or less")
    tops, lefts = (_starts(whole, part, overlap) for whole, part in zip(size, tile, strict=True))
    return Tiling(height=size[0], width=size[1], tile_height=tile[0], tile_width=tile[1], tops=tops, lefts=lefts)


def _starts(whole: int, part: int, overlap: int) -> tuple[int, ...]:
    """Return where tiles of a row begin: the first at 0, the last at the end, none further apart than allowed."""
    if whole == part:
        return (0,)
    furthest = max(STEP, (part - overlap) // STEP * STEP)
    count = 1 - (part - whole) // furthest
    free = (whole - part) // STEP
    return tuple(STEP * (free * at // (count - 1)) for at in range(count))


def over(seen: Tensor, tiling: Tiling, judged: Model) -> Tensor:
    """Return the map of a picture of which ``judged`` knows tiles.

    Args:
        seen: the picture, shape (batch, height, width, channels).
        tiling: how it is cut.
        judged: from (batch, tile height, tile width, channels) to a map (batch, rows, columns, 1) of all places of
            a tile, or of all but the same number at each side.

    Returns:
        Shape (batch, rows, columns, 1), as ``judged`` would give for the whole picture.
    """
    ops, height, width = keras.ops, tiling.tile_height, tiling.tile_width
    tiles = [seen[:, y : y + height, x : x + width] for y, x in tiling.places]
    rows, columns = judged.output_shape[1:3]
    maps = ops.reshape(judged(ops.concatenate(tiles, axis=0)), (len(tiles), -1, rows, columns, 1))
    step, border = _pace(tiling, rows)
    all_rows, all_columns = (side // step - 2 * border for side in (tiling.height, tiling.width))
    shares = _shares(tiling, (rows, columns), (all_rows, all_columns), step)
    total = None
    for at, (y, x) in enumerate(tiling.places):
        top, left = y // step, x // step
        room = ((0, 0), (top, all_rows - rows - top), (left, all_columns - columns - left), (0, 0))
        one = ops.pad(maps[at] * shares[at], room)
        total = one if total is None else total + one
    return total


def _pace(tiling: Tiling, rows: int) -> tuple[int, int]:
    """Return pixels from place to place and how many places are missing at each side, of a tile's map."""
    step = 1 << int(np.log2(tiling.tile_height / rows))
    return step, (tiling.tile_height // step - rows) // 2


def _shares(tiling: Tiling, own: tuple[int, int], whole: tuple[int, int], step: int) -> list[NDArray[np.float32]]:
    """Return what each tile's places count for, each of shape (rows, columns, 1)."""
    weight = np.multiply.outer(_slope(own[0]), _slope(own[1]))
    total = np.zeros(whole)
    parts = [
        (slice(y // step, y // step + own[0]), slice(x // step, x // step + own[1])) for y, x in tiling.places
    ]
    for part in parts:
        total[part] += weight
    return [(weight / total[part])[..., None].astype(np.float32) for part in parts]


def _slope(places: int) -> NDArray[np.float64]:
    """Return weights of a row that fall off towards both ends and are 0 nowhere."""
    return np.minimum(np.arange(1, places + 1), np.arange(places, 0, -1)).astype(np.float64)
