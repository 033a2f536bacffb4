"""``aoi-bridge modbus-map``: print the register map for the PLC programmer."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bridge.plugin import ConfigError
from bridge_modbus.map import Row, as_csv, as_markdown, as_text, rows, server_rows, simple_rows
from bridge_modbus.options import ModbusOptions, SimpleMap
from bridge_modbus.words import WordOrder

summary = "print the Modbus register map for the PLC programmer"

PLACES = ("ok", "ng", "done", "verdict")
SIMPLE = (*PLACES, "ok_value", "ng_value", "ok_by_silence")
FORMATS = {"csv": as_csv, "markdown": as_markdown, "table": as_text}


def options(parser: ArgumentParser) -> None:
    """Add the command's arguments; the defaults are those of the reporter."""
    fields = ModbusOptions.model_fields
    parser.add_argument("--format", choices=sorted(FORMATS), default="table", help="the form of the table")
    parser.add_argument(
        "--role",
        choices=("client", "server"),
        default="client",
        help="client: both blocks lie in the PLC; server: in the bridge, which the PLC dials (%(default)s)",
    )
    parser.add_argument(
        "--command-address",
        type=int,
        default=fields["command_address"].default,
        metavar="N",
        help="0-based address of CMD, the 29 registers that the PLC writes (%(default)s)",
    )
    parser.add_argument(
        "--status-address",
        type=int,
        default=fields["status_address"].default,
        metavar="N",
        help="0-based address of STS, the 58 registers that the bridge writes (%(default)s)",
    )
    parser.add_argument(
        "--word-order",
        choices=[str(order) for order in WordOrder],
        default=str(fields["word_order"].default),
        help="how 32-bit values lie in two registers (%(default)s)",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write there instead of to the terminal")
    _simple_options(parser)


def _simple_options(parser: ArgumentParser) -> None:
    about = "for an old program; with any place given, these places are printed and nothing else"
    group = parser.add_argument_group("a simple map instead", about)
    for name in SIMPLE:
        field = SimpleMap.model_fields[name]
        group.add_argument(
            _flag(name),
            type=type(field.default),
            default=field.default,
            choices=get_args(field.annotation) or None,
            metavar="PLACE" if name in PLACES else None,
            help=field.description,
        )


def run(args: Namespace) -> int:
    """Print or write the map; return 0.

    Raises:
        ConfigError: the addresses make no map, or the file cannot be written.
    """
    table = _table(_sound(args), args.role)
    text = FORMATS[args.format](table)
    if args.out is None:
        sys.stdout.write(text)
        return 0
    try:
        args.out.write_text(text, encoding="utf-8", newline="")
    except OSError as exc:
        raise ConfigError("modbus-map: --out", f"{args.out} cannot be written ({exc.strerror})") from exc
    return 0


def _sound(args: Namespace) -> ModbusOptions:
    """Return the options of a reporter with this map, held to what a reporter would take."""
    given: dict[str, object] = {"command_address": args.command_address, "status_address": args.status_address}
    if any(getattr(args, name) for name in PLACES):
        given["map"] = {name: getattr(args, name) for name in SIMPLE}
    try:
        return ModbusOptions.model_validate({"name": "plc", "host": "plc", "word_order": args.word_order, **given})
    except ValidationError as exc:
        raise _mistake(exc.errors()[0]) from exc


def _table(options: ModbusOptions, role: str) -> list[Row]:
    if options.map:
        return simple_rows(options.map)
    return (server_rows if role == "server" else rows)(
        options.command_address, options.status_address, options.word_order
    )


def _mistake(error: ErrorDetails) -> ConfigError:
    """Return what pydantic found as one line: the flag, what was given, what to write."""
    name = str(error["loc"][-1]) if error["loc"] else ""
    field = ModbusOptions.model_fields.get(name) if len(error["loc"]) == 1 else SimpleMap.model_fields.get(name)
    own = error["type"] == "value_error"
    found = error["msg"].removeprefix("Value error, ") if own else f"{error['input']} is out of range"
    if field is None or name == "map":  # several flags together; the text says what to write
        return ConfigError("modbus-map", f"the map {found}" if name else found)
    return ConfigError(f"modbus-map: {_flag(name)}", found, f"write {field.description}")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
