"""A folder found out: which files tell of parts, when they are whole, and where the facts stand in them.

Pure: a capture's events in, findings out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Literal, TypeAlias

from bridge.sniff import documents
from bridge.sniff.capture import Event
from bridge.sniff.codepage import CodePage, code_page, readable
from bridge.sniff.columns import USUAL, Column, Role, named, roles
from bridge.sniff.documents import Document, Form

IMAGES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
UNFINISHED = (".tmp", ".part", ".partial", ".filepart", ".writing", ".crdownload", ".swp")
FLAGS = frozenset({".done", ".flag", ".ok", ".rdy", ".ready", ".end", ".fin", ".trg", ".sem"})
SLOWER = 2.0
"""So many times the longest pause that was seen within a file makes it whole."""

Complete: TypeAlias = Literal["stable", "renamed", "flag", "footer", "manifest", "appended"]
_PLACES: Mapping[Role, str] = {
    "part": "part",
    "verdict": "verdict",
    "view": "view",
    "image": "image",
    "defect": "defect",
    "recipe": "recipe",
    "lot": "lot",
}


@dataclass(frozen=True, slots=True)
class Story:
    """What happened to one file."""

    path: str
    events: Sequence[Event] = field(repr=False)
    data: bytes = field(repr=False)
    """What stood in it at the end, or its beginning where it was too large."""
    born: float
    """When it was first seen under any name."""

    @property
    def suffix(self) -> str:
        """Return its suffix in lower case."""
        return PurePosixPath(self.path).suffix.lower()

    @property
    def stem(self) -> str:
        """Return its path without the suffix."""
        return str(PurePosixPath(self.path).with_suffix(""))


@dataclass(frozen=True, slots=True)
class Completion:
    """When a file is whole."""

    rule: Complete
    evidence: str
    certain: bool
    flag: str = ""
    footer: str = ""
    images: str = ""
    """Where a result says how many images belong to it."""
    stable_seconds: float = 1.0
    in_progress: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Folder:
    """How a folder is read."""

    kinds: Mapping[str, int]
    """Files by suffix."""
    completion: Completion
    verdict_in: Literal["result", "name"] = "result"
    results: Sequence[str] = ()
    form: Form | None = None
    page: CodePage | None = None
    document: Document | None = None
    """One of the result files."""
    columns: Sequence[Column] = ()
    pattern: str = ""
    """For a verdict in names: of paths."""
    matched: int = 0
    images_per_part: int = 1
    notes: Sequence[str] = ()

    def of(self, role: Role) -> Column | None:
        """Return the column of a role."""
        return next((column for column in self.columns if column.role == role), None)


def folder(events: Sequence[Event]) -> Folder:
    """Return how the folder of a capture is read best.

    Raises:
        ValueError: no file appeared that could tell of a part.
    """
    told = stories(events)
    kinds = Counter(story.suffix for story in told)
    flags = _flags(told)
    results = [story for story in told if story.suffix not in IMAGES and story.path not in flags and story.data]
    read = {story.path: found for story in results if (found := _documents(story))}
    if read:
        return _results([story for story in results if story.path in read], read, told, kinds)
    images = [story for story in told if story.suffix in IMAGES]
    if not images:
        raise ValueError("no result file and no image appeared in the folder")
    return _names(images, kinds)


def stories(events: Sequence[Event]) -> list[Story]:
    """Return what happened to each file, under its last name, in the order of appearance."""
    held: dict[str, tuple[list[Event], bytearray]] = {}
    done: list[tuple[str, list[Event], bytearray]] = []
    for event in events:
        if event.what != "file":
            continue
        if event.how == "renamed" and event.before in held:
            held[event.path] = held.pop(event.before)
        story = held.setdefault(event.path, ([], bytearray()))
        story[0].append(event)
        if event.data:
            del story[1][event.offset :]
            story[1].extend(event.data)
        if event.how == "gone":
            done.append((event.path, *held.pop(event.path)))
    done += [(path, *story) for path, story in held.items()]
    found = [Story(path, tuple(happened), bytes(data), happened[0].t) for path, happened, data in done]
    return sorted((story for story in found if story.suffix not in UNFINISHED), key=lambda story: story.born)


def _text(story: Story) -> str | None:
    page = code_page(story.data)
    if page is None or readable(story.data) < 0.95:  # noqa: PLR2004 - a text has next to no control characters
        return None
    return story.data.decode(page.name)


def _documents(story: Story) -> Sequence[Document]:
    text = _text(story)
    return documents.read_all(text) if text else []


def _results(
    results: Sequence[Story],
    read: Mapping[str, Sequence[Document]],
    told: Sequence[Story],
    kinds: Mapping[str, int],
) -> Folder:
    forms = Counter(found[0].form for found in read.values())
    form = forms.most_common(1)[0][0]
    chosen = [story for story in results if read[story.path][0].form == form]
    found = [document for story in chosen for document in read[story.path]]
    columns = _columns(found)
    suffixes = sorted({story.suffix for story in chosen})
    notes = [f"{n} files of the form {other} were left out" for other, n in forms.items() if other != form]
    completion = _completion(chosen, [read[story.path][-1] for story in chosen], told)
    names = tuple(f"*{suffix}" for suffix in suffixes) if all(suffixes) else ("*",)
    return Folder(
        kinds,
        completion,
        results=names,
        form=form,
        page=code_page(b"\n".join(story.data for story in chosen)),
        document=max(found, key=lambda document: len(document.rows)),
        columns=columns,
        notes=notes,
    )


def _columns(found: Sequence[Document]) -> list[Column]:
    """Return the places of facts, with what stood there: once in a file, or once in a row."""
    whole = [document.whole for document in found]
    rows = [row for document in found for row in document.rows]
    singles = [
        Column([row.get(name, "") for row in whole], name) for name in dict.fromkeys(n for r in whole for n in r)
    ]
    repeated = [
        Column([row.get(name, "") for row in rows], name) for name in dict.fromkeys(n for r in rows for n in r)
    ]
    if not singles:
        return roles([column for column in repeated if column.words])
    first = roles([column for column in singles if column.words])
    taken = {column.role for column in first}
    inner = [_row_column(column) for column in repeated if column.words]
    return [*first, *(column for column in inner if column.role == "view" or column.role not in taken)]


def _row_column(column: Column) -> Column:
    """Return what a place in a row is by its name, or by its words; serial numbers stand outside of rows."""
    if column.usual > 0.5:  # noqa: PLR2004 - most of what is said
        return replace(column, role="verdict", certain=True, why="usual words for a verdict")
    role = named(column.name)
    if role in {"view", "image", "defect", "verdict"}:
        return replace(column, role=role, certain=role == "view", why=f"its name is {column.name!r}, in each row")
    return column


def places(columns: Sequence[Column]) -> Mapping[str, str]:
    """Return fact → place for the hot folder's ``columns``, of the facts that were found."""
    return {_PLACES[column.role]: column.name for column in reversed(columns) if column.role in _PLACES}


