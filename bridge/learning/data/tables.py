"""Sets and groupings that are tables: CSV as spreadsheets write it, with commas or semicolons."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Final, TypeAlias

from bridge.errors import ConfigError
from bridge.learning.data.found import Found, is_file, side

Naming: TypeAlias = Callable[[Found], str]
"""From a picture to the name of what it belongs to; raises ConfigError where that is not known."""

Rows: TypeAlias = list[Mapping[str, str]]

GROUPS: Final = ("group", "lot", "day")
"""Columns that say what belongs together, the first that is there."""
_PATTERN = re.compile(r"\(\?P<(group|part|view)>")


def rows(table: Path, *needed: str) -> Rows:
    """Return the rows of a table, blanks around names and values removed; what a row leaves out is empty.

    Raises:
        ConfigError: it cannot be read, is not UTF-8, or lacks a needed column.
    """
    try:
        text = table.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as exc:
        raise ConfigError(str(table), "is not UTF-8", "save it as CSV UTF-8") from exc
    except OSError as exc:
        raise ConfigError(str(table), f"cannot be read ({exc.strerror})") from exc
    lines = text.splitlines()
    first = lines[0] if lines else ""
    reader = csv.reader(lines, delimiter=";" if first.count(";") > first.count(",") else ",")
    try:
        header, *listed = ([value.strip() for value in row] for row in reader if any(row))
    except csv.Error as exc:
        raise ConfigError(f"{table}:{reader.line_num}", f"is no row ({exc})", "close its quotation marks") from exc
    except ValueError:
        header, listed = [], []
    for name in needed:
        if name not in header:
            there = ", ".join(header) or "none"
            raise ConfigError(str(table), f"has no column {name!r}", f"write one of these, or add it: {there}")
    return [dict(zip_longest(header, row[: len(header)], fillvalue="")) for row in listed]


def read(table: Path) -> list[Found]:
    """Return the pictures that a table lists.

    Columns: ``file`` (relative to the table) and ``label`` (or ``class``); optionally ``part`` (or ``serial``),
    ``view``, ``group`` (or ``lot``, or ``day``), ``split`` and ``mask``. Others may be named by ``--groups``.

    Raises:
        ConfigError: a column is missing, a row has no file or label, or names a file that is not there.
    """
    listed = rows(table, "file")
    if not listed:
        raise ConfigError(str(table), "lists no pictures")
    label = next((name for name in ("label", "class") if name in listed[0]), None)
    if label is None:
        raise ConfigError(str(table), "has no column 'label'", "add it: the class of each picture")
    return [_found(table, number, row, label) for number, row in enumerate(listed, 2)]


def _found(table: Path, number: int, row: Mapping[str, str], label: str) -> Found:
    where = f"{table}:{number}"
    path = table.parent / row.get("file", "")
    if not is_file(path):
        raise ConfigError(where, f"there is no file {path}", "write paths relative to the table")
    if not row.get(label):
        raise ConfigError(where, f"has no {label}", "write the picture's class")
    mask = table.parent / row["mask"] if row.get("mask") else None
    if mask is not None and not is_file(mask):
        raise ConfigError(where, f"there is no mask {mask}", "write paths relative to the table")
    return Found(
        path=path,
        label=row[label],
        part=row.get("part") or row.get("serial", ""),
        serial=row.get("serial", ""),
        view=row.get("view", ""),
        group=group(row),
        split=side(row.get("split", ""), where),
        mask=mask,
        facts=row,
    )


def group(row: Mapping[str, str]) -> str:
    """Return what a row says belongs together; empty where it does not say."""
    return next((row[name] for name in GROUPS if row.get(name)), "")


def naming(flag: str, text: str, folder: Path) -> Naming:
    """Return how pictures are named after what they belong to, as the command line says it.

    Args:
        flag: the option, for error messages.
        text: ``manifest.csv:column``, a table with a column ``file`` relative to itself; a column of the set's own
            table or journal; or a pattern with the named group ``group``, ``part`` or ``view``, searched in the
            file's name, for instance ``(?P<group>g[0-9]+)_``.
        folder: where a table that is not found as written is looked for.

    Raises:
        ConfigError: there is no such table or column, or the pattern is none.
    """
    if _PATTERN.search(text):
        return _by_name(flag, text)
    name, colon, column = text.rpartition(":")
    if not colon:
        return _by_fact(flag, text)
    table = next((path for path in (Path(name), folder / name) if name and path.is_file()), None)
    if table is None:
        raise ConfigError(
            f"{flag} {text}", "names no table", "write FILE.csv:COLUMN, or a pattern with (?P<group>…)"
        )
    return _by_table(table, column)


def _by_name(flag: str, text: str) -> Naming:
    try:
        pattern = re.compile(text)
    except re.error as exc:
        raise ConfigError(f"{flag} {text}", f"is no pattern ({exc})") from exc

    def name(one: Found) -> str:
        found = pattern.search(one.path.name)
        if not found:
            raise ConfigError(str(one.path), f"does not match the pattern {text}")
        return next(iter(found.groupdict().values())) or ""

    return name


def _by_fact(flag: str, column: str) -> Naming:
    def name(one: Found) -> str:
        if column not in one.facts:
            known = f"write one of {', '.join(one.facts)}" if one.facts else "write FILE.csv:COLUMN"
            raise ConfigError(f"{flag} {column}", "is no column of this set", known)
        return one.facts[column]

    return name


def _by_table(table: Path, column: str) -> Naming:
    names = {(table.parent / row["file"]).resolve(): row[column] for row in rows(table, "file", column)}

    def name(one: Found) -> str:
        try:
            return names[one.path.resolve()]
        except KeyError:
            raise ConfigError(
                str(one.path), f"is not listed in {table}", "add it, or remove the picture"
            ) from None

    return name
