"""What a new configuration changes, line by line, and what of it a live line takes only for a stated reason. Pure.

A line is laid out as *facts*: what it says of itself, and of the judges that it asks, one text each. Two layouts
are compared, not two files, so that what was in force can be kept on disk and held against tomorrow's file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from bridge.config.schema import Config, Line, Recipe
from bridge.plugin.discovery import Plugged
from bridge.plugin.options import Options

GUARDED = frozenset(
    {
        "goal",
        "stage",
        "live_recipes",
        "judge",
        "threshold",
        "roi",
        "views_expected",
        "clearable_codes",
        "legacy_ok_on_failure",
        "fallbacks_in_a_row",
        "guard_share",
    }
)
"""The options of a line, of a recipe and of the shadow month that move verdicts."""
NOWHERE = "none"
"""What stands for the value of something that is not there."""
BUNDLE = "bundle"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a line says."""

    value: str
    guarded: bool = False
    """Whether it moves verdicts."""


Facts: TypeAlias = Mapping[str, Mapping[str, Fact]]
"""Line → key → what is said there; ``judge.NAME.bundle`` is there only where the bundle is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference."""

    line: str
    """Empty for what all lines share."""
    what: str
    """The key, as it stands in the file: ``goal``, ``recipe.M10.threshold``, ``judge.pins.bundle``."""
    old: str
    new: str
    guarded: bool
    """Whether a live line takes it only for a stated reason."""

    def __str__(self) -> str:
        """Return it as one line."""
        place = self.what
        if self.line:
            place = f"line.{self.line}" if self.what == "line" else f"line.{self.line}.{self.what}"
        return f"{place}: {self.old} → {self.new}"


def facts(config: Config, bundles: Mapping[str, str]) -> dict[str, dict[str, Fact]]:
    """Lay a configuration out.

    Args:
        config: the configuration.
        bundles: the identity of each judge's model, by the judge's name; empty or missing where it is not known.
    """
    return {line.name: dict(_line(line, config, bundles)) for line in config.line}


def compare(old: Facts, new: Facts) -> list[Change]:
    """Return what differs, in the order of the new lines, those that are gone behind them.

    A change is guarded where the line is live afterwards and it moves verdicts, or takes the line live. A bundle
    that was not known before, or is not now, is no change.
    """
    changes: list[Change] = []
    for line in [*new, *(name for name in old if name not in new)]:
        if line in old and line in new:
            changes += _of_line(line, old[line], new[line])
        else:
            was, becomes = (_in_short(where.get(line)) for where in (old, new))
            guarded = _stage(new.get(line)) == "live"
            changes.append(Change(line=line, what="line", old=was, new=becomes, guarded=guarded))
    return changes


def shared(old: Config, new: Config) -> list[Change]:
    """Return what differs in what all lines share, and may while the gateway runs; none of it moves verdicts."""
    before, after = old.images, new.images
    return [
        Change(line="", what=f"images.{key}", old=was, new=becomes, guarded=False)
        for key in type(after).model_fields
        if (was := _text(getattr(before, key))) != (becomes := _text(getattr(after, key)))
    ]


def _of_line(line: str, old: Mapping[str, Fact], new: Mapping[str, Fact]) -> Iterator[Change]:
    live = _stage(new) == "live"
    for what in [*new, *(key for key in old if key not in new)]:
        before, after = old.get(what), new.get(what)
        unknown = what.endswith(f".{BUNDLE}") and (before is None or after is None)
        if (before and before.value) == (after and after.value) or unknown:
            continue
        moves = any(fact is not None and fact.guarded for fact in (before, after))
        yield Change(
            line=line,
            what=what,
            old=before.value if before else NOWHERE,
            new=after.value if after else NOWHERE,
            guarded=live and moves,
        )


def _stage(line: Mapping[str, Fact] | None) -> str:
    return line["stage"].value if line is not None and "stage" in line else NOWHERE


