"""Whether a picture looks like a copy of one that is no longer at hand: by 256 bits that a bundle keeps of each.

The bits are the signs of a picture's lowest 16 x 16 frequencies (DCT), as the model is shown it. Saving it again
or brightening it turns few of them. Mirroring turns all odd columns or rows, so that a mirrored copy is found too;
one that is cropped or turned askew is not, which takes the picture itself (``data.copies``).

How far two photographs lie apart depends on what they show: different castings differ in a tenth of the bits and
more, different places of one ball screw in a hundredth. So what counts as near is held to how near the pictures
that the bundle was trained on come to those of other groups. Where parts and fixture repeat themselves to the bit,
copies are not found; what is found may still be chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from bridge.judging.headers import Unreadable
from bridge.learning.data import Item, Look
from bridge.learning.data.pictures import Told, silent
from bridge.learning.seen import Known

Signs: TypeAlias = NDArray[np.float32]
"""Shape (N, 256): 1 or -1."""

NEAR: Final = 0.08
"""The most bits, as a share, in which a copy differs, however unlike each other the pictures are."""
_OF_OTHERS: Final = 0.5
"""And the most as a share of what other photographs differ in."""
_MOST_ALIKE: Final = 0.05
"""Of the pictures that the bundle was trained on, this share may have copies among them that nobody found."""
_FEWEST: Final = 2
"""Bits. Where a copy would have to differ in fewer, so near do others come, nothing tells the two apart."""
_SIDE, _FREQUENCIES = 64, 16
_PLAIN: Final = 1.0
"""Grey levels that a picture varies by, below which the signs are chance."""
_AT_ONCE, _DRAWN = 1024, 2000
_ODD: Final = np.where(np.arange(_FREQUENCIES) % 2, -1, 1).astype(np.float32)
_MIRRORED: Final = tuple(
    np.outer(down, across).ravel() for down in (np.abs(_ODD), _ODD) for across in (np.abs(_ODD), _ODD)
)


@dataclass(frozen=True, slots=True)
class Alike:
    """A picture that looks like a copy."""

    place: int
    """Among those that were asked about."""
    group: str
    """Of the picture that it looks like."""


def signs(picture: NDArray[np.uint8]) -> str:
    """Return the bits of a picture, shape (height, width, channels), in hexadecimal; none where it is plain."""
    gray = picture.mean(axis=-1, dtype=np.float32)
    waves = cv2.dct(cv2.resize(gray, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA))[:_FREQUENCIES, :_FREQUENCIES]
    waves[0, 0] = 0
    if np.sqrt(np.square(waves).sum()) < _PLAIN * _SIDE:
        return ""
    return np.packbits(waves > 0).tobytes().hex()


def kept(pictures: NDArray[np.uint8], groups: Sequence[str]) -> tuple[Known, ...]:
    """Return bits and group of each picture that is not plain: what a bundle keeps."""
    pairs = ((signs(picture), group) for picture, group in zip(pictures, groups, strict=True))
    return tuple((bits, group) for bits, group in pairs if bits)


def read(items: Sequence[Item], look: Look, told: Told = silent) -> list[str]:
    """Return the bits of each item, cut as the model would see it; none of what cannot be cut; blocks."""
    found: list[str] = []
    for item in items:
        try:
            found.append(signs(look.picture(item.path.read_bytes(), item.view)))
        except (OSError, Unreadable):
            found.append("")
        told(len(found), len(items))
    return found


def copies(asked: Sequence[str], known: Sequence[Known]) -> list[Alike]:
    """Return which pictures look like copies of known ones, in order.

    Args:
        asked: the bits of each picture; what has none is like nothing.
        known: bits and group of each known picture.
    """
    places = [place for place, one in enumerate(asked) if one]
    there = [(one, group) for one, group in known if one]
    if not (places and there):
        return []
    theirs, groups = _unpacked([one for one, _ in there]), np.array([group for _, group in there])
    if (near := _near(theirs, groups)) * theirs.shape[1] < _FEWEST:
        return []
    found: list[Alike] = []
    for at, apart in _apart(_unpacked([asked[place] for place in places]), theirs):
        nearest = apart.argmin(axis=1)
        close = np.flatnonzero(apart[np.arange(len(apart)), nearest] <= near)
        found += [Alike(places[at + row], str(groups[nearest[row]])) for row in close.tolist()]
    return found


def _near(theirs: Signs, groups: NDArray[np.str_]) -> float:
    """Return in what share of the bits a copy may differ, where these are the known pictures."""
    drawn = np.random.default_rng(0).permutation(len(theirs))[:_DRAWN]
    theirs, groups = theirs[drawn], groups[drawn]
    nearest = [
        np.where(groups[at : at + len(apart), None] == groups, np.inf, apart).min(axis=1)
        for at, apart in _apart(theirs, theirs)
    ]
    others = np.concatenate(nearest)
    others = others[np.isfinite(others)]
    return min(NEAR, _OF_OTHERS * float(np.quantile(others, _MOST_ALIKE))) if len(others) else NEAR


def _apart(ours: Signs, theirs: Signs) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield, some rows at a time, in what share of the bits each of ours, mirrored or not, differs from theirs."""
    for at in range(0, len(ours), _AT_ONCE):
        some = ours[at : at + _AT_ONCE]
        same = reduce(np.maximum, ((some * turned) @ theirs.T for turned in _MIRRORED))
        yield at, (1 - same / theirs.shape[1]) / 2


def _unpacked(bits: Sequence[str]) -> Signs:
    rows = np.frombuffer(bytes.fromhex("".join(bits)), np.uint8).reshape(len(bits), -1)
    return np.unpackbits(rows, axis=1).astype(np.float32) * 2 - 1
