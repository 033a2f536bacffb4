"""What a disk that is full or taken away must not cost: the file that was there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bridge import durable


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_a_disk_that_refuses_leaves_the_old_file_and_no_draft(
    fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report is the old one or the new one, never half of it."""

    def refused(*_: object) -> None:
        raise OSError(28, "No space left on device")

    durable.replace_text(tmp_path / "report.html", "old")
    monkeypatch.setattr(*((os, "fsync") if fails == "fsync" else (Path, "replace")), refused)
    with pytest.raises(OSError, match="No space left"):
        durable.replace_bytes(tmp_path / "report.html", b"new")
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("report.html", "old")]
