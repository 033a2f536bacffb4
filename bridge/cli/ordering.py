"""Ordering something of the gateway that runs with a configuration file, whatever state the file is in by now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bridge.config import data_of
from bridge.control import order
from bridge.errors import Unavailable
from bridge.store import user


def ordered(path: Path, what: str, wish: Mapping[str, object]) -> Any:
    """Return what the gateway says to an order.

    Raises:
        Refused: it will not do it, for this reason.
        Unavailable: none runs, or it cannot do it now.
    """
    said = order(data_of(path), f"/v1/{what}", {"who": user(), **wish})
    if said is None:
        raise Unavailable(f"no gateway runs with {path}; start it with aoi-bridge run --config {path}")
    return said
