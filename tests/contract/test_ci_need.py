"""``.ci/need``: what is missing is named, and only CI insists on what just some tests want."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "need"
COMMAND = "a-command-that-nobody-has"


def need(*words: str, path: Path, **environment: str) -> tuple[int, str]:
    """Run the script where nothing can be installed; return its status and what it says."""
    shell = shutil.which("sh")
    assert shell
    done = subprocess.run(
        [shell, str(SCRIPT), *words],
        env={"PATH": str(path), **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "environment", "status", "begins"),
    [
        (["--better", COMMAND], {}, 0, "going on without, some tests are skipped"),
        (["--better", COMMAND], {"CI": "true"}, 1, "missing on this machine"),
        ([COMMAND], {}, 1, "missing on this machine"),
    ],
)
def test_what_is_missing_is_named_and_only_ci_insists(
    tmp_path: Path, words: list[str], environment: dict[str, str], status: int, begins: str
) -> None:
    code, said = need(*words, path=tmp_path, **environment)
    assert code == status
    assert said.startswith(begins)
    assert said.endswith(f"sudo apt-get install {COMMAND}\n")


def test_what_is_there_is_passed_over_in_silence(tmp_path: Path) -> None:
    (tmp_path / "tool").touch(mode=0o755)
    assert need("--better", "tool", path=tmp_path) == (0, "")


def test_a_package_may_bring_a_command_of_another_name(tmp_path: Path) -> None:
    """The command is looked for, the package is what to install."""
    (tmp_path / "tool").touch(mode=0o755)
    assert need("--better", "package:tool", path=tmp_path) == (0, "")
    code, said = need(f"package:{COMMAND}", path=tmp_path)
    assert code == 1
    assert said.endswith("sudo apt-get install package\n")
