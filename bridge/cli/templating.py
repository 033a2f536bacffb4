"""``aoi-bridge bundle template``: a bundle of nothing but a picture of how a part should look."""

from __future__ import annotations

import argparse
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from bridge.cli import outlet
from bridge.cli.numbers import share
from bridge.errors import ConfigError

if TYPE_CHECKING:
    from bridge.judging.bundle import Bundle, Golden, Manifest
    from bridge.judging.spec import Input
    from bridge.messages import Box

THRESHOLD = 0.5
"""Lets pass what is allowed, and no more."""
MARGIN = 0.02
"""Of the longer side: what a part that lies a little beside its place may move out of the picture."""
_LIMITS = (
    "least_difference",
    "tolerance_pixels",
    "blur_pixels",
    "join_pixels",
    "margin_pixels",
    "least_area",
    "allowed_area",
)


def options(parser: argparse.ArgumentParser) -> None:
    """Declare what a template takes; what is left out is as the manifest's defaults say."""
    from bridge.judging.spec import Comparison, Motion  # noqa: PLC0415 - plain dataclasses

    told = Comparison()
    add = parser.add_argument
    add("golden", type=Path, help="a picture of a part as it should be, from the line's own camera")
    add("--out", type=Path, required=True, help="the model's folder; the bundle goes to OUT/VERSION")
    add("--name", help="what the model is called, as in judge.NAME.model (the folder's name)")
    add("--roi", metavar="cx,cy,w,h", help="where to look, in pixels of the picture (all of it but a margin)")
    add(
        "--margin",
        type=share,
        default=MARGIN,
        help=f"without --roi: what is left out at each edge, as a share of the longer side ({MARGIN:g})",
    )
    add("--colour", choices=("rgb", "gray"), help="what is compared (rgb, if the picture has colours)")
    add("--motion", choices=get_args(Motion), default="turn", help="how a part may lie (turn: shifted and turned)")
    add("--least-correlation", type=share, default=0.5, help="how much a part must look like the picture (0.5)")
    words = {
        "least_difference": "grey levels, of 255, from which on a pixel differs",
        "tolerance_pixels": "how far an edge may lie beside its place",
        "blur_pixels": "how much both are blurred before, as a sigma",
        "join_pixels": "what differs within so many pixels of each other is one thing",
        "margin_pixels": "how much larger a box is told on each side",
        "least_area": "what has fewer pixels is nothing",
        "allowed_area": "what has more pixels is NG at threshold 0.5",
    }
    for name in _LIMITS:
        default = getattr(told, name)
        flag = f"--{name.replace('_', '-')}"
        add(flag, type=type(default), default=default, metavar="N", help=f"{words[name]} ({default:g})")
    add("--threshold", type=float, default=THRESHOLD, help=f"from which score on a view is OK ({THRESHOLD:g})")
    add(
        "--bad",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="pictures of bad parts: it must reject them",
    )


def run(args: argparse.Namespace) -> int:
    """Write the bundle if it runs here and rejects what is known to be bad, otherwise say why not in one line."""
    from bridge.cli import importing  # noqa: PLC0415 - OpenVINO, which the help does not need
    from bridge.judging import bundle, shelf  # noqa: PLC0415 - the help does not need them

    name, out = outlet.model(args.out, args.name), outlet.folder(args.out)
    golden = importing.known_bad(args.bad, "--bad")
    manifest = _manifest(args, name, shelf.next_version(out), tuple(golden))
    files = {_file(args.golden): args.golden, **{one.file: path for one, path in golden.items()}}
    with tempfile.TemporaryDirectory() as scratch:
        ms = importing.tried(bundle.write(Path(scratch) / "bundle", manifest, files))
        made = bundle.write(out / str(manifest.version), manifest, files)
    if not (out / "live").exists():
        bundle.make_live(made.folder)
    _tell(made, (ms, *importing.without_golden(manifest, "--bad")))
    return 0


def _tell(made: Bundle, remarks: tuple[str, ...]) -> None:
    print(f"written: {made.identity} in {made.folder}")
    for line in remarks:
        print(f"note: {line}")


def _file(golden: Path) -> str:
    return f"template{golden.suffix.lower()}"


def _manifest(args: argparse.Namespace, name: str, version: int, golden: tuple[Golden, ...]) -> Manifest:
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - the help does not need it

    from bridge.judging.bundle import ANY_VIEW, Manifest, ModelClass  # noqa: PLC0415 - same
    from bridge.judging.spec import Comparison, Registration  # noqa: PLC0415 - same
    from bridge.learning.meaning import of_differences  # noqa: PLC0415 - same
    from bridge.messages import Verdict  # noqa: PLC0415 - same
    from bridge.plugin import BoxOptions  # noqa: PLC0415 - same

    into, roi = _shown(args)
    try:
        how = TypeAdapter(Comparison).validate_python({one: getattr(args, one) for one in _LIMITS})
        return Manifest(
            name=name,
            version=version,
            kind="template",
            classes=(ModelClass(name="different", verdict=Verdict.NG), ModelClass(name="ok", verdict=Verdict.OK)),
            threshold=args.threshold,
            input=into,
            roi={ANY_VIEW: BoxOptions(cx=roi.cx, cy=roi.cy, w=roi.w, h=roi.h)},
            registration={
                ANY_VIEW: Registration(
                    golden=_file(args.golden), motion=args.motion, least_correlation=args.least_correlation
                )
            },
            comparison=how,
            score=of_differences(how.allowed_area),
            golden=golden,
            recipe={"template": args.golden.name},
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
    except ValidationError as exc:
        first = exc.errors()[0]
        where = str(first["loc"][-1]).replace("_", "-") if first["loc"] else "template"
        raise ConfigError(f"--{where}", first["msg"].removeprefix("Value error, ")) from exc


def _shown(args: argparse.Namespace) -> tuple[Input, Box]:
    """Return what is compared, pixel by pixel, and where it lies on the golden picture.

    Raises:
        ConfigError: the picture cannot be read, or the region lies partly outside it.
    """
    from bridge.judging import headers, preprocess  # noqa: PLC0415 - OpenCV, which the help does not need
    from bridge.judging.headers import Unreadable  # noqa: PLC0415 - same
    from bridge.judging.spec import Input  # noqa: PLC0415 - same
    from bridge.learning import roi  # noqa: PLC0415 - same
    from bridge.messages import Box  # noqa: PLC0415 - same

    try:
        data = args.golden.read_bytes()
        picture = preprocess.decode(data, headers.read(data))
    except OSError as exc:
        raise ConfigError(str(args.golden), f"cannot be read ({exc.strerror})") from exc
    except Unreadable as exc:
        raise ConfigError(str(args.golden), str(exc), "write a whole picture") from exc
    high, wide = picture.shape[:2]
    edge = round(args.margin * max(wide, high))
    box = Box(cx=wide / 2, cy=high / 2, w=wide - 2 * edge, h=high - 2 * edge)
    if args.roi is not None:
        box = roi.box_of(args.roi).box()
    if min(box.w, box.h) < 1 or box.cx + box.w / 2 > wide or box.cy + box.h / 2 > high or box.cx < box.w / 2:
        raise ConfigError("--roi" if args.roi else "--margin", f"leaves nothing of {wide} x {high}", "write less")
    grey = (picture[:, :, :1] == picture).all()
    return Input(width=round(box.w), height=round(box.h), colour=args.colour or ("gray" if grey else "rgb")), box
