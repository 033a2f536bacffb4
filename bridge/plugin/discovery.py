"""Finding plugins by entry point, and only those that the configuration names.

An option of type ``AnySource``, ``AnyReporter``, ``AnyJudge`` or ``AnyLabels`` is a table with a ``type`` key; it
is validated by the options model of the plugin of that name, and can be opened. The configuration itself uses the
same types, and so does a plugin that wraps others (cameras behind a trigger, joined roads).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, Any, TypeAlias, get_type_hints

from pydantic import BeforeValidator, InstanceOf, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from bridge.errors import ConfigError
from bridge.plugin.api import Kind
from bridge.plugin.habits import NO_HABITS, Habit, Habits, Habitual
from bridge.plugin.labelling import LabelOptions
from bridge.plugin.options import JudgeOptions, Options, ReporterOptions, SourceOptions

GROUPS: Mapping[Kind, str] = {
    "source": "aoi_bridge.sources",
    "reporter": "aoi_bridge.reporters",
    "judge": "aoi_bridge.judges",
    "labels": "aoi_bridge.labels",
}
CHECKS = "aoi_bridge.checks"
PEERS = "aoi_bridge.peers"
COMMANDS = "aoi_bridge.commands"
BASES: Mapping[Kind, type[Options]] = {
    "source": SourceOptions,
    "reporter": ReporterOptions,
    "judge": JudgeOptions,
    "labels": LabelOptions,
}

_CALLED: Mapping[str, str] = {"labels": "label road"}
"""What a plugin is called where its kind is no word for one."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """An installed plugin: its opener and the model of its options."""

    kind: Kind
    name: str
    options: type[Options]
    opener: Callable[[Any], AbstractAsyncContextManager[Any]]
    distribution: str
    """The installed distribution it came with, and its version."""


@dataclass(frozen=True, slots=True)
class Plugged:
    """A plugin with validated options, ready to be opened."""

    plugin: Plugin
    options: Any

    def open(self, home: Path) -> AbstractAsyncContextManager[Any]:
        """Open it; ``home`` is the folder that is its own.

        Yields the plugin's verb. May raise Unavailable, and ConfigError where only opening shows the mistake.
        """
        return self.plugin.opener(self.options.model_copy(update={"home": home}))


def installed(kind: Kind) -> dict[str, EntryPoint]:
    """Return the entry points of one kind by name, loading none of them."""
    return {entry.name: entry for entry in sorted(entry_points(group=GROUPS[kind]), key=lambda e: e.name)}


@cache
def find(kind: Kind, name: str) -> Plugin:
    """Load one plugin.

    Raises:
        ConfigError: it is not installed, one of its own imports is missing, or it breaks the contract.
    """
    entries = installed(kind)
    if name not in entries:
        close = get_close_matches(name, entries, n=1)
        raise ConfigError(
            name,
            f"no {_CALLED.get(kind, kind)} of this name is installed",
            f"did you mean {close[0]}?" if close else f"write one of {', '.join(entries)}",
        )
    entry = entries[name]
    opener = _loaded(kind, entry)
    return Plugin(kind, name, _options_of(kind, name, opener), opener, _distribution(entry))


def _loaded(kind: str, entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except ModuleNotFoundError as exc:
        found = f"this {_CALLED.get(kind, kind)} needs the Python package {exc.name}, which is missing"
        raise ConfigError(entry.name, found, f"write {_install(entry, exc.name or '')}") from exc
    except Exception as exc:  # a plugin's own bug: whatever it is, the user gets one line that names the plugin
        found = (
            f"this {_CALLED.get(kind, kind)} cannot be loaded ({type(exc).__name__}: {' '.join(str(exc).split())})"
        )
        raise ConfigError(entry.name, found, "write to its author, or install another version of it") from exc


def check_of(plugin: Plugin) -> Callable[..., Any] | None:
    """Return the plugin's own check, ``async (options, *, write_test) -> list[Finding]``, if it has one."""
    for entry in entry_points(group=CHECKS, name=f"{plugin.kind}.{plugin.name}"):
        loaded: Callable[..., Any] = entry.load()
        return loaded
    return None


def open_peer(plugged: Plugged, home: Path, habits: Habits = NO_HABITS) -> AbstractAsyncContextManager[Any]:
    """Open the other side of a configured plugin: see ``bridge.plugin.peers`` for what it yields.

    The habits, out of ``habits_of``, are looked at as long as it lives.

    Raises:
        ConfigError: the plugin offers no simulator.
    """
    opener = _peer_of(plugged)
    options = plugged.options.model_copy(update={"home": home})
    return opener(options, habits) if isinstance(opener, Habitual) else opener(options)


