"""Bundles that carry parts known to be bad, and what becomes of those that let one pass."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import MakeGolden, encoded
from test_judging_classifier import opened

from bridge.errors import ConfigError
from bridge.health import counted
from bridge.judging import bundle
from bridge.judging.check import check
from bridge.judging.classifier import ClassifierOptions
from bridge.messages import View

BRIGHT, DARK, GREY = encoded(230), encoded(20), encoded(140)


async def test_a_bundle_that_rejects_its_known_bad_may_judge(make_golden: MakeGolden, tmp_path: Path) -> None:
    make_golden({"bad.png": (DARK, "NG"), "good.png": (BRIGHT, "OK")})
    async with opened(tmp_path) as judge:
        assert judge.best_bad is not None
        assert 0 < judge.best_bad < 0.1


async def test_a_bundle_that_passes_a_known_bad_is_refused_by_name(
    make_golden: MakeGolden, tmp_path: Path
) -> None:
    """Whatever its metrics say; the line says which picture, its score and the threshold."""
    make_golden({"bad.png": (DARK, "NG"), "worse.png": (GREY, "NG")})
    with pytest.raises(
        ConfigError, match=r"worse\.png: is known to be bad and would pass: p\(OK\) 0\.\d+, threshold"
    ):
        async with opened(tmp_path):
            pass


async def test_the_users_own_threshold_is_the_one_that_counts(make_golden: MakeGolden, tmp_path: Path) -> None:
    """A higher one makes the bundle fit, a lower one unfit."""
    make_golden({"bad.png": (GREY, "NG")})
    async with opened(tmp_path, threshold=0.95):
        pass
    make_golden({"bad.png": (DARK, "NG")}, version=4)
    with pytest.raises(ConfigError, match="known to be bad"):
        async with opened(tmp_path, threshold=0.0001):
            pass


async def test_a_threshold_of_a_line_that_would_pass_a_known_bad_is_told_once(
    make_golden: MakeGolden, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The judge is the same for all lines, so it is not refused; but nobody shall say that it was not said."""
    before = counted("threshold below known bad")
    make_golden({"bad.png": (DARK, "NG")})
    async with opened(tmp_path) as judge:
        for _ in range(3):
            await judge(
                [View(image=BRIGHT, threshold=0.0001), View(image=BRIGHT, threshold=0.9), View(image=BRIGHT)]
            )
    assert counted("threshold below known bad") == before + 1
    assert capsys.readouterr().err.count("lets a known bad part pass") == 1


async def test_a_known_good_that_is_rejected_only_warns(
    make_golden: MakeGolden, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It costs a false call, not an escape."""
    before = counted("golden good rejected")
    make_golden({"good.png": (DARK, "OK")})
    async with opened(tmp_path):
        pass
    assert counted("golden good rejected") == before + 1
    assert "good.png" in capsys.readouterr().err


async def test_a_known_bad_that_cannot_be_judged_is_refused(make_golden: MakeGolden, tmp_path: Path) -> None:
    """It proves nothing, and somebody believes that it does."""
    make_golden({"bad.png": (b"no picture", "NG")})
    with pytest.raises(ConfigError, match="could not be judged"):
        async with opened(tmp_path):
            pass


async def test_a_golden_picture_is_looked_at_where_its_view_is(make_golden: MakeGolden, tmp_path: Path) -> None:
    """With the region that the bundle has for that view."""
    make_golden({"bad.png": (DARK, "NG")}, roi={"far": {"cx": 500, "cy": 5, "w": 4, "h": 4}}, view="far")
    with pytest.raises(ConfigError, match="region of interest"):
        async with opened(tmp_path):
            pass


def test_a_golden_picture_that_is_no_file_of_the_bundle_is_refused(make_golden: MakeGolden) -> None:
    """They are hashed like everything else."""
    with pytest.raises(ConfigError, match=r"names no file lost\.png, which is golden"):
        make_golden({}, golden=[{"file": "lost.png", "verdict": "NG"}])


def test_a_golden_picture_that_was_changed_is_refused(make_golden: MakeGolden) -> None:
    made = make_golden({"bad.png": (DARK, "NG")})
    (made.folder / "bad.png").write_bytes(GREY)
    with pytest.raises(ConfigError, match="SHA-256 differs"):
        bundle.load(made.folder)


async def test_check_says_how_far_the_known_bad_stay_below_the_lowest_threshold(
    make_golden: MakeGolden, tmp_path: Path
) -> None:
    """The judge's own, or a line's where that is lower."""
    make_golden({"bad.png": (DARK, "NG")})
    options = ClassifierOptions(model="bright", home=tmp_path / "models", threads=1)
    _, well, *_ = await check(options)
    assert well.good
    assert "1 pictures" in well.said
    _, low, _, deadline = await check(options, threshold=0.0001, budget_ms=1e6)
    assert (low.good, deadline.good) == (False, True)
    assert "the lowest threshold is 0.0001" in low.said


async def test_check_says_that_a_bundle_without_known_bad_proves_nothing(
    make_golden: MakeGolden, tmp_path: Path
) -> None:
    make_golden({"good.png": (BRIGHT, "OK")})
    _, golden, *_ = await check(ClassifierOptions(model="bright", home=tmp_path / "models", threads=1))
    assert golden.good is None
