"""Tests that are marked ``learning`` import Keras: they are collected only where the train extra is installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
collect_ignore = (
    []
    if find_spec("keras") and find_spec("tensorflow")
    else [
        path.name for path in _HERE.glob("test_*.py") if "pytest.mark.learning" in path.read_text(encoding="utf-8")
    ]
)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What tests keep for one another, as commands do: a set is searched for copies once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test leave anything in the home of who runs it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
