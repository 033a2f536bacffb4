"""A free port, and a source that runs on it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from http_host import Run, running

from bridge.simulate.factory import free_ports


@pytest.fixture
def port() -> int:
    """A port that was free a moment ago."""
    return free_ports(1)[0]


@pytest.fixture
def run(port: int, tmp_path: Path) -> Run:
    """Open a source for a host and run it until the block ends."""
    return partial(running, home=tmp_path / "home", port=port)
