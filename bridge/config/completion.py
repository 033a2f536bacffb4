"""The JSON Schema of bridge.toml, for editors that complete and check while one types.

It is made from the models that the bridge itself checks with, those of every installed plugin among them, so it
names each option, default and choice. What only the bridge can know (a judge that no table has, a file that is not
there) ``aoi-bridge check`` finds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind
from pydantic_core.core_schema import CoreSchema

from bridge.config.schema import Config
from bridge.errors import ConfigError
from bridge.plugin.api import Kind
from bridge.plugin.discovery import GROUPS, PLUGIN_KIND, Plugin, find, installed
from bridge.plugin.sample import HIDDEN
from bridge.plugin.schemas import DIALECT

SCHEMA = "bridge.schema.json"
FILE = Path(__file__).parent / SCHEMA
"""The schema with the plugins that come with the bridge."""
FIRST_LINE = f"#:schema ./{SCHEMA}\n"
"""By this comment an editor finds a schema beside the file."""
SECRET = {"type": "string", "pattern": "^(env|file):."}


def config_schema(plugins: Iterable[Plugin]) -> dict[str, Any]:
    """Return the JSON Schema of a bridge.toml that may name these plugins."""
    known = sorted(plugins, key=lambda plugin: (plugin.kind, plugin.name))
    whole = _schema_of(Config, "config")
    defs = whole.pop("$defs")
    for plugin in known:
        place = f"{plugin.kind}.{plugin.name}"
        options = _schema_of(plugin.options, place)
        defs |= options.pop("$defs", {})
        defs[place] = _typed(options, plugin)
    for kind in GROUPS:
        defs[f"any.{kind}"] = _any_of(kind, [plugin.name for plugin in known if plugin.kind == kind])
    return {"$schema": DIALECT, "title": "bridge.toml", **_cleaned(whole), "$defs": _named(defs)}


def config_schema_text(plugins: Iterable[Plugin]) -> str:
    """Return the JSON Schema as it stands in a file."""
    return json.dumps(config_schema(plugins), indent=2, ensure_ascii=False) + "\n"


def loadable(missing: Callable[[str], None]) -> Iterator[Plugin]:
    """Yield every installed plugin; one whose packages are missing is told of in a line, and left out."""
    for kind in GROUPS:
        for name in installed(kind):
            try:
                yield find(kind, name)
            except ConfigError as exc:
                missing(f"{kind} {name} is left out: {exc.found}; {exc.write}")


class _Generator(GenerateJsonSchema):
    """Describes what has a description; what a third party checks in code alone may be anything."""

    ignored_warning_kinds: set[JsonSchemaWarningKind] = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012 - the library's own name and type

    def handle_invalid_for_json_schema(self, schema: CoreSchema, error_info: str) -> dict[str, Any]:
        del schema, error_info
        return {}


def _schema_of(model: type[BaseModel], place: str) -> dict[str, Any]:
    """Return a model's schema, whose parts have names of their own beside those of other models."""
    template = f"#/$defs/{place}.{{model}}"
    made = model.model_json_schema(ref_template=template, schema_generator=_Generator)
    made["$defs"] = {f"{place}.{name}": part for name, part in made.get("$defs", {}).items()}
    return made


def _typed(options: dict[str, Any], plugin: Plugin) -> dict[str, Any]:
    """Return a plugin's schema with the key by which it is chosen."""
    chosen = {"type": {"const": plugin.name, "description": f"the plugin, of {plugin.distribution.split()[0]}"}}
    return options | {
        "properties": chosen | options.get("properties", {}),
        "required": ["type", *options.get("required", [])],
    }


def _any_of(kind: Kind, names: list[str]) -> dict[str, Any]:
    """Return the schema of a table that chooses a plugin.

    ``allOf`` checks the one that is chosen, so that a mistake is shown at its place. Editors complete by
    ``anyOf``, which therefore lists them too, and holds whatever stands there.
    """
    refs = {name: {"$ref": f"#/$defs/{kind}.{name}"} for name in names}
    return {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": names, "description": f"the {kind}'s plugin"}},
        "allOf": [
            {"if": {"properties": {"type": {"const": name}}, "required": ["type"]}, "then": ref}
            for name, ref in refs.items()
        ],
        "anyOf": [*refs.values(), {}],
    }


def _cleaned(part: Any) -> Any:
    """Return a schema, or a piece of one, without titles and without null, which no TOML file can hold."""
    if isinstance(part, list):
        return [_cleaned(one) for one in part]
    return _table(part) if isinstance(part, dict) else part


def _table(part: dict[str, Any]) -> dict[str, Any]:
    told = {key: part[key] for key in _TOLD if part.get(key) is not None}
    if isinstance(said := told.get("description"), str):
        told["description"] = " ".join(said.split())
    if PLUGIN_KIND in part:
        return {"$ref": f"#/$defs/any.{part[PLUGIN_KIND]}"} | told
    if part.get("writeOnly"):
        return SECRET | told
    choices = [one for one in part.get("anyOf", []) if one != {"type": "null"}]
    if len(choices) == 1:
        return _table(choices[0] | told)
    rest = {key: value for key, value in part.items() if key not in {*_TOLD, "title"}}
    return {key: (_named if key in _NAMING else _cleaned)(value) for key, value in rest.items()} | told


def _named(options: dict[str, Any]) -> dict[str, Any]:
    """Return the schemas of several names, without those that the host fills in."""
    return {name: _cleaned(value) for name, value in options.items() if name not in HIDDEN}


_TOLD = ("description", "default", "examples")
"""Keywords for people, whose values are no schemas."""
_NAMING = frozenset({"properties", "$defs"})
"""Keywords whose value is a table of names."""
