"""Commands that talk to the running gateway load nothing of what a gateway is made of, and so answer at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"aiohttp", "bridge.gateway", "bridge.line", "bridge.control", "pymodbus", "cv2", "openvino"}
LOADED = "import sys; from bridge.cli.main import main\ntry: main()\nexcept SystemExit: print(*sys.modules)"


@pytest.mark.parametrize("command", ["status", "outbox", "reload", "bypass", "reset"])
def test_a_command_that_asks_the_gateway_loads_none(command: str) -> None:
    """An operator's word does not wait until a second gateway is loaded that never runs."""
    said = subprocess.run(
        [sys.executable, "-c", LOADED, command, "--help"], capture_output=True, text=True, check=True, timeout=50
    )
    loaded = set(said.stdout.splitlines()[-1].split())
    assert "bridge.asking" in loaded
    assert not loaded & HEAVY
