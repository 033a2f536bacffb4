"""Tests that are marked ``learning`` import Keras: they are collected only where the train extra is installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

_HERE = Path(__file__).parent
collect_ignore = (
    []
    if find_spec("keras") and find_spec("tensorflow")
    else [
        path.name for path in _HERE.glob("test_*.py") if "pytest.mark.learning" in path.read_text(encoding="utf-8")
    ]
)
