"""``.ci/audit.py``: a known vulnerability fails, and a machine without the advisories does not."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "audit.py"


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GOOD = {"name": "aiohttp", "version": "3.14", "vulns": []}
HOLE = {"id": "PYSEC-2026-1", "fix_versions": ["3.15", "3.14.1"], "aliases": [], "description": ""}
BAD = {"name": "numpy", "version": "2.4", "vulns": [HOLE]}
UNKNOWN = {"name": "uv", "skip_reason": "Dependency not found on PyPI"}


def said(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


@pytest.mark.parametrize(
    ("answer", "status", "last"),
    [
        (said(GOOD), 0, "audit: 1 packages looked at, 0 known vulnerabilities"),
        (said(GOOD, UNKNOWN), 0, "0 known vulnerabilities, 1 packages unknown to the advisories"),
        (said(GOOD, BAD), 1, "audit: 2 packages looked at, 1 known vulnerabilities"),
        (said(UNKNOWN), 0, "so nothing was audited"),
        ("", 0, "so nothing was audited"),
        ("[]", 0, "so nothing was audited"),
    ],
)
def test_only_a_known_vulnerability_fails(audit: ModuleType, answer: str, status: int, last: str) -> None:
    code, lines = audit.verdict(answer)
    assert code == status
    assert lines[-1].endswith(last)


def test_a_vulnerability_is_named_with_the_way_out(audit: ModuleType) -> None:
    line = "audit: numpy 2.4 is vulnerable: PYSEC-2026-1 (fixed in 3.15, 3.14.1)"
    assert audit.verdict(said(BAD))[1][0] == line


def test_what_is_installed_is_asked_about(audit: ModuleType) -> None:
    """Not the bridge itself, which is here, nor what makes the environment."""
    names = {requirement.partition("==")[0].lower() for requirement in audit.installed(sys.executable)}
    assert {"aiohttp", "pydantic", "pymodbus"} <= names
    assert not names & {"aoi-bridge", "pip", "uv"}
