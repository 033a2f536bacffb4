"""Which flags a person wrote, whatever their values: one that would change nothing is refused in one line."""

from __future__ import annotations

import argparse
from collections.abc import Container
from typing import Any

from bridge.errors import ConfigError


class _Noted(argparse.Action):
    """Stores what is written, as argparse does, and notes the flag."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse passes it
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        setattr(namespace, self.dest, values)
        if option_string is not None:
            namespace.written = (*getattr(namespace, "written", ()), self.option_strings[0])


class _Switch(_Noted):
    """The same for a flag without a value."""

    def __init__(self, option_strings: list[str], dest: str, **named: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **{"default": False, **named})

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,  # noqa: ARG002 - there are none
        option_string: str | None = None,
    ) -> None:
        super().__call__(parser, namespace, True, option_string)  # noqa: FBT003 - what argparse would pass


def noted(parser: argparse.ArgumentParser) -> None:
    """Have a command note its flags; before any is added."""
    parser.register("action", None, _Noted)
    parser.register("action", "store_true", _Switch)
    parser.set_defaults(written=())


def refuse(args: argparse.Namespace, flags: Container[str], beside: str) -> None:
    """Refuse flags that would change nothing.

    Args:
        args: of a command that was ``noted``.
        flags: those.
        beside: what makes them mean nothing, as it is written.

    Raises:
        ConfigError: one of them was written.
    """
    for flag in getattr(args, "written", ()):
        if flag in flags:
            raise ConfigError(flag, f"means nothing to {beside}", "leave it out")


def refuse_all_but(args: argparse.Namespace, flags: Container[str], beside: str) -> None:
    """Refuse every flag but these, as ``refuse`` does.

    Raises:
        ConfigError: another one was written.
    """
    refuse(args, [flag for flag in getattr(args, "written", ()) if flag not in flags], beside)
