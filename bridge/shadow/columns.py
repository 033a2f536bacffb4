"""Columns of the journal as arrays, a block at a time.

Python would spend longest on one tuple and one object per value. So SQLite joins each column of a block of rows
into one text, which NumPy reads at once: a row of seven numbers costs 0.7 µs instead of 3. That is one step
without the interpreter's lock too, so that two blocks are read at the same time. Each is a read transaction of
its own, of a tenth of a second, for a snapshot held open would keep the gateway from emptying its log.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError, Unavailable
from bridge.store import schema

Array: TypeAlias = NDArray[Any]
Columns: TypeAlias = dict[str, Array]
"""Arrays of one length by name; a dictionary, so that what was used can be let go."""
Taken = TypeVar("Taken")

ROWS: Final = 65_536
"""So many rows are read in one transaction."""
MISSING: Final = -(1 << 53)
"""What stands for NULL in a column of numbers."""
_SEPARATOR: Final = "\0"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a query: an SQL expression that is a whole number, never NULL."""

    said: str


@dataclass(frozen=True, slots=True)
class Scaled(Column):
    """A REAL column, read as a whole number of parts of its unit; NULL becomes ``MISSING``."""

    parts: int
    """So many of them are one unit."""


@dataclass(frozen=True, slots=True)
class Key(Column):
    """A column of whole numbers that never come twice; mostly its ends say all of it."""


@dataclass(frozen=True, slots=True)
class Steady(Scaled):
    """A scaled column that hardly ever changes; mostly its ends say all of it."""


@dataclass(frozen=True, slots=True)
class Ids(Column):
    """A column of 16 bytes each; read as (n, 2) big-endian halves."""


@dataclass(frozen=True, slots=True)
class Texts(Column):
    """A column of texts, or of bytes that are no Unicode; read as a list of them."""


@dataclass(frozen=True, slots=True)
class Table:
    """Where rows come from, which they are, and by what number blocks are cut."""

    name: str
    key: str
    where: str = "1"
    values: Mapping[str, Any] | None = None


class Journal:
    """One read-only connection to the journal; belongs to one thread. Every call blocks on the disk."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection, self._path = connection, path

    def one(self, query: str, values: Sequence[Any] = ()) -> tuple[Any, ...]:
        """Return the only row of a short query."""
        rows = self.rows(query, values)
        return rows[0]

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a short query."""
        return self._connection.execute(query, values).fetchall()

    def after(self, table: str, column: str, instant: float) -> int:
        """Return the first number of a row from this instant on; numbers and times of a table grow together."""
        low, high = self.one(f"SELECT (SELECT min(number) FROM {table}), (SELECT max(number) FROM {table})")  # noqa: S608
        if low is None:
            return 0
        high += 1
        query = f"SELECT number, {column} FROM {table} WHERE number >= ? ORDER BY number LIMIT 1"  # noqa: S608
        while low < high:
            middle = (low + high) // 2
            number, at = self.one(query, (middle,))
            low, high = (number + 1, high) if at < instant else (low, middle)
        return int(low)

    def last(self, table: str) -> int:
        """Return the highest number of a table, 0 where it is empty."""
        return int(self.one(f"SELECT max(number) FROM {table}")[0] or 0)  # noqa: S608

    def block(self, table: Table, columns: Sequence[Column], first: int, end: int) -> list[Any] | None:
        """Return the columns of the rows with a number from ``first`` to below ``end``; None where there is none.

        Each is an array of int64, of float64 (scaled), or what its kind says.
        """
        place = {"first": first, "end": end, **(table.values or {})}
        said = ", ".join(map(_joined, columns))
        ((count, *joined),) = self._connection.execute(_query(f"count(*), {said}", table), place).fetchall()
        if not count:
            return None
        return [self._read(*one, count, (table, place)) for one in zip(columns, joined, strict=True)]

    def _read(self, column: Column, joined: Any, count: int, where: tuple[Table, Mapping[str, Any]]) -> Any:
        if isinstance(column, Ids):
            return np.frombuffer(joined, ">u8").reshape(count, 2).astype(np.uint64)
        if isinstance(column, Texts):
            texts = _split(joined)
            return texts if len(texts) == count else self._one_by_one(column, *where)
        if isinstance(column, Key | Steady):
            low, high = map(int, joined.split())
            if isinstance(column, Key) and high - low + 1 == count:
                return np.arange(low, high + 1)
            if isinstance(column, Steady) and low == high:
                return np.full(count, np.nan if low == MISSING else low / column.parts)
            plain = Scaled(column.said, column.parts) if isinstance(column, Steady) else Column(column.said)
            ((joined,),) = self._connection.execute(_query(_joined(plain), where[0]), where[1]).fetchall()
        numbers = np.fromstring(joined, np.int64, sep=",")
        if not isinstance(column, Scaled):
            return numbers
        return np.where(numbers == MISSING, np.nan, numbers / column.parts)

    def _one_by_one(self, column: Texts, table: Table, place: Mapping[str, Any]) -> list[str | bytes]:
        """Return texts of which one is no Unicode, or holds the separator."""
        return [text for (text,) in self._connection.execute(_query(column.said, table), place).fetchall()]


