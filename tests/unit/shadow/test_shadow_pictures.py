from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_month import BEGIN, DAY, LINE, OK, Told, book

from bridge.config.shadow import Shadow
from bridge.messages import PictureFacts
from bridge.shadow import plant
from bridge.shadow.reading import Reading, read
from bridge.shadow.report import course, pictures

MONDAY = BEGIN + 4 * DAY
"""2026-10-05."""
WEEKS = ("2026-W41", "2026-W42", "2026-W43")
PER_WEEK = 300


def looks(rng: np.random.Generator, brightness: float, sharpness: float = 400.0) -> PictureFacts:
    return PictureFacts(
        brightness=rng.normal(brightness, 2), contrast=rng.normal(30, 1), sharpness=rng.normal(sharpness, 20)
    )


def fill(folder: Path) -> None:
    """Write three weeks of two cameras: in the second week one lamp goes dim, in the third its lens is dirty."""
    rng = np.random.default_rng(3)
    with book(folder) as month:
        for week, place in itertools.product(range(3), range(PER_WEEK)):
            second = looks(rng, 120 - 10 * (week == 1), 400 - 80 * (week == 2))
            at = MONDAY + (7 * week + 6.9 * place / PER_WEEK) * DAY
            month.add(
                Told(
                    at=at, legacy=OK, model=OK, scores=(0.9, 0.9), pictures=(looks(rng, 90), second), part=f"{at}"
                )
            )
        plain = Told(at=MONDAY + 20.95 * DAY, legacy=OK, model=OK, scores=(0.9, 0.9), part="not measured")
        month.add(plain)


def reading(folder: Path) -> Reading:
    return read(folder, LINE, Shadow(), BEGIN, BEGIN + 40 * DAY)


def told(folder: Path) -> dict[str, list[dict[str, Any]]]:
    found = reading(folder)
    return {
        one["view"]: one["weeks"] for one in pictures.pictures(folder, found, plant.days(found.month.at, "UTC"))
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("looks")
    fill(where)
    return where


def test_each_view_is_held_against_its_own_first_week(folder: Path) -> None:
    views = told(folder)
    assert list(views) == ["cam 1", "cam 2"]
    for weeks in views.values():
        assert [(one["week"], one["measured"]) for one in weeks] == [(week, PER_WEEK) for week in WEEKS]
        assert [weeks[0][name]["psi"] for name in pictures.FIGURES] == [None, None, None]
    tones = {
        (view, one["week"], name)
        for view, weeks in views.items()
        for one in weeks
        for name in pictures.FIGURES
        if one[name]["tone"] == "act"
    }
    assert tones == {("cam 2", WEEKS[1], "brightness"), ("cam 2", WEEKS[2], "sharpness")}
    dim = views["cam 2"][1]["brightness"]
    assert dim["median"] == pytest.approx(110, abs=1)
    assert dim["ks"] > 0.9


def test_of_many_parts_a_sample_of_each_week_is_told_and_always_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "MOST_PARTS", 100)
    few = told(folder)
    assert [one["measured"] for one in few["cam 1"][:2]] == [100, 100]
    assert few == told(folder)
    assert few["cam 2"][1]["brightness"]["tone"] == "act"


@pytest.mark.parametrize("period", [2, 6, 10, 64])
def test_no_phase_of_a_line_s_period_is_preferred(
    folder: Path, monkeypatch: pytest.MonkeyPatch, period: int
) -> None:
    """A machine of six cavities must not be told by one of them."""
    monkeypatch.setattr(pictures, "MOST_PARTS", 10_000)
    found = reading(folder)
    numbers = np.arange(1, 2_000_001, dtype=np.int32)
    many = type("Many", (), {"second": numbers, "views": found.views})()
    rows = pictures._some(many, np.zeros(len(numbers), np.int32), 1)
    shares = np.bincount(numbers[rows] % period, minlength=period) / len(rows)
    assert len(rows) == 10_000
    assert np.abs(shares * period - 1).max() < 0.1


def test_boards_of_many_views_are_told_by_fewer_parts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MOST_VIEWS", 3 * 2 * 60)
    monkeypatch.setattr(pictures, "LEAST_PARTS", 50)
    assert told(folder)["cam 2"][0]["measured"] == 60
    monkeypatch.setattr(pictures, "LEAST_PARTS", 80)
    assert told(folder)["cam 2"][0]["measured"] == 80


def test_the_page_tells_every_view_and_what_is_meant(folder: Path) -> None:
    found = reading(folder)
    facts = pictures.pictures(folder, found, plant.days(found.month.at, "UTC"))
    body = "".join(map(str, course.pictures({"pictures": facts}).body))
    assert "<svg" in body or "svg+xml" in body
    assert "mean grey level" in body
    for word in ("cam 1", "cam 2", *WEEKS, " act<"):
        assert word in body
    one_week = [one | {"weeks": one["weeks"][:1]} for one in facts]
    assert "svg" not in "".join(map(str, course.pictures({"pictures": one_week}).body))
