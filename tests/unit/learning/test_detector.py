"""A user's ONNX detector: imported, judging on the line, counted and calibrated like any other bundle."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import onnx_boxes
import onnx_models
import openvino as ov
import pytest
from pydantic import ValidationError

from bridge.cli.main import main
from bridge.errors import ConfigError
from bridge.judging import bundle, kinds
from bridge.judging.bundle import Bundle, Manifest
from bridge.judging.check import check
from bridge.judging.classifier import ClassifierOptions
from bridge.judging.detector import DetectorOptions, open_detector
from bridge.learning.data import Item
from bridge.learning.exhibits import Exhibits
from bridge.messages import Box, Failure, Judgement, Spot, Verdict, View
from bridge.simulate.factory import DEMO_BUNDLE

CLASSES = ("hair=NG", "dust=OK", "chip=NG")
"""What lacks red, green and blue."""
LACKS = {"hair": (255, 255, 0), "dust": (255, 0, 255), "chip": (0, 255, 255), "worse chip": (0, 255, 255)}
"""Colours, blue first."""


def imported(
    home: Path, layout: str = "yolov8", *more: str, size: tuple[int, int] = (64, 64), batch: int | str = "batch"
) -> int:
    """Import the detector of cells as ``models/cells`` below a folder; return the exit status."""
    path = onnx_models.save(onnx_boxes.detector(layout, *size, batch), home / "their.onnx")
    words = ["bundle", "import", str(path), "--name", "cells", "--kind", "detector", "--layout", layout]
    words += ["--classes", *CLASSES, "--size", f"{size[0]}x{size[1]}", "--normalise", "0..1"]
    return main([*words, "--out", str(home / "models" / "cells"), *more])


def made(home: Path, layout: str = "yolov8", *more: str, **how: object) -> Bundle:
    assert imported(home, layout, *more, **how) == 0  # type: ignore[arg-type]  # as each test says it
    return bundle.load(home / "models" / "cells" / "1")


def drawn(
    *spots: tuple[str, int, int, int, int], size: tuple[int, int] = (128, 128), of_it: float = 0.0
) -> np.ndarray:
    """A white picture with spots: what, left, top, width, height; ``of_it`` of the colour is left."""
    picture = np.full((size[1], size[0], 3), 255, np.uint8)
    for what, left, top, wide, high in spots:
        colour = [round(255 * max(of_it, one / 255)) for one in LACKS[what]]
        picture[top : top + high, left : left + wide] = colour
    return picture


def view(picture: np.ndarray, **changes: object) -> View:
    return View(image=cv2.imencode(".png", picture)[1].tobytes(), **changes)  # type: ignore[arg-type]


def judged(model: Bundle, *views: View, **options: object) -> Sequence[Judgement]:
    """What the judge of the line says of views."""
    facts: dict[str, object] = {"model": str(model.folder), "threads": 1}

    async def ask() -> Sequence[Judgement]:
        async with open_detector(DetectorOptions.model_validate(facts | options)) as judge:
            return await judge(views)

    return asyncio.run(ask())


def places(spots: Sequence[object]) -> list[tuple[object, ...]]:
    return [(one.label, one.cx, one.cy, one.w, one.h) for one in spots if isinstance(one, Spot)]


@pytest.mark.parametrize("layout", onnx_boxes.LAYOUTS)
def test_each_layout_finds_what_is_there_in_pixels_of_the_picture(layout: str, tmp_path: Path) -> None:
    """On a wide picture in a square input and on a high one, through a region of interest as well."""
    model = made(tmp_path, layout)
    wide = drawn(("chip", 32, 16, 16, 16), ("hair", 112, 48, 16, 16), size=(128, 64))
    high = drawn(("chip", 16, 64, 16, 16), size=(64, 128))
    inside = drawn(("chip", 128 + 32, 64 + 16, 16, 16), size=(400, 300))
    roi = Box(cx=128 + 64, cy=64 + 32, w=128, h=64)
    clean, *bad = judged(model, view(drawn(size=(128, 64))), view(wide), view(high), view(inside, roi=roi))
    assert (clean.verdict, clean.score, clean.label, clean.boxes) == (Verdict.OK, 1.0, "ok", ())
    assert clean.threshold == 0.2
    assert [one.verdict for one in bad] == [Verdict.NG] * 3
    assert [one.score for one in bad] == pytest.approx([0, 0, 0], abs=1e-5)
    assert sorted(places(bad[0].boxes)) == [("chip", 40, 24, 16, 16), ("hair", 120, 56, 16, 16)]
    assert places(bad[1].boxes) == [("chip", 24, 72, 16, 16)]
    assert places(bad[2].boxes) == [("chip", 168, 88, 16, 16)]
    assert [one.score for one in bad[1].boxes if isinstance(one, Spot)] == pytest.approx([1], abs=1e-5)
    assert bad[1].label == "chip"


def test_ng_is_a_box_that_scores_over_what_the_threshold_leaves(tmp_path: Path) -> None:
    """0.2 by default: over 0.8; only boxes that decide are told, unless all are wanted."""
    model = made(tmp_path)
    faint = view(drawn(("chip", 0, 0, 16, 16), ("hair", 64, 64, 16, 16), of_it=0.1))
    both = drawn(("chip", 0, 0, 16, 16))
    both[64:80, 64:80] = (255, 255, 26)
    weak, strict, mixed = judged(
        model, faint, view(drawn(("chip", 0, 0, 16, 16), of_it=0.1), threshold=0.5), view(both)
    )
    assert weak.verdict is Verdict.OK
    assert weak.score == pytest.approx(0.25, abs=0.01)
    assert weak.boxes == ()
    assert (weak.label, strict.label) == ("chip", "chip")
    assert (strict.verdict, len(strict.boxes), strict.threshold) == (Verdict.NG, 1, 0.5)
    assert [label for label, *_ in places(mixed.boxes)] == ["chip"]
    (all_of_it,) = judged(model, view(both), boxes="all")
    assert [label for label, *_ in places(all_of_it.boxes)] == ["chip", "hair"]


def test_a_class_called_ok_makes_no_part_ng(tmp_path: Path) -> None:
    """It is not even told."""
    (said,) = judged(made(tmp_path), view(drawn(("dust", 16, 16, 16, 16))), boxes="all")
    assert (said.verdict, said.score, said.boxes) == (Verdict.OK, 1.0, ())


def test_an_output_that_is_not_finite_costs_its_own_view_alone(tmp_path: Path) -> None:
    """A view of nonsense is a failure, which gets the safe verdict; those beside it are judged."""
    path = onnx_models.save(onnx_boxes.detector("yolov8", poisoned=True), tmp_path / "m.onnx")
    model = made(tmp_path)
    ov.save_model(ov.Core().read_model(path), tmp_path / "model.xml", compress_to_fp16=False)
    files = {name: tmp_path / name for name in ("model.xml", "model.bin")}
    poisoned = bundle.write(tmp_path / "models" / "cells" / "2", model.manifest, files)
    sound, broken, also = judged(poisoned, view(drawn()), view(drawn(("chip", 0, 0, 16, 16))), view(drawn()))
    assert (broken.verdict, broken.failure) == (None, Failure.JUDGE_DOWN)
    assert [sound.verdict, also.verdict] == [Verdict.OK, Verdict.OK]


def test_a_model_of_one_picture_at_a_time_judges_a_part_of_many(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As most exporters write them; where the graph allows it, the batch is freed."""
    model = made(tmp_path, "yolov5", batch=1)
    assert "1..8" in str(ov.Core().read_model(model.model).input().get_partial_shape())
    fixed = onnx_boxes.detector("yolov8", batch=1)
    for one in fixed.graph.initializer:  # careless exporters write the batch into every reshape
        if list(one.dims) == [3]:
            one.raw_data = np.array([1, 3, -1], np.int64).tobytes()
    path = onnx_models.save(fixed, tmp_path / "fixed.onnx")
    words = ["--name", "cells", "--kind", "detector", "--layout", "yolov8", "--classes", *CLASSES]
    words += ["--size", "64x64", "--normalise", "0..1", "--out", str(tmp_path / "fixed")]
    capsys.readouterr()
    assert main(["bundle", "import", str(path), *words]) == 0
    assert "one picture at a time" in capsys.readouterr().out
    model = bundle.load(tmp_path / "fixed" / "1")
    said = judged(model, view(drawn()), view(drawn(("chip", 0, 0, 16, 16))), view(drawn()))
    assert [one.verdict for one in said] == [Verdict.OK, Verdict.NG, Verdict.OK]


