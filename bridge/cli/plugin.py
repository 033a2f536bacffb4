"""``aoi-bridge plugin``: what the author of a plugin needs, from an empty folder to the contract kept."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from rich.console import Console
from rich.markup import escape

from bridge.errors import ConfigError
from bridge.log import configure
from bridge.plugin.api import Kind
from bridge.plugin.discovery import installed
from bridge.plugin.scaffold import write

if TYPE_CHECKING:
    from bridge.plugin.testkit import Finding, Rule, Subject

KINDS: tuple[Kind, ...] = get_args(Kind)
WRITTEN: tuple[Kind, ...] = ("source", "reporter", "judge")
"""The kinds of which there are templates."""
NEEDS = "pip install 'aoi-bridge[kit]'"
_SHOWN = {"holds": "green", "fails": "bold red", "missing": "yellow", "not applicable": "dim"}


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the two verbs and their flags."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    new = verbs.add_parser("new", help="write a package that passes its own tests", description=_NEW)
    new.add_argument("name", help="small letters, digits and _, for instance melsec")
    new.add_argument("--kind", choices=WRITTEN, required=True, help="what it is to be")
    new.add_argument("--out", type=Path, default=Path(), help="where its folder is made (here)")
    new.set_defaults(does=_new)
    test = verbs.add_parser("test", help="hold an installed plugin to the contract", description=_TEST)
    test.add_argument("name", help="the plugin, as in type = …")
    test.add_argument("--kind", choices=KINDS, help="only the plugin of this kind, where there are several")
    test.add_argument("--rule", action="append", metavar="ID", help="only this rule; may be given several times")
    test.add_argument("--cases", type=Path, metavar="FOLDER", help="also replay the recorded streams below it")
    test.set_defaults(does=_test)


_NEW = "Write a package with options, codec, peer, sample, README and tests; replace its codec by your protocol."
_TEST = "Try every rule of the contract on an installed plugin; exit status 1 unless each holds or does not apply."


def run(args: argparse.Namespace) -> int:
    """Do what the verb says."""
    status: int = args.does(args)
    return status


def _new(args: argparse.Namespace) -> int:
    files = write(args.name, args.kind, args.out)
    folder = args.out / f"bridge_{args.name}"
    for path in files:
        print(path)
    print(f"\nNow: cd {folder} && pip install -e '.[test]' && pytest && aoi-bridge plugin test {args.name}")
    return 0


def _test(args: argparse.Namespace) -> int:
    kinds = [kind for kind in KINDS if args.name in installed(kind) and args.kind in {None, kind}]
    if not kinds:
        known = sorted({name for kind in KINDS for name in installed(kind) if args.kind in {None, kind}})
        raise ConfigError(args.name, "no plugin of this name is installed", f"write one of {', '.join(known)}")
    try:
        from bridge.plugin import testkit  # noqa: PLC0415 - it needs what a gateway does not
    except ModuleNotFoundError as exc:
        raise ConfigError(
            "aoi-bridge plugin test", f"needs the Python package {exc.name}, which is missing", f"write {NEEDS}"
        ) from exc
    _known(args.rule or (), testkit.RULES)
    configure(level="critical")  # what a plugin logs of a bad peer is no news here
    console = Console(highlight=False)
    wanting = False
    for kind in kinds:
        for subject in testkit.subjects(kind, args.name):
            asked = [one for one in testkit.rules_for(kind) if not args.rule or one.id in args.rule]
            if args.cases is not None and kind == "source" and not subject.variant:
                asked += testkit.case_rules(_folder(args.cases))
            console.print(f"[bold]{escape(subject.name)}[/]  ({escape(subject.plugin.distribution)})")
            wanting |= _shown(console, _proven(subject, asked))
    return 1 if wanting else 0


def _folder(cases: Path) -> Path:
    if not cases.is_dir():
        raise ConfigError(f"--cases {cases}", "is no folder", "write one that holds a folder for each case")
    return cases


def _known(asked: tuple[str, ...] | list[str], rules: dict[str, Rule]) -> None:
    for name in asked:
        if name not in rules:
            raise ConfigError(f"--rule {name}", "there is no such rule", f"write one of {', '.join(rules)}")


def _proven(subject: Subject, asked: list[Rule]) -> Iterator[Finding]:
    """Try the rules one after the other; Ctrl-C ends it, also where it comes while what was left is collected."""
    from bridge.plugin.testkit import prove  # noqa: PLC0415 - as above

    struck: list[int] = []

    def strike(number: int, _: object) -> None:
        struck.append(number)
        raise KeyboardInterrupt

    usual = signal.signal(signal.SIGINT, strike)
    try:
        for one in asked:
            found = prove(one, subject)
            if struck:
                raise KeyboardInterrupt
            yield found
    finally:
        signal.signal(signal.SIGINT, usual)


def _shown(console: Console, findings: Iterator[Finding]) -> bool:
    """Print each finding when it is made, and their sum; return whether any rule is not known to hold."""
    outcomes: list[str] = []
    for found in findings:
        outcomes.append(found.outcome.value)
        style = _SHOWN[found.outcome.value]
        console.print(f"  [{style}]{found.outcome.value:<15}[/] {escape(found.rule.says)}", soft_wrap=True)
        if found.said:
            console.print(f"  {'':<15} [dim]{escape(found.rule.id)}:[/] {escape(found.said)}", soft_wrap=True)
    counted = ", ".join(f"{outcomes.count(one)} {one}" for one in _SHOWN if one in outcomes)
    console.print(f"  {counted}\n")
    return bool({"fails", "missing"} & set(outcomes))
