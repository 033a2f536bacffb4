"""Writing samples of plugins: a table of options as TOML, live lines to set, commented lines with the defaults.

The docstrings of the options are the comments, so a sample never drifts from what the model takes.
"""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from bridge.plugin.api import Kind
from bridge.plugin.discovery import Plugged, find
from bridge.plugin.options import JudgeOptions, Options

WIDTH = 100
HIDDEN = {"home", "fingerprint"}
"""What the host fills in."""


def table(
    model: type[BaseModel], values: Mapping[str, object] | None = None, without: Collection[str] = ()
) -> str:
    """Return the body of a TOML table with a comment above each key.

    Args:
        model: the options.
        values: what to write live instead of an example or a default.
        without: keys to leave out, for instance those that are tables of their own.
    """
    values = values or {}
    lines: list[str] = []
    for name, field in sorted(model.model_fields.items(), key=lambda item: item[0] == "when_unreachable"):
        if name in HIDDEN or name in without:
            continue
        lines += textwrap.wrap(f"# {field.description}", WIDTH, subsequent_indent="#   ")
        live = name in values or field.is_required()
        lines.append(f"{'' if live else '# '}{name} = {toml(_value(name, field, values))}")
    return "\n".join(lines) + "\n"


def plugin_table(
    kind: Kind, name: str, values: Mapping[str, object] | None = None, place: str = "line.source"
) -> str:
    """Return a plugin's table: its type, every option it takes, and behind them the tables inside it.

    Args:
        kind: source, reporter, judge or labels.
        name: the plugin.
        values: what to write live instead of an example or a default.
        place: the table's own name in the file, which those inside it begin with.
    """
    return _model_table(name, find(kind, name).options, values, place)


def _model_table(
    name: str, model: type[Options], values: Mapping[str, object] | None = None, place: str = "line.source"
) -> str:
    inner = {key: field for key, field in model.model_fields.items() if _is_table(field)}
    text = f'type = "{name}"\n' + table(model, values, without=inner)
    return "\n".join([text, *(_inner(f"{place}.{key}", field) for key, field in inner.items())])


def _is_table(field: FieldInfo) -> bool:
    """Return whether an option that must be set is a plugin, or a list of tables of its own."""
    return field.is_required() and (field.annotation is Plugged or table_of(field) is not None)


def table_of(field: FieldInfo) -> type[Options] | None:
    """Return what may stand in each table of an option that is a list of tables; None for any other option."""
    inside = [arg for arg in get_args(field.annotation) if arg is not Ellipsis]
    if get_origin(field.annotation) is tuple and isinstance(inside[0], type) and issubclass(inside[0], Options):
        return inside[0]
    return None


def _inner(place: str, field: FieldInfo) -> str:
    """Return a table inside a plugin's, with the example that its option gives; of a list the first one alone."""
    comment = "\n".join(textwrap.wrap(f"# {field.description}", WIDTH, subsequent_indent="#   "))
    example = field.examples[0] if field.examples else {}
    if (each := table_of(field)) is not None:
        return f"{comment}\n[[{place}]]\n{table(each, example[0] if example else None)}"
    told = f"# every other option of its type: aoi-bridge plugins {example.get('type', 'NAME')} --sample\n"
    return f"{comment}\n[{place}]\n" + "".join(f"{_key(k)} = {toml(v)}\n" for k, v in example.items()) + told


def plugin_sample(kind: Kind, name: str) -> str:
    """Return the text of an installed plugin's ``sample.toml``, header included."""
    return model_sample(kind, name, find(kind, name).options)


def model_sample(kind: Kind, name: str, model: type[Options]) -> str:
    """Return the text of a plugin's ``sample.toml``, header included."""
    called = model.sample_name if issubclass(model, JudgeOptions) else ""
    header = {
        "source": "[line.source]",
        "reporter": "[[line.reporter]]",
        "judge": f"[judge.{called}]",
        "labels": "[[line.labels]]",
    }[kind]
    return f"{header}\n{_model_table(name, model, place=header.strip('[]'))}"


def toml(value: object) -> str:
    """Return a value as TOML, in one line."""
    if isinstance(value, SecretStr):
        return '"env:SECRET"'
    if isinstance(value, BaseModel):
        return toml(value.model_dump(exclude_none=True))
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(str(k))} = {toml(v)}" for k, v in value.items()) + " }" if value else "{}"
    if isinstance(value, (list, tuple, set, frozenset)):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    return _scalar(value)


def _scalar(value: object) -> str:
    if isinstance(value, Enum):
        return _scalar(value.value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 10**15:
        return str(int(value))
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str | Path):
        return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"').translate(_ESCAPES) + '"'
    return '"…"'


_ESCAPES = {i: f"\\u{i:04x}" for i in (*range(32), 127)} | {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"}


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else toml(name)


def _value(name: str, field: FieldInfo, values: Mapping[str, object]) -> Any:
    if name in values:
        return values[name]
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    if default is None and field.examples:
        return field.examples[0]
    return default