def _in_short(line: Mapping[str, Fact] | None) -> str:
    """Say of a whole line by what its verdicts come about."""
    if line is None:
        return NOWHERE
    said = ((key, line[key].value) for key in ("goal", "judge", "threshold") if key in line)
    return ", ".join([_stage(line), *(f"{key} {value}" for key, value in said if value != NOWHERE)])


def _line(line: Line, config: Config, bundles: Mapping[str, str]) -> Iterator[tuple[str, Fact]]:
    for key in type(line).model_fields:
        if key not in {"name", "source", "reporter", "labels", "recipe", "shadow"}:
            yield key, Fact(_text(getattr(line, key)), key in GUARDED)
    for key in type(line.shadow).model_fields:
        yield f"shadow.{key}", Fact(_text(getattr(line.shadow, key)), key in GUARDED)
    for name, recipe in line.recipe.items():
        yield from _recipe(f"recipe.{name}", recipe)
    yield from _plugged("source", line.source)
    for told in line.reporter:
        yield from _plugged(f"reporter.{told.options.name}", told)
    for road in line.labels:
        yield from _plugged(f"labels.{road.options.name}", road)
    for judge in sorted(line.judges()):
        yield from _judge(f"judge.{judge}", config.judge[judge], bundles.get(judge, ""))


def _recipe(place: str, recipe: Recipe) -> Iterator[tuple[str, Fact]]:
    yield place, Fact("known", guarded=True)
    for key in type(recipe).model_fields:
        if (value := getattr(recipe, key)) is not None:
            yield f"{place}.{key}", Fact(_text(value), key in GUARDED)


def _judge(place: str, judge: Plugged, bundle: str) -> Iterator[tuple[str, Fact]]:
    for key, fact in _plugged(place, judge):
        yield key, Fact(fact.value, key.rpartition(".")[2] not in judge.options.harmless)
    if bundle:
        yield f"{place}.{BUNDLE}", Fact(bundle, guarded=True)


def _plugged(place: str, plugged: Plugged) -> Iterator[tuple[str, Fact]]:
    """Lay out a plugin, and plugins that it wraps under the key by which it has them."""
    options: Options = plugged.options
    yield f"{place}.type", Fact(plugged.plugin.name)
    for key in type(options).model_fields:
        if key in {"home", "name"}:
            continue
        value, moves = getattr(options, key), key in options.moves_verdicts
        for inner, one in _several(value):
            if isinstance(one, Plugged):
                for what, fact in _plugged(f"{place}.{key}{inner}", one):
                    yield what, Fact(fact.value, fact.guarded or moves)
            else:
                yield f"{place}.{key}{inner}", Fact(_text(one), moves)


def _several(value: object) -> Iterator[tuple[str, object]]:
    """Yield the tables of a list of tables, each by its name or its place; anything else as it is."""
    if not isinstance(value, tuple) or not value or not all(isinstance(one, Plugged | Options) for one in value):
        yield "", value
        return
    for place, one in enumerate(value):
        name = getattr(one.options if isinstance(one, Plugged) else one, "name", None)
        said = one.model_dump(exclude_defaults=True) if isinstance(one, Options) else one
        yield f".{name}" if name else f"[{place}]", said


def _text(value: Any) -> str:
    """Return a value as people read it; what is secret stays so."""
    plain = to_jsonable_python(
        _ordered(value), fallback=lambda one: getattr(one, "__qualname__", type(one).__name__)
    )
    if isinstance(plain, str):
        return plain
    return NOWHERE if plain is None else json.dumps(plain, ensure_ascii=False, sort_keys=True)


def _ordered(value: Any) -> Any:
    """Return a list of codes in one order: only which ones are there counts."""
    if isinstance(value, BaseModel) or not isinstance(value, tuple):
        return value
    return sorted(value) if all(isinstance(one, str) for one in value) else value