def _completion(chosen: Sequence[Story], found: Sequence[Document], told: Sequence[Story]) -> Completion:
    """Return when a result file is whole, by what was seen of how they are written."""
    total = len(chosen)
    renamed = [e.before for story in chosen for e in story.events if e.how == "renamed" and _unfinished(e.before)]
    if len(renamed) >= max(1, total // 2):
        suffixes = sorted({PurePosixPath(name).suffix for name in renamed})
        said = f"{len(renamed)} of {total} were renamed when whole, from {', '.join(suffixes)}"
        return Completion("renamed", said, certain=True, in_progress=suffixes)
    if (flag := _flag(chosen, told)) is not None:
        return flag
    grown = [story for story in chosen if sum(1 for event in story.events if event.how == "grown") > 1]
    if grown and len(grown) * 2 >= total:
        times = sum(1 for story in grown for event in story.events if event.how == "grown")
        said = f"{grown[0].path} grew {times} times after it had been whole"
        return Completion("appended", said, certain=True)
    ends = Counter(document.last_line for document in found)
    end, times = ends.most_common(1)[0]
    data = any(sign in end for sign in "=<{}[]" + found[0].delimiter)
    if times == total >= _SEVERAL and not data:
        said = f"all {total} end with the line {end!r}"
        return Completion("footer", said, certain=True, footer=f"^{_escaped(end)}$")
    pause = max((_longest_pause(story) for story in chosen), default=0.0)
    late = sum(1 for story in chosen if any(image.born > story.born for image in _beside(story, told)))
    count = next((name for name in found[0].whole if _IMAGE_COUNT.fullmatch(name)), "")
    if count and late * 2 >= total:
        said = f"of {late} of {total} results the images came later, and {count} says how many"
        return Completion("manifest", said, certain=False, images=count)
    after = f"; of {late} the images came later" if late else ""
    seen = f"no file was renamed or followed by a flag; the longest pause within one was {pause:.1f} s{after}"
    return Completion("stable", seen, certain=False, stable_seconds=max(1.0, round(pause * SLOWER, 1)))


_SEVERAL = 3
"""Two files may end alike by accident."""
_IMAGE_COUNT = re.compile(r"(n_?|num_?)?(images?|img|pic(ture)?s?)(_?(count|num|no))?", re.IGNORECASE)


def _escaped(text: str) -> str:
    return re.sub(r"\\([ \-/:;,=#&~'\"])", r"\1", re.escape(text))


def _unfinished(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in UNFINISHED


def _longest_pause(story: Story) -> float:
    """Return the longest time between two changes of a file while it was written."""
    times = [e.t for e in story.events if e.how in {"new", "growing"}]
    return max((later - first for first, later in pairwise(times)), default=0.0)


def _beside(story: Story, told: Sequence[Story]) -> list[Story]:
    return [other for other in told if other.suffix in IMAGES and other.stem.startswith(story.stem)]


def _flags(told: Sequence[Story]) -> set[str]:
    """Return the files that say of another one that it is whole."""
    stems = {story.stem for story in told if story.suffix not in FLAGS} | {story.path for story in told}
    return {story.path for story in told if story.suffix in FLAGS and story.stem in stems}


def _flag(chosen: Sequence[Story], told: Sequence[Story]) -> Completion | None:
    flags = _flags(told)
    named_by = {story.stem: story for story in told if story.path in flags}
    for template, key in (("{stem}", "stem"), ("{name}", "path")):
        after = [f for s in chosen if (f := named_by.get(getattr(s, key))) is not None and f.born >= s.born]
        if len(after) >= max(1, len(chosen) // 2):
            suffix = Counter(flag.suffix for flag in after).most_common(1)[0][0]
            said = f"{len(after)} of {len(chosen)} were followed by a file with the suffix {suffix}"
            return Completion("flag", said, certain=True, flag=f"{template}{suffix}")
    return None


_PIECES = re.compile(r"[^/_.\- ]+|[/_.\- ]")


def _names(images: Sequence[Story], kinds: Mapping[str, int]) -> Folder:
    """A verdict in the names of images, or of their folders: the place where usual words stand in most paths."""
    shapes = Counter(_shape(story.path) for story in images)
    shape, times = shapes.most_common(1)[0]
    paths = [story.path for story in images if _shape(story.path) == shape]
    pieces = [_PIECES.findall(path) for path in paths]
    texts = [at for at, mark in enumerate(shape) if mark == "w"]
    columns = roles([Column([piece[at] for piece in pieces]) for at in texts[:-1]])  # the last one is the suffix
    by_place = dict(zip(texts, columns, strict=False))
    if not any(column.role == "verdict" and column.usual > 0 for column in columns):
        raise ValueError("there is no result file, and no usual word for a verdict in the names of the images")
    part = next((at for at, column in by_place.items() if column.role == "part"), None)
    view = next((at for at, c in by_place.items() if at != part and 1 < len(c.words) <= 16 and not c.role), None)  # noqa: PLR2004
    pattern = ""
    for at, mark in enumerate(shape):
        role = by_place[at].role if at in by_place else ""
        group = "view" if at == view else role if role in {"part", "verdict", "recipe"} else ""
        inside = r"[^/_.\- ]+"
        pattern += (f"(?P<{group}>{inside})" if group else inside) if mark == "w" else re.escape(mark)
    serials = Counter(piece[part] for piece in pieces) if part is not None else Counter()
    completion = _image_completion(images)
    return Folder(
        kinds,
        completion,
        "name",
        columns=columns,
        pattern=f"^{pattern}$".replace(r"\-", "-").replace(r"\ ", " ").replace("[^/_.- ]", r"[^/_.\- ]"),
        matched=times,
        images_per_part=serials.most_common(1)[0][1] if serials else 1,
        notes=() if times == len(images) else (f"{len(images) - times} images have names of another shape",),
    )


def _image_completion(images: Sequence[Story]) -> Completion:
    renamed = [e.before for story in images for e in story.events if e.how == "renamed" and _unfinished(e.before)]
    if len(renamed) * 2 >= len(images):
        return Completion("renamed", f"{len(renamed)} of {len(images)} were renamed when whole", certain=True)
    pause = max(map(_longest_pause, images))
    said = f"the longest pause within an image was {pause:.1f} s"
    return Completion("stable", said, certain=False, stable_seconds=max(1.0, round(pause * SLOWER, 1)))


def _shape(path: str) -> tuple[str, ...]:
    return tuple(piece if len(piece) == 1 and piece in "/_.- " else "w" for piece in _PIECES.findall(path))


def usual_words(columns: Sequence[Column]) -> Mapping[str, int]:
    """Return every word that stood where verdicts stand."""
    return sum((Counter(column.words) for column in columns if column.role == "verdict"), Counter())


__all__ = ["USUAL", "Completion", "Folder", "Story", "folder", "places", "stories", "usual_words"]
