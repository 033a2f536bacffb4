from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import Make

from bridge.judging import looks, preprocess, trial
from bridge.judging.classifier import AnomalyOptions, ClassifierOptions, open_anomaly, open_classifier
from bridge.judging.detector import DetectorOptions, open_detector
from bridge.judging.spec import Colour, Input
from bridge.judging.template import TemplateOptions, open_template
from bridge.messages import Box, PictureFacts, View

Opened = Callable[[Path], Any]


def encoded(picture: np.ndarray) -> bytes:
    return cv2.imencode(".png", picture)[1].tobytes()


def detailed(side: int = 96, mean: float = 120, detail: int = 4) -> np.ndarray:
    """Return a grey picture with detail of so many pixels that a lens can lose."""
    noise = np.random.default_rng(0).normal(mean, 60, (side // detail, side // detail))
    return cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)


def seen(picture: np.ndarray, into: Input, roi: Box | None = None) -> PictureFacts:
    return looks.measured(preprocess.cut(encoded(picture), into, roi), into.colour)


def test_brightness_and_contrast_are_mean_and_deviation_of_the_grey_levels() -> None:
    picture = detailed()
    facts = seen(picture, Input(width=96, height=96, colour="gray"))
    assert facts.brightness == pytest.approx(picture.mean(), abs=1e-3)
    assert facts.contrast == pytest.approx(picture.std(), abs=1e-3)
    flat = seen(np.full((40, 40), 200, np.uint8), Input(width=40, height=40))
    assert flat == PictureFacts(brightness=200, contrast=0, sharpness=0)


def test_a_picture_out_of_focus_is_less_sharp_and_a_darker_one_is_not_brighter() -> None:
    into, picture = Input(width=96, height=96, colour="gray"), detailed()
    plain = seen(picture, into)
    blurred, dim = seen(cv2.GaussianBlur(picture, (0, 0), 2), into), seen((picture * 0.8).astype(np.uint8), into)
    assert blurred.sharpness < plain.sharpness / 2
    assert blurred.brightness == pytest.approx(plain.brightness, abs=1)
    assert dim.brightness == pytest.approx(0.8 * plain.brightness, abs=1)


@pytest.mark.parametrize("colour", ["rgb", "bgr"])
def test_colours_weigh_as_an_eye_sees_them_in_whatever_order_the_model_wants_them(colour: Colour) -> None:
    red = np.zeros((32, 32, 3), np.uint8)
    red[:, :, 2] = 200
    assert seen(red, Input(width=32, height=32, colour=colour)).brightness == pytest.approx(0.299 * 200, abs=1)


def test_the_region_counts_and_neither_what_is_beside_it_nor_the_grey_of_a_letterbox() -> None:
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[20:40, 20:100] = 230
    box = Box(cx=60, cy=30, w=80, h=20)
    for fit in ("stretch", "centre", "corner"):
        facts = seen(picture, Input(width=64, height=64, fit=fit), box)
        assert facts == PictureFacts(brightness=230, contrast=0, sharpness=0), fit


def test_of_a_large_picture_some_pixels_tell_the_same() -> None:
    picture = detailed(1200, detail=24)
    facts = seen(picture, Input(width=1200, height=1200, colour="gray"))
    assert facts.brightness == pytest.approx(picture.mean(), abs=1)
    assert facts.contrast == pytest.approx(picture.std(), abs=1)
    assert (
        seen(cv2.GaussianBlur(picture, (0, 0), 40), Input(width=1200, height=1200)).sharpness < facts.sharpness / 2
    )


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 900), (3000, 2), (129, 70)])
def test_a_region_of_any_shape_is_measured(width: int, height: int) -> None:
    facts = seen(np.full((height, width), 7, np.uint8), Input(width=width, height=height))
    assert facts.brightness == 7


async def test_a_classifier_says_how_each_picture_looks(make: Make, tmp_path: Path) -> None:
    make()
    async with open_classifier(ClassifierOptions(model="bright", home=tmp_path / "models", threads=1)) as judge:
        broken, bright = await judge([View(image=b"no picture"), View(image=encoded(detailed(mean=180)))])
    assert broken.picture is None
    assert bright.picture is not None
    assert 150 < bright.picture.brightness < 200
    assert min(bright.picture.contrast, bright.picture.sharpness) > 1


def detector(folder: Path) -> Any:
    trial.write_detector(folder / "cell")
    return open_detector(DetectorOptions(model=str(folder / "cell"), threads=1))


def template(folder: Path) -> Any:
    trial.write_template(folder / "square")
    return open_template(TemplateOptions(model=str(folder / "square"), threads=1))


def anomaly(folder: Path) -> Any:
    trial._write_surface(folder / "surface")
    return open_anomaly(AnomalyOptions(model=str(folder / "surface"), threads=1))


@pytest.mark.parametrize("opener", [detector, template, anomaly])
async def test_other_judges_say_it_too(opener: Opened, tmp_path: Path) -> None:
    picture = trial._square(64, 20)
    async with await asyncio.to_thread(opener, tmp_path) as judge:
        (said,) = await judge([View(image=picture)])
    whole = np.where(cv2.imdecode(np.frombuffer(picture, np.uint8), 0) > 100, 220, 40)
    assert said.picture is not None
    assert said.picture.brightness == pytest.approx(whole.mean(), abs=25)
    assert said.picture.contrast > 20
