"""SECURITY.md promises only what a test holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))
THREATS = [line.split(" | ") for line in PAGE.partition("## What holds")[2].splitlines() if line.startswith("| ")]


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_named_test_exists(file: str, name: str) -> None:
    assert re.search(rf"^ *(async )?def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)


def test_every_threat_has_a_test() -> None:
    """A row without one would be a wish."""
    rows = THREATS[1:]
    assert len(rows) > 15
    assert [row[0] for row in rows if "::test_" not in row[2]] == []
