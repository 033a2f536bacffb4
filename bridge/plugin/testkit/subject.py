"""Who is on trial: an installed plugin, its peer and what it says of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from bridge.errors import ConfigError
from bridge.plugin.api import Kind
from bridge.plugin.discovery import PEERS, Plugged, Plugin, find
from bridge.plugin.trial import Place, Trial

TRIALS = "aoi_bridge.trials"

OpensPeer = Callable[[Any], AbstractAsyncContextManager[Any]]


@dataclass(frozen=True)
class Subject:
    """One plugin in one way of setting it up."""

    plugin: Plugin
    trial: Trial | None = None
    """None where the plugin offers none; then only what needs no opening can be tried."""
    peer: OpensPeer | None = None
    variant: str = ""

    @property
    def name(self) -> str:
        """Kind, name and variant, for people."""
        return " ".join(filter(None, (self.plugin.kind, self.plugin.name, self.variant)))

    @property
    def package(self) -> str:
        """The top of the package that the plugin's own code lives in."""
        return _home_of(self.plugin).partition(".")[0]

    @property
    def folder(self) -> Path | None:
        """The folder of the module that the opener stands in; None where it stands in no file."""
        file = getattr(import_module(_home_of(self.plugin)), "__file__", None)
        return Path(file).parent if file else None

    def plugged(self, place: Place, more: Mapping[str, object] | None = None) -> Plugged:
        """Return the plugin with the trial's options for a place, and more.

        Raises:
            pydantic.ValidationError: they are not what the plugin takes.
        """
        return Plugged(self.plugin, self.plugin.options.model_validate(self.table(place) | dict(more or {})))

    def table(self, place: Place) -> dict[str, object]:
        """Return the trial's table for a place; one that needs a name and is given none is called ``trial``."""
        if self.trial is None:
            raise ConfigError(self.name, "offers no trial")
        named: dict[str, object] = {"name": "trial"} if self.plugin.kind in {"reporter", "labels"} else {}
        return named | dict(self.trial.options(place))


def subjects(kind: Kind, name: str) -> list[Subject]:
    """Return an installed plugin in every way that it may be put on trial; without a trial of its own, in one.

    Raises:
        ConfigError: it is not installed, or it, its peer or a trial cannot be loaded.
    """
    plugin = find(kind, name)
    peer = next((_load(entry) for entry in entry_points(group=PEERS, name=f"{kind}.{name}")), None)
    whole = f"{kind}.{name}"
    offered = {entry.name: entry for entry in entry_points(group=TRIALS)}
    found = [
        Subject(plugin, _trial(offered[key]), peer, key[len(whole) + 1 :])
        for key in sorted(offered)
        if key == whole or key.startswith(f"{whole}.")
    ]
    return found or [Subject(plugin, None, peer)]


def _trial(entry: Any) -> Trial:
    trial = _load(entry)
    if not isinstance(trial, Trial):
        raise ConfigError(f"{TRIALS} {entry.name}", f"is no Trial but {type(trial).__name__}")
    return trial


def _load(entry: Any) -> Any:
    try:
        return entry.load()
    except Exception as exc:  # whatever a plugin's module does, its user gets one line
        raise ConfigError(
            f"{entry.group} {entry.name}", f"cannot be loaded ({type(exc).__name__}: {exc})", "mend it"
        ) from exc


def _home_of(plugin: Plugin) -> str:
    opener = plugin.opener
    return str(getattr(opener, "__module__", type(opener).__module__))
