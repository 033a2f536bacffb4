"""What a set of pictures is made of: items with their class, part, view and group, from wherever people keep them.

A *part* is what is judged, a *view* one picture of it. A *group* is what must never be torn apart between training
and measuring: a part, a lot, a day, a casting. It is never finer than a part.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError
from bridge.judging.bundle import ModelClass
from bridge.learning.data import drawn, folders, journal, tables
from bridge.learning.data.found import Found, Mark
from bridge.messages import Verdict

OK_NAMES: Final = frozenset({"ok", "good", "free", "pass", "normal", "defect_free", "defect-free", "no_defect"})
"""Names of classes that are OK without being told so."""
COPIES: Final = "copies"
"""The word of ``--groups`` that stands for pictures found to be one photograph."""
ONLY_VIEW: Final = "1"
MOST_CLASSES: Final = 1000
"""As in ``bundle.Manifest``."""
LONGEST_NAME: Final = 64
"""As in ``bundle.ModelClass``."""
_SHOWN = 20
_NOTHINGS: Final = ("ok", "good", "nothing")
"""What a picture is called in which nothing is drawn: the first that is no class of boxes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One labelled picture."""

    path: Path
    label: str
    """The name of its class."""
    part: str
    view: str = ONLY_VIEW
    group: str
    """What it must stay together with."""
    split: str = ""
    """``train``, ``validation``, ``held-out`` or ``test`` where the set itself says so."""
    mask: Path | None = None
    """A picture of the same size in which a defect is what is not zero."""
    marks: tuple[Mark, ...] | None = None
    """The boxes that are drawn in it; None where the set knows none."""


@dataclass(frozen=True, kw_only=True)
class Collection:
    """A set of labelled pictures that were not opened yet; N of them, by class and path."""

    where: Path
    items: tuple[Item, ...]
    classes: tuple[ModelClass, ...]
    """At least two: at least one OK and one NG."""
    notes: tuple[str, ...] = ()
    """What a person should know of how the set was read; one line each."""

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """The place of each item's class in ``classes``, shape (N,)."""
        places = {one.name: place for place, one in enumerate(self.classes)}
        return np.array([places[item.label] for item in self.items], np.int64)

    @property
    def bad(self) -> NDArray[np.bool_]:
        """Which items are NG, shape (N,)."""
        ng = np.array([one.verdict is Verdict.NG for one in self.classes])
        return np.asarray(ng[self.labels], np.bool_)

    @property
    def groups(self) -> tuple[str, ...]:
        """What each item must stay together with."""
        return tuple(item.group for item in self.items)

    @property
    def parts(self) -> tuple[str, ...]:
        """The part that each item shows."""
        return tuple(item.part for item in self.items)

    @property
    def splits(self) -> tuple[str, ...]:
        """The side that the set itself gives each item; empty where it does not."""
        return tuple(item.split for item in self.items)

    def take(self, places: Iterable[int]) -> Collection:
        """Return the collection of these items only, with the same classes."""
        return replace(self, items=tuple(self.items[place] for place in places))


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """How a set is to be read: the words of the command line."""

    ok: tuple[str, ...] = ()
    """The classes that are OK; empty: those that are called so."""
    groups: tuple[str, ...] = ()
    """What must stay together, each as ``tables.naming`` takes it; several are joined."""
    parts: str = ""
    views: str = ""
    labels: Path | None = None
    """The table of labels of a journal."""
    classes: tuple[ModelClass, ...] = ()
    """Those of a bundle that the set is read for: their order and verdicts hold."""
    good_only: bool = False
    """Whether a set without any bad class is one; a single class is then good, whatever its name."""
    own_split: bool = True
    """Whether the set's own split counts, where it has one."""


