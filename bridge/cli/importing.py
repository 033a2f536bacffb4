"""``aoi-bridge bundle import``: from what the user says of a foreign model to a bundle that has proved itself."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from bridge.cli import detecting, outlet
from bridge.errors import ConfigError, Unavailable
from bridge.judging import bundle, kinds, shelf
from bridge.judging.bundle import ANY_VIEW, Bundle, Golden, Manifest, ModelClass, Precision
from bridge.judging.check import check
from bridge.judging.spec import Input
from bridge.learning import importing, roi
from bridge.learning.importing import Imported, Wanted
from bridge.learning.meaning import meaning, of_boxes
from bridge.log import configure
from bridge.messages import Verdict

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # else the import looks up a host and sends
import openvino as ov  # noqa: E402 - after the line above


def imported(args: argparse.Namespace) -> tuple[Bundle, tuple[str, ...]]:
    """Make a bundle of a foreign model; return it and what the user should know.

    It is tried where nobody finds it first, in a worker as the line runs it: one that cannot run here, or lets
    one of its golden pictures pass, is not written.

    Raises:
        ConfigError: the model is not what the user says, or failed its trial.
    """
    wanted = _wanted(args)
    golden = known_bad(args.golden, "--golden")
    found = importing.read(wanted)
    out = outlet.folder(args.out or Path("models") / args.name)
    manifest = _manifest(args, wanted, found, tuple(golden), shelf.next_version(out))
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / bundle.MODEL
        ov.save_model(found.graph, path, compress_to_fp16=False)
        files = {
            bundle.MODEL: path,
            "model.bin": path.with_suffix(".bin"),
            **{k.file: v for k, v in golden.items()},
        }
        draft = bundle.write(Path(scratch) / "bundle", manifest, files)
        ms = tried(draft)
        made = bundle.write(out / str(manifest.version), manifest, files)
    if not (out / "live").exists():
        bundle.make_live(made.folder)
    return made, (*found.remarks, ms, *without_golden(manifest, "--golden"))


def tried(draft: Bundle) -> str:
    """Run the bundle as the line would; return how fast it is."""
    configure(level="error")
    try:
        findings = asyncio.run(check(kinds.options(draft)))
    except ConfigError as exc:
        where = exc.where.replace(f"{draft.folder}/", "")
        raise ConfigError(where, exc.found, exc.write) from exc
    except Unavailable as exc:
        raise ConfigError(
            "the model", f"does not run here ({exc})", "see whether it takes too much memory"
        ) from exc
    return f"it runs here: {findings[-1].said.partition(';')[0]}"


def without_golden(manifest: Manifest, flag: str) -> list[str]:
    """Return the warning that a bundle has nothing to prove itself by, if that is so."""
    if manifest.golden:
        return []
    return [f"it carries no picture of a bad part to prove itself by; give some with {flag}"]


def _wanted(args: argparse.Namespace) -> Wanted:
    (width, height), found = args.size, detecting.detection(args)
    into = Input(width=width, height=height, colour=args.colour, fit=detecting.fit(args))
    classes = _classes(args.classes)
    if found:
        classes = (*classes, ModelClass(name=args.nothing, verdict=Verdict.OK))
    return Wanted(
        model=args.model,
        classes=classes,
        into=into,
        normalisation=importing.normalisation(args.normalise, into),
        output="probabilities" if found else args.output,
        layout=None if found else args.layout,
        tensor=args.tensor,
        detection=found,
    )


def _classes(words: Sequence[str]) -> tuple[ModelClass, ...]:
    found = []
    for word in words:
        name, _, verdict = word.rpartition("=")
        if not name or verdict.upper() not in {*Verdict}:
            raise ConfigError(f"--classes {word}", "is no class", "write NAME=OK or NAME=NG")
        found.append(ModelClass(name=name, verdict=Verdict(verdict.upper())))
    return tuple(found)


def known_bad(paths: Sequence[Path], flag: str) -> dict[Golden, Path]:
    """Return pictures of bad parts as a bundle carries them.

    Raises:
        ConfigError: one is no file.
    """
    for path in paths:
        if not path.is_file():
            raise ConfigError(f"{flag} {path}", "is no file", "write pictures of bad parts")
    return {
        Golden(file=f"golden-{number}{path.suffix.lower()}", verdict=Verdict.NG): path
        for number, path in enumerate(paths, 1)
    }


def _manifest(
    args: argparse.Namespace, wanted: Wanted, found: Imported, golden: tuple[Golden, ...], version: int
) -> Manifest:
    try:
        return Manifest(
            name=args.name,
            version=version,
            kind=args.kind,
            classes=wanted.classes,
            threshold=detecting.THRESHOLD if args.threshold is None else args.threshold,
            input=wanted.into,
            normalisation=wanted.normalisation,
            roi={} if args.roi is None else {ANY_VIEW: roi.box_of(args.roi)},
            precision=Precision(args.precision),
            output=wanted.output,
            score=of_boxes(wanted.classes) if wanted.detection else meaning(wanted.classes, wanted.output, None),
            detection=wanted.detection,
            golden=golden,
            recipe={**found.facts, "normalise": args.normalise},
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            tools={"openvino": ov.__version__},
        )
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(map(str, first["loc"][:1]))
        raise ConfigError(
            f"--{where}" if where else "--classes", first["msg"].removeprefix("Value error, ")
        ) from exc
