"""Result files as rows of facts: CSV, JSON, XML and INI, bytes in and plain mappings out.

Nothing here knows what a verdict is. Whatever the bytes are, the only error is ``ParseError``. Where a file
states one fact twice and differently, that is an error too: one of the two might be the NG.
"""

from __future__ import annotations

import codecs
import configparser
import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from xml.etree import ElementTree as ET

from bridge_hotfolder.options import FolderOptions, Format, xml_path

Facts = Mapping[str, str]

_XML_ENCODING = re.compile(rb"""\A\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")


class ParseError(Exception):
    """Bytes that cannot be understood; the text says why, for the person who reads the quarantine."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a result: what the file says of the whole part, and what it says in this row.

    In a flat file both are the same mapping. Empty values are left out.
    """

    whole: Facts
    own: Facts


def read_rows(data: bytes, form: Format, options: FolderOptions) -> list[Row]:
    """Return the rows of a result file in its own order.

    Raises:
        ParseError: for anything that is not a file of this form with at least one row.
    """
    rows = _READERS[form](data, options)
    if not rows:
        raise ParseError("there is no row in the file")
    return rows


def decode(data: bytes, encoding: str) -> str:
    """Return the text, without a byte order mark."""
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except (UnicodeError, LookupError) as exc:
        raise ParseError(f"is not {encoding} text: {exc}") from exc


# CSV


@dataclass(frozen=True, slots=True)
class Header:
    """How the lines of one CSV file are cut: its delimiter, and which cell holds which fact."""

    delimiter: str
    cells: Mapping[str, int]
    width: int | None
    """How many cells the header has; None without a header."""

    def row(self, cells: list[str]) -> Row:
        """Return one line's facts.

        Raises:
            ParseError: if there are more cells than names, as decimal commas between commas make them.
        """
        if self.width is not None and any(cell.strip() for cell in cells[self.width :]):
            raise ParseError(f"a line has {len(cells)} cells under {self.width} column names")
        facts = _stated((fact, cells[at]) for fact, at in self.cells.items() if at < len(cells))
        return Row(facts, facts)


def csv_header(line: str, options: FolderOptions) -> Header:
    """Read the first line of a CSV file, which is data where ``header`` is none.

    Raises:
        ParseError: if a wanted column stands there twice, or none of them stands there.
    """
    delimiter: str = options.delimiter
    if delimiter == "auto":
        delimiter = max(",;\t|", key=line.count)
    wanted = options.places()
    if options.header == "none":
        numbers = {fact: int(place) - 1 for fact, place in wanted.items() if place.isdecimal() and int(place)}
        return Header(delimiter, numbers, None)
    names = [name.strip().casefold() for name in next(_lines([line], delimiter), [])]
    cells = {}
    for fact, place in wanted.items():
        if (count := names.count(place.strip().casefold())) > 1:
            raise ParseError(f"the column {place} stands there {count} times")
        if count:
            cells[fact] = names.index(place.strip().casefold())
    if not cells:
        raise ParseError(f"none of the configured columns is in the header {line.strip()[:200]!r}")
    return Header(delimiter, cells, len(names))


def csv_line(line: str, header: Header) -> Row:
    """Read one line that stands alone."""
    cells = next(_lines([line], header.delimiter), [])
    return header.row(cells)


def _lines(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    except csv.Error as exc:
        raise ParseError(f"is not CSV: {exc}") from exc


def _read_csv(data: bytes, options: FolderOptions) -> list[Row]:
    lines = _without_footer(decode(data, options.encoding), options)[options.skip_lines :]
    while lines and not lines[0].strip():
        del lines[0]
    if not lines:
        return []
    header = csv_header(lines[0], options)
    body = lines if options.header == "none" else lines[1:]
    return [header.row(cells) for cells in _lines(body, header.delimiter) if any(map(str.strip, cells))]


# JSON


def _read_json(data: bytes, options: FolderOptions) -> list[Row]:
    text = decode(data, options.encoding)
    try:
        root = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as exc:
        raise ParseError(f"is not JSON: {exc}") from exc
    if isinstance(root, list):
        return [Row(facts, facts) for facts in (_json_facts(item, options) for item in root)]
    whole = _json_facts(root, options)
    found = _json_at(root, options.rows) if options.rows else None
    if not isinstance(found, list) or not found:
        return [Row(whole, whole)]
    return [Row(whole, _json_facts(item, options)) for item in found]


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has the same key twice")
    return found


def _json_at(node: object, path: str) -> object:
    for key in path.split("."):
        if isinstance(node, dict):
            node = node.get(key)
        elif isinstance(node, list) and key.isdecimal() and len(key) < 9 and int(key) < len(node):  # noqa: PLR2004 - an index of nine digits is no index
            node = node[int(key)]
        else:
            return None
    return node


def _json_facts(node: object, options: FolderOptions) -> Facts:
    wanted = options.places().items()
    return _stated((fact, _json_text(_json_at(node, place), place)) for fact, place in wanted)


def _json_text(value: object, place: str) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise ParseError(f"{place} is a list or an object, not one value")


# XML


def _read_xml(data: bytes, options: FolderOptions) -> list[Row]:
    root = _xml_tree(decode(data, _xml_encoding(data, options)))
    whole = _xml_facts(root, options)
    found = root.findall(options.rows) if xml_path(options.rows) and "@" not in options.rows else []
    return [Row(whole, _xml_facts(element, options)) for element in found] or [Row(whole, whole)]


def _xml_encoding(data: bytes, options: FolderOptions) -> str:
    # The parser itself knows no multi-byte code page, so the text is decoded before it sees it.
    if data.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    declared = _XML_ENCODING.match(data[:400])
    return declared[1].decode("ascii") if declared else options.encoding


def _xml_tree(text: str) -> ET.Element:
    # A document type is where entity bombs and reads of other files begin; no result needs one.
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ParseError("has a document type (DOCTYPE), which is refused")
    try:
        root = ET.fromstring(text)  # noqa: S314 - entities cannot be declared without the DOCTYPE refused above
    except (ET.ParseError, ValueError) as exc:
        raise ParseError(f"is not XML: {exc}") from exc
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def _xml_facts(element: ET.Element, options: FolderOptions) -> Facts:
    wanted = options.places().items()
    return _stated((fact, _xml_text(element, place)) for fact, place in wanted if xml_path(place))


def _xml_text(element: ET.Element, path: str) -> str:
    steps, at, attribute = path.partition("@")
    steps = steps.removesuffix("/")
    found = element.findall(steps) if steps else [element]
    texts = [(step.get(attribute) if at else step.text) or "" for step in found]
    return _single(texts, path)


# INI


def _read_ini(data: bytes, options: FolderOptions) -> list[Row]:
    parser = configparser.RawConfigParser(default_section="\0", allow_no_value=True, interpolation=None)
    text = "\n".join(_without_footer(decode(data, options.encoding), options))
    try:
        parser.read_string(text)
    except configparser.Error as exc:
        raise ParseError(f"is not INI: {exc.message}") from exc
    except (ValueError, AttributeError, TypeError) as exc:  # some broken lines trip the parser itself
        raise ParseError(f"is not INI: {exc}") from exc
    sections = {
        name.casefold(): {key: value or "" for key, value in parser.items(name)} for name in parser.sections()
    }
    rows = [name for name in sections if options.rows and fnmatchcase(name, options.rows.casefold())]
    heads = {name: keys for name, keys in sections.items() if name not in rows}
    whole = _ini_facts(heads, options)
    return [Row(whole, _ini_facts({name: sections[name]}, options)) for name in rows] or [Row(whole, whole)]


def _ini_facts(sections: Mapping[str, Mapping[str, str]], options: FolderOptions) -> Facts:
    wanted = options.places().items()
    return _stated((fact, _ini_text(sections, place)) for fact, place in wanted)


def _ini_text(sections: Mapping[str, Mapping[str, str]], place: str) -> str:
    section, dot, key = place.casefold().rpartition(".")
    found = [keys.get(key, "") for name, keys in sections.items() if not dot or name == section]
    return _single(found, place)


# All of them


def ends_with_footer(data: bytes, options: FolderOptions) -> bool:
    """Say whether the last line that is not blank matches ``footer``; True where none is configured."""
    if not options.footer:
        return True
    try:
        lines = decode(data, options.encoding).rstrip().splitlines()
    except ParseError:
        return False
    return bool(lines) and re.search(options.footer, lines[-1]) is not None


def _without_footer(text: str, options: FolderOptions) -> list[str]:
    # Only line feeds part lines: splitlines() also cuts at characters that stand inside a defect name.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    if options.footer and lines and re.search(options.footer, lines[-1]):
        lines.pop()
    return lines


def _single(texts: Iterable[str], place: str) -> str:
    found = {text.strip() for text in texts} - {""}
    if len(found) > 1:
        raise ParseError(f"{place} stands there with different values: {', '.join(sorted(found))[:200]}")
    return found.pop() if found else ""


def _stated(pairs: Iterable[tuple[str, str]]) -> Facts:
    return {fact: text.strip() for fact, text in pairs if text.strip()}


_READERS: Mapping[Format, Callable[[bytes, FolderOptions], list[Row]]] = {
    "csv": _read_csv,
    "json": _read_json,
    "xml": _read_xml,
    "ini": _read_ini,
}