def read(where: Path, choice: Choice = Choice()) -> Collection:
    """Find the pictures of a set; none is opened.

    Args:
        where: a folder of class folders, with or without ``train`` and ``test`` around them; a CSV file; one with
            boxes as COCO or YOLO keep them; or the bridge's own data folder.
        choice: what is OK and what belongs together.

    Raises:
        ConfigError: there is no set, a class or a group is not known, or there is not at least one class each of
            OK and NG.
    """
    found, notes = _found(where, choice)
    known = _classes_of(found, choice)
    order = {one.name: place for place, one in enumerate(known)}
    notes = (*notes, *_alike([one.name for one in known]))
    items = sorted(_items(found, where, choice), key=lambda item: (order[item.label], item.path, item.view))
    _listed_once(items)
    return _own_split(Collection(where=where, items=tuple(items), classes=known, notes=notes), choice)


def _alike(names: Sequence[str]) -> Iterator[str]:
    """Yield a note for classes that differ by capitals alone: most often a slip of whoever labelled."""
    by_word: dict[str, list[str]] = defaultdict(list)
    for name in names:
        by_word[name.casefold()].append(name)
    for same in by_word.values():
        if len(same) > 1:
            yield f"classes that differ by capitals alone: {' and '.join(same)}; are they one?"


def _classes_of(found: Sequence[Found], choice: Choice) -> tuple[ModelClass, ...]:
    """Return the classes of a set; where boxes are drawn, those of the boxes and then that of pictures without."""
    names = sorted({one.label for one in found})
    if any(one.marks is not None for one in found):
        nothing = _nothing(choice, found)
        names = [*sorted({mark.label for one in found for mark in one.marks or ()} - {nothing}), nothing]
        choice = replace(choice, ok=(*choice.ok, nothing))
    return classes(names, choice)


def _nothing(choice: Choice, found: Sequence[Found]) -> str:
    """Return what a picture is called in which nothing is drawn."""
    known = [one.name for one in choice.classes if one.verdict is Verdict.OK]
    if known:
        return known[-1]
    taken = {mark.label for one in found for mark in one.marks or ()}
    return next(name for name in (*_NOTHINGS, f"no {min(taken, default='')}") if name not in taken)


def _found(where: Path, choice: Choice) -> tuple[list[Found], tuple[str, ...]]:
    labels = choice.labels
    if (where / journal.FILE).is_file():
        return journal.read(where, labels)
    if labels is not None:
        raise ConfigError(f"--labels {labels}", f"is for a journal, and {where} holds none", "leave it out")
    if drawn.there(where):
        found, notes = drawn.read(where)
        return drawn.labelled(found, choice.ok, _nothing(choice, found)), notes
    if where.is_dir():
        return folders.read(where, good_only=choice.good_only), ()
    if where.is_file():
        return tables.read(where), ()
    raise ConfigError(str(where), "is not there", "write a folder with one folder per class, or a CSV file")


def classes(names: Sequence[str], choice: Choice) -> tuple[ModelClass, ...]:
    """Return the classes of a set: those of the bundle it is read for, then what else is found, by name.

    Raises:
        ConfigError: a name in ``choice.ok`` is no class, or it is not clear which are OK.
    """
    taken = {one.name for one in choice.classes}
    new = [name for name in names if name not in taken]
    _can_be_classes([*taken, *new])
    for name in choice.ok:
        if name not in {*names, *taken}:
            raise ConfigError(f"--ok {name}", "there is no such class", f"write one of {_listed(names)}")
    ok = choice.ok or _called_ok(new, choice)
    added = (ModelClass(name=name, verdict=Verdict.OK if name in ok else Verdict.NG) for name in new)
    known = (*choice.classes, *added)
    for verdict in Verdict:
        if all(one.verdict is not verdict for one in known) and not (choice.good_only and verdict is Verdict.NG):
            raise ConfigError("--ok", f"leaves no class that is {verdict}", f"the classes are {_listed(names)}")
    return known


