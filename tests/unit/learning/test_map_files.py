"""``aoi-bridge maps``: where a judge looked, as files for a console; no Keras here."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import spotted
from spotted import SIDE

from bridge.cli.main import main
from bridge.messages import Decision, Goal, HeatMap, Judgement, Origin, Spot, Stage, Verdict, ViewDecision
from bridge.store import Images, Second, open_journal


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def spot(x: int, y: int) -> np.ndarray:
    shown = np.full((2 * SIDE, 2 * SIDE, 3), 200, np.uint8)
    cv2.rectangle(shown, (x, y), (x + 7, y + 7), (10, 10, 10), -1)
    return shown


def told(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path("maps", f"{name}.json").read_text(encoding="utf-8"))
    return found


def test_pictures_are_judged_and_their_maps_written(capsys: pytest.CaptureFixture[str]) -> None:
    """The map lies as the picture does, on a scale of its bundle; boxes and areas stand in the JSON."""
    spotted.judge(Path("spots"), anomaly=True)
    Path("parts/left").mkdir(parents=True)
    cv2.imwrite("parts/left/a b.png", spot(40, 20))
    cv2.imwrite("parts/good.png", np.full((64, 64, 3), 200, np.uint8))
    Path("parts/torn.png").write_bytes(b"no picture")
    assert main(["maps", "parts", "--bundle", "spots@live"]) == 0
    out = capsys.readouterr().out
    assert "torn.png" in out
    assert "the maps of 2 views in maps" in out
    bad, good = told("left_a_b"), told("good")
    assert (bad["verdict"], good["verdict"]) == ("NG", "OK")
    (box,) = bad["boxes"]
    assert good["boxes"] == []
    assert cv2.imread("maps/good.seen.png").max() < 255 * 0.9, "a map far below the limit does not glow"
    assert (box["cx"], box["cy"]) == pytest.approx((44, 24), abs=2)
    assert box["area"] == pytest.approx(64, rel=0.6)
    laid = cv2.imread("maps/left_a_b.map.png", cv2.IMREAD_UNCHANGED)
    assert laid.shape == (64, 64)
    assert laid[24, 44] == laid.max() == 255
    for one in (bad, good):
        shown = cv2.imread(f"maps/{one['map']['file']}", cv2.IMREAD_UNCHANGED)
        assert one["map"]["limit"] == 0.6
        dark = 1 - 200 / 255
        assert shown[50, 10] / 255 * one["map"]["peak"] == pytest.approx(dark, abs=0.01)
    assert cv2.imread("maps/left_a_b.seen.png").shape[2] == 3


def test_one_picture_and_two_of_one_name(capsys: pytest.CaptureFixture[str]) -> None:
    spotted.judge(Path("spots"), anomaly=True)
    Path("parts").mkdir()
    for name in ("a.png", "a.jpg"):
        cv2.imwrite(f"parts/{name}", spot(20, 20))
    assert main(["maps", "parts/a.png", "--bundle", "spots", "--out", "one"]) == 0
    assert sorted(path.name for path in Path("one").iterdir()) == ["a.json", "a.map.png", "a.seen.png"]
    assert main(["maps", "parts", "--bundle", "spots", "--out", "two"]) == 0
    assert {path.name for path in Path("two").glob("*.json")} == {"a.json", "a-2.json"}
    assert "the maps of 2 views" in capsys.readouterr().out


async def kept() -> None:
    """Record a part of two views: of one the picture is gone; and a part that was judged after its answer."""
    heat = HeatMap(
        label="strange",
        rows=2,
        columns=2,
        values=bytes([0, 255, 0, 0]),
        corners=((0, 0), (64, 0), (64, 64), (0, 64)),
    )
    judged = Judgement(
        verdict=Verdict.NG,
        score=0.1,
        threshold=0.5,
        label="strange",
        bundle="spots 1 abc",
        boxes=(Spot(cx=48, cy=16, w=32, h=32, area=900),),
        heat_map=heat,
    )
    data = cv2.imencode(".png", spot(44, 12))[1].tobytes()
    async with Images(Path("var/images")) as images, open_journal(Path("var")) as journal:
        digest = await images.put(data)
        views = (
            ViewDecision(name="top", image=digest, judgement=judged, final=Verdict.NG),
            ViewDecision(name="side/2", image="ab" * 32, judgement=judged, final=Verdict.NG),
        )
        plain = {"line": "a", "goal": Goal.REPLACE, "final": Verdict.NG, "event_at": 1_700_000_000.0}
        one = Decision(id="1" * 32, part="s1", stage=Stage.LIVE, origin=Origin.MODEL, views=views, **plain)
        await journal.commit(one, [])
        asked = ViewDecision(name="top", image=digest, final=Verdict.NG)
        two = Decision(id="2" * 32, part="s2", stage=Stage.SHADOW, origin=Origin.LEGACY, views=(asked,), **plain)
        await journal.commit(two, [])
        later = Second(id=two.id, kind="shadow", at=1.7e9, model=Verdict.NG, goals={}, views=views[:1])
        await journal.second(later)
        await images.flush()


def test_what_a_journal_keeps_is_written_as_it_was_judged(capsys: pytest.CaptureFixture[str]) -> None:
    """No bundle is asked again; in shadow the judge spoke later, and that counts too."""
    asyncio.run(kept())
    assert main(["maps", "var"]) == 0
    out = capsys.readouterr().out
    assert "s1, view side/2: its picture is not kept any more" in out
    assert "the maps of 2 views" in out
    first = told(f"{'1' * 32}-top")
    assert (first["part"], first["view"], first["score"], first["bundle"]) == ("s1", "top", 0.1, "spots 1 abc")
    assert first["boxes"] == [{"cx": 48, "cy": 16, "w": 32, "h": 32, "area": 900}]
    assert first["map"]["peak"] is None
    laid = cv2.imread("maps/" + first["map"]["file"], cv2.IMREAD_UNCHANGED)
    assert np.unravel_index(laid.argmax(), laid.shape)[0] < 32 <= np.unravel_index(laid.argmax(), laid.shape)[1]
    assert told(f"{'2' * 32}-top")["inspection"] == "2" * 32
    assert main(["maps", "var", "--part", "s2", "--out", "second"]) == 0
    assert len(list(Path("second").glob("*.json"))) == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("var --bundle spots", "--bundle: means nothing to a journal"),
        ("var --line b", "holds no view of which a map can be written"),
        ("parts", "--bundle: is missing"),
        ("parts --bundle spots --part s1", "--part: means nothing to pictures"),
        ("nowhere --bundle spots", "nowhere: is not there"),
        ("parts --bundle lamps", "has no heat map"),
    ],
)
def test_what_cannot_be_written_is_one_line(words: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(kept())
    spotted.judge(Path("spots"), anomaly=True)
    spotted.judge(Path("lamps"), anomaly=False)
    Path("parts").mkdir()
    cv2.imwrite("parts/a.png", spot(20, 20))
    assert main(["maps", *words.split()]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1
