"""A video that every test may play."""

from __future__ import annotations

from pathlib import Path

import pytest
from camera_rig import record


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames that show their own number."""
    return record(tmp_path_factory.mktemp("video") / "numbers.avi")
