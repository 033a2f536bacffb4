"""``aoi-bridge plugins``: what is installed, and what each takes."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import get_args

from pydantic.fields import FieldInfo
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bridge.errors import ConfigError
from bridge.plugin.api import Kind
from bridge.plugin.discovery import Plugin, find, installed
from bridge.plugin.options import Options
from bridge.plugin.sample import HIDDEN, plugin_sample, table_of, toml


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("name", nargs="?", help="show the options of this plugin only")
    parser.add_argument("--sample", action="store_true", help="print a table to paste into bridge.toml")


def run(args: argparse.Namespace) -> int:
    """List every installed plugin, or one in full."""
    kinds: tuple[Kind, ...] = get_args(Kind.__value__ if hasattr(Kind, "__value__") else Kind)
    chosen = [(kind, name) for kind in kinds for name in installed(kind) if args.name in (None, name)]
    if not chosen:
        known = sorted({name for kind in kinds for name in installed(kind)})
        raise ConfigError(args.name, "no plugin of this name is installed", f"write one of {', '.join(known)}")
    for kind, name in chosen:
        if args.sample:
            print(plugin_sample(kind, name))
        else:
            _show(kind, name)
    return 0


def _show(kind: Kind, name: str) -> None:
    try:
        plugin = find(kind, name)
    except ConfigError as exc:
        print(f"{kind} {name}: {exc.found}; {exc.write}\n")
        return
    Console().print(_table(plugin))


def _table(plugin: Plugin) -> Table:
    table = Table(
        title=f"{plugin.kind} {plugin.name}  ({plugin.distribution})", title_justify="left", title_style="bold"
    )
    table.add_column("option", no_wrap=True)
    table.add_column("default", overflow="fold")
    table.add_column("what to write", overflow="fold")
    for name, field in _fields(plugin.options):
        default = "(required)" if field.is_required() else field.get_default(call_default_factory=True)
        shown = default if isinstance(default, str) and field.is_required() else toml(default)
        table.add_row(name, escape("" if default is None else shown), escape(field.description or ""))
    return table


def _fields(model: type[Options], place: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield every option, and behind a list of tables what may stand in each."""
    for name, field in model.model_fields.items():
        if name not in HIDDEN:
            yield f"{place}{name}", field
            if (inner := table_of(field)) is not None:
                yield from _fields(inner, f"{place}{name}.")
