"""Connecting: the time limits of each kind of database, and a connection that cannot write where we only read."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import NullPool

from bridge_sql.clerk import Clerk, connected
from bridge_sql.options import DatabaseOptions

Access: TypeAlias = Literal["read", "write", "own"]
"""read: nothing can be written; write: rows; own: a SQLite file is made where there is none (simulators)."""
OUR_NAME = "aoi-bridge"
"""How the database's own lists of connections call us, where it has such lists."""


def engine_of(options: DatabaseOptions, access: Access) -> sa.Engine:
    """Return the engine of these options; it dials nobody yet."""
    url = options.address()
    arguments = _arguments(url, options)
    if url.get_backend_name() == "sqlite":
        mode = {"mode": {"read": "ro", "write": "rw", "own": "rwc"}[access], "uri": "true"}
        url = url.set(database=f"file:{quote(url.database or '')}", query={**url.query, **mode})
    level: dict[str, Any] = {"isolation_level": "AUTOCOMMIT"} if access == "read" else {}
    engine = sa.create_engine(url, connect_args=arguments, poolclass=NullPool, **level)
    if access == "read":
        event.listen(engine, "connect", _forgiving)
    return engine


def _forgiving(driver: Any, _: object) -> None:
    """Have a driver hand over what Python cannot hold, for one such value would hold up every row behind it."""
    if isinstance(driver, sqlite3.Connection):
        driver.text_factory = _text_or_bytes
    elif hasattr(driver, "adapters"):  # psycopg
        from psycopg.types.string import TextLoader  # noqa: PLC0415 - it may not be installed

        for moment in ("date", "time", "timetz", "timestamp", "timestamptz"):  # infinity, or 24 o'clock
            driver.adapters.register_loader(moment, TextLoader)


def _text_or_bytes(data: bytes) -> str | bytes:
    """Return a text, or the bytes of one in an old machine's code page."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _arguments(url: sa.URL, options: DatabaseOptions) -> dict[str, Any]:
    """Return what the driver is told on connecting; what the user wrote into the URL comes first."""
    connect, query = options.connect_timeout_seconds, options.query_timeout_seconds
    known: Mapping[str, Mapping[str, Any]] = {
        "psycopg": {
            "connect_timeout": round(connect),
            "application_name": OUR_NAME,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": round((connect + query) * 1000),
        },
        "psycopg2": {"connect_timeout": round(connect), "application_name": OUR_NAME},
        "pysqlite": {"timeout": query},
        "pyodbc": {"timeout": round(connect)},
        "pymssql": {"login_timeout": round(connect), "timeout": max(1, round(query))},
        "pymysql": {"connect_timeout": round(connect), "read_timeout": query, "write_timeout": query},
        "mysqldb": {"connect_timeout": round(connect)},
    }
    told = known.get(url.get_driver_name(), {})
    return {name: value for name, value in told.items() if name not in url.query}


def session(options: DatabaseOptions, access: Access) -> Sequence[str]:
    """Return the statements that come first on every connection."""
    limit = max(1, round(options.query_timeout_seconds * 1000))
    backend = sa.make_url(options.url).get_backend_name()
    patience = [f"SET statement_timeout = {limit}"]
    if access == "write":
        patience.append(f"SET idle_in_transaction_session_timeout = {2 * limit}")
    limits: Mapping[str, Sequence[str]] = {"postgresql": patience, "mssql": [f"SET LOCK_TIMEOUT {limit}"]}
    reading: Mapping[str, Sequence[str]] = {
        "postgresql": ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",),
        "sqlite": ("PRAGMA query_only = ON",),
        "mysql": ("SET SESSION TRANSACTION READ ONLY",),
        "mariadb": ("SET SESSION TRANSACTION READ ONLY",),
    }
    if access == "own" and backend == "sqlite":
        return ["PRAGMA journal_mode = WAL"]
    return [*limits.get(backend, ()), *(reading.get(backend, ()) if access == "read" else ())]


@asynccontextmanager
async def database(options: DatabaseOptions, access: Access) -> AsyncIterator[Clerk]:
    """Connect as the options say.

    A reader's connection commits by itself: each statement is a transaction that ends with it, so nothing of the
    machine's stays locked.

    Raises:
        ConfigError: user, password or database are wrong.
        Unavailable: the database is away.
    """

    def begin(connection: sa.Connection) -> None:
        for statement in session(options, access):
            connection.exec_driver_sql(statement)
        connection.commit()

    async with connected(
        engine_of(options, access),
        options.place,
        connect_seconds=options.connect_timeout_seconds,
        query_seconds=options.query_timeout_seconds,
        first=begin,
    ) as clerk:
        yield clerk