def blocks(
    folder: Path,
    table: Table,
    columns: Sequence[Column],
    numbers: range,
    take: Callable[[list[Any]], Taken],
    size: int = ROWS,
) -> Iterator[Taken]:
    """Read rows of these numbers block by block, two at a time, and yield what ``take`` makes of each, in order.

    ``take`` runs in a thread. Blocks without a row are left out.

    Raises:
        ConfigError: as ``open_journal``.
        Unavailable: as ``open_journal``.
    """

    def one(first: int) -> Taken | None:
        with open_journal(folder) as journal:
            found = journal.block(table, columns, first, min(first + size, numbers.stop))
        return None if found is None else take(found)

    with ThreadPoolExecutor(2, thread_name_prefix="columns") as pool:
        for taken in pool.map(one, range(numbers.start, numbers.stop, size)):
            if taken is not None:
                yield taken


def filled(
    folder: Path,
    table: Table,
    columns: Sequence[Column],
    numbers: range,
    take: Callable[[list[Any]], Sequence[Array]],
    kinds: Mapping[str, str],
) -> Columns:
    """Read rows of these numbers into arrays of their final size, so that nothing is there twice.

    Args:
        folder: the data folder.
        table: which rows.
        columns: which columns.
        numbers: from and to which number.
        take: makes the arrays of one block, as many as there are names.
        kinds: their names and NumPy's names of their types.
    """
    found = {name: np.empty(len(numbers), kind) for name, kind in kinds.items()}
    size = 0
    for taken in blocks(folder, table, columns, numbers, take):
        until = size + len(taken[0])
        for array, one in zip(found.values(), taken, strict=True):
            array[size:until] = one
        size = until
    return {name: array[:size] for name, array in found.items()}


@contextmanager
def open_journal(folder: Path) -> Iterator[Journal]:
    """Open a data folder's journal to read, whether a gateway writes it or not.

    Raises:
        ConfigError: there is no journal, or none that this version can read.
        Unavailable: the disk refuses.
    """
    path = folder / schema.FILE
    if not path.exists():
        raise ConfigError(str(path), "is not there", "name the data folder of a gateway that has run")
    uri = f"{path.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=1.0)) as connection:
            if schema.check(connection, path) < schema.NEWEST:
                raise ConfigError(str(path), "was written by an older aoi-bridge", "start the gateway once")
            yield Journal(connection, path)
    except sqlite3.DatabaseError as exc:
        raise Unavailable(f"{path}: {exc}") from exc


def packed(*fields: tuple[str, int]) -> str:
    """Return an expression of several narrow ones, the first in the lowest bits.

    Args:
        fields: SQL expressions that are whole numbers, never NULL; and how many bits each has, at most 63 in all.
    """
    said, place = [], 0
    for field, bits in fields:
        said.append(f"{field} * {1 << place}" if place else field)  # SQLite's shifts and its OR bind alike
        place += bits
    return " + ".join(said)


def _split(joined: bytes) -> list[str]:
    try:
        return joined.decode().split(_SEPARATOR)
    except UnicodeDecodeError:
        return []


def _joined(column: Column) -> str:
    if isinstance(column, Ids):
        return f"CAST(group_concat({column.said}, '') AS BLOB)"
    if isinstance(column, Texts):
        return f"CAST(group_concat(CAST({column.said} AS TEXT), char(0)) AS BLOB)"
    said = column.said
    if isinstance(column, Scaled):
        said = f"ifnull(CAST({column.said} * {column.parts} AS INTEGER), {MISSING})"
    if isinstance(column, Key | Steady):
        return f"min({said}) || ' ' || max({said})"
    if isinstance(column, Scaled):
        return f"group_concat({said})"
    return f"group_concat({column.said})"


def _query(said: str, table: Table) -> str:
    where = f"{table.key} >= :first AND {table.key} < :end AND ({table.where})"
    return f"SELECT {said} FROM {table.name} NOT INDEXED WHERE {where}"  # noqa: S608 - our own expressions
