"""Where a model looks: boxes as people write them, kept inside the pictures, shown before training."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bridge.cli.main import main
from bridge.errors import ConfigError
from bridge.judging import bundle
from bridge.judging.bundle import ANY_VIEW, Manifest
from bridge.judging.headers import Unreadable
from bridge.judging.spec import Input, Registration
from bridge.learning import roi, roi_sheet
from bridge.learning.augmentation import Policy, generator
from bridge.learning.data import Look, items
from bridge.messages import Box
from bridge.simulate.factory import DEMO_BUNDLE

PART = Box(cx=80, cy=60, w=60, h=40)


def drawn(seed: int = 0) -> NDArray[np.uint8]:
    """Return a picture of 160 x 120 with one part in it, all of PART."""
    rng = np.random.default_rng(7)
    picture = np.full((120, 160, 3), 60, np.uint8)
    cv2.rectangle(picture, (50, 40), (109, 79), (190, 170, 160), -1)
    for _ in range(12):
        x, y = (int(number) for number in rng.integers((54, 44), (104, 74)))
        cv2.circle(
            picture, (x, y), int(rng.integers(2, 6)), [int(number) for number in rng.integers(0, 255, 3)], -1
        )
    noise = np.random.default_rng(seed).normal(0, 2, picture.shape)
    return np.asarray(np.clip(picture + noise, 0, 255), np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a set of two views, four pictures each, the part lying as it should."""
    for label in ("ok", "ng"):
        (tmp_path / "set" / label).mkdir(parents=True)
        for view in ("left", "right"):
            for number in range(2):
                cv2.imwrite(str(tmp_path / "set" / label / f"{number}-{view}.png"), drawn(number))
    return tmp_path / "set"


@pytest.fixture
def collection(folder: Path) -> items.Collection:
    """Return what is in it, the views by name."""
    return items.read(folder, items.Choice(views="-(?P<group>[a-z]+)"))


class TestBoxes:
    """What ``--roi`` means."""

    def test_one_box_for_all_views_or_one_for_each(self) -> None:
        """The middle, width and height in pixels."""
        assert roi.boxes(["80,60,60,40"], ["left"]) == {ANY_VIEW: PART}
        both = roi.boxes(["left=80,60,60,40", "right=1,2,3,4"], ["left", "right"])
        assert both == {"left": PART, "right": Box(cx=1, cy=2, w=3, h=4)}

    @pytest.mark.parametrize(
        ("texts", "said"),
        [
            (["80,60,60"], "--roi 80,60,60: is no box; write cx,cy,w,h"),
            (["80,60,0,40"], "is no box"),
            (["80,60,nan,40"], "is no box"),
            (["lefd=80,60,60,40"], "there is no view 'lefd'; did you mean left?"),
            (["1,2,3,4", "5,6,7,8"], "--roi 5,6,7,8: is written twice for the same view"),
        ],
    )
    def test_a_mistake_is_one_line(self, texts: list[str], said: str) -> None:
        """It says what was written and what to write."""
        with pytest.raises(ConfigError) as caught:
            roi.boxes(texts, ["left", "right"])
        assert said in str(caught.value)

    def test_a_margin_is_added_on_each_side_and_ends_at_the_picture(self, collection: items.Collection) -> None:
        """A tenth of 60 x 40 on each side; where the picture ends before, the box ends there."""
        seen = roi.sizes(collection)
        assert {view: size[:2] for view, size in seen.items()} == {"left": (160, 120), "right": (160, 120)}
        assert roi.fitted({ANY_VIEW: PART}, 0.1, seen) == {ANY_VIEW: Box(cx=80, cy=60, w=72, h=48)}
        corner = roi.fitted({"left": Box(cx=30, cy=20, w=60, h=40)}, 0.1, seen)
        assert corner == {"left": Box(cx=33, cy=22, w=66, h=44)}
        assert roi.fitted({ANY_VIEW: PART}, 0.0, seen) == {ANY_VIEW: PART}

    def test_a_box_must_be_inside_every_picture_of_its_view(
        self, folder: Path, collection: items.Collection
    ) -> None:
        """The smallest one decides, and is named; another view's sizes do not matter."""
        cv2.imwrite(str(folder / "ng" / "1-right.png"), drawn()[:70])
        seen = roi.sizes(collection)
        assert roi.fitted({"left": PART}, 0.2, seen) == {"left": Box(cx=80, cy=60, w=84, h=56)}
        with pytest.raises(
            ConfigError, match=r"leaves 1-right\.png, which is 160 x 70: it spans 50, 40 to 110, 80"
        ):
            roi.fitted({ANY_VIEW: PART}, 0.0, seen)


