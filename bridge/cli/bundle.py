"""``aoi-bridge bundle``: make one of a model that was trained elsewhere or of a picture; show and verify any."""

from __future__ import annotations

import argparse
import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.cli import detecting, templating
from bridge.cli.detecting import LAYOUTS, ORDERS
from bridge.cli.numbers import size

if TYPE_CHECKING:
    from bridge.judging.bundle import Bundle

_STARTS_WITH_A_DIGIT = re.compile(r"^-\d")


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the actions and their flags."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _import_options(actions.add_parser("import", help="make a bundle of an ONNX file or a SavedModel folder"))
    templating.options(actions.add_parser("template", help="make a bundle of a golden picture, without learning"))
    for name, summary in (
        ("show", "say in words what is in a bundle, and hold its files to their hashes"),
        ("verify", "hold its files to their hashes, run it, and judge its golden pictures"),
    ):
        action = actions.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        action.add_argument("bundle", help="a bundle's folder, or a model's, which may end in @live or @VERSION")


def _import_options(parser: argparse.ArgumentParser) -> None:
    parser._negative_number_matcher = _STARTS_WITH_A_DIGIT  # noqa: SLF001 - so that -1..1 is a value, not a flag
    add = parser.add_argument
    add("model", type=Path, help="an ONNX file, a SavedModel folder or an OpenVINO .xml")
    add("--kind", choices=("classifier", "detector"), default="classifier", help="what it is (classifier)")
    add("--name", required=True, help="what the model is called, as in judge.NAME.model")
    add(
        "--classes",
        nargs="+",
        required=True,
        metavar="NAME=OK|NG",
        help="the classes in the order of its outputs; of a detector, those of its boxes",
    )
    add("--size", type=size, required=True, metavar="WxH", help="what it is shown, in pixels")
    add("--colour", choices=("rgb", "bgr", "gray"), default="rgb", help="the order of its channels (rgb)")
    add("--normalise", required=True, metavar="HOW", help="imagenet, -1..1, 0..1, 0..255, caffe or scale,mean,std")
    add("--output", choices=("logits", "probabilities"), help="what the numbers of a classifier are")
    add(
        "--threshold",
        type=float,
        help="a view is OK from this p(OK) on, above 0 and up to 1; a detector's is 1 - (how sure its surest box "
        "is), so that 0.2, the default, is NG if any scores over 0.8",
    )
    add(
        "--layout",
        choices=(*ORDERS, *LAYOUTS),
        help="the order of a classifier's axes, where its shape does not say; how a detector's boxes lie",
    )
    add("--tensor", default="", metavar="NAME", help="the output that is meant, where it has several")
    detecting.options(parser)
    add("--roi", metavar="cx,cy,w,h", help="where to look, in pixels of the original picture")
    add(
        "--golden",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="pictures of bad parts: it must reject them",
    )
    add(
        "--precision",
        choices=("f32", "bf16"),
        default="f32",
        help="f32 (as it is), or bf16 where the processor has it",
    )
    add("--out", type=Path, help="the model's folder; the bundle goes to OUT/VERSION (models/NAME)")


def run(args: argparse.Namespace) -> int:
    """Import, compare, show or verify; exit status 2 with one line where that fails."""
    if args.action == "import":
        return _import(args)
    if args.action == "template":
        return templating.run(args)
    from bridge.judging import shelf  # noqa: PLC0415 - the help does not need it

    folder = shelf.located(args.bundle)
    return _show(folder) if args.action == "show" else _verify(folder)


def _import(args: argparse.Namespace) -> int:
    from bridge.cli import importing  # noqa: PLC0415 - OpenVINO, which the help does not need

    made, remarks = importing.imported(args)
    print(f"written: {made.identity} in {made.folder}")
    for line in remarks:
        print(f"note: {line}")
    return 0


def _show(folder: Path) -> int:
    from bridge.cli import bundle_words  # noqa: PLC0415 - the help does not need it
    from bridge.judging import bundle  # noqa: PLC0415 - same

    found = bundle.load(folder)
    print(found.identity)
    for what, said in bundle_words.words(found):
        print(f"  {what:<11}{said}")
    return 0


def _verify(folder: Path) -> int:
    from bridge.judging import bundle  # noqa: PLC0415 - the help does not need it

    found = bundle.load(folder)
    print(f"{found.identity}: its {len(found.manifest.files)} files are as they were made")
    return _run(found)


def _run(found: Bundle) -> int:
    """Load and warm it in a worker as the line does, and let it judge what it knows."""
    from bridge.judging import kinds  # noqa: PLC0415 - the help does not need it
    from bridge.judging.check import check  # noqa: PLC0415 - same
    from bridge.log import configure  # noqa: PLC0415 - same

    configure(level="error")
    findings = asyncio.run(check(kinds.options(found)))
    for one in findings:
        print(f"{one.what}: {one.said}")
    return 0 if all(one.good is not False for one in findings) else 1
