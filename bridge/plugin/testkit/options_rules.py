"""What a plugin's options owe the person who writes them, and the network that they must not touch."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from bridge.plugin.api import Kind
from bridge.plugin.sample import model_sample
from bridge.plugin.testkit.quiet import listening_in
from bridge.plugin.testkit.rules import Bench, Broken, Missing, Unfit, rule
from bridge.plugin.trial import Place

_HOSTS = {"home"}
"""What the host fills in."""
_TIMES = {"timeout", "interval", "delay", "period", "wait", "pause", "patience", "duration", "ttl", "age"}
_UNITS = {
    "_ms": ("millisecond", "milliseconds", "ms"),
    "_seconds": ("second", "seconds"),
    "_minutes": ("minute", "minutes"),
    "_hours": ("hour", "hours"),
    "_days": ("day", "days"),
    "_bytes": ("byte", "bytes"),
}
_NO_SUCH = "no_such_option_as_this"


@rule("each option's docstring begins with what to write there, in lower case", needs=())
def options_documented(bench: Bench) -> None:
    """A docstring is the comment in the sample, the row in the README and the end of an error message."""
    for name, field in _fields(bench.subject.plugin.options):
        said = (field.description or "").strip()
        if not said:
            raise Broken(f"{name} says nothing; write a docstring below it that begins with what to write")
        first = said.split()[0]
        if first[0].isupper() and not first.isupper():
            raise Broken(f"the docstring of {name} begins with {first!r}; begin with what to write, in lower case")


@rule("an unknown key is refused, and options that are checked do not change", needs=())
def options_strict(bench: Bench) -> None:
    """A misspelt key that is ignored is a setting that nobody has."""
    for where, model in _models(bench.subject.plugin.options):
        if model.model_config.get("extra") != "forbid":
            raise Broken(f"{where} takes keys that it does not know; base it on bridge.plugin.Options")
        if not model.model_config.get("frozen"):
            raise Broken(f"{where} can be changed after it was checked; base it on bridge.plugin.Options")


@rule("the trial's options are taken as they are, and a key too many is refused")
def options_checked(bench: Bench) -> None:
    """What the model says of itself is also what it does."""
    table = bench.subject.table(Place(bench.folder, 1024))
    model = bench.subject.plugin.options
    options = model.model_validate(table)
    try:
        model.model_validate({**table, _NO_SUCH: 1})
    except ValidationError as exc:
        if not any(error["type"] == "extra_forbidden" for error in exc.errors()):
            raise Broken(f"of a key too many it says {exc.errors()[0]['msg']!r}, not that there is none") from exc
    else:
        raise Broken(f"it takes the key {_NO_SUCH}")
    name = next(iter(table), "")
    try:
        setattr(options, name, table[name])
    except (ValidationError, AttributeError, KeyError):
        return
    raise Broken(f"{name} can be set after the options were checked")


@rule("a number that has a unit has it in its name: _ms, _seconds, _bytes", needs=())
def options_units(bench: Bench) -> None:
    """Nobody guesses whether 5 is seconds or milliseconds."""
    for name, field in _fields(bench.subject.plugin.options):
        if not _numeric(field.annotation):
            continue
        last = name.rpartition(".")[2]
        if set(last.split("_")) & _TIMES and not last.endswith(tuple(_UNITS)):
            raise Broken(f"{name} is a time without its unit; name it {last}_seconds or {last}_ms")
        begins = re.split(r"\W+", (field.description or "").strip())[0]
        for ending, words in _UNITS.items():
            if begins in words and not last.endswith(ending):
                raise Broken(f"{name} is in {begins} and does not say so; name it {last}{ending}")


@rule("sample.toml lies beside the code, is taken as it is, and says what the options say", needs=())
def options_sample(bench: Bench) -> None:
    """What a user copies works, and shows every option with its default."""
    plugin, folder = bench.subject.plugin, bench.subject.folder
    if folder is None:
        raise Unfit("the opener stands in no file")
    path = folder / "sample.toml"
    if not path.is_file():
        raise Missing(f"{path} is missing; write it with: aoi-bridge plugins {plugin.name} --sample")
    tables = [table for table in _tables(path, plugin.kind) if table.get("type") == plugin.name]
    if not tables:
        raise Broken(f'{path} has no table with type = "{plugin.name}"')
    for table in tables:
        try:
            plugin.options.model_validate({key: value for key, value in table.items() if key != "type"})
        except ValidationError as exc:
            error = exc.errors()[0]
            raise Broken(f"{path}: {'.'.join(map(str, error['loc']))}: {error['msg']}") from exc
    if model_sample(plugin.kind, plugin.name, plugin.options) not in path.read_text(encoding="utf-8"):
        raise Broken(f"{path} differs from the options; write it anew: aoi-bridge plugins {plugin.name} --sample")


@rule("checking options, and calling the opener without entering it, touches neither network nor disk")
def building_is_quiet(bench: Bench) -> None:
    """A configuration is checked on a desk, without the factory."""
    plugged = bench.subject.plugged(Place(bench.folder, 1024))  # once before, so that all code is loaded
    with listening_in() as touched:
        plugged = bench.subject.plugged(Place(bench.folder, 1024))
        plugged.open(bench.folder)
    if touched:
        raise Broken(f"before it was opened it {touched[0]}")


def _tables(path: Path, kind: Kind) -> list[dict[str, Any]]:
    """Return a sample's tables of one kind."""
    whole = tomllib.loads(path.read_text(encoding="utf-8"))
    line = whole.get("line", {})
    line = line[0] if isinstance(line, list) else line
    if kind == "source":
        return [line["source"]] if "source" in line else []
    return list(line.get(kind, [])) if kind in {"reporter", "labels"} else list(whole.get("judge", {}).values())


def _models(model: type[BaseModel], where: str = "the table") -> Iterator[tuple[str, type[BaseModel]]]:
    """Return a model and those of the tables within it, each with its place."""
    yield where, model
    for name, field in model.model_fields.items():
        for inner in _inside(field.annotation):
            yield from _models(inner, name if where == "the table" else f"{where}.{name}")


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """Return every option that a user may write, those of inner tables too, by dotted name."""
    for where, inner in _models(model):
        for name, field in inner.model_fields.items():
            if name not in _HOSTS:
                yield (name if where == "the table" else f"{where}.{name}"), field


def _inside(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _inside(argument)


def _numeric(annotation: Any) -> bool:
    if annotation in {int, float}:
        return True
    return any(_numeric(argument) for argument in get_args(annotation))
