"""The service unit of the examples: valid, locked in, and in step with what the command really does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bridge.cli import run

FOLDER = Path(__file__).parents[2] / "examples" / "systemd"
UNIT = (FOLDER / "aoi-bridge.service").read_text(encoding="utf-8")
EXPOSURE_MAX = 20
"""In tenths, as systemd counts; its own services range from 15 to 95."""

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed (Debian's package systemd)"
)


def setting(name: str) -> str:
    """Return the last value that the unit gives a setting."""
    return re.findall(rf"^{name}=(.*)$", UNIT, re.MULTILINE)[-1]


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """Return the unit as it is, but for the command, which is not installed here."""
    path = tmp_path / "aoi-bridge.service"
    path.write_text(UNIT.replace("/opt/aoi-bridge/bin/aoi-bridge", "/bin/true"), encoding="utf-8")
    return path


def analyzed(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *words],  # noqa: S607 - wherever the distribution has it
        env={**os.environ, "SYSTEMD_LOG_TARGET": "console"},
        check=False,
        capture_output=True,
        text=True,
        timeout=50,
    )


@needs_systemd
def test_systemd_understands_every_line_of_it(unit: Path) -> None:
    done = analyzed("verify", str(unit))
    if "Failed to" in done.stderr and unit.name not in done.stderr:
        pytest.skip(f"systemd-analyze cannot verify here: {done.stderr.strip()}")
    about_it = [line for line in done.stderr.splitlines() if unit.name in line]  # it looks at its neighbours too
    assert about_it == []


@needs_systemd
def test_it_is_locked_in(unit: Path) -> None:
    """It stays under the exposure that systemd itself calls OK."""
    done = analyzed("security", "--offline=yes", f"--threshold={EXPOSURE_MAX}", str(unit))
    if "unrecognized option" in done.stderr or "Unknown" in done.stderr:
        pytest.skip(f"this systemd-analyze is too old: {done.stderr.strip()}")
    assert done.returncode == 0, done.stdout[-200:] + done.stderr


def test_what_a_person_must_mend_is_not_started_again() -> None:
    assert setting("RestartPreventExitStatus") == str(run.REFUSED)
    assert setting("Restart") == "always"
    assert run.AWAY != run.REFUSED


def test_a_stop_has_the_time_that_the_command_takes() -> None:
    assert float(setting("TimeoutStopSec")) > run.LEAVE_SECONDS + run.GOODBYE_SECONDS
    assert float(setting("TimeoutStartSec")) > 2 * run.OPENING_SECONDS
    assert setting("KillMode") == "mixed", "else the judges get the signal too, before their last parts"


def test_a_judge_may_die_alone_and_openvino_may_compile() -> None:
    assert setting("OOMPolicy") == "continue"
    assert "MemoryDenyWriteExecute=" not in UNIT
    assert "ProcSubset=pid" not in [line for line in UNIT.splitlines() if not line.startswith("#")]
    assert set(setting("RestrictAddressFamilies").split()) == {"AF_INET", "AF_INET6", "AF_UNIX"}


def test_the_readme_names_the_files_beside_it() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert all(path.name in readme for path in FOLDER.iterdir() if path.name != "README.md")
