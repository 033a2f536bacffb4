"""Pictures in memory, read through the very code that the live path runs."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError
from bridge.judging import preprocess
from bridge.judging.bundle import ANY_VIEW, ModelClass
from bridge.judging.headers import Unreadable, Unregistered
from bridge.judging.preprocess import Cut, Picture
from bridge.judging.registration import Aligner
from bridge.judging.spec import Input, Registration
from bridge.learning.data.found import named
from bridge.learning.data.items import Collection, Item
from bridge.messages import Box, Verdict

_T = TypeVar("_T")

Told: TypeAlias = Callable[[int, int], None]
"""Called after every picture with how many are done, and of how many."""


MOST_UNREGISTERED: Final = 0.2
"""Where a larger share of a view's pictures cannot be registered, they are not of the golden picture's kind."""
_NAMED = 3


def silent(done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """The picture onto which a view's loose parts are registered; its ROI is drawn on it."""

    how: Registration
    """``how.golden`` is the name that the picture has in the bundle."""
    data: bytes = field(repr=False)
    """The encoded picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a picture is cut and sized: the same words that stand in a bundle's manifest."""

    into: Input
    rois: Mapping[str, Box] = field(default_factory=dict)
    """By view, in pixels of the original picture, or of the golden one where the view has one; ``*`` for the
    others; empty: all of the picture."""
    goldens: Mapping[str, Golden] = field(default_factory=dict)
    """By view, ``*`` for the others; empty: parts lie still."""

    def roi(self, view: str) -> Box | None:
        """Return where to look in this view; None: everywhere."""
        return self.rois.get(view, self.rois.get(ANY_VIEW))

    def golden(self, view: str) -> Golden | None:
        """Return what this view's parts are registered onto; None: they lie still."""
        return self.goldens.get(view, self.goldens.get(ANY_VIEW))

    def onto(self, view: str) -> Aligner | None:
        """Return what registers this view's parts; None: they lie still.

        Raises:
            ConfigError: the golden picture cannot be used.
        """
        golden = self.golden(view)
        return _aligner(golden.data, golden.how, self.roi(view)) if golden else None

    def cut(self, data: bytes, view: str) -> Cut:
        """Return what the model is shown of an encoded picture, before normalisation, and where it was.

        Raises:
            Unreadable: as ``preprocess.cut``.
            ConfigError: as ``onto``.
        """
        return preprocess.cut(data, self.into, self.roi(view), onto=self.onto(view))

    def picture(self, data: bytes, view: str) -> Picture:
        """Return an encoded picture as the model is shown it, before normalisation.

        Raises:
            Unreadable: as ``preprocess.cut``.
            ConfigError: as ``onto``.
        """
        return self.cut(data, view).picture


