"""``aoi-bridge teacher``: what EfficientAD learns from, distilled from a pretrained backbone or imported."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.cli import measured, outlet, teaching
from bridge.cli.numbers import count, seed
from bridge.errors import ConfigError

if TYPE_CHECKING:
    from bridge.learning.anomaly.teachers import Teacher

SIZES = ("small", "medium")
_FEWEST = 10


def options(parser: argparse.ArgumentParser) -> None:
    """Add what ``aoi-bridge teacher`` takes."""
    commands = parser.add_subparsers(dest="what", required=True, metavar="distil|import")
    distil = commands.add_parser(
        "distil", help="teach a small network what a pretrained backbone says of pictures"
    )
    add = distil.add_argument
    add("--images", type=Path, required=True, metavar="DIR", help="pictures of anything, without labels")
    add("--backbone", default="mobilenet_v2", help="whose knowledge it is (default: mobilenet_v2)")
    add("--weights", default="imagenet", help="imagenet (downloaded once) or a file (default: imagenet)")
    add("--size", choices=SIZES, default="small", help="how large the teacher is (default: small)")
    add("--steps", type=count, default=1000, help="of learning (default: 1000; the paper's: 60000)")
    add("--batch", type=count, help="pictures of each step (default: 2; on a GPU 16, as in the paper)")
    add("--seed", type=seed, default=0, help="decides what is drawn (default: 0)")
    _out(distil)
    taken = commands.add_parser("import", help="take a teacher's weights from .npz or .safetensors")
    taken.add_argument("file", type=Path, metavar="FILE", help="never unpickled: a .pth is refused")
    _out(taken)


def _out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("teacher.npz"), metavar="FILE", help="(teacher.npz)")


def run(args: argparse.Namespace) -> int:
    """Write a teacher's file."""
    if args.out.suffix != ".npz":
        raise ConfigError("--out", f"{args.out.name} is no .npz", f"write {args.out.with_suffix('.npz').name}")
    outlet.file(args.out)
    teacher = _distilled(args) if args.what == "distil" else _imported(args)
    from bridge.learning.anomaly import teachers  # noqa: PLC0415 - TensorFlow

    teachers.write(args.out, teacher)
    print(f"written: {args.out} ({teacher.size}, {teacher.digest[:12]})")
    return 0


def _imported(args: argparse.Namespace) -> Teacher:
    from bridge.learning.anomaly import teachers  # noqa: PLC0415 - TensorFlow

    return teachers.read(args.file)


def _distilled(args: argparse.Namespace) -> Teacher:
    from bridge.judging.spec import Input  # noqa: PLC0415 - the help needs none of these
    from bridge.learning.anomaly import anything, distilling  # noqa: PLC0415 - TensorFlow
    from bridge.learning.anomaly.pdn import Size  # noqa: PLC0415 - same
    from bridge.learning.networks import weights  # noqa: PLC0415 - same

    settings = distilling.Settings(
        size=Size(args.size),
        backbone=args.backbone,
        source=weights.given(args.weights),
        steps=args.steps,
        batch=distilling.usual(args.batch),
        seed=args.seed,
    )
    side = 2 * distilling.SIDE
    with measured.bar("reading") as told:
        pictures = anything.pictures(args.images, Input(width=side, height=side), "--images", told)
    if len(pictures) < _FEWEST:
        raise ConfigError("--images", f"{args.images} holds {len(pictures)} pictures", f"write {_FEWEST} or more")
    print(f"{len(pictures)} pictures; a tenth of them is only measured on")
    work = args.out.with_suffix(".part.npz")
    with teaching.shown() as shown:
        teacher, explained = distilling.distil(
            settings, pictures, work, lambda doing, done, total: shown(doing, done, total, None)
        )
    work.unlink(missing_ok=True)
    print(f"it says {explained:.0%} of what {args.backbone} says of pictures it has not seen (variance explained)")
    return teacher
