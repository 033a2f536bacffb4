"""``aoi-bridge reload``: the running gateway reads its file again, all of it or nothing."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bridge.config import ConfigMistakes, data_of
from bridge.control import order
from bridge.errors import Refused, Unavailable
from bridge.store import user


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("--config", type=Path, default=Path("bridge.toml"), help="the file (bridge.toml)")
    parser.add_argument("--override", default="", metavar="REASON", help="why a live line may change what it says")


def run(args: argparse.Namespace) -> int:
    """Print what changed, one line each; exit status 2 with a line for each reason where nothing may."""
    body = {"config": str(args.config.resolve()), "override": args.override}
    said = ordered(data_of(args.config), "reload", body)
    if said is None:
        raise Unavailable(
            f"no gateway runs with {args.config}; start it with aoi-bridge run --config {args.config}"
        )
    show(said["changes"])
    print(f"The gateway runs configuration {said['config']}.")
    return 0


def ordered(data: Path, what: str, body: Mapping[str, object]) -> Any | None:
    """Give an order in the user's name; None where no gateway runs on the data folder.

    Raises:
        ConfigMistakes: the gateway will not, a line for each reason.
        Unavailable: it cannot do it now.
    """
    try:
        return order(data, f"/v1/{what}", {"who": user(), **body})
    except Refused as exc:
        raise ConfigMistakes(str(exc).splitlines()) from exc


def show(changes: list[str]) -> None:
    """Print changes, or that there are none."""
    print("\n".join(changes) if changes else "Nothing changed.")
