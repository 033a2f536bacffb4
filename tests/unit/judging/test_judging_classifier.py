from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from conftest import Make, brightness_model, encoded, explained_model, photograph, spotted
from pydantic import ValidationError
from test_judging_headers import bomb

from bridge.errors import ConfigError, Unavailable
from bridge.health import counted
from bridge.judging.bundle import ModelClass
from bridge.judging.classifier import Classifier, ClassifierOptions, open_classifier
from bridge.messages import Box, Failure, Judgement, Verdict, View

BRIGHT, DARK = View(image=encoded(230)), View(image=encoded(20))


@asynccontextmanager
async def opened(home: Path, **options: object) -> AsyncIterator[Classifier]:
    facts: dict[str, object] = {"model": "bright", "home": home / "models", "threads": 1}
    async with open_classifier(ClassifierOptions.model_validate(facts | options)) as judge:
        assert isinstance(judge, Classifier)
        yield judge


def scores(judgements: Sequence[Judgement]) -> list[float]:
    return [judgement.score or 0.0 for judgement in judgements]


async def test_each_view_gets_its_verdict_with_its_evidence(make: Make, tmp_path: Path) -> None:
    made = make()
    async with opened(tmp_path) as judge:
        bright, dark = await judge([BRIGHT, DARK])
    assert (bright.verdict, bright.label, bright.failure) == (Verdict.OK, "lit", None)
    assert (dark.verdict, dark.label, dark.failure) == (Verdict.NG, "dark", None)
    assert bright.bundle == made.identity
    assert bright.threshold == 0.5
    assert 0 < bright.judge_ms < 1000


async def test_an_open_judge_says_what_it_is_and_what_a_view_takes(make: Make, tmp_path: Path) -> None:
    """By these a reload compares a new bundle with the old one and with the lines' time."""
    made = make()
    async with opened(tmp_path) as judge:
        assert judge.identity == made.identity
        assert 0 < judge.ms_per_view < 1000


async def test_the_ok_classes_add_up_wherever_they_stand(make: Make, tmp_path: Path) -> None:
    """Two OK classes of 40 % each are OK; the label is still the single most likely class."""
    names = [("clean", Verdict.OK), ("crack", Verdict.NG), ("stained", Verdict.OK)]
    make(
        brightness_model(weights=(0.0, 0.1, 0.0), gain=2.0),
        classes=[ModelClass(name=name, verdict=verdict) for name, verdict in names],
    )
    async with opened(tmp_path) as judge:
        (judgement,) = await judge([View(image=encoded(255))])
    e = np.exp(0.1)
    assert judgement.score == pytest.approx(2 / (2 + e), abs=1e-4)
    assert (judgement.verdict, judgement.label) == (Verdict.OK, "crack")


async def test_a_threshold_is_taken_from_the_nearest_that_states_one(make: Make, tmp_path: Path) -> None:
    """The view's, else the line's option, else the bundle's; p(OK) at the threshold is OK."""
    make(threshold=0.2)
    grey = encoded(128)
    async with opened(tmp_path) as judge:
        plain, strict = await judge([View(image=grey), View(image=grey, threshold=0.9)])
        (exact,) = await judge([View(image=grey, threshold=plain.score)])
    async with opened(tmp_path, threshold=0.8) as judge:
        (by_option,) = await judge([View(image=grey)])
    assert [one.threshold for one in (plain, strict, by_option)] == [0.2, 0.9, 0.8]
    assert [one.verdict for one in (plain, strict, by_option)] == [Verdict.OK, Verdict.NG, Verdict.NG]
    assert exact.verdict is Verdict.OK


async def test_a_region_is_the_views_own_or_the_bundles(make: Make, tmp_path: Path) -> None:
    """By the view's name; a region that the host set wins."""
    image = np.zeros((40, 80, 3), np.uint8)
    image[:, 40:] = 255
    import cv2  # noqa: PLC0415 - only this test draws

    data = cv2.imencode(".png", image)[1].tobytes()
    make(roi={"right": {"cx": 60, "cy": 20, "w": 20, "h": 20}, "*": {"cx": 20, "cy": 20, "w": 20, "h": 20}})
    async with opened(tmp_path) as judge:
        judged = await judge(
            [
                View(name="right", image=data),
                View(name="left", image=data),
                View(name="right", image=data, roi=Box(cx=20, cy=20, w=20, h=20)),
            ]
        )
    assert [round(score) for score in scores(judged)] == [1, 0, 0]


