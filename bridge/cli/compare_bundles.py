"""``aoi-bridge compare DATA --bundles``: finished bundles of any kind on the same pictures; without TensorFlow."""

from __future__ import annotations

import argparse
import json
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from bridge.cli import measured, outlet, written
from bridge.durable import replace_text
from bridge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.cli.measured import Meeting
    from bridge.learning.map_evaluation import MapEvaluation
    from bridge.learning.scoring import Scored
    from bridge.learning.side_by_side import Entry

FLAGS = ("--bundles", "--polygons", "--all", "--other-names")
"""What means nothing to trainings that are compared, but for the first."""
_SHARED = ("--ok", "--groups", "--parts", "--views", "--labels", "--split", "--out")


def options(parser: argparse.ArgumentParser) -> None:
    """Add what only finished bundles take."""
    add = parser.add_argument_group(
        "with --bundles: finished judges of any kind instead of trainings"
    ).add_argument
    add(
        "--bundles",
        nargs="+",
        default=[],
        metavar="BUNDLE",
        help="models/pins@live, models/pins@3 or a folder: AUROC, PRO, training time, latency and size of each",
    )
    add("--polygons", type=Path, metavar="FOLDER", help="defects as labelme files, where there are no masks")
    add("--all", action="store_true", help="also what the bundles have seen: says how well they remember")
    add(
        "--other-names",
        action="store_true",
        help="groups of DATA that are called like groups of the training data are other ones",
    )


def run(args: argparse.Namespace) -> int:
    """Judge the same pictures with each, print the table and write it."""
    written.refuse_all_but(args, (*FLAGS, *_SHARED), "--bundles")
    from bridge.learning import side_by_side, side_by_side_page  # noqa: PLC0415 - the help needs none of it

    outlet.folder(args.out)
    met = [measured.meeting(argparse.Namespace(**vars(args), bundle=text)) for text in args.bundles]
    _refuse(args, met)
    scored = _scored(args, met)
    entries = _measured(args, met, scored)
    _print(entries)
    provenance = _provenance(args, met, scored)
    page = args.out / "comparison.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    replace_text(page, side_by_side_page.page_of(entries, provenance))
    facts = {
        "bundles": side_by_side.facts(entries),
        "provenance": {name: str(one) for name, one in provenance},
    }
    replace_text(page.with_suffix(".json"), json.dumps(facts, indent=1, allow_nan=False) + "\n")
    print(f"written: {page} and {page.with_suffix('.json')}")
    return 0


def _refuse(args: argparse.Namespace, met: Sequence[Meeting]) -> None:
    if args.polygons and all(one.model.manifest.kind != "anomaly" for one in met):
        raise ConfigError("--polygons", "means something to anomaly bundles alone", "leave it out, or see cam")
    names = [one.model.identity for one in met]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ConfigError("--bundles", f"{twice} is there twice", "write each once")


def _scored(args: argparse.Namespace, met: Sequence[Meeting]) -> list[Scored]:
    """Return what each says of the pictures that all can be asked about, and could judge."""
    from bridge.learning import scoring, side_by_side  # noqa: PLC0415 - the help needs none of it

    places = side_by_side.common([(one.collection, one.divided) for one in met], everything=args.all)
    said = []
    for one, chosen in zip(met, places, strict=True):
        with measured.bar(f"{one.model.manifest.name} {one.model.manifest.version}") as told:
            said.append(scoring.score(one.model, one.collection.take(chosen), told))
    return side_by_side.judged_by_all(said)


def _measured(args: argparse.Namespace, met: Sequence[Meeting], scored: Sequence[Scored]) -> tuple[Entry, ...]:
    from bridge.learning import latency, side_by_side  # noqa: PLC0415 - the help needs none of it

    models = [one.model for one in met]
    if not scored[0].items:
        raise ConfigError(str(args.data), "holds no picture that all bundles could judge", "see evaluate of each")
    worth = [_worth(args, one, said) for one, said in zip(met, scored, strict=True)]
    with measured.bar("timing") as told:
        took = latency.measured(models, scored[0].items[0], told=told)
    return side_by_side.table(models, scored, worth, took)


def _worth(args: argparse.Namespace, one: Meeting, scored: Scored) -> MapEvaluation:
    from bridge.learning import map_evaluation, mapping  # noqa: PLC0415 - the help needs none of it

    threshold = one.model.manifest.threshold
    if one.model.manifest.kind != "anomaly":
        return map_evaluation.evaluated(scored.scores, scored.bad, scored.groups, threshold)
    with measured.bar("mapping") as told:
        return mapping.evaluated(one.model, scored, threshold, args.polygons, told)


def _print(entries: Sequence[Entry]) -> None:
    from bridge.learning import side_by_side_page  # noqa: PLC0415 - the help needs none of it

    console = Console(width=None if sys.stdout.isatty() else 160)
    for headers, cells in (
        (side_by_side_page.HEADERS, side_by_side_page.cells),
        (side_by_side_page.SURE, side_by_side_page.sure),
    ):
        shown = Table(*headers)
        for one in entries:
            shown.add_row(*cells(one))
        console.print(shown)
    console.print(side_by_side_page.lead(entries), highlight=False)


def _provenance(
    args: argparse.Namespace, met: Sequence[Meeting], scored: Sequence[Scored]
) -> list[tuple[str, object]]:
    items = scored[0].items
    cores = len(os.sched_getaffinity(0))
    out = [
        f"{one.model.manifest.name} {one.model.manifest.version}: {known}"
        for one in met
        if (known := measured.left_out(one.divided))
    ]
    which = "none was left out for having been seen" if args.all else f"left out: {'; '.join(out) or 'none'}"
    return [
        ("pictures", f"{len(items)} of {len(met[0].collection.items)} in {args.data}, {which}"),
        ("groups", len({item.group for item in items})),
        ("these pictures", scored[0].digest),
        *((f"bundle {place}", one.model.identity) for place, one in enumerate(met, 1)),
        ("edge", f"{max(1, cores - 1)} of {cores} processor cores, one view at a time"),
        ("made with", f"aoi-bridge {version('aoi-bridge')}, openvino {version('openvino')}"),
    ]
