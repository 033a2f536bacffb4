"""A golden picture as a judge: made by one command, registered, compared, and held like any other bundle."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from bridge.cli.main import main
from bridge.errors import ConfigError
from bridge.judging import bundle
from bridge.judging.bundle import Bundle, Manifest
from bridge.judging.detector import DetectorOptions
from bridge.judging.template import TemplateOptions, open_template
from bridge.messages import Box, Failure, Judgement, Spot, Verdict, View

SIZE = (320, 240)


def board(*spots: tuple[int, int, int, int], x: float = 0, y: float = 0, turn: float = 0) -> np.ndarray:
    """A board of tracks and pads with dark spots, shifted and turned about its middle."""
    rng = np.random.default_rng(3)
    picture = np.full((SIZE[1], SIZE[0]), 70, np.uint8)
    for _ in range(14):
        left, top = int(rng.integers(30, 250)), int(rng.integers(30, 190))
        cv2.rectangle(picture, (left, top), (left + int(rng.integers(8, 50)), top + 8), 200, -1)
        cv2.circle(
            picture, (int(rng.integers(40, 280)), int(rng.integers(40, 200))), int(rng.integers(4, 12)), 150, -1
        )
    for left, top, wide, high in spots:
        picture[top : top + high, left : left + wide] = 0
    about = cv2.getRotationMatrix2D((SIZE[0] / 2, SIZE[1] / 2), turn, 1)
    about[:, 2] += (x, y)
    return np.asarray(cv2.warpAffine(picture, about, SIZE, borderValue=70), np.uint8)


def saved(path: Path, picture: np.ndarray) -> str:
    cv2.imwrite(str(path), picture)
    return str(path)


def made(home: Path, *more: str) -> Bundle:
    golden = saved(home / "golden.png", board())
    assert (
        main(["bundle", "template", golden, "--out", str(home / "models" / "boards"), "--margin", "0.08", *more])
        == 0
    )
    return bundle.load(home / "models" / "boards" / "1")


def view(picture: np.ndarray, **changes: object) -> View:
    return View(image=cv2.imencode(".png", picture)[1].tobytes(), **changes)  # type: ignore[arg-type]


def judged(model: Bundle, *views: View, **options: object) -> Sequence[Judgement]:
    """What the judge of the line says of views."""
    facts: dict[str, object] = {"model": str(model.folder), "threads": 1}

    async def ask() -> Sequence[Judgement]:
        async with open_template(TemplateOptions.model_validate(facts | options)) as judge:
            return await judge(views)

    return asyncio.run(ask())


SPOT = (150, 100, 10, 12)


def test_a_part_is_found_and_what_differs_is_told_in_its_own_pixels(tmp_path: Path) -> None:
    """Shifted, turned and in another light."""
    model = made(tmp_path)
    moved = board(x=6, y=-4, turn=2)
    darker = (board(SPOT, x=6, y=-4) * 0.8).astype(np.uint8)
    clean, loose, bad = judged(model, view(board()), view(moved), view(darker))
    assert (clean.verdict, clean.score, clean.label, clean.boxes) == (Verdict.OK, 1.0, "ok", ())
    assert (loose.verdict, loose.boxes) == (Verdict.OK, ())
    assert (bad.verdict, bad.threshold, bad.label) == (Verdict.NG, 0.5, "different")
    (box,) = bad.boxes
    assert isinstance(box, Spot)
    assert (box.cx, box.cy) == pytest.approx((161, 102), abs=1.5)
    assert (box.w, box.h) == pytest.approx((14, 16), abs=3), "two pixels more on each side"
    assert box.area == pytest.approx(120, rel=0.25)
    assert bad.score == pytest.approx(1 / (1 + (box.area or 0) / 20), abs=1e-3)
    assert box.score == pytest.approx(1 - (bad.score or 0))


def test_what_is_allowed_passes_and_is_told_if_all_is_wanted(tmp_path: Path) -> None:
    """Threshold 0.5 lets pass the allowed area; what decides nothing is told only on request."""
    model = made(tmp_path, "--allowed-area", "200")
    (said,) = judged(model, view(board(SPOT)))
    assert (said.verdict, said.boxes) == (Verdict.OK, ())
    (said,) = judged(model, view(board(SPOT)), boxes="all")
    assert (said.verdict, len(said.boxes)) == (Verdict.OK, 1)
    (said,) = judged(model, view(board(SPOT)), threshold=0.7)
    assert (said.verdict, len(said.boxes)) == (Verdict.NG, 1)


def test_what_is_broken_or_something_else_costs_its_own_view(tmp_path: Path) -> None:
    """What is not found is unreadable: never a guess."""
    other = np.random.default_rng(0).integers(0, 256, SIZE[::-1]).astype(np.uint8)
    sound, broken, strange = judged(made(tmp_path), view(board()), View(image=b"\xff\xd8no"), view(other))
    assert sound.verdict is Verdict.OK
    assert [one.failure for one in (broken, strange)] == [Failure.IMAGE_UNREADABLE] * 2


def test_a_lines_own_region_is_compared_with_the_same_of_the_template(tmp_path: Path) -> None:
    roi = Box(cx=160, cy=120, w=60, h=60)
    outside, inside = judged(made(tmp_path), view(board((60, 60, 10, 10)), roi=roi), view(board(SPOT), roi=roi))
    assert (outside.verdict, inside.verdict) == (Verdict.OK, Verdict.NG)
    assert (inside.boxes[0].cx, inside.boxes[0].cy) == pytest.approx((155, 106), abs=1)


def test_it_is_shown_verified_and_must_reject_what_is_known_to_be_bad(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = made(tmp_path, "--bad", saved(tmp_path / "bad.png", board(SPOT)), "--name", "panel")
    assert "written: panel 1" in capsys.readouterr().out
    one = model.manifest
    assert (one.kind, one.input.colour, one.threshold, sorted(one.files)) == (
        "template",
        "gray",
        0.5,
        ["golden-1.png", "template.png"],
    )
    assert main(["bundle", "verify", str(model.folder)]) == 0
    assert "rejects known bad: 1 pictures" in capsys.readouterr().out
    assert main(["bundle", "show", str(model.folder)]) == 0
    shown = capsys.readouterr().out
    assert "1 / (1 + a / 20)" in shown
    assert "from 40 grey levels on, edges 3 pixels beside their place not" in shown
    words = ["bundle", "template", str(tmp_path / "golden.png"), "--out", str(tmp_path / "other")]
    assert main([*words, "--bad", str(tmp_path / "golden.png")]) == 2
    assert "is known to be bad and would pass" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--roi", "160,120,400,100"], "--roi: leaves nothing of 320 x 240"),
        (["--margin", "0.5"], "--margin: leaves nothing of 320 x 240; write less"),
        (["--allowed-area", "0"], "--allowed-area: Input should be greater than 0"),
        (["--tolerance-pixels", "99"], "--tolerance-pixels: Input should be less than or equal to 32"),
        (["--bad", "nowhere.png"], "--bad nowhere.png: is no file"),
    ],
)
def test_a_mistake_is_one_line(
    more: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golden = saved(tmp_path / "golden.png", board())
    assert main(["bundle", "template", golden, "--out", str(tmp_path / "boards"), *more]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert not (tmp_path / "boards").exists()


def test_a_picture_with_nothing_to_register_by_is_no_template(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golden = saved(tmp_path / "blank.png", np.full((240, 320), 255, np.uint8))
    assert main(["bundle", "template", golden, "--out", str(tmp_path / "blank")]) == 2
    assert "its golden picture template.png cannot be registered" in capsys.readouterr().err
    (tmp_path / "no.png").write_bytes(b"no picture")
    assert main(["bundle", "template", str(tmp_path / "no.png"), "--out", str(tmp_path / "blank")]) == 2
    assert "no.png: is neither JPEG, PNG, BMP nor TIFF" in capsys.readouterr().err


def test_a_template_is_no_detector_and_complete_or_nothing(tmp_path: Path) -> None:
    model = made(tmp_path)
    with pytest.raises(
        ConfigError, match=r'is of kind template, and this judge runs detector; write type = "template"'
    ):
        DetectorOptions(model=str(model.folder)).pinned()
    facts = model.manifest.model_dump()
    for wrong in ({"kind": "detector"}, {"comparison": None}, {"registration": {}}, {"output": "logits"}):
        with pytest.raises(ValidationError):
            Manifest.model_validate({**facts, **wrong})


def test_it_is_evaluated_like_any_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = made(tmp_path)
    for name, spots in (("ok", ()), ("different", (SPOT,))):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(6):
            saved(
                tmp_path / "set" / name / f"{number}.png",
                board(*spots, x=number - 3, y=2 - number, turn=number / 4),
            )
    assert main(["evaluate", str(model.folder), "set", "--out", "page"]) == 0
    assert "0 false calls of 6 good, 0 escapes of 6 bad" in capsys.readouterr().out