@lru_cache(maxsize=64)
def _aligner(data: bytes, how: Registration, roi: Box | None) -> Aligner:
    """Return what lays a golden picture over others: decoded once, however many pictures follow."""
    try:
        return Aligner(data, how, roi)
    except Unreadable as exc:
        raise ConfigError(
            f"--register {how.golden}", str(exc), "write a picture of a part that lies well"
        ) from exc


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Pictures in memory, decoded, cropped and sized as the model sees them; N of each."""

    pictures: NDArray[np.uint8]
    """Shape (N, height, width, channels)."""
    labels: NDArray[np.int64]
    """Shape (N,): the place of the class in ``classes``."""
    groups: tuple[str, ...]
    """What each picture must stay together with."""
    parts: tuple[str, ...]
    """The part that each picture shows; a part is NG if any of its pictures is."""
    classes: tuple[ModelClass, ...]
    digest: str
    """SHA-256 over the names and bytes of all files, and the classes."""
    files: tuple[Path, ...] = ()
    """Where each picture was read from; empty for pictures that were never files."""
    views: tuple[str, ...] = ()
    """The view that each picture is; empty for pictures that were never files."""
    hashes: tuple[str, ...] = ()
    """The SHA-256 of each file, in hexadecimal; empty for pictures that were never files."""
    items: tuple[Item, ...] = ()
    """What each was read from; empty for pictures that were never files."""
    notes: tuple[str, ...] = ()
    """What a person should know of how they were read; one line each."""
    placements: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 3, 3)))
    """From points of each picture to those of its file, shape (N, 3, 3); empty for what was never files."""

    @property
    def bad(self) -> NDArray[np.bool_]:
        """Which pictures are NG, shape (N,)."""
        ng = np.array([one.verdict is Verdict.NG for one in self.classes])
        return np.asarray(ng[self.labels], np.bool_)

    @property
    def splits(self) -> tuple[str, ...]:
        """The side that the set itself gives each picture; empty where it does not."""
        return tuple(item.split for item in self.items) or ("",) * len(self.labels)

    def take(self, places: Sequence[int]) -> Dataset:
        """Return a set of these pictures only, with the same classes and a digest of its own."""
        chosen = np.asarray(places, np.intp)

        def of(named: tuple[_T, ...]) -> tuple[_T, ...]:
            return tuple(named[place] for place in chosen.tolist()) if named else ()

        return replace(
            self,
            pictures=self.pictures[chosen],
            labels=self.labels[chosen],
            groups=of(self.groups),
            parts=of(self.parts),
            digest=hashlib.sha256(self.digest.encode() + chosen.astype("<i8").tobytes()).hexdigest(),
            files=of(self.files),
            views=of(self.views),
            hashes=of(self.hashes),
            items=of(self.items),
            placements=self.placements[chosen] if len(self.placements) else self.placements,
        )


def read(collection: Collection, look: Look, told: Told = silent) -> Dataset:
    """Read and decode every picture of a set; blocks.

    One that cannot be registered is left out, as the line judges no such part; ``notes`` count them.

    Raises:
        ConfigError: pictures cannot be read, or too many cannot be registered; one line names the first and how
            many there are.
    """
    known = collection.classes
    digest = hashlib.sha256(repr(known).encode())
    total = len(collection.items)
    pictures = np.empty((total, look.into.height, look.into.width, look.into.channels), np.uint8)
    items: list[Item] = []
    hashes: list[str] = []
    placements = np.empty((total, 3, 3))
    unreadable: list[tuple[Path, str]] = []
    unregistered: list[tuple[Item, str]] = []
    for index, item in enumerate(collection.items):
        try:
            data = item.path.read_bytes()
            cut = look.cut(data, item.view)
            pictures[len(items)], placements[len(items)] = cut.picture, cut.placement
            items.append(item)
            hashes.append(hashlib.sha256(data).hexdigest())
            digest.update(f"\n{named(item.path, collection.where)} {item.label} {hashes[-1]}".encode())
        except OSError as exc:
            unreadable.append((item.path, f"cannot be read ({exc.strerror})"))
        except Unregistered as exc:
            unregistered.append((item, str(exc)))
        except Unreadable as exc:
            unreadable.append((item.path, str(exc)))
        told(index + 1, total)
    if unreadable:
        raise _cannot_be_read(unreadable)
    _of_one_kind(collection, unregistered)
    there = replace(collection, items=tuple(items))
    return Dataset(
        pictures=pictures[: len(items)],
        labels=there.labels,
        groups=there.groups,
        parts=there.parts,
        classes=known,
        digest=digest.hexdigest(),
        files=tuple(item.path for item in items),
        views=tuple(item.view for item in items),
        hashes=tuple(hashes),
        items=there.items,
        placements=placements[: len(items)],
        notes=(_left_out(unregistered, collection),) if unregistered else (),
    )


def _of_one_kind(collection: Collection, unregistered: Sequence[tuple[Item, str]]) -> None:
    """Refuse a set of which so many cannot be registered that it shows something else than the golden picture."""
    of_view = Counter(item.view for item in collection.items)
    failed = Counter(item.view for item, _ in unregistered)
    for view, count in failed.items():
        if count > MOST_UNREGISTERED * of_view[view]:
            found = f"{count} of {of_view[view]} pictures of view {view} cannot be laid over the golden one: "
            said = [(item, why) for item, why in unregistered if item.view == view]
            advice = "register onto a picture of these parts; aoi-bridge data roi shows how each lies"
            raise ConfigError(str(collection.where), found + _listed(said, collection.where), advice)


def _left_out(unregistered: Sequence[tuple[Item, str]], collection: Collection) -> str:
    one = len(unregistered) == 1
    found = f"{len(unregistered)} of {len(collection.items)} pictures {'is' if one else 'are'} left out: "
    return found + _listed(unregistered, collection.where)


def _listed(unregistered: Sequence[tuple[Item, str]], where: Path) -> str:
    """Return the first few, the first with its reason."""
    (first, why), *others = unregistered[:_NAMED]
    names = "".join(f", {named(item.path, where)}" for item, _ in others)
    more = f" and {len(unregistered) - _NAMED} more" if len(unregistered) > _NAMED else ""
    return f"{named(first.path, where)} {why}{', also' * bool(names)}{names.removeprefix(',')}{more}"


def _cannot_be_read(unreadable: list[tuple[Path, str]]) -> ConfigError:
    path, why = unreadable[0]
    others = f", and {len(unreadable) - 1} others cannot be read" if len(unreadable) > 1 else ""
    return ConfigError(
        str(path), f"{why}{others}", "remove or replace them; aoi-bridge data check lists them, or data roi"
    )