async def test_an_ng_view_says_where_it_looks_bad(make: Make, tmp_path: Path) -> None:
    """In pixels of the original picture, through the ROI; an OK view has no place to show."""
    make(
        explained_model(),
        heat_map={"peak_share": 0.6},
        threshold=0.9,
        roi={"*": {"cx": 48, "cy": 32, "w": 32, "h": 32}},
    )
    async with opened(tmp_path) as judge:
        dark, bright = await judge([View(image=spotted(48, 32)), View(image=encoded(255, (96, 64)))])
    assert (dark.verdict, bright.verdict) == (Verdict.NG, Verdict.OK)
    (box,) = dark.boxes
    assert (box.cx, box.cy) == pytest.approx((56, 40), abs=1.5)
    assert (box.w, box.h) == pytest.approx((16, 16), abs=3)
    assert dark.heat_map is not None
    assert (dark.heat_map.label, dark.heat_map.rows, dark.heat_map.columns) == ("dark", 4, 4)
    assert dark.heat_map.corners == ((32, 16), (64, 16), (64, 48), (32, 48))
    assert (bright.boxes, bright.heat_map) == ((), None)


@pytest.mark.parametrize(("asked", "explained"), [("none", 0), ("NG", 1), ("unsure", 2), ("all", 3)])
async def test_the_option_says_which_views_are_explained(
    make: Make, tmp_path: Path, asked: str, explained: int
) -> None:
    """None, what is NG, also what is barely OK, or all; the scores are the same whichever it is."""
    make(explained_model(), heat_map={})
    views = [View(image=encoded(grey)) for grey in (20, 130, 230)]
    async with opened(tmp_path, heat_map=asked, unsure_margin=0.2) as judge:
        judged = await judge(views)
    assert [one.verdict for one in judged] == [Verdict.NG, Verdict.OK, Verdict.OK]
    assert [one.heat_map is not None for one in judged] == [number < explained for number in range(3)]
    assert scores(judged) == pytest.approx([0.001, 0.54, 0.998], abs=0.01)


async def test_a_model_without_a_heat_map_says_nothing_of_places(make: Make, tmp_path: Path) -> None:
    make()
    async with opened(tmp_path, heat_map="all") as judge:
        (judged,) = await judge([DARK])
    assert (judged.boxes, judged.heat_map) == ((), None)


async def test_a_loose_part_is_judged_where_it_lies(make: Make, tmp_path: Path) -> None:
    """It is found by a golden picture; its box is where it lies, and what is not found is unreadable."""
    import cv2  # noqa: PLC0415 - only these tests draw

    def shown(across: int, down: int, *, spot: bool) -> bytes:
        part = photograph((120, 96), seed=3) // 2 + 110
        if spot:
            part[30:60, 40:70] = 0
        picture = np.full((240, 320, 3), 90, np.uint8)
        picture[60 + down : 156 + down, 80 + across : 200 + across] = part
        return cv2.imencode(".png", picture)[1].tobytes()

    make(
        explained_model(),
        {"golden.png": shown(0, 0, spot=False)},
        registration={"*": {"golden": "golden.png"}},
        roi={"*": {"cx": 140, "cy": 108, "w": 100, "h": 80}},
        heat_map={"peak_share": 0.8},
        threshold=0.9,
    )
    images = [
        shown(0, 0, spot=True),
        shown(20, -14, spot=True),
        shown(20, -14, spot=False),
        encoded(90, (320, 240)),
    ]
    async with opened(tmp_path) as judge:
        still, loose, good, nothing = await judge([View(image=image) for image in images])
    assert [one.verdict for one in (still, loose, good)] == [Verdict.NG, Verdict.NG, Verdict.OK]
    assert loose.score == pytest.approx(still.score, abs=0.01)
    assert (loose.boxes[0].cx, loose.boxes[0].cy) == pytest.approx(
        (still.boxes[0].cx + 20, still.boxes[0].cy - 14), abs=2
    )
    assert nothing.failure is Failure.IMAGE_UNREADABLE


async def test_a_golden_picture_that_shows_nothing_is_one_line(make: Make, tmp_path: Path) -> None:
    make(pictures={"golden.png": b"no picture"}, registration={"*": {"golden": "golden.png"}})
    with pytest.raises(ConfigError, match=r"its golden picture golden\.png cannot be decoded"):
        async with opened(tmp_path):
            pass


@pytest.mark.parametrize(
    "image",
    [b"", b"part 7 OK", bomb(60_000, 60_000), encoded(9, form=".jpg")[:-2], encoded(9)[:60]],
    ids=["empty", "text", "bomb", "cut jpeg", "cut png"],
)
async def test_an_unreadable_picture_is_a_failure_of_its_view_alone(
    make: Make, tmp_path: Path, image: bytes
) -> None:
    make()
    async with opened(tmp_path) as judge:
        first, second, third = await judge([BRIGHT, View(image=image), DARK])
    assert (first.verdict, third.verdict) == (Verdict.OK, Verdict.NG)
    assert (second.verdict, second.score, second.failure) == (None, None, Failure.IMAGE_UNREADABLE)


