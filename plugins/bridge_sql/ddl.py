"""The table for an MES that has none of its own: what ``create = "missing"`` makes, and what the README shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import CreateTable

from bridge_sql.options import SqlReporterOptions, split

_SHORT = 32
_LONG = 256
_TYPES: Mapping[str, sa.types.TypeEngine[Any]] = {
    "id": sa.String(_SHORT),
    "verdict": sa.String(_SHORT),
    "legacy": sa.String(_SHORT),
    "model": sa.String(_SHORT),
    "operator": sa.String(_SHORT),
    "goal": sa.Integer(),
    "number": sa.BigInteger(),
    "sequence": sa.BigInteger(),
    "degraded": sa.Boolean(),
    "error": sa.Boolean(),
    "backlog": sa.Boolean(),
    "bypassed": sa.Boolean(),
    "event_at": sa.DateTime(timezone=True),
    "latency_ms": sa.Double(),
    "views": sa.Text(),
    "json": sa.Text(),
}
"""Field → type; every other is a text."""


def table_of(options: SqlReporterOptions) -> sa.Table:
    """Return the table that suits these options."""
    schema, name = split(options.table)
    columns = [
        sa.Column(column, _TYPES.get(field, sa.String(_LONG)), primary_key=field == "id")
        for column, field in options.columns.items()
    ]
    columns += [
        sa.Column(column, sa.BigInteger() if isinstance(value, int) else sa.String(_LONG))
        for column, value in options.constants.items()
    ]
    return sa.Table(name, sa.MetaData(), *columns, schema=schema)


def make(connection: sa.Connection, options: SqlReporterOptions) -> None:
    """Make the table where there is none."""
    table_of(options).create(connection, checkfirst=True)


def statement(options: SqlReporterOptions, dialect: str = "postgresql") -> str:
    """Return the statement that makes the table, for people."""
    kind = sa.make_url(f"{dialect}://").get_dialect()()
    lines = str(CreateTable(table_of(options)).compile(dialect=kind)).strip().expandtabs(2).splitlines()
    return "\n".join(line.rstrip() for line in lines) + ";\n"
