"""What is made from the models stands in the repository as they make it."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_nothing_that_is_generated_is_stale() -> None:
    """Samples, README blocks and JSON Schemas: make generate writes them."""
    script = runpy.run_path(str(ROOT / ".ci" / "generate.py"))
    assert [str(path.relative_to(ROOT)) for path, _ in script["stale"]()] == [], "write: make generate"
