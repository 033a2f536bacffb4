"""The flags of every command that says where and how a model looks, and what they mean.

Heavy imports happen in ``look``, so that the help works at once and without any extra.
"""

from __future__ import annotations

import argparse
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, TypeVar, get_args

from bridge.cli.numbers import above_zero, nonzero_share, share, size
from bridge.errors import ConfigError
from bridge.judging.spec import Colour, Input, Motion, Registration

if TYPE_CHECKING:
    from bridge.learning.data import Collection, Golden, Look
    from bridge.messages import Box

_T = TypeVar("_T")

STANDARD = Input(width=128, height=128)
"""What a model is shown where nothing else is said."""
_SMALLEST_SIDE = 16
"""The networks halve it four times."""
_LOOSE = Registration(golden="")
_EVERY = "*"
"""``bundle.ANY_VIEW``, whose module takes long to import."""


def options(parser: argparse.ArgumentParser) -> None:
    """Add what says where to look, how large the model's picture is, and how a loose part is found."""
    add = parser.add_argument
    add("--roi", nargs="+", default=[], metavar="cx,cy,w,h", help=f"{_ROI}; VIEW=cx,cy,w,h for one view")
    add("--roi-of", metavar="FILE:LINE", help="where a line of a bridge.toml looks, or its FILE:LINE/RECIPE")
    add("--look-of", metavar="BUNDLE", help="size, colours, ROI and registration of a bundle: models/pins@live")
    add("--margin", type=_margin, default=0.0, metavar="SHARE", help=_MARGIN)
    add("--register", nargs="+", default=[], metavar="PICTURE", help=f"{_REGISTER}; VIEW=PICTURE for one view")
    add("--motion", choices=get_args(Motion), default=_LOOSE.motion, help=f"{_MOTION} (default: {_LOOSE.motion})")
    add(
        "--least-correlation",
        type=nonzero_share,
        default=_LOOSE.least_correlation,
        metavar="NUMBER",
        help=_LEAST,
    )
    add("--largest-shift", type=nonzero_share, default=_LOOSE.largest_shift_share, metavar="SHARE", help=_SHIFT)
    add("--largest-turn", type=above_zero, default=_LOOSE.largest_turn_degrees, metavar="DEGREES", help=_TURN)
    add("--size", type=_size, metavar="WxH", help=f"what the model is shown (default: {_said(STANDARD)})")
    add("--colour", choices=get_args(Colour), help=f"the order of its channels (default: {STANDARD.colour})")


_ROI = "where to look, in pixels of the original picture: middle, width, height"
_MARGIN = "what is added on each side of the box, as a share of its width and height, for parts that lie loosely \
(default: 0)"
_REGISTER = "a picture of a part that lies well: parts that lie otherwise are laid over it before they are cut"
_MOTION = "how a part may lie otherwise"
_LEAST = f"how much a registered part must look like that picture, 0 to 1 (default: {_LOOSE.least_correlation:g})"
_SHIFT = f"how far it may have moved, as a share of the longer side (default: {_LOOSE.largest_shift_share:g})"
_TURN = f"how far it may have turned (default: {_LOOSE.largest_turn_degrees:g})"


def look(args: argparse.Namespace, collection: Collection, standard: Input = STANDARD) -> Look:
    """Return where and how the model looks at the pictures of a set.

    What is written goes before what a line says, and that before what a bundle says. A margin is added to boxes
    that are written or a line's; a bundle's have theirs already.

    Args:
        args: with what ``options`` adds.
        collection: the set; its views are known, and its pictures' headers are read where there is a box.
        standard: size and colours where nothing is said.

    Raises:
        ConfigError: a box, a picture, a view, a line or a bundle is not what it should be.
    """
    from bridge.learning.data import Look  # noqa: PLC0415 - numpy and OpenCV, which the help does not need

    rois, goldens, into = _given(args, standard)
    width, height = args.size or (into.width, into.height)
    found = Look(
        into=Input(width=width, height=height, colour=args.colour or into.colour, fit=into.fit),
        rois=_over(rois, _boxes(args, collection)),
        goldens=_over(goldens, _goldens(args, collection)),
    )
    for view in _views(collection):
        if args.register and found.golden(view) and found.roi(view) is None:
            said = "is there without a box: a part that has moved takes the edge of the whole picture out of it"
            raise ConfigError("--register", said, "write --roi cx,cy,w,h on that picture too")
    return found


def _given(args: argparse.Namespace, standard: Input) -> tuple[dict[str, Box], dict[str, Golden], Input]:
    """Return what a bundle says, if one is named."""
    if not args.look_of:
        return {}, {}, standard
    from bridge.judging import bundle, shelf  # noqa: PLC0415 - as above
    from bridge.learning import roi  # noqa: PLC0415 - as above

    made = bundle.load(shelf.located(args.look_of))
    return *roi.of_bundle(made), made.manifest.input


def _boxes(args: argparse.Namespace, collection: Collection) -> dict[str, Box]:
    if not args.roi and not args.roi_of:
        if args.margin:
            raise ConfigError("--margin", "is there without a box", "write --roi cx,cy,w,h too")
        return {}
    from bridge.learning import roi  # noqa: PLC0415 - as above

    rois = roi.of_line(args.roi_of) if args.roi_of else {}
    rois |= roi.boxes(args.roi, _views(collection))
    return roi.fitted(rois, args.margin, roi.sizes(collection))


def _goldens(args: argparse.Namespace, collection: Collection) -> dict[str, Golden]:
    if not args.register:
        return {}
    from bridge.learning import roi  # noqa: PLC0415 - as above

    how = Registration(
        golden="",
        motion=args.motion,
        least_correlation=args.least_correlation,
        largest_shift_share=args.largest_shift,
        largest_turn_degrees=args.largest_turn,
    )
    return roi.goldens(args.register, _views(collection), how)


def _over(given: dict[str, _T], written: dict[str, _T]) -> dict[str, _T]:
    """Return what holds; what is written for every view leaves nothing of what was given."""
    return written if _EVERY in written else given | written


def _views(collection: Collection) -> list[str]:
    return sorted({item.view for item in collection.items})


def _size(text: str) -> tuple[int, int]:
    return size(text, least=_SMALLEST_SIDE)


def _margin(text: str) -> float:
    number = share(text)
    if number > 0.5:  # noqa: PLR2004 - then the box is twice the part's, and mostly not the part
        raise ArgumentTypeError(f"{text} is a large margin; write a share from 0 to 0.5, or a larger box")
    return number


def _said(into: Input) -> str:
    return f"{into.width}x{into.height}"
