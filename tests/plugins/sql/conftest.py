"""SQLite and a real PostgreSQL, each empty for every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sql_kit import DETAILS, RESULTS, Place
from sql_server import Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One PostgreSQL for all tests that want one."""
    made = Server()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def postgresql(server: Server) -> Iterator[Place]:
    """An empty database of it."""
    name = server.create()
    yield Place("postgresql", f"postgresql+psycopg://127.0.0.1:{server.port}/{name}", "aoi")
    server.drop(name)


@pytest.fixture
def sqlite(tmp_path: Path) -> Place:
    """An empty file."""
    (tmp_path / "plant.db").touch()
    return Place("sqlite", f"sqlite:///{tmp_path}/plant.db")


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest) -> Place:
    """Each kind of database in turn, empty."""
    chosen: Place = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture
def plant(place: Place) -> Place:
    """Each kind of database in turn, with the tables of an old machine."""
    place._do([RESULTS])
    place._do([DETAILS])
    return place


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"
