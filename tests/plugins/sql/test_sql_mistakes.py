"""A mistake of the user is one line that says where, what was found and what to write; never a traceback."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from sql_kit import COLUMNS, DETAIL_COLUMNS, RESULTS, Place, SqlHost, reading
from sql_server import PASSWORD, Server

from bridge.plugin import ConfigError, Unavailable
from bridge_sql import SqlReporterOptions, SqlSourceOptions, open_reporter, open_source
from bridge_sql.options import DatabaseOptions

URL = "postgresql+psycopg://db/plant"


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"table": "TB_AOIResults"}, "there is no table TB_AOIResults; did you mean TB_AOIResult?"),
        ({"table": "nowhere"}, "there is no table nowhere; write one of TB_AOIDefect, TB_AOIResult"),
        ({"columns": {**COLUMNS, "part": "Bar_code"}}, "has no column Bar_code; did you mean Barcode?"),
        ({"views": {"top": "Picture"}}, "has no column Picture; write one of"),
        ({"details": {**DETAIL_COLUMNS, "view": "Comp"}}, "the table TB_AOIDefect has no column Comp;"),
        ({"complete_column": "EndTime"}, "has no column EndTime"),
        ({"where": "LaneNo = = 1"}, "where: the database does not understand the question ("),
        ({"where": "nonsense("}, "where: the database does not understand the question ("),
    ],
)
async def test_what_the_database_does_not_have_is_named(
    plant: Place, home: Path, options: dict[str, Any], found: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        async with open_source(plant.source(home, **options)):
            pass
    assert found in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_an_id_that_is_no_number_is_named(plant: Place, home: Path) -> None:
    await plant.insert(1, "P1", "OK")
    with pytest.raises(ConfigError, match=r"columns.*(does not exist|holds 'P1', which is no whole number)"):
        async with open_source(plant.source(home, columns={**COLUMNS, "id": "Barcode"})):
            pass


async def test_a_row_without_an_id_is_left_alone(plant: Place, home: Path) -> None:
    """It has no place in any order; those that have one are read."""
    await plant.do('INSERT INTO "TB_AOIResult" ("ResultID", "Barcode", "NgCount") VALUES (1, \'P1\', NULL)')
    host = SqlHost()
    async with reading(host, plant.source(home, columns={**COLUMNS, "id": "NgCount"})):
        await plant.do("INSERT INTO \"TB_AOIResult\" VALUES (2, 'P2', 'M', 'OK', '', 7)")
        await host.until("P2")
    assert host.names == ["P2"]


async def test_a_wrong_password_is_the_users_to_mend(server: Server, postgresql: Place, home: Path) -> None:
    """And the right one works; neither is ever shown."""
    postgresql._do([RESULTS])
    postgresql._do(['GRANT SELECT ON "TB_AOIResult" TO reader'])
    base = postgresql.source(home)
    for user, password in (("reader", "wrong-one"), ("nobody-here", "x")):
        options = base.model_copy(update={"user": user, "password": SecretStr(password)})
        with pytest.raises(ConfigError, match=rf"user, password|url: .*{user}|does not exist") as caught:
            async with open_source(options):
                pass
        assert "wrong-one" not in str(caught.value)
    options = base.model_copy(update={"user": "reader", "password": SecretStr(PASSWORD)})
    host = SqlHost()
    async with reading(host, options):
        await postgresql.insert(1, "P1", "OK")
        await host.until("P1")
    assert server.port


async def test_a_table_that_may_not_be_read_is_named(postgresql: Place, home: Path) -> None:
    postgresql._do([RESULTS])
    options = postgresql.source(home).model_copy(update={"user": "reader", "password": SecretStr(PASSWORD)})
    with pytest.raises(ConfigError, match=r"the table TB_AOIResult may not be read .* grant SELECT"):
        async with open_source(options):
            pass


async def test_a_database_that_is_not_there_is_named(postgresql: Place, home: Path) -> None:
    options = postgresql.source(home)
    wrong = options.model_copy(update={"url": options.url.rpartition("/")[0] + "/KY_AOI"})
    with pytest.raises(ConfigError, match='"KY_AOI" does not exist'):
        async with open_source(wrong):
            pass


async def test_a_server_that_is_away_is_unavailable(home: Path) -> None:
    options = SqlSourceOptions(home=home, url="postgresql+psycopg://127.0.0.1:1/plant", table="t")
    with pytest.raises(Unavailable, match=r"cannot connect to 127.0.0.1:1/plant: .*refused"):
        async with open_source(options):
            pass


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (
            "CREATE TABLE decisions (id VARCHAR(32) PRIMARY KEY)",
            "the table decisions has no column part; write one of id",
        ),
        ("CREATE TABLE decisions (id VARCHAR(32), part VARCHAR(9))", "the column id of decisions is not unique"),
        (
            "CREATE TABLE decisions (id VARCHAR(32) PRIMARY KEY, part VARCHAR(9), shift INTEGER NOT NULL)",
            "the column shift of decisions must hold something, and nothing is written to it",
        ),
        ("CREATE TABLE decision (id VARCHAR(32))", "there is no table decisions; did you mean decision?"),
    ],
)
async def test_an_mes_table_that_does_not_fit_is_found_at_once(place: Place, statement: str, found: str) -> None:
    """Rather than with the first decision, which would be parked."""
    await place.do(statement)
    options = place.reporter(create="never", columns={"id": "id", "part": "part"})
    with pytest.raises(ConfigError) as caught:
        async with open_reporter(options):
            pass
    assert found in str(caught.value)


async def test_a_partial_index_keeps_nothing_apart(place: Place) -> None:
    await place.do("CREATE TABLE decisions (id VARCHAR(32), part VARCHAR(9))")
    await place.do("CREATE UNIQUE INDEX few ON decisions (id) WHERE part = 'x'")
    options = place.reporter(create="never", columns={"id": "id", "part": "part"})
    with pytest.raises(ConfigError, match="not unique"):
        async with open_reporter(options):
            pass
    await place.do("CREATE UNIQUE INDEX all_of_it ON decisions (id)")
    async with open_reporter(options):
        pass


def mistake(model: type[DatabaseOptions], **values: Any) -> str:
    """Return the one mistake in these options."""
    with pytest.raises(ValidationError) as caught:
        model(**values)
    [error] = caught.value.errors()
    return ".".join([*map(str, error["loc"]), error["msg"]])


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"url": "plant"}, "url.Value error, is no SQLAlchemy URL"),
        ({"url": "postgresql+psycopg://db:port/plant"}, "url.Value error, is no SQLAlchemy URL"),
        ({"url": "nosuch://db/plant"}, "names a kind of database that is not known here (nosuch)"),
        (
            {"url": "postgresql+psycopg://joe:secret@db/plant"},
            "names a user or a password, which have keys of their own",
        ),
        ({"url": "postgresql+psycopg://joe@db/plant"}, "names a user or a password"),
        ({"url": "postgresql+asyncpg://db/plant"}, "names the asynchronous driver asyncpg"),
        ({"url": "sqlite:///plant.db"}, "names no file by its whole path"),
        ({"url": "sqlite://"}, "names no file by its whole path"),
        ({"url": "mssql+pyodbc://db/plant"}, "needs the Python package pyodbc: pip install pyodbc"),
        ({"url": "mssql+pymssql://db/plant"}, "needs the Python package pymssql: pip install pymssql"),
        ({"url": "mysql+mysqldb://db/plant"}, "needs the Python package mysqlclient: pip install mysqlclient"),
        ({"url": "oracle+oracledb://db/plant"}, "needs the Python package oracledb: pip install oracledb"),
        ({"table": ""}, "table.String should have at least 1 character"),
        ({"complete": "word"}, "complete_words: is empty"),
        ({"complete": "counted"}, "complete: counted needs details"),
        ({"columns": {"verdict": ""}}, "complete_column: is empty"),
        ({"columns": {"verdikt": "x"}}, "verdikt"),
        ({"details": DETAIL_COLUMNS, "views": {"top": "x"}}, "views: write them or details, not both"),
        ({"ok_words": ["0"], "ng_words": ["0"]}, "has '0', which stands in ok_words too"),
    ],
)
def test_a_mistake_in_a_source_is_found_without_a_network(values: dict[str, Any], found: str) -> None:
    assert found in mistake(SqlSourceOptions, **({"url": URL, "table": "t"} | values))


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"columns": {"id": "id", "x": "verdikt"}}, "names the field verdikt, which no decision has"),
        ({"columns": {"x": "part"}}, "needs exactly one column for the field id"),
        ({"columns": {"x": "id", "y": "id"}}, "needs exactly one column for the field id"),
        ({"constants": {"part": "x"}}, "holds the column part, which stands in columns too"),
        ({"ng_word": "ok"}, "is what stands for OK, too"),
        ({"lane": "realtime"}, "guaranteed"),
    ],
)
def test_a_mistake_in_a_reporter_is_found_without_a_network(values: dict[str, Any], found: str) -> None:
    assert found in mistake(SqlReporterOptions, **({"url": URL, "table": "t", "name": "mes"} | values))


def test_nothing_of_sqlalchemy_is_loaded_unless_it_is_asked_for() -> None:
    """A gateway without such a plugin pays nothing for it."""
    import subprocess  # noqa: PLC0415 - this test only

    code = "import sys, bridge.plugin, bridge.gateway; print('sqlalchemy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"


def test_the_place_is_said_without_user_and_password() -> None:
    options = SqlSourceOptions(url="postgresql+psycopg://db:5433/plant?sslmode=verify-full", table="t", user="joe")
    assert options.place == "db:5433/plant"
    assert options.address().username == "joe"
