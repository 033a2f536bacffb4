"""``aoi-bridge bypass``: let the inspector's own verdict count for the approved time, or take that back."""

from __future__ import annotations

import argparse
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from bridge.cli.ordering import ordered
from bridge.cli.shown import ago
from bridge.errors import ConfigError


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("line", metavar="LINE", help="the line's name")
    parser.add_argument("wanted", choices=["on", "off"])
    parser.add_argument("--because", default="", help="why, for the audit log; needed to switch it on")
    parser.add_argument("--config", type=Path, default=Path("bridge.toml"), help="the file (bridge.toml)")


def run(args: argparse.Namespace) -> int:
    """Ask the running gateway; exit status 2 where no bypass is approved, 1 where one stays in force."""
    wanted = args.wanted == "on"
    if wanted and not args.because.strip():
        raise ConfigError("bypass on", "needs a reason for the audit log", 'write --because "…"')
    said = ordered(args.config, "bypass", {"line": args.line, "wanted": wanted, "because": args.because})
    print(f"{args.line}: {_state(said)}")
    return 0 if said["in_force"] is wanted else 1


def _state(said: Any) -> str:
    if not said["in_force"]:
        return "no bypass is in force"
    until = datetime.fromtimestamp(time.time() + said["left_seconds"]).astimezone()
    wanted = ", ".join(said["wanted_by"])
    return f"bypass in force until {until:%H:%M:%S} ({ago(said['left_seconds'])} left), wanted by {wanted}"