def test_a_bundle_of_another_kind_is_one_clear_line(tmp_path: Path) -> None:
    """A classifier in a detector's judge and the other way round; which type to write stands there."""
    found = made(tmp_path)
    wrong = r'is of kind classifier, and this judge runs detector; write type = "classifier"'
    with pytest.raises(ConfigError, match=wrong):
        judged(bundle.load(DEMO_BUNDLE))
    with pytest.raises(ConfigError, match=wrong):
        DetectorOptions(model=str(DEMO_BUNDLE)).pinned()
    other = r'is of kind detector, and this judge runs classifier; write type = "detector"'
    with pytest.raises(ConfigError, match=other):
        ClassifierOptions(model=str(found.folder)).pinned()
    assert DetectorOptions(model="cells", home=tmp_path / "models").pinned()[1] == found.identity


def test_an_import_says_what_the_score_means_and_proves_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Show and verify as for any bundle; a known bad picture must be found."""
    bad = tmp_path / "bad.png"
    cv2.imwrite(str(bad), drawn(("chip", 32, 32, 16, 16)))
    model = made(tmp_path, "yolox", "--golden", str(bad))
    one = model.manifest
    assert (one.kind, one.threshold, one.input.fit) == ("detector", 0.2, "corner")
    assert one.score.startswith("1 - (how sure the surest box of hair, chip is)")
    assert [f"{kind.name}={kind.verdict}" for kind in one.classes] == [*CLASSES, "ok=OK"]
    capsys.readouterr()
    assert main(["bundle", "verify", str(model.folder)]) == 0
    assert "rejects known bad: 1 pictures, the best gets p(OK) 0" in capsys.readouterr().out
    assert main(["bundle", "show", str(model.folder)]) == 0
    assert "as yolox, from 0.01 on, the surer of two that share more than 0.45" in capsys.readouterr().out


def test_check_runs_a_detector_in_a_worker_of_its_own(tmp_path: Path) -> None:
    loads, *_, deadline = asyncio.run(check(kinds.options(made(tmp_path)), budget_ms=5000))
    assert (loads.good, deadline.good) == (True, True)


def test_a_good_picture_as_known_bad_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = tmp_path / "good.png"
    cv2.imwrite(str(good), drawn())
    assert imported(tmp_path, "yolov8", "--golden", str(good)) == 2
    assert "is known to be bad and would pass: p(OK) 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            ["--layout", "yolov5"],
            "its output is [7, 64] for a picture; yolov5 with 3 classes has N x 8; write --layout",
        ),
        (["--layout", "nhwc"], "--layout: does not say how the boxes lie; write yolov5, yolov8, yolox, end2end"),
        (["--classes", "hair=NG"], "yolov8 with 1 classes has 5 x N; name one class for each of its own"),
        (["--classes", "a=OK", "b=OK", "c=OK"], "there must be a class called OK and a class called NG"),
        (["--classes", "ok=NG", "b=OK", "c=OK"], "two classes have the same name"),
        (["--output", "logits"], "--output: means nothing to a detector; leave it out"),
        (["--most-boxes", "17"], "--most-boxes: Input should be less than or equal to 16"),
        (["--tensor", "boxes"], "has the outputs"),
        (["--size", "32x64"], "its input is [?, 3, 64, 64], which does not take 32x64 in rgb"),
        (["--kind", "classifier"], "--layout: means nothing to a classifier; write --kind detector"),
    ],
)
def test_a_mistake_is_one_line(
    more: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imported(tmp_path, "yolov8", *more) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert not (tmp_path / "models").exists()


def test_a_model_that_is_not_sure_from_0_to_1_is_not_imported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Logits, most often."""
    model = onnx_boxes.detector("yolov8")
    for one in model.graph.initializer:
        if one.raw_data == np.float32(1.0).tobytes():
            one.raw_data = np.float32(9.0).tobytes()
        elif one.raw_data == np.float32(0.4).tobytes():
            one.raw_data = np.float32(4.0).tobytes() if one.name != "c0" else np.float32(40.0).tobytes()
    path = onnx_models.save(model, tmp_path / "logits.onnx")
    words = ["--name", "cells", "--kind", "detector", "--layout", "yolov8", "--classes", *CLASSES]
    words += ["--size", "64x64", "--normalise", "0..1", "--out", str(tmp_path / "out")]
    assert main(["bundle", "import", str(path), *words]) == 2
    assert "sure of something otherwise than from 0 to 1; check --layout" in capsys.readouterr().err