async def test_a_panel_of_unreadable_views_is_one_line_in_the_log_and_counted_in_full(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for each of thousands of views would hold up every other line for seconds."""
    make()
    before = counted(str(Failure.IMAGE_UNREADABLE))
    async with opened(tmp_path) as judge:
        judgements = await judge([BRIGHT, *(View(name=f"R{n}", image=b"no picture") for n in range(200))])
    assert [judgement.failure for judgement in judgements] == [None, *[Failure.IMAGE_UNREADABLE] * 200]
    assert counted(str(Failure.IMAGE_UNREADABLE)) - before == 200
    (line,) = (line for line in capsys.readouterr().err.splitlines() if "view not judged" in line)
    assert "views=200" in line
    assert "R0" in line


async def test_a_view_without_a_picture_is_missing(make: Make, tmp_path: Path) -> None:
    make()
    async with opened(tmp_path) as judge:
        missing, dark = await judge([View(), DARK])
        assert [one.failure for one in await judge([View()])] == [Failure.IMAGE_MISSING]
    assert missing.failure is Failure.IMAGE_MISSING
    assert dark.verdict is Verdict.NG


async def test_an_output_that_is_no_number_is_never_ok(make: Make, tmp_path: Path) -> None:
    make(brightness_model(gain=float("inf")))
    async with opened(tmp_path) as judge:
        (judgement,) = await judge([View(image=encoded(128))])
    assert (judgement.verdict, judgement.failure) == (None, Failure.JUDGE_DOWN)


async def test_outputs_that_are_no_probabilities_are_never_ok(make: Make, tmp_path: Path) -> None:
    """A bundle that calls logits probabilities is noticed at the first part."""
    make(output="probabilities")
    async with opened(tmp_path) as judge:
        (judgement,) = await judge([BRIGHT])
    assert judgement.failure is Failure.JUDGE_DOWN


async def test_a_worker_that_dies_between_parts_ends_the_opener(make: Make, tmp_path: Path) -> None:
    """The host hears of it at once and opens a new one, before the next part comes."""
    make()
    with pytest.RaisesGroup(pytest.RaisesExc(Unavailable, match="SIGKILL")):
        async with opened(tmp_path) as judge:
            judge._post.worker.process.send_signal(signal.SIGKILL)
            await asyncio.Event().wait()


async def test_a_judge_opens_again_after_a_death(make: Make, tmp_path: Path) -> None:
    make()
    for _ in range(2):
        async with opened(tmp_path) as judge:
            assert (await judge([BRIGHT]))[0].verdict is Verdict.OK


async def test_a_bad_bundle_is_one_line_of_the_users(make: Make, tmp_path: Path) -> None:
    made = make()
    (made.folder / "model.bin").write_bytes(b"\0")
    with pytest.raises(ConfigError, match="SHA-256 differs"):
        async with opened(tmp_path):
            pass
    with pytest.raises(ConfigError, match="write a bundle's folder, or a name"):
        async with opened(tmp_path, model="brigth"):
            pass


@pytest.mark.parametrize(
    "wrong", [{"threshold": 0}, {"threshold": 1.2}, {"threads": 0}, {"hang_ms": 0}, {"modle": "x"}, {"model": ""}]
)
def test_options_are_checked_without_a_model(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ClassifierOptions.model_validate({"model": "pins"} | wrong)


def test_the_gateways_side_imports_nothing_heavy() -> None:
    """Neither numpy nor OpenCV nor OpenVINO: the gateway starts in a second and stays small."""
    code = "import sys, bridge.judging.classifier; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {name.partition(".")[0] for name in out.split()} & {"numpy", "cv2", "openvino", "tensorflow"}


LOOKUPS = """
import sys
seen = []
sys.addaudithook(lambda event, args: seen.append((event, args)) if event.startswith("socket.") else None)
from bridge.judging import bench, worker
print([event for event, _ in seen if event in {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname"}])
print("pydantic" in sys.modules, "openvino_telemetry.main" in sys.modules)
"""


def test_nothing_is_looked_up_or_connected_to() -> None:
    """``import openvino`` alone would look up a host and start a sender."""
    out = subprocess.run([sys.executable, "-c", LOOKUPS], capture_output=True, text=True, check=True).stdout
    assert out.split("\n")[:2] == ["[]", "False False"]
