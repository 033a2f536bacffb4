"""A third party's plugins, installed for a test."""

from __future__ import annotations

import pytest

ENTRY_POINTS = """
[aoi_bridge.sources]
lit = modbus_lit:open_lit

[aoi_bridge.judges]
mind = modbus_lit:open_mind
"""


@pytest.fixture
def lit(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install ``modbus_lit`` as a distribution of its own."""
    site = tmp_path_factory.mktemp("site")
    info = site / "modbus_lit-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: modbus-lit\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(ENTRY_POINTS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(site))
