"""How the contract kit sets judges up: the classifier with the demo's bundle, others with one of their own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bridge.judging import bundle
from bridge.judging.bundle import Manifest, ModelClass
from bridge.judging.spec import Comparison, Detection, Input, Normalisation, Registration
from bridge.messages import Verdict
from bridge.plugin import BoxOptions, Place, Trial

BUNDLE = Path(__file__).parents[1] / "simulate" / "demo_bundle"


@asynccontextmanager
async def _with_detector(place: Place) -> AsyncIterator[None]:
    await asyncio.to_thread(write_detector, place.folder / "cell")
    yield


@asynccontextmanager
async def _with_surface(place: Place) -> AsyncIterator[None]:
    """Write a model for which a picture is as strange as it is dark."""
    await asyncio.to_thread(_write_surface, place.folder / "surface")
    yield


def _write_surface(folder: Path) -> None:
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # as above
    import numpy as np  # noqa: PLC0415 - only a trial needs it
    import openvino as ov  # noqa: PLC0415 - same
    from openvino import opset13 as op  # noqa: PLC0415 - same

    shown = op.parameter([-1, 16, 16, 3], np.float32, name="picture")
    dark = op.subtract(op.constant(np.float32(1)), op.reduce_mean(shown, op.constant([1, 2, 3], np.int64)))
    strange = op.reshape(dark, op.constant([-1, 1], np.int64), special_zero=False)
    manifest = Manifest(
        name="surface",
        version=1,
        kind="anomaly",
        classes=(ModelClass(name="good", verdict=Verdict.OK), ModelClass(name="strange", verdict=Verdict.NG)),
        threshold=0.5,
        input=Input(width=16, height=16),
        normalisation=Normalisation(scale=1 / 255),
        output="anomaly",
        limit=0.5,
        temperature=0.1,
    )
    _written(folder, manifest, ov.Model([strange], [shown], "surface"))


def write_detector(folder: Path) -> None:
    """Write a detector for which a picture is one box, sure of a defect as far as it is dark."""
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # else the import looks up a host and sends
    import numpy as np  # noqa: PLC0415 - only a trial needs it
    import openvino as ov  # noqa: PLC0415 - same
    from openvino import opset13 as op  # noqa: PLC0415 - same

    shown, places = op.parameter([-1, 16, 16, 3], np.float32, name="picture"), op.constant([1, 2, 3], np.int64)
    dark = op.subtract(op.constant(np.float32(1)), op.reduce_mean(shown, places))
    sure = op.reshape(dark, op.constant([-1, 1, 1], np.int64), special_zero=False)
    cell = op.constant(np.array([[[8, 8, 16, 16, 1]]], np.float32))
    boxes = op.concat([op.add(op.multiply(sure, op.constant(np.float32(0))), cell), sure], 2)
    manifest = Manifest(
        name="cell",
        version=1,
        kind="detector",
        classes=(ModelClass(name="dark", verdict=Verdict.NG), ModelClass(name="ok", verdict=Verdict.OK)),
        threshold=0.2,
        input=Input(width=16, height=16, fit="centre"),
        normalisation=Normalisation(scale=1 / 255),
        detection=Detection(layout="yolov5"),
    )
    _written(folder, manifest, ov.Model([boxes], [shown], "cell"))


def _written(folder: Path, manifest: Manifest, model: Any) -> None:
    import openvino as ov  # noqa: PLC0415 - as above

    with TemporaryDirectory() as scratch:
        path = Path(scratch) / bundle.MODEL
        ov.save_model(model, path, compress_to_fp16=False)
        bundle.write(folder, manifest, {bundle.MODEL: path, "model.bin": path.with_suffix(".bin")})


@asynccontextmanager
async def _with_template(place: Place) -> AsyncIterator[None]:
    await asyncio.to_thread(write_template, place.folder / "square")
    yield


def write_template(folder: Path) -> None:
    """Write the bundle of a picture with a square in it."""
    manifest = Manifest(
        name="square",
        version=1,
        kind="template",
        classes=(ModelClass(name="different", verdict=Verdict.NG), ModelClass(name="ok", verdict=Verdict.OK)),
        threshold=0.5,
        input=Input(width=48, height=48, colour="gray"),
        roi={bundle.ANY_VIEW: BoxOptions(cx=32, cy=32, w=48, h=48)},
        registration={bundle.ANY_VIEW: Registration(golden="template.png")},
        comparison=Comparison(),
    )
    bundle.write(folder, manifest, {"template.png": _square(64, 20)})


def _square(size: int, side: int) -> bytes:
    """Return a dark square on a bright ground, as PNG."""
    import cv2  # noqa: PLC0415 - only a trial needs it
    import numpy as np  # noqa: PLC0415 - same

    picture = np.full((size, size), 220, np.uint8)
    low = (size - side) // 2
    picture[low : low + side, low : low + side] = 40
    return cv2.imencode(".png", picture)[1].tobytes()


DEMO = Trial(options=lambda _: {"model": str(BUNDLE), "threads": 1}, road="none", seconds=60)
CELL = Trial(
    options=lambda place: {"model": str(place.folder / "cell"), "threads": 1},
    road="none",
    around=_with_detector,
    seconds=60,
)
SQUARE = Trial(
    options=lambda place: {"model": str(place.folder / "square"), "threads": 1},
    road="none",
    around=_with_template,
    seconds=60,
    pictures=lambda: tuple(_square(64, size) for size in (20, 21, 18)),
)
SURFACE = Trial(
    options=lambda place: {"model": str(place.folder / "surface"), "threads": 1},
    road="none",
    around=_with_surface,
    seconds=60,
)
