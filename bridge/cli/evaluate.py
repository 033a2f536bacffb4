"""``aoi-bridge evaluate``: what a bundle is worth on pictures that it has never seen, as a page and as JSON."""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge.cli import measured, outlet
from bridge.cli.numbers import said_auc, share
from bridge.durable import replace_text
from bridge.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bridge.cli.measured import Meeting
    from bridge.learning.evaluation import Evaluation


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
    add("--all", action="store_true", help="also what the bundle has seen: says how well it remembers")


def run(args: argparse.Namespace) -> int:
    """Judge every picture as the line would, print the outcome, and write the report."""
    from bridge.learning import evaluation, evaluation_page, exhibits, scoring  # noqa: PLC0415 - the help needs none of it

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
    mapped = _mapped(args, met, one)
    provenance = _provenance(met, one, said)
    shown = exhibits.Exhibits(met.model, evaluation_page.shown(one))
    page = evaluation_page.page_of(one, manifest, provenance, shown.picture)
    for path, text in (
        (_beside(out, ".html"), page),
        (_beside(out, ".json"), evaluation.encoded(one, provenance, mapped)),
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


def _mapped(args: argparse.Namespace, met: Meeting, one: Evaluation) -> dict[str, Any]:
    """Print what an anomaly bundle is worth by picture and by pixel, and return it for the JSON."""
    if met.model.manifest.kind != "anomaly":
        if args.polygons:
            raise ConfigError("--polygons", "means something to anomaly bundles alone", "leave it out, or see cam")
        return {}
    from bridge.learning import map_evaluation, mapping  # noqa: PLC0415 - the help needs none of it

    with measured.bar("mapping") as told:
        found = mapping.evaluated(met.model, one.scored, one.threshold, args.polygons, told)
    for line in map_evaluation.lines(found):
        print(line)
    return {"anomaly": map_evaluation.facts(found)}


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
