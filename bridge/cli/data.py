"""``aoi-bridge data``: look at labelled pictures before anything is trained on them."""

from __future__ import annotations

import argparse

from bridge.cli import data_augment, data_check, data_roi

_VERBS = {
    "check": (data_check, "say whether labelled pictures and their split can be trusted, and find copies"),
    "roi": (data_roi, "show where a model will look and what it will be shown"),
    "augment": (data_augment, "show what a policy of augmentation does to pictures, or print one"),
}


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs and their flags."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, (module, summary) in _VERBS.items():
        verb = verbs.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        module.options(verb)
        verb.set_defaults(does=module.run)


def run(args: argparse.Namespace) -> int:
    """Do what the verb says."""
    status: int = args.does(args)
    return status
