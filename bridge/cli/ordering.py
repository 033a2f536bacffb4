"""Giving orders to the gateway that runs, in the name of the user who gives them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bridge.asking import order
from bridge.config import ConfigMistakes, data_of
from bridge.errors import Refused, Unavailable
from bridge.store import user


def ordered(path: Path, what: str, wish: Mapping[str, object]) -> Any:
    """Return what the gateway of a configuration file says to an order, whatever state the file is in by now.

    Raises:
        Refused: it will not do it, for this reason.
        Unavailable: none runs, or it cannot do it now.
    """
    said = ordered_if_running(data_of(path), what, wish)
    if said is None:
        raise Unavailable(f"no gateway runs with {path}; start it with aoi-bridge run --config {path}")
    return said


def ordered_if_running(data: Path, what: str, wish: Mapping[str, object]) -> Any | None:
    """Return what the gateway of a data folder says to an order; None where none runs.

    Raises:
        Refused: it will not do it, for this reason.
        Unavailable: it cannot do it now.
    """
    return order(data, f"/v1/{what}", {"who": user(), **wish})


@contextmanager
def each_reason() -> Iterator[None]:
    """Turn a refusal for several reasons into mistakes, one line each.

    Raises:
        ConfigMistakes: the gateway will not do it.
    """
    try:
        yield
    except Refused as exc:
        raise ConfigMistakes(str(exc).splitlines()) from exc


def show(changes: list[str]) -> None:
    """Print what an order changed, or that it changed nothing."""
    print("\n".join(changes) if changes else "Nothing changed.")
