"""``aoi-bridge init``: a commented bridge.toml to start from."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bridge.config.completion import FIRST_LINE, SCHEMA, config_schema_text, loadable
from bridge.config.sample import sample
from bridge.errors import ConfigError
from bridge.plugin.discovery import installed


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("--out", type=Path, default=Path("bridge.toml"), help="the file to write (bridge.toml)")
    parser.add_argument("--source", default="hotfolder", choices=sorted(installed("source")))
    parser.add_argument(
        "--reporter", action="append", choices=sorted(installed("reporter")), help="may be given again"
    )
    parser.add_argument(
        "--schema",
        action="store_true",
        help="write bridge.schema.json beside it, by which editors complete and check",
    )


def run(args: argparse.Namespace) -> int:
    """Write the sample; an existing file is left alone."""
    text = sample(args.source, args.reporter or ("modbus", "tcp"))
    try:
        with args.out.open("x", encoding="utf-8") as file:
            file.write(FIRST_LINE + text if args.schema else text)
        if args.schema:
            schema = config_schema_text(loadable(lambda line: print(line, file=sys.stderr)))
            args.out.with_name(SCHEMA).write_text(schema, encoding="utf-8")
    except FileExistsError as exc:
        raise ConfigError(str(args.out), "is there already", "write --out with another name") from exc
    except OSError as exc:
        raise ConfigError(str(args.out), f"cannot be written ({exc.strerror})") from exc
    print(f"{args.out} is written. Edit its live lines, then: aoi-bridge check --config {args.out}")
    return 0
