"""How the contract kit sets judges up: the classifier with the demo's bundle, the detector with one of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bridge.judging import bundle
from bridge.judging.bundle import Manifest, ModelClass
from bridge.judging.spec import Detection, Input, Normalisation
from bridge.messages import Verdict
from bridge.plugin import Place, Trial

BUNDLE = Path(__file__).parents[1] / "simulate" / "demo_bundle"


@asynccontextmanager
async def _with_detector(place: Place) -> AsyncIterator[None]:
    """Write a detector for which a picture is one cell, sure of a defect as far as it is dark."""
    await asyncio.to_thread(_write_detector, place.folder / "cell")
    yield


def _write_detector(folder: Path) -> None:
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
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / bundle.MODEL
        ov.save_model(ov.Model([boxes], [shown], "cell"), path, compress_to_fp16=False)
        bundle.write(folder, manifest, {bundle.MODEL: path, "model.bin": path.with_suffix(".bin")})


DEMO = Trial(options=lambda _: {"model": str(BUNDLE), "threads": 1}, road="none", seconds=60)
CELL = Trial(
    options=lambda place: {"model": str(place.folder / "cell"), "threads": 1},
    road="none",
    around=_with_detector,
    seconds=60,
)