def test_a_manifest_is_a_detectors_in_all_or_nothing(tmp_path: Path) -> None:
    facts = made(tmp_path).manifest.model_dump()
    for wrong in (
        {"kind": "classifier"},
        {"detection": None},
        {"output": "logits"},
        {"classes": facts["classes"][::-1][1:]},
    ):
        with pytest.raises(ValidationError):
            Manifest.model_validate({**facts, **wrong})


def test_a_page_shows_the_boxes_beside_the_picture(tmp_path: Path) -> None:
    """White, on the picture once more; one without boxes stands alone."""
    model = made(tmp_path)
    items = []
    for name, spots in (("ok", ()), ("chip", (("chip", 32, 32, 16, 16),))):
        cv2.imwrite(str(tmp_path / f"{name}.png"), drawn(*spots) // 2)
        items.append(Item(path=tmp_path / f"{name}.png", label=name, part=name, view="1", group=name))
    shown = Exhibits(model, items)
    good, bad = (shown.picture(item) for item in items)
    assert good is not None
    assert bad is not None
    assert bad.shape[1] > 1.9 * good.shape[1]


def test_it_is_evaluated_and_calibrated_like_any_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures in folders by class; p(OK) is 1 - the surest box, so that the threshold moves as ever."""
    monkeypatch.chdir(tmp_path)
    model = made(tmp_path)
    rng = np.random.default_rng(0)
    for name, what in (("ok", ()), ("chip", ("chip",)), ("hair", ("hair",))):
        folder = tmp_path / "set" / name
        folder.mkdir(parents=True)
        for number in range(70 if name == "ok" else 35):
            spots = [(one, 16 * int(rng.integers(8)), 16 * int(rng.integers(8)), 16, 16) for one in what]
            picture = drawn(*spots)
            picture[number % 100, number // 100] = 250  # no two are the same
            cv2.imwrite(str(folder / f"{number}.png"), picture)
    assert main(["evaluate", str(model.folder), "set", "--out", "page"]) == 0
    assert "0 false calls of 70 good, 0 escapes of 70 bad" in capsys.readouterr().out
    words = ["calibrate", str(model.folder), "set", "--goal", "1", "--risk", "0.05"]
    assert main(words) == 0
    again = bundle.load(tmp_path / "models" / "cells" / "2").manifest
    assert again.operating_point is not None
    assert again.operating_point.holds
    assert (again.kind, again.score, again.detection) == (
        "detector",
        model.manifest.score,
        model.manifest.detection,
    )