class TestElsewhere:
    """Boxes that stand somewhere already."""

    LINES = """
data = "var"
[[line]]
name = "smt-3"
roi = { "*" = { cx = 80, cy = 60, w = 60, h = 40 } }
source = { type = "not installed" }
[line.recipe.M10]
roi = { left = { cx = 1, cy = 2, w = 3, h = 4 } }
[line.recipe.M12]
[[line]]
name = "smt-4"
"""

    def test_a_line_of_a_bridge_toml(self, tmp_path: Path) -> None:
        """Its own or its recipe's, whatever else stands in the file."""
        (tmp_path / "bridge.toml").write_text(self.LINES, encoding="utf-8")
        assert roi.of_line(f"{tmp_path}/bridge.toml:smt-3") == {ANY_VIEW: PART}
        assert roi.of_line(f"{tmp_path}/bridge.toml:smt-3/M10") == {"left": Box(cx=1, cy=2, w=3, h=4)}
        assert roi.of_line(f"{tmp_path}/bridge.toml:smt-3/M12") == {ANY_VIEW: PART}

    @pytest.mark.parametrize(
        ("place", "said"),
        [
            ("smt-5", "has no line 'smt-5'; did you mean smt-4?"),
            ("smt-4", "line.smt-4: has no roi; write roi ="),
            ("smt-3/M11", "line smt-3 has no recipe 'M11'; did you mean M12?"),
        ],
    )
    def test_a_line_without_one(self, place: str, said: str, tmp_path: Path) -> None:
        """One line says what is missing."""
        (tmp_path / "bridge.toml").write_text(self.LINES, encoding="utf-8")
        with pytest.raises(ConfigError) as caught:
            roi.of_line(f"{tmp_path}/bridge.toml:{place}")
        assert said in str(caught.value)

    def test_a_line_whose_box_is_wrong(self, tmp_path: Path) -> None:
        """File, line and key are named."""
        (tmp_path / "bridge.toml").write_text(self.LINES.replace("w = 60", "wide = 60"), encoding="utf-8")
        with pytest.raises(ConfigError, match=r"bridge.toml: line.smt-3: roi"):
            roi.of_line(f"{tmp_path}/bridge.toml:smt-3")

    def test_what_goes_into_a_bundle_comes_out_again(self, tmp_path: Path) -> None:
        """So that a new line looks as the old one did, and the live path as training did."""
        golden = tmp_path / "golden.png"
        cv2.imwrite(str(golden), drawn())
        goldens = roi.goldens([str(golden)], ["left"], Registration(golden="", motion="shift"))
        look = Look(into=Input(width=32, height=24), rois={"left": PART}, goldens=goldens)
        said, files = roi.bundled(look)
        demo = bundle.load(DEMO_BUNDLE)
        manifest = Manifest.model_validate(demo.manifest.model_dump() | {"golden": ()} | said)
        model = {name: DEMO_BUNDLE / name for name in ("model.xml", "model.bin")}
        made = bundle.write(tmp_path / "1", manifest, model | files)
        assert made.manifest.input == look.into
        assert roi.of_bundle(made) == (look.rois, look.goldens)


