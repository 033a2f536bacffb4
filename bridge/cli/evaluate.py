"""``aoi-bridge evaluate``: what a bundle is worth on pictures that it has never seen, as a page and as JSON."""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge.cli import measured, outlet
from bridge.cli.numbers import nonzero_share, said_auc, share
from bridge.durable import replace_text
from bridge.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bridge.cli.measured import Meeting
    from bridge.learning.evaluation import Evaluation
    from bridge.learning.exhibits import Drawn
    from bridge.learning.map_evaluation import MapEvaluation


def options(parser: argparse.ArgumentParser) -> None:
    """Add what ``aoi-bridge evaluate`` takes."""
    measured.options(parser)
    add = parser.add_argument
    add(
        "--out",
        type=Path,
        metavar="NAME",
        help="writes NAME.html and NAME.json (default: evaluation-MODEL-VERSION)",
    )
    add("--threshold", type=share, help="another threshold than the bundle's")
    add(
        "--polygons",
        type=Path,
        metavar="FOLDER",
        help="anomaly: defects as labelme files, where there are no masks",
    )
    add(
        "--overlap",
        nargs="+",
        type=nonzero_share,
        default=[],
        metavar="SHARE",
        help="detector: what a box shares with a true one to be right (default: 0.33 0.5)",
    )
    add("--all", action="store_true", help="also what the bundle has seen: says how well it remembers")


def run(args: argparse.Namespace) -> int:
    """Judge every picture as the line would, print the outcome, and write the report."""
    from bridge.learning import (  # noqa: PLC0415 - the help needs none of these
        evaluation,
        evaluation_page,
        exhibits,
        map_page,
        scoring,
    )

    met = measured.meeting(args)
    manifest = met.model.manifest
    out = args.out or Path(f"evaluation-{manifest.name}-{manifest.version}")
    outlet.folder(out.parent)
    places, said = _chosen(met, everything=args.all)
    print(said)
    with measured.bar("judging") as told:
        scored = scoring.score(met.model, met.collection.take(places), told)
    one = evaluation.Evaluation(
        scored=scored, threshold=manifest.threshold if args.threshold is None else args.threshold
    )
    if not len(one.parts.names):
        raise ConfigError(str(args.data), "holds no part that could be judged", _first_failure(one))
    _report(one)
    mapped, boxed = _mapped(args, met, one), _boxed(args, met, one)
    provenance = _provenance(met, one, said)
    items = (*evaluation_page.shown(one), *(map_page.shown(one, mapped) if mapped else ()))
    show = exhibits.Exhibits(met.model, tuple(dict.fromkeys(items)), _drawn(args, one, mapped)).picture
    maps = map_page.section(one, mapped, show) if mapped else None
    page = evaluation_page.page_of(one, manifest, provenance, show, maps)
    for path, text in (
        (_beside(out, ".html"), page),
        (_beside(out, ".json"), evaluation.encoded(one, provenance, _facts(one, mapped) | boxed)),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, text)
        print(f"written: {path}")
    return 0


def _chosen(met: Meeting, *, everything: bool) -> tuple[NDArray[np.intp], str]:
    """Return which pictures are judged, and in words which those are."""
    import numpy as np  # noqa: PLC0415 - the help needs none of it

    divided, total = met.divided, len(met.collection.items)
    if everything:
        known = measured.left_out(divided)
        memory = f", of which {known}: this says how well it remembers" if known else ""
        return np.arange(total), f"all {total:,} pictures{memory}"
    if len(divided.fresh):
        known = measured.left_out(divided)
        return divided.fresh, f"{len(divided.fresh):,} of {total:,} pictures; left out: {known or 'none'}"
    if len(divided.calibration):
        return divided.calibration, (
            f"{len(divided.calibration):,} of {total:,} pictures, on which the threshold was calibrated: what "
            "it does on them is no new evidence"
        )
    advice = "add parts that it was not trained on, or write --all to see how well it remembers"
    raise ConfigError(str(met.collection.where), f"was all seen ({measured.left_out(divided)})", advice)


