"""The flags of ``aoi-bridge bundle import`` that say how a detector's boxes are read, and which of them count."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from bridge.cli.numbers import share
from bridge.errors import ConfigError

if TYPE_CHECKING:
    from bridge.judging.spec import Detection, Fit

ORDERS: Final = ("nhwc", "nchw")
LAYOUTS: Final = ("yolov5", "yolov8", "yolox", "end2end")
THRESHOLD: Final = 0.2
"""NG if any box scores over 0.8."""
_LETTERBOXES: Final[Mapping[str, Fit]] = {"centre": "centre", "corner": "corner", "none": "stretch"}


def options(parser: argparse.ArgumentParser) -> None:
    """Add what only a detector takes; without it, the manifest's own defaults hold."""
    add = parser.add_argument
    add(
        "--letterbox",
        choices=_LETTERBOXES,
        help="where a picture lies in a detector's input: in the middle, in its corner, or stretched over it "
        "(corner for yolox, otherwise centre)",
    )
    add("--least-score", type=share, metavar="SHARE", help="what is less sure is no box (0.01)")
    add("--largest-overlap", type=share, metavar="SHARE", help="of boxes that share more, the surest stays (0.45)")
    add("--most-boxes", type=int, metavar="N", help="the surest so many stay, 1 to 16 (16)")
    add("--nothing", default="ok", metavar="NAME", help="what a view is called in which nothing was found (ok)")


def detection(args: argparse.Namespace) -> Detection | None:
    """Return how boxes are read; None for a classifier.

    Raises:
        ConfigError: a flag is missing, or is the other kind's.
    """
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - the help does not need it

    from bridge.judging.spec import Detection  # noqa: PLC0415 - same

    said = {name: getattr(args, name) for name in ("least_score", "largest_overlap", "most_boxes")}
    said = {name: value for name, value in said.items() if value is not None}
    if args.kind == "classifier":
        _hold_classifier(args, said)
        return None
    if args.layout not in LAYOUTS:
        raise ConfigError("--layout", "does not say how the boxes lie", f"write {', '.join(LAYOUTS)}")
    if args.output is not None:
        raise ConfigError("--output", "means nothing to a detector", "leave it out")
    try:
        return TypeAdapter(Detection).validate_python({"layout": args.layout, **said})
    except ValidationError as exc:
        first = exc.errors()[0]
        raise ConfigError(f"--{str(first['loc'][0]).replace('_', '-')}", first["msg"]) from exc


def _hold_classifier(args: argparse.Namespace, said: dict[str, object]) -> None:
    """Refuse what means nothing to a classifier, and ask for what it needs."""
    given = [*said, *(["letterbox"] if args.letterbox else []), *(["layout"] if args.layout in LAYOUTS else [])]
    if given:
        raise ConfigError(
            f"--{given[0].replace('_', '-')}", "means nothing to a classifier", "write --kind detector"
        )
    if args.output is None:
        raise ConfigError("--output", "is missing", "write logits or probabilities")
    if args.threshold is None:
        raise ConfigError("--threshold", "is missing", "write the p(OK) from which a view is OK, as 0.5")


def fit(args: argparse.Namespace) -> Fit:
    """Return how a picture takes the size of the model's input."""
    if args.kind == "classifier":
        return "stretch"
    return _LETTERBOXES[args.letterbox or ("corner" if args.layout == "yolox" else "centre")]