class TestLook:
    """Training and the live path cut alike."""

    def test_a_loose_part_is_found_and_cut(self, tmp_path: Path) -> None:
        """Moved and turned, it is shown to the model as the golden one is; without registration it is not."""
        golden = tmp_path / "golden.png"
        cv2.imwrite(str(golden), drawn())
        goldens = roi.goldens([str(golden)], ["1"], Registration(golden=""))
        into = Input(width=60, height=40, colour="bgr")
        loose = Policy(angle_degrees=6, shift=0.04).apply(drawn(1), generator(3))
        data = cv2.imencode(".png", loose)[1].tobytes()
        apart = {}
        for name, onto in (("strict", {}), ("registered", goldens)):
            look = Look(into=into, rois={ANY_VIEW: PART}, goldens=onto)
            found, expected = (look.picture(one, "1") for one in (data, golden.read_bytes()))
            apart[name] = np.abs(found.astype(int) - expected).mean()
        assert apart["registered"] < 8 < apart["strict"]

    def test_an_empty_fixture_is_no_part(self, tmp_path: Path) -> None:
        """Nothing like the golden picture is there, so nothing is cut."""
        golden = tmp_path / "golden.png"
        cv2.imwrite(str(golden), drawn())
        goldens = roi.goldens([str(golden)], ["1"], Registration(golden=""))
        look = Look(into=Input(width=60, height=40), rois={ANY_VIEW: PART}, goldens=goldens)
        empty = cv2.imencode(".png", np.full((120, 160, 3), 60, np.uint8))[1].tobytes()
        with pytest.raises(Unreadable, match="cannot be registered"):
            look.cut(empty, "1")

    def test_a_golden_picture_that_is_none(self, tmp_path: Path) -> None:
        """The flag and the file are named."""
        (tmp_path / "golden.png").write_bytes(b"no picture")
        with pytest.raises(ConfigError, match="--register"):
            roi.goldens([str(tmp_path / "golden.png")], ["1"], Registration(golden=""))
        with pytest.raises(ConfigError, match="cannot be read"):
            roi.goldens([str(tmp_path / "none.png")], ["1"], Registration(golden=""))


class TestSheet:
    """What the engineer looks at."""

    def test_outside_is_dimmed_and_the_crop_stands_beside_it(self, collection: items.Collection) -> None:
        """Bright inside the box, a line round it, and the very pixels that the model is shown."""
        look = Look(into=Input(width=60, height=40, colour="bgr"), rois={ANY_VIEW: PART})
        seen = roi_sheet.tried(collection, look, 1)
        assert [one.item.view for one in seen] == ["left", "right"]
        whole, crop = roi_sheet._pair(seen[0], look.into)
        original = drawn(0)
        assert whole is not None
        assert np.array_equal(whole[45:75, 55:105], original[45:75, 55:105])
        assert whole[:30].mean() == pytest.approx(0.3 * original[:30].mean(), abs=1)
        assert np.array_equal(crop, original[40:80, 50:110])

    def test_what_could_not_be_cut_comes_first(self, folder: Path, collection: items.Collection) -> None:
        """With its reason and without a crop."""
        (folder / "ok" / "1-left.png").write_bytes(b"broken")
        look = Look(into=Input(width=60, height=40), rois={ANY_VIEW: PART})
        seen = roi_sheet.tried(collection, look, 10)
        failed = roi_sheet._shown([one for one in seen if one.item.view == "left"], 3)[0]
        assert failed.item.path.name == "1-left.png"
        assert failed.cut is None
        assert failed.why
        assert roi_sheet.sheet(seen, look).shape[2] == 3


