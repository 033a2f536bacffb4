"""What stands in the database's own catalogue: used to say in one line which table or column is missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import NoSuchTableError

from bridge.plugin import ConfigError
from bridge_sql.options import split


def columns_of(connection: sa.Connection, table: str) -> Mapping[str, sa.types.TypeEngine[Any]]:
    """Return the columns of a table or view, and their types.

    Raises:
        ConfigError: there is no such table.
    """
    schema, name = split(table)
    inspector = sa.inspect(connection)
    try:
        return {column["name"]: column["type"] for column in inspector.get_columns(name, schema)}
    except NoSuchTableError:
        names = [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]
        raise ConfigError("table", f"there is no table {table}", _instead(name, names)) from None


def explained(connection: sa.Connection, table: str, columns: Collection[str]) -> None:
    """Say what is missing.

    Raises:
        ConfigError: the table, or one of the columns, is not there.
    """
    there = columns_of(connection, table)
    for column in columns:
        if column not in there:
            raise ConfigError("columns", f"the table {table} has no column {column}", _instead(column, there))


def unique(connection: sa.Connection, table: str, column: str) -> bool:
    """Return whether the database keeps a column's values apart."""
    schema, name = split(table)
    inspector = sa.inspect(connection)
    kept: list[Any] = [inspector.get_pk_constraint(name, schema)["constrained_columns"]]
    kept += [each["column_names"] for each in inspector.get_unique_constraints(name, schema)]
    kept += [each["column_names"] for each in inspector.get_indexes(name, schema) if _whole(each)]
    return [column] in kept


def unfilled(connection: sa.Connection, table: str, filled: Collection[str]) -> list[str]:
    """Return the columns that must hold something, are not among the filled, and get nothing by themselves."""
    schema, name = split(table)
    return [
        column["name"]
        for column in sa.inspect(connection).get_columns(name, schema)
        if not (column["nullable"] or column["name"] in filled or _by_itself(column))
    ]


def _by_itself(column: Any) -> bool:
    """Return whether the database fills a column that is left out."""
    counted = column.get("autoincrement") is True or bool(column.get("primary_key"))
    return counted or any(column.get(way) is not None for way in ("default", "identity", "computed"))


def _whole(index: Any) -> bool:
    """Return whether an index keeps all rows apart, not only some."""
    options = index.get("dialect_options", {})
    return bool(index["unique"]) and not any(
        name.endswith("_where") and options[name] is not None for name in options
    )


def _instead(wanted: str, there: Collection[str]) -> str:
    folded = {name.casefold(): name for name in there}
    close = get_close_matches(wanted.casefold(), folded, n=1)
    if close:
        return f"did you mean {folded[close[0]]}?"
    return f"write one of {', '.join(sorted(there)[:12])}" if there else "there is none at all"
