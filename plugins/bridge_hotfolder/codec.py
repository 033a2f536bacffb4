"""What an old inspector told, as messages: a result file, one appended line, or the names of images.

Pure: bytes and names in, inspections out, no file is touched. The views of these inspections carry no image
yet; ``View.reference`` is the image path as the machine wrote it (a result) or the path below the hot folder
(names). A verdict is OK or NG only by a word that the configuration lists; anything else is ``None``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bridge.plugin import Inspection, Verdict, View
from bridge_hotfolder.formats import Facts, Header, ParseError, Row, csv_header, csv_line, decode, read_rows
from bridge_hotfolder.names import name_facts
from bridge_hotfolder.options import FolderOptions, HotfolderOptions

_LARGEST_COUNT = 1_000_000
_LARGEST_COUNTER = 2**53
"""Beyond it the notation with a point or a comma is not exact any more."""


@dataclass(frozen=True, slots=True)
class Told:
    """One part as the machine told it."""

    part: Inspection
    images: int | None = None
    """How many images the machine says belong to it (the manifest); None where it does not say."""


def read_result(data: bytes, path: str, options: HotfolderOptions) -> tuple[Told, ...]:
    """Return the parts of a whole result file, in the file's order.

    ``path`` is its path below the hot folder: its suffix may decide the form, and ``pattern`` may take facts
    from it that the file itself lacks.

    Raises:
        ParseError: for anything that cannot be understood; no part of the file is then used.
    """
    form = options.form_of(path)
    if form is None:
        raise ParseError("has a suffix of no known form; set format")
    rows = read_rows(data, form, options)
    return _parts(rows, name_facts(path, options) or {}, options)


def read_line(line: bytes, path: str, header: Header | None, options: HotfolderOptions) -> Told:
    """Return the one part that an appended line tells of; ``header`` is None for JSON lines.

    Raises:
        ParseError: likewise.
    """
    if header is None:
        rows = read_rows(line, "json", options)
    else:
        rows = [csv_line(decode(line, options.encoding).strip("\r\n"), header)]
    parts = _parts(rows, name_facts(path, options) or {}, options)
    if len(parts) != 1:
        raise ParseError(f"tells of {len(parts)} parts in one line")
    return parts[0]


def line_header(head: bytes, options: FolderOptions) -> Header:
    """Return how the lines of an appended CSV file are cut, from its header line.

    Raises:
        ParseError: if the line names no configured column.
    """
    return csv_header(decode(head, options.encoding).strip("\r\n"), options)


def read_names(paths: Sequence[str], options: HotfolderOptions) -> Told:
    """Return the part that images of these paths show, its verdicts taken from the paths.

    Raises:
        ParseError: if a path does not match the pattern.
    """
    rows = []
    for path in sorted(paths):
        facts = name_facts(path, options)
        if facts is None:
            raise ParseError(f"the path {path} does not match the pattern")
        rows.append(Row(facts, {**facts, "image": path}))
    told = _part(rows, options)
    shown = {view.name for view in told.part.views}
    missing = tuple(View(name=name) for name in options.views if name not in shown)
    return replace(told, part=replace(told.part, views=told.part.views + missing))


def verdict(word: str, options: HotfolderOptions) -> Verdict | None:
    """Return what a word means, or None if it is not one of the listed words."""
    said = word.strip().casefold()
    if said in {known.strip().casefold() for known in options.ng_words}:
        return Verdict.NG
    if said and said in {known.strip().casefold() for known in options.ok_words}:
        return Verdict.OK
    return None


def _parts(rows: Iterable[Row], named: Facts, options: HotfolderOptions) -> tuple[Told, ...]:
    groups: dict[object, list[Row]] = {}
    for number, row in enumerate(rows):
        full = Row({**named, **row.own, **row.whole}, row.own)
        if not full.whole:
            raise ParseError("states none of the configured facts")
        group = full.whole.get("part", "") if options.row == "view" else number
        groups.setdefault(group, []).append(full)
    return tuple(_part(group, options) for group in groups.values())


def _part(rows: Sequence[Row], options: HotfolderOptions) -> Told:
    views = _unique([_view(row, number, options) for number, row in enumerate(rows, start=1)])
    told = [row.whole for row in rows]
    part = Inspection(
        part=_agreed(told, "part"),
        legacy=_legacy(rows, options),
        legacy_understood=not any(verdict(word, options) is None for word in _words(rows) if word.strip()),
        views=views,
        recipe=_agreed(told, "recipe"),
        defect=_defect(rows),
        ng_views=_count(_agreed(told, "ng_views")),
        lot=_agreed(told, "lot"),
        counter=_count(_agreed(told, "counter"), _LARGEST_COUNTER),
    )
    return Told(part, _count(_agreed(told, "images")))


def _legacy(rows: Sequence[Row], options: HotfolderOptions) -> Verdict | None:
    """Join all that was said: one word not understood makes the whole unknown, then any NG is NG.

    A part called OK with a component called NG is NG, as a board is NG if any component is.
    """
    said = [verdict(word, options) for word in _words(rows)]
    if None in said:
        return None
    return Verdict.NG if Verdict.NG in said else Verdict.OK


def _words(rows: Sequence[Row]) -> list[str]:
    """Return every word that was said of the part and of its views."""
    own = [row.own[fact] for row in rows for fact in ("verdict", "view_verdict") if fact in row.own]
    return [row.whole.get("verdict", "") for row in rows] + own


def _view(row: Row, number: int, options: HotfolderOptions) -> View:
    said = row.own.get("view_verdict") or row.own.get("verdict", "")
    return View(
        name=row.own.get("view", str(number)),
        reference=row.own.get("image", ""),
        legacy=verdict(said, options),
        defect=row.own.get("defect", ""),
    )


def _defect(rows: Sequence[Row]) -> str:
    """Return the part's own defect code: what is said apart from the rows, or by the only row."""
    if len(rows) == 1:
        return rows[0].whole.get("defect", "")
    apart = {row.whole.get("defect", "") for row in rows if row.whole.get("defect") != row.own.get("defect")}
    return apart.pop() if len(apart) == 1 else ""


def _unique(views: Sequence[View]) -> tuple[View, ...]:
    """Keep view names apart where one component has several rows."""
    met: Counter[str] = Counter()
    named = []
    for view in views:
        met[view.name] += 1
        again = met[view.name] > 1
        named.append(replace(view, name=f"{view.name}~{met[view.name]}") if again else view)
    return tuple(named)


def _agreed(facts: Sequence[Mapping[str, str]], fact: str) -> str:
    said = {each[fact] for each in facts if fact in each}
    if len(said) > 1:
        raise ParseError(f"states different values of {fact} for one part: {', '.join(sorted(said))[:200]}")
    return said.pop() if said else ""


def _count(text: str, largest: int = _LARGEST_COUNT) -> int | None:
    """Read a count that may be written as ``3``, ``3.0`` or, with a decimal comma, ``3,0``."""
    if not text:
        return None
    try:
        number = float(text.replace(",", "."))
    except ValueError as exc:
        raise ParseError(f"{text[:100]!r} is not a number") from exc
    if not (0 <= number <= largest and number.is_integer()):
        raise ParseError(f"{text[:100]!r} is not a count")
    return int(number)