class TestCommand:
    """``aoi-bridge data roi`` and ``data augment``, as a person types them."""

    VIEWS = ("--views", "(?P<group>left|right)")

    def test_a_sheet_of_every_view(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """One line for each view, and the picture."""
        out = folder.parent / "roi.png"
        words = ["data", "roi", str(folder), *self.VIEWS, "--out", str(out), "--margin", "0.1", "--roi"]
        assert main([*words, "80,60,60,40"]) == 0
        said = capsys.readouterr().out
        assert "view left: --roi left=80,60,72,48; 4 of 4 pictures cut" in said
        assert "view right: --roi right=80,60,72,48; 4 of 4 pictures cut" in said
        assert cv2.imread(str(out)).shape[1] > 600

    def test_parts_that_could_not_be_registered_are_named(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """And the exit status says so; the correlation of the others is told."""
        cv2.imwrite(str(folder / "ng" / "0-left.png"), np.full((120, 160, 3), 60, np.uint8))
        golden = str(folder / "ok" / "0-left.png")
        words = [
            "data",
            "roi",
            str(folder),
            *self.VIEWS,
            "--view",
            "left",
            "--out",
            str(folder.parent / "roi.png"),
        ]
        assert main([*words, "--roi", "80,60,60,40", "--register", golden]) == 1
        said = capsys.readouterr().out
        assert "3 of 4 pictures cut; correlation 0.9" in said
        assert f"{folder / 'ng' / '0-left.png'}: cannot be registered" in said
        assert "view right" not in said

    def test_a_bundle_lends_its_look(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Size and ROI are the bundle's, unless something else is written."""
        words = ["data", "roi", str(folder), *self.VIEWS, "--look-of", str(DEMO_BUNDLE)]
        assert main([*words, "--out", str(folder.parent / "roi.png")]) == 0
        assert "view left: all of the picture" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["--margin", "0.1"], "--margin: is there without a box; write --roi"),
            (["--register", str(DEMO_BUNDLE / "golden-1.jpg")], "--register: is there without a box"),
            (["--view", "top"], "--view top: there is no such view; write one of left, right"),
            (["--roi", "80,60,600,40"], "leaves"),
            (["--look-of", "nothing"], "nothing"),
            (["--out", "roi.bmp"], "roi.bmp: is no name of a picture; write a name that ends in .png"),
            (["--out", "."], "--out .: is a folder; write the name of a file"),
            (["--out", f"{__file__}/roi.png"], "is no folder that this user may write to"),
        ],
    )
    def test_a_mistake_is_one_line(
        self,
        words: list[str],
        said: str,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Without a traceback, status 2, and before the first picture is cut."""
        monkeypatch.setattr(roi_sheet, "tried", None)
        assert main(["data", "roi", str(folder), *self.VIEWS, *words]) == 2
        told = capsys.readouterr().err
        assert said in told
        assert told.count("\n") == 1

    def test_pictures_of_a_pixels_height_are_shown_too(self, folder: Path) -> None:
        """A line scan that was torn off is no reason for a traceback, on the sheet or on the page."""
        for label in ("ok", "ng"):
            cv2.imwrite(str(folder / label / "9-left.png"), np.full((1, 9000), 99, np.uint8))
            cv2.imwrite(str(folder / label / "9-right.png"), np.full((9000, 1), 99, np.uint8))
        out = folder.parent
        assert main(["data", "roi", str(folder), "--out", str(out / "roi.png")]) == 0
        assert main(["data", "check", str(folder), "--out", str(out), "--allow-leak"]) == 1, "copies of two labels"

    @pytest.mark.parametrize("seed", ["-1", "1.5", "x"])
    def test_a_seed_that_no_generator_takes(
        self, seed: str, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """It is refused where it is read."""
        for action in ("check", "augment"):
            with pytest.raises(SystemExit):
                main(["data", action, str(folder), "--seed", seed])
            assert f"{seed} is no seed; write a whole number from 0" in capsys.readouterr().err

    def test_a_policy_on_the_users_own_pictures(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Both classes are shown, cut as the model will see them."""
        out = folder.parent / "sheet.png"
        words = ["data", "augment", str(folder), "--augment", "bolt", "--roi", "80,60,60,40", "--out", str(out)]
        assert main(words) == 0
        assert capsys.readouterr().out == f"written: {out}\n"
        assert cv2.imread(str(out)).shape[0] > 500

    def test_a_policy_is_printed_to_start_from(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """What is printed can be used at once."""
        assert main(["data", "augment", "--print", "bolt"]) == 0
        mine = folder.parent / "mine.toml"
        mine.write_text(capsys.readouterr().out, encoding="utf-8")
        words = ["data", "augment", str(folder), "--augment", str(mine), "--out", str(folder.parent / "a.png")]
        assert main(words) == 0
        assert main(["data", "augment", "--augment", "bolt"]) == 2
        assert "names no pictures" in capsys.readouterr().err
