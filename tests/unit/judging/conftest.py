"""A real bundle, small enough to build in milliseconds: mean brightness → two logits."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest

from bridge.judging import bundle
from bridge.judging.bundle import Bundle, Input, Manifest, ModelClass, Normalisation
from bridge.judging.frames import Load
from bridge.messages import Verdict

sys.modules["openvino_telemetry"] = None
import openvino as ov  # noqa: E402 - after the line above, as everywhere
from openvino import opset13 as op  # noqa: E402 - same

Make = Callable[..., Bundle]
MakeGolden = Callable[..., Bundle]

SIZE = 16


def brightness_manifest(**changes: object) -> Manifest:
    """The manifest of the bundle; bright is OK."""
    facts: dict[str, object] = {
        "name": "bright",
        "version": 3,
        "classes": (ModelClass(name="lit", verdict=Verdict.OK), ModelClass(name="dark", verdict=Verdict.NG)),
        "threshold": 0.5,
        "input": Input(width=SIZE, height=SIZE),
        "normalisation": Normalisation(scale=1 / 255),
        "output": "logits",
    }
    return Manifest.model_validate(facts | changes)


def brightness_model(
    shape: tuple[int, ...] = (-1, SIZE, SIZE, 3), gain: float = 8.0, weights: tuple[float, ...] = (1.0, -1.0)
) -> ov.Model:
    """Logits ``gain * (brightness - 0.5) * weight`` for each class; brightness is the mean input, 0 to 1."""
    shown = op.parameter(list(shape), np.float32, name="picture")
    mean = op.reduce_mean(shown, op.constant([1, 2, 3], np.int64), keep_dims=False)
    column = op.unsqueeze(op.subtract(mean, op.constant(0.5, np.float32)), op.constant([1], np.int64))
    scores = op.multiply(column, op.constant(gain * np.asarray([weights], np.float32)))
    return ov.Model([scores], [shown], "brightness")


def explained_model(*, named: bool = True, turned: bool = False) -> ov.Model:
    """The brightness model with a heat map of 4 x 4: how bright each place is for OK, and how dark for NG."""
    plain = brightness_model()
    (shown,) = plain.get_parameters()
    tall = op.constant([0, 3, 1, 2], np.int64)
    pooled = op.avg_pool(op.transpose(shown, tall), [4, 4], [0, 0], [0, 0], [4, 4], exclude_pad=True)
    bright = op.transpose(
        op.reduce_mean(pooled, op.constant([1], np.int64), keep_dims=True), op.constant([0, 2, 3, 1])
    )
    dark = op.subtract(op.constant(1.0, np.float32), bright)
    outputs = [plain.output().get_node().input_value(0).get_node(), op.concat([bright, dark], axis=3)]
    if named:
        outputs[0].output(0).get_tensor().set_names({"logits"})
        outputs[1].output(0).get_tensor().set_names({"heat_map"})
    return ov.Model(outputs[::-1] if turned else outputs, [shown], "explained")


def spotted(left: int, top: int, size: int = 16, shape: tuple[int, int] = (64, 64)) -> bytes:
    """A bright picture with one dark square, as PNG."""
    picture = np.full((*shape, 3), 150, np.uint8)
    picture[top : top + size, left : left + size] = 0
    return cv2.imencode(".png", picture)[1].tobytes()


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a function that writes a brightness bundle under ``models`` and makes it live."""

    def write(
        model: ov.Model | None = None, pictures: Mapping[str, bytes] | None = None, **changes: object
    ) -> Bundle:
        ov.save_model(model or brightness_model(), tmp_path / "model.xml", compress_to_fp16=False)
        manifest = brightness_manifest(**changes)
        files: dict[str, bytes | Path] = {name: tmp_path / name for name in ("model.xml", "model.bin")}
        files |= pictures or {}
        made = bundle.write(tmp_path / "models" / manifest.name / str(manifest.version), manifest, files)
        bundle.make_live(made.folder)
        return made

    return write


@pytest.fixture
def make_golden(tmp_path: Path) -> MakeGolden:
    """Return a function that writes a brightness bundle with pictures of known truth and makes it live."""

    def write(pictures: dict[str, tuple[bytes, str]], view: str = "", **changes: object) -> Bundle:
        ov.save_model(brightness_model(), tmp_path / "model.xml", compress_to_fp16=False)
        golden = [{"file": name, "verdict": truth, "view": view} for name, (_, truth) in pictures.items()]
        manifest = brightness_manifest(**({"golden": golden} | changes))
        files: dict[str, bytes | Path] = {name: tmp_path / name for name in ("model.xml", "model.bin")}
        files |= {name: data for name, (data, _) in pictures.items()}
        made = bundle.write(tmp_path / "models" / manifest.name / str(manifest.version), manifest, files)
        bundle.make_live(made.folder)
        return made

    return write


def load(model: Path, **changes: object) -> Load:
    """What the worker is told to run the brightness model."""
    facts: dict[str, object] = {
        "model": str(model),
        "input": Input(width=SIZE, height=SIZE),
        "normalisation": Normalisation(scale=1 / 255),
        "precision": "f32",
        "logits": True,
        "classes": 2,
        "ok_outputs": (0,),
        "threads": 1,
        "max_pixels": 4_000_000,
    }
    return Load(**(facts | changes))  # type: ignore[arg-type]


def encoded(grey: int, size: tuple[int, int] = (64, 48), form: str = ".png") -> bytes:
    """A picture of one grey, ``size`` being width and height."""
    done, data = cv2.imencode(form, np.full((size[1], size[0], 3), grey, np.uint8))
    assert done
    return data.tobytes()


def textured(size: tuple[int, int], seed: int = 0, blur: float = 2.0) -> np.ndarray:
    """A picture with detail at several scales, BGR."""
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    soft = cv2.GaussianBlur(noise, (0, 0), blur)
    return cv2.normalize(soft, None, 0, 255, cv2.NORM_MINMAX)


def photograph(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """A picture whose detail falls with its scale as in photographs (amplitude as the inverse of frequency)."""
    random = np.random.default_rng(seed)
    total = np.zeros((size[1], size[0], 3), np.float32)
    for octave in range(2, 9):
        cells = (max(2, size[0] >> octave), max(2, size[1] >> octave))
        coarse = random.normal(0, 2**octave, (cells[1], cells[0], 3)).astype(np.float32)
        total += cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    return cv2.normalize(total, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