def habits_of(plugged: Plugged) -> Mapping[str, Habit]:
    """Return the bad habits that the other side of a plugin can play, by name.

    Raises:
        ConfigError: the plugin offers no simulator.
    """
    opener = _peer_of(plugged)
    return opener.habits if isinstance(opener, Habitual) else {}


def _peer_of(plugged: Plugged) -> Callable[..., AbstractAsyncContextManager[Any]]:
    plugin = plugged.plugin
    for entry in entry_points(group=PEERS, name=f"{plugin.kind}.{plugin.name}"):
        opener: Callable[..., AbstractAsyncContextManager[Any]] = entry.load()
        return opener
    raise ConfigError(
        plugin.name, f"this {_CALLED.get(plugin.kind, plugin.kind)} brings no simulator of its other side"
    )


def commands() -> dict[str, Callable[[], Any]]:
    """Return the subcommands that plugins add, by name; called, each loads its module.

    The module has ``summary``, ``options`` and ``run``. Loading raises ConfigError where it cannot be.
    """
    return {entry.name: partial(_loaded, "command", entry) for entry in entry_points(group=COMMANDS)}


def _install(entry: EntryPoint, package: str) -> str:
    """Return the command that brings a missing package: the plugin's own extra, where it has one of its name."""
    if entry.dist and entry.name in (entry.dist.metadata.get_all("Provides-Extra") or []):
        return f"pip install '{entry.dist.name}[{entry.name}]'"
    return f"pip install {package}"


def _options_of(kind: Kind, name: str, opener: Callable[..., Any]) -> type[Options]:
    try:
        parameters = list(inspect.signature(opener).parameters)
        model = get_type_hints(inspect.unwrap(opener)).get(parameters[0]) if len(parameters) == 1 else None
    except (TypeError, ValueError, NameError):  # no function, or its annotation is there for type checkers only
        model = None
    if not (isinstance(model, type) and issubclass(model, BASES[kind])):
        raise ConfigError(
            name,
            f"the {_CALLED.get(kind, kind)}'s opener does not follow the contract",
            f"give it one parameter annotated with a subclass of {BASES[kind].__name__}",
        )
    return model


def _distribution(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else ""


def _plug(kind: Kind) -> Callable[[object], Plugged]:
    def plug(table: object) -> Plugged:
        if isinstance(table, Plugged):
            return table
        if not isinstance(table, Mapping):
            raise PydanticCustomError("dict_type", "is not a table")
        name = table.get("type")
        if not isinstance(name, str):
            raise PydanticCustomError(
                "no_type",
                'type: is missing; write type = "…", one of {names}',
                {"names": ", ".join(installed(kind))},
            )
        try:
            plugin = find(kind, name)
        except ConfigError as exc:
            raise PydanticCustomError(
                "bad_type",
                'type: "{name}": {found}; {write}',
                {"name": name, "found": exc.found, "write": exc.write},
            ) from exc
        if "home" in table:
            raise PydanticCustomError(
                "bad_home", "home: no such key; leave it out, the host gives each plugin its own"
            )
        try:
            options = plugin.options.model_validate({k: v for k, v in table.items() if k != "type"})
        except ValidationError as exc:
            context = {"plugin": plugin, "errors": exc.errors(include_url=False)}
            raise PydanticCustomError("plugin", "has wrong options", context) from exc
        return Plugged(plugin, options)

    return plug


PLUGIN_KIND = "x-plugin"
"""Where this key stands in a JSON Schema, a plugin of the kind that it says is written."""
AnySource: TypeAlias = Annotated[
    InstanceOf[Plugged], BeforeValidator(_plug("source")), WithJsonSchema({PLUGIN_KIND: "source"})
]
AnyReporter: TypeAlias = Annotated[
    InstanceOf[Plugged], BeforeValidator(_plug("reporter")), WithJsonSchema({PLUGIN_KIND: "reporter"})
]
AnyJudge: TypeAlias = Annotated[
    InstanceOf[Plugged], BeforeValidator(_plug("judge")), WithJsonSchema({PLUGIN_KIND: "judge"})
]
AnyLabels: TypeAlias = Annotated[
    InstanceOf[Plugged], BeforeValidator(_plug("labels")), WithJsonSchema({PLUGIN_KIND: "labels"})
]
