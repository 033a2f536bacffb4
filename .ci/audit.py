"""Is anything that a core install brings known to be vulnerable?

    audit.py PYTHON    asks pip-audit about the packages of that Python's environment

A vulnerability that is known fails. Where the advisories cannot be had (no network, a mirror without them) that is
said in one line and nothing fails: a line engineer builds behind a firewall.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

NOT_OURS = {"pip", "setuptools", "wheel", "uv"}
"""What makes an environment, and is not in a core install."""
PATIENCE_SECONDS = 120
_LIST = """
import json
from importlib.metadata import distributions
print(json.dumps([[d.metadata["Name"], d.version, bool(d.read_text("direct_url.json"))] for d in distributions()]))
"""


def installed(python: str) -> list[str]:
    """Return what this Python has, as requirements; not what was installed from a folder, which is ours."""
    said = subprocess.run([python, "-c", _LIST], capture_output=True, text=True, check=True).stdout
    packages = [(name, version) for name, version, ours in json.loads(said) if not ours]
    return sorted(f"{name}=={version}" for name, version in packages if name.lower() not in NOT_OURS)


def audited(requirements: list[str]) -> str:
    """Return what pip-audit prints of these packages, whatever its exit status."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "requirements.txt"
        path.write_text("\n".join(requirements) + "\n", encoding="utf-8")
        words = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--timeout", "15", "--format", "json"]
        command = [sys.executable, "-m", "pip_audit", *words, "--requirement", str(path)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            return ""
        return done.stdout


def verdict(said: str) -> tuple[int, list[str]]:
    """Return the exit status and what to print."""
    try:
        packages: list[dict[str, Any]] = json.loads(said)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return 0, ["audit: the advisories cannot be had from here, so nothing was audited"]
    looked_at = [package for package in packages if "skip_reason" not in package]
    if not looked_at:
        return 0, ["audit: no advisories for any package can be had from here, so nothing was audited"]
    found = [
        f"audit: {package['name']} {package['version']} is vulnerable: {hole['id']}"
        f" (fixed in {', '.join(hole['fix_versions']) or 'no version yet'})"
        for package in looked_at
        for hole in package["vulns"]
    ]
    left = len(packages) - len(looked_at)
    summary = f"audit: {len(looked_at)} packages looked at, {len(found)} known vulnerabilities"
    return int(bool(found)), [*found, summary + (f", {left} packages unknown to the advisories" if left else "")]


def main() -> int:
    """Audit the environment of the Python that is named."""
    status, lines = verdict(audited(installed(sys.argv[1])))
    print("\n".join(lines))
    return status


if __name__ == "__main__":
    sys.exit(main())
