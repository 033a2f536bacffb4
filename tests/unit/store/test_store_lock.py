from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.errors import ConfigError
from bridge.store import lock, open_journal

HOLD = """
import sys
from pathlib import Path
from bridge.store import lock, open_journal
with lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_gateway_on_the_same_folder_is_told_so_in_one_line(tmp_path: Path) -> None:
    """Two writers would corrupt the journal; a killed one leaves the folder free."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "var")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(ConfigError, match=r"var: is in use by another aoi-bridge; stop"),
            lock(tmp_path / "var"),
        ):
            pytest.fail("both hold it")
        other.kill()
    with lock(tmp_path / "var"):
        pass
    with lock(tmp_path / "var"):
        pass


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"var: cannot be used"), lock(tmp_path / "file" / "var"):
        pytest.fail("it locked a file")


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
async def test_the_folder_is_for_its_user_alone_unless_it_was_there(tmp_path: Path) -> None:
    """Journal and pictures are not for everyone on the machine; what somebody opened on purpose stays open."""
    with lock(tmp_path / "locked"):
        pass
    async with open_journal(tmp_path / "opened"):
        pass
    (tmp_path / "theirs").mkdir(mode=0o755)
    with lock(tmp_path / "theirs"):
        pass
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("locked", "opened", "theirs")]
    assert modes == [0o700, 0o700, 0o755]