def _report(one: Evaluation) -> None:
    for level in one.levels:
        print(
            f"by {level.unit}: {level.false_calls.events} false calls of {level.false_calls.trials} good, "
            f"{level.escapes.events} escapes of {level.escapes.trials} bad, "
            f"{said_auc(level.auc.value, level.auc.low, level.auc.high)}"
        )
    if one.scored.failures:
        print(f"{len(one.scored.failures)} pictures could not be judged; {_first_failure(one)}")


def _drawn(args: argparse.Namespace, one: Evaluation, mapped: MapEvaluation | None) -> Drawn:
    """Return what tells where a person drew the defect of a bad picture; nowhere, if there is no map beside it."""
    from bridge.learning import exhibits, masks  # noqa: PLC0415 - the help needs none of it

    if mapped is None:
        return exhibits.nowhere
    bad = {item.path for item, ill in zip(one.scored.items, one.scored.bad.tolist(), strict=True) if ill}
    return lambda item: masks.drawn(item, args.polygons) if item.path in bad else None


def _facts(one: Evaluation, mapped: MapEvaluation | None) -> dict[str, Any]:
    """Return for the JSON what an anomaly bundle is worth, and of each drawn defect how well it is found."""
    if mapped is None:
        return {}
    from bridge.learning import evaluation, map_evaluation  # noqa: PLC0415 - the help needs none of it

    found = []
    if (drawing := mapped.drawing) is not None:
        names = [one.scored.items[place].path.name for place in drawing.worst]
        figures = [evaluation.number(drawing.own[place]) for place in drawing.worst]
        found = [{"file": name, "pro": figure} for name, figure in zip(names, figures, strict=True)]
    return {"anomaly": map_evaluation.facts(mapped) | {"drawn": found}}


def _mapped(args: argparse.Namespace, met: Meeting, one: Evaluation) -> MapEvaluation | None:
    """Return what an anomaly bundle is worth by picture and by pixel, and print it; None for another."""
    if met.model.manifest.kind != "anomaly":
        if args.polygons:
            raise ConfigError("--polygons", "means something to anomaly bundles alone", "leave it out, or see cam")
        return None
    from bridge.learning import map_evaluation, mapping  # noqa: PLC0415 - the help needs none of it

    with measured.bar("mapping") as told:
        found = mapping.evaluated(met.model, one.scored, one.threshold, args.polygons, told)
    for line in map_evaluation.lines(found):
        print(line)
    return found


def _boxed(args: argparse.Namespace, met: Meeting, one: Evaluation) -> dict[str, Any]:
    """Print what a detector's boxes are worth where the set has some, and return it for the JSON."""
    drawn = any(item.marks for item in one.scored.items)
    if met.model.manifest.kind != "detector" or not drawn:
        if args.overlap:
            raise ConfigError("--overlap", "means something to detectors on sets with boxes alone", "leave it out")
        return {}
    from bridge.learning.detection import evaluation as boxes  # noqa: PLC0415 - the help needs none of it

    with measured.bar("finding boxes") as told:
        found = boxes.evaluated(met.model, one.scored, one.threshold, args.overlap or boxes.OVERLAPS, told)
    for line in boxes.lines(found):
        print(line)
    return {"boxes": boxes.facts(found)}


def _first_failure(one: Evaluation) -> str:
    first = one.scored.failures[0]
    return f"the first: {first.item.path}: {first.why}"


def _provenance(met: Meeting, one: Evaluation, said: str) -> list[tuple[str, object]]:
    manifest = met.model.manifest
    scored = one.scored
    return [
        ("bundle", met.model.identity),
        ("precision", str(manifest.precision)),
        ("threshold", f"{one.threshold:.6g}"),
        ("made", manifest.made_at or "unknown"),
        ("made from", manifest.parent or "nothing"),
        ("training data", manifest.training_data or "unknown"),
        ("pictures", said),
        ("these pictures", scored.digest),
        ("groups", len(set(scored.groups))),
        ("not judged", len(scored.failures)),
        ("made with", f"aoi-bridge {version('aoi-bridge')}, openvino {version('openvino')}"),
    ]


def _beside(out: Path, suffix: str) -> Path:
    """Return NAME.html for NAME as well as for NAME.html, whatever dots a name has."""
    return out.with_suffix(suffix) if out.suffix in {".html", ".json"} else out.with_name(out.name + suffix)
