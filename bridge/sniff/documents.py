"""Result files taken apart without knowing their names: every place in them, and what stood there.

Pure. A place is written as the hot folder writes it: a CSV column, a dotted JSON path, an XML path,
``Section.Key``.
"""

from __future__ import annotations

import configparser
import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias
from xml.etree import ElementTree as ET

Form: TypeAlias = Literal["csv", "json", "xml", "ini"]
Row: TypeAlias = Mapping[str, str]

DELIMITERS = ",;\t|"
MOST_ROWS = 2000
"""Of one file; a panel has more, and says nothing new with them."""


@dataclass(frozen=True, slots=True)
class Document:
    """One result file."""

    form: Form
    whole: Row
    """What it says once."""
    rows: Sequence[Row] = ()
    """What it says again and again: of views, components, or of parts in a CSV file."""
    rows_place: str = ""
    """Where the rows stand, as the hot folder names it; empty for CSV."""
    delimiter: str = ""
    header: bool = True
    """Whether the first line of a CSV file names its columns."""
    skipped: int = 0
    """How many lines stand before the CSV header."""
    last_line: str = ""


def form_of(text: str) -> Form | None:
    """Return the form of a result file by what stands in it; None for what is none of them."""
    head = text.lstrip("\ufeff \t\r\n")
    if head.startswith(("{", "[")) and _json_value(head) is not None:
        return "json"
    if head.startswith("<"):
        return "xml"
    if re.match(r"([;#].*\n\s*)*\[[^\]\n]+\]\s*\n", head):
        return "ini"
    if head.startswith("{"):
        return None
    lines = [line for line in head.splitlines() if line.strip()]
    return "csv" if lines and any(_delimiter(lines).count(sign) for sign in DELIMITERS) else None


def read(text: str) -> Document | None:
    """Take a file apart; None where it is of no form that is known, or broken."""
    text = text.removeprefix("\ufeff")
    form = form_of(text)
    lines = [line for line in text.splitlines() if line.strip()]
    if form is None or not lines:
        return None
    document = {"json": _json, "xml": _xml, "ini": _ini, "csv": _csv}[form](text)
    return document and Document(
        form,
        document.whole,
        document.rows[:MOST_ROWS],
        document.rows_place,
        document.delimiter,
        document.header,
        document.skipped,
        lines[-1].strip(),
    )


def read_all(text: str) -> list[Document]:
    """Take a file apart that may hold a JSON document in each line; empty where it is of no form that is known."""
    if _json_value(text) is None and text.lstrip("\ufeff \t\r\n").startswith("{"):
        found = [read(line) for line in text.splitlines()[:MOST_ROWS] if line.strip()]
    else:
        found = [read(text)]
    return [document for document in found if document is not None]


def _json_value(text: str) -> object:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value


def _json(text: str) -> Document | None:
    root = _json_value(text)
    if isinstance(root, list):
        return Document("json", {}, [dict(_flat(item)) for item in root if isinstance(item, dict)])
    if not isinstance(root, dict):
        return None
    places = [place for place, value in _lists(root) if value and all(isinstance(item, dict) for item in value)]
    rows_place = places[0] if places else ""
    rows = next((value for place, value in _lists(root) if place == rows_place), [])
    return Document("json", dict(_flat(root)), [dict(_flat(item)) for item in rows], rows_place)


def _flat(value: object, place: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{place}.{key}" if place else key)
    elif not isinstance(value, list) and place:
        yield place, "" if value is None else value if isinstance(value, str) else json.dumps(value)


def _lists(value: object, place: str = "") -> Iterator[tuple[str, list[object]]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _lists(inner, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        yield place, value


def _xml(text: str) -> Document | None:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return None
    try:
        root = ET.fromstring(re.sub(r"\A\s*<\?xml.*?\?>", "", text))  # noqa: S314 - no entities without a DOCTYPE
    except (ET.ParseError, ValueError):
        return None
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    rows_place = _repeated(root)
    rows = root.findall(rows_place) if rows_place else []
    inside = {element for row in rows for element in row.iter()}
    whole = {place: text for place, text, element in _leaves(root) if element not in inside}
    return Document("xml", whole, [{place: text for place, text, _ in _leaves(row)} for row in rows], rows_place)


def _repeated(root: ET.Element) -> str:
    """Return the path to the elements that stand there again and again and hold something; empty if none do."""
    counts = Counter(path for path, element in _paths(root) if len(element) or element.attrib)
    path, times = max(counts.items(), key=lambda item: item[1], default=("", 0))
    return path if times > 1 or path.count("/") else ""


def _paths(element: ET.Element, place: str = "") -> Iterator[tuple[str, ET.Element]]:
    for child in element:
        path = f"{place}/{child.tag}" if place else child.tag
        yield path, child
        yield from _paths(child, path)


def _leaves(element: ET.Element) -> Iterator[tuple[str, str, ET.Element]]:
    yield from ((f"@{name}", value, element) for name, value in element.attrib.items())
    for path, child in _paths(element):
        yield from ((f"{path}/@{name}", value, child) for name, value in child.attrib.items())
        if not len(child):
            yield path, (child.text or "").strip(), child


def _ini(text: str) -> Document | None:
    parser = configparser.RawConfigParser(default_section="\0", allow_no_value=True, interpolation=None)
    try:
        parser.read_string(text)
    except (configparser.Error, ValueError, AttributeError, TypeError):
        return None
    sections = {name: {key: value or "" for key, value in parser.items(name)} for name in parser.sections()}
    stems = Counter(
        re.sub(r"\s*[\w.-]+$", "", name) if " " in name else re.sub(r"\d+$", "", name) for name in sections
    )
    stem, times = max(stems.items(), key=lambda item: item[1], default=("", 0))
    rows = [name for name in sections if times > 1 and stem and name.startswith(stem) and name != stem]
    several = len(sections) - len(rows) > 1
    whole = {
        f"{name}.{key}" if several else key: value
        for name, keys in sections.items()
        if name not in rows
        for key, value in keys.items()
    }
    place = f"{stem} *" if rows and all(name.startswith(f"{stem} ") for name in rows) else f"{stem}*"
    return Document("ini", whole, [sections[name] for name in rows], place if rows else "")


def _delimiter(lines: Sequence[str]) -> str:
    """Return the delimiter that most lines have in the same number; empty where none stands there."""
    best = max(
        DELIMITERS, key=lambda sign: Counter(n for line in lines if (n := line.count(sign))).most_common(1)[:1]
    )
    return best if any(best in line for line in lines) else ""


def _csv(text: str) -> Document | None:
    lines = [line for line in text.splitlines() if line.strip()]
    delimiter = _delimiter(lines)
    if not delimiter:
        return None
    try:
        cells = list(csv.reader(lines, delimiter=delimiter, skipinitialspace=True))
    except csv.Error:
        return None
    width = Counter(len(row) for row in cells if len(row) > 1).most_common(1)[0][0]
    skipped = next((at for at, row in enumerate(cells) if len(row) == width), 0)
    names = cells[skipped]
    body = [row for row in cells[skipped + 1 :] if len(row) == width]
    header = all(name.strip() and not re.fullmatch(r"[\d.,:/ -]+", name.strip()) for name in names)
    header = header and not any(name.strip().casefold() in _VERDICTS for name in names)
    if not header:
        names, body = [str(at) for at in range(1, width + 1)], [names, *body]
    return Document(
        "csv",
        {},
        [dict(zip(names, map(str.strip, row), strict=True)) for row in body],
        delimiter=delimiter,
        header=header,
        skipped=skipped,
    )


_VERDICTS = {"ok", "pass", "good", "ng", "fail", "bad"}