def _can_be_classes(names: Sequence[str]) -> None:
    """Refuse what no bundle can hold before anything is trained on it."""
    if len(names) > MOST_CLASSES:
        found = f"has {len(names):,} classes, more than {MOST_CLASSES:,}"
        raise ConfigError("DATA", found, "write a folder of class folders: is this one of folders per part?")
    for name in names:
        if not name.isprintable() or len(name) > LONGEST_NAME:
            found = f"is no name of a class: it has {len(name)} characters, or some that cannot be printed"
            raise ConfigError(ascii(name), found, f"give it a name of at most {LONGEST_NAME} printable characters")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _called_ok(new: Sequence[str], choice: Choice) -> tuple[str, ...]:
    if choice.good_only and len(new) == 1:
        return tuple(new)
    ok = tuple(name for name in new if name.lower() in OK_NAMES)
    clear = len(ok) == 1 if not choice.classes else not new
    if not clear:
        raise ConfigError(
            "--ok", "it is not clear which classes are OK", f"write --ok with some of {_listed(new)}"
        )
    return ok


def _items(found: Sequence[Found], where: Path, choice: Choice) -> list[Item]:
    folder = where if where.is_dir() else where.parent
    part = tables.naming("--parts", choice.parts, folder) if choice.parts else _own_part
    view = tables.naming("--views", choice.views, folder) if choice.views else _own_view
    ways = [tables.naming("--groups", text, folder) for text in choice.groups if text != COPIES] or [_own_group]
    parts = [part(one) or _own_part(one) for one in found]
    keys = [
        [
            f"part {name}",
            *([f"held {one.serial}"] if one.serial else []),
            *(f"{way} {said}" for way, said in enumerate(name_of(one) for name_of in ways) if said),
        ]
        for name, one in zip(parts, found, strict=True)
    ]
    groups = joined(keys)
    return [
        Item(
            path=one.path,
            label=one.label,
            part=name,
            view=view(one) or ONLY_VIEW,
            group=group.split(" ", 1)[1],
            split=one.split,
            mask=one.mask,
            marks=one.marks,
        )
        for one, name, group in zip(found, parts, groups, strict=True)
    ]


def _own_part(one: Found) -> str:
    return one.part or str(one.path.resolve())  # the whole path: another set has an ok/1.jpg too


def _own_view(one: Found) -> str:
    return one.view


def _own_group(one: Found) -> str:
    return one.group


def joined(keys: Sequence[Sequence[str]]) -> list[str]:
    """Return for each of N things the name of its group: things that share a key are one group, and so on.

    The name is the first key, in the order of the alphabet, of those that only the group has.
    """
    root: dict[str, str] = {}

    def find(key: str) -> str:
        while root.setdefault(key, key) != key:
            root[key] = key = root[root[key]]
        return key

    for names in keys:
        first, *others = sorted(map(find, names))
        for other in others:
            root[other] = first
    return [find(names[0]) for names in keys]


def _listed_once(items: Sequence[Item]) -> None:
    seen: set[Path] = set()
    for item in items:
        if item.path in seen:
            raise ConfigError(str(item.path), "is listed twice", "leave one of the two lines out")
        seen.add(item.path)


def _own_split(read: Collection, choice: Choice) -> Collection:
    """Drop the set's own split where it is not wanted, or cannot teach every class."""
    learned: dict[str, bool] = defaultdict(bool)
    for item in (one for one in read.items if one.marks is None):
        learned[item.label] |= item.split in {"", "train"}
    ill = {one.name for one in read.classes if one.verdict is Verdict.NG} if choice.good_only else set()
    missing = sorted(label for label, there in learned.items() if not there and label not in ill)
    if choice.own_split and not missing:
        return read
    said = f"the set's own split has no {', '.join(missing)} to train on; it is split anew" if missing else ""
    items = tuple(replace(item, split="") for item in read.items)
    return replace(read, items=items, notes=(*read.notes, said) if said else read.notes)
