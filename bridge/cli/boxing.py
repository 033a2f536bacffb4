"""The flags of every command that writes a bundle's limits for boxes: what of a heat map is hot, and counts."""

from __future__ import annotations

import argparse
from argparse import ArgumentTypeError
from dataclasses import replace
from typing import Any

from bridge.cli.numbers import count, nonzero_share, share
from bridge.errors import ConfigError
from bridge.judging.spec import HeatMapOutput

FLAGS = {
    "--hot": "peak_share",
    "--smallest-box": "smallest_share",
    "--largest-box": "largest_share",
    "--most-boxes": "most_boxes",
}
_MOST = 16
_PLAIN = HeatMapOutput()


def options(parser: argparse.ArgumentParser, otherwise: str = "") -> None:
    """Add what is hot and which boxes count.

    Args:
        parser: of the command.
        otherwise: whose limits hold where nothing is said; empty: the usual ones.
    """

    def add(flag: str, said: str, **how: Any) -> None:
        default = otherwise or f"{getattr(_PLAIN, FLAGS[flag]):g}"
        parser.add_argument(flag, dest=FLAGS[flag], help=f"{said} (default: {default})", **how)

    add("--hot", "what has this share of a heat map's peak is boxed", type=nonzero_share, metavar="SHARE")
    add("--smallest-box", "boxes below this share of the region are left out", type=share, metavar="SHARE")
    add("--largest-box", "boxes above it are left out", type=nonzero_share, metavar="SHARE")
    add("--most-boxes", f"the hottest so many are kept, 1 to {_MOST}", type=_few, metavar="N")


def limits(args: argparse.Namespace, before: HeatMapOutput | None) -> HeatMapOutput:
    """Return the limits that hold: those that are written, and before them the bundle's or the usual ones.

    Raises:
        ConfigError: no box could count.
    """
    found = replace(before or _PLAIN, **_written(args))
    if found.smallest_share > found.largest_share:
        said = f"leaves no box: the largest is {found.largest_share:g}"
        raise ConfigError(f"--smallest-box {found.smallest_share:g}", said, "write --largest-box above it")
    return found


def given(args: argparse.Namespace) -> str:
    """Return the first of the flags that is written; empty where none is."""
    return next((flag for flag, name in FLAGS.items() if name in _written(args)), "")


def _written(args: argparse.Namespace) -> dict[str, Any]:
    said = {name: getattr(args, name) for name in FLAGS.values()}
    return {name: value for name, value in said.items() if value is not None}


def _few(text: str) -> int:
    number = count(text)
    if number > _MOST:
        raise ArgumentTypeError(f"{text} are too many to look at; write a number from 1 to {_MOST}")
    return number
