"""The command ``aoi-bridge``: one module per subcommand, errors become one line in one place."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import Any, NoReturn

from bridge.errors import BridgeError, ConfigError
from bridge.plugin.discovery import commands as plugin_commands

COMMANDS = {
    "init": "write a commented bridge.toml",
    "check": "validate bridge.toml and try every peer",
    "run": "run the gateway",
    "status": "show how the running gateway does",
    "reload": "have the running gateway read bridge.toml again",
    "stage": "take a line live, or back to shadow",
    "models": "list, promote and roll back models",
    "label": "say what is true of a part: what is to be labelled, sheets, import and export",
    "audit": "show who changed what, and verify that nobody changed the log",
    "outbox": "list what peers are owed; retry or drop what they refused",
    "bypass": "let the inspector's verdict count for an approved time",
    "reset": "clear a line's error",
    "plugins": "list what is installed, with its options",
    "plugin": "write a new plugin, or hold one to the contract",
    "schema": "print the JSON Schema of a part, an answer or a decision",
    "data": "check labelled pictures, and see where and how a model will look",
    "cam": "see where a judge looks in labelled pictures",
    "maps": "write where a judge looked as pictures and JSON, for a console",
    "train": "train a judge on labelled pictures",
    "teacher": "distil or import what an anomaly judge learns from",
    "compare": "see which of several judges to choose: trained for it, or finished",
    "adapt": "fit a judge to a new line with unlabelled pictures",
    "evaluate": "show what a judge is worth on parts that it has never seen",
    "calibrate": "set a judge's threshold so that a stated risk is kept",
    "replay": "judge a month's archived pictures again, with another bundle or threshold",
    "bundle": "import a model trained elsewhere; show or verify a bundle",
    "shadow": "plan the month beside the old machine, and report what it showed",
    "sniff": "record an unknown machine, propose how to read it, replay that",
    "simulate": "play an old AOI, a PLC or an MES",
    "demo": "see it work: simulated lines, real protocols",
}
"""Each is a module of this package with ``options(parser)`` and ``run(args)``; plugins may add more."""


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""Why something cannot be written, our own output too where it goes to a file."""
_CLOSED = frozenset(
    {
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.EEXIST,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.ENAMETOOLONG,
        errno.ELOOP,
    }
)
"""Why a place is not open to this user, or is no place for what goes there."""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; write {self.prog} --help to see what it takes\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; return the exit status, 2 for a user's mistake."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = _Parser(prog="aoi-bridge", description="A second opinion for an old vision inspector.")
    parser.add_argument("--version", action="version", version=f"aoi-bridge {version('aoi-bridge')}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if words[:1] == [name]:
            _declare(command, import_module(f"bridge.cli.{name}"))
    try:
        _add_plugins(commands, words)
        args = parser.parse_args(words)
        status: int = args.run(args)
        if sys.stdout is not None:  # None: it was closed
            sys.stdout.flush()
    except BrokenPipeError:
        _leave_nothing_to_write()  # whoever read our output has gone
        return 141
    except ConfigError as exc:
        print(exc, file=sys.stderr)  # each line names its place first
        return 2
    except BridgeError as exc:
        print(f"aoi-bridge: {exc}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("aoi-bridge: interrupted", file=sys.stderr)
        return 130
    except OSError as exc:
        if (line := _of_the_disk(exc)) is None:
            raise
        print(line, file=sys.stderr)
        return 2
    return status


def _of_the_disk(error: OSError) -> str | None:
    """Return what a person does about a disk that is full, or does not let us; None: it is no such error."""
    if error.filename is not None:
        if error.errno not in _FULL | _CLOSED:
            return None
        return f"{os.fsdecode(error.filename)}: {error.strerror}; make room there, or write another place"
    if error.errno not in _FULL:
        return None
    try:
        sys.stdout.flush()
    except OSError:
        _leave_nothing_to_write()
        return f"aoi-bridge: what it has to say cannot be written ({error.strerror})"
    return f"aoi-bridge: {error.strerror}; make room, and write the same command again"


def _leave_nothing_to_write() -> None:
    """Let what is still in the buffer go nowhere, else the interpreter tries it again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _add_plugins(commands: Any, words: Sequence[str]) -> None:
    """Add what plugins bring, each as it describes itself; loaded only where it is asked for, or listed."""
    listed = words[:1] in ([], ["-h"], ["--help"])
    for name, load in plugin_commands().items():
        if words[:1] == [name]:
            module = load()
            summary = str(getattr(module, "summary", name))
            _declare(
                commands.add_parser(name, help=summary, description=f"{summary[:1].upper()}{summary[1:]}."), module
            )
        else:
            commands.add_parser(name, help=_described(load) if listed else "")


def _described(load: Callable[[], Any]) -> str:
    try:
        summary = str(getattr(load(), "summary", "a plugin's command"))
    except ConfigError as exc:
        summary = str(exc)
    return summary.replace("%", "%%")


def _declare(parser: argparse.ArgumentParser, module: ModuleType) -> None:
    module.options(parser)
    parser.set_defaults(run=module.run)
