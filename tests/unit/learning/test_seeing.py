"""``aoi-bridge cam``: where bundles look, through the code of the line, on pages that a person can read."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from bridge.cli import cam
from bridge.cli.main import main
from bridge.errors import ConfigError
from bridge.judging import bundle
from bridge.judging.bundle import Bundle, Manifest, ModelClass
from bridge.judging.spec import HeatMapOutput, Input, Normalisation
from bridge.learning import cam_page, masks, overlay, seeing
from bridge.learning.cam_page import Column, Comparison
from bridge.learning.data import items
from bridge.messages import Verdict
from bridge.plugin import BoxOptions

CLASSES = (ModelClass(name="dirty", verdict=Verdict.NG), ModelClass(name="ok", verdict=Verdict.OK))
REGION = BoxOptions(cx=60, cy=40, w=80, h=64)


def spotter(folder: Path, *, heat: bool = True, blind: bool = False) -> Bundle:
    """A bundle that calls a bright spot dirty and looks at it; a blind one looks at the dark places instead."""
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import openvino as ov  # noqa: PLC0415 - after the line above, as everywhere
    from openvino import opset13 as op  # noqa: PLC0415 - same

    shown = op.parameter([-1, 64, 80, 1], np.float32, name="picture")
    channels = op.transpose(shown, op.constant([0, 3, 1, 2], np.int64))
    cells = op.transpose(
        op.avg_pool(channels, [8, 8], [0, 0], [0, 0], [8, 8], exclude_pad=False),
        op.constant([0, 2, 3, 1], np.int64),
    )
    spot = op.relu(op.subtract(cells, op.constant(np.float32(0.6))))
    peak = op.reduce_max(spot, op.constant([1, 2], np.int64), keep_dims=False)
    logits = op.add(op.multiply(peak, op.constant(np.float32([[80, 0]]))), op.constant(np.float32([[-4, 0]])))
    seen = op.relu(op.subtract(op.constant(np.float32(0.5)), cells)) if blind else spot
    maps = op.concat([seen, op.multiply(seen, op.constant(np.float32(0)))], 3)
    logits.output(0).get_tensor().set_names({"logits"})
    maps.output(0).get_tensor().set_names({"heat_map"})
    folder.mkdir(parents=True)
    ov.save_model(ov.Model([logits, maps], [shown], "spotter"), folder / "model.xml", compress_to_fp16=False)
    manifest = Manifest(
        name="blind" if blind else "spotter",
        version=1,
        classes=CLASSES,
        threshold=0.5,
        input=Input(width=80, height=64, colour="gray"),
        normalisation=Normalisation(scale=1 / 255),
        output="logits",
        roi={"*": REGION},
        heat_map=HeatMapOutput(layer="cells") if heat else None,
        recipe={"augment": "bolt", "head": "gap"},
    )
    files: dict[str, bytes | Path] = {name: folder / name for name in ("model.xml", "model.bin")}
    return bundle.write(folder / "made", manifest, files)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A set with masks and polygons, and a folder of two bundles."""
    home = tmp_path_factory.mktemp("cam")
    rng = np.random.default_rng(0)
    for index in range(10):
        image = rng.normal(90, 4, (90, 140)).clip(0, 255).astype(np.uint8)
        mask = np.zeros_like(image)
        x, y = (int(one) for one in rng.integers((24, 12), (86, 58)))
        mask[y : y + 12, x : x + 12] = 255
        name = "dirty" if index < 6 else "ok"
        if name == "dirty":
            image[mask > 0] = 230
            write(home / f"set/ground_truth/{name}/{index}_mask.png", mask)
            corners = [[x, y], [x + 11, y], [x + 11, y + 11], [x, y + 11]]
            path = home / f"labelme/{index}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps({"shapes": [{"label": "spot", "points": corners}]}))
        write(home / f"set/{name}/{index}.png", image)
    image = rng.normal(90, 4, (90, 140)).clip(0, 255).astype(np.uint8)
    write(home / "set/dirty/pale.png", image)  # nothing to see: an escape
    spotter(home / "a")
    spotter(home / "b", blind=True)
    return home / "set", home


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)


def test_a_bundle_is_seen_to_look_at_the_spot(places: tuple[Path, Path]) -> None:
    """In pixels of the original picture: the region's place is in it."""
    where, home = places
    collection = items.read(where, items.Choice(classes=CLASSES))
    seen = seeing.seen(bundle.load(home / "a/made"), collection.items)
    assert [one.verdict for one in seen] == ["NG"] * 6 + ["OK"] * 5
    drawn = [None if one.item.mask is None else masks.painted(one.item.mask, 90, 140) for one in seen]
    for one, mask in zip(seen[:6], drawn, strict=False):
        assert mask is not None
        assert one.heat is not None
        assert one.heat.label == "dirty"
        point = overlay.peak(one.heat)
        assert point is not None
        rows, columns = np.nonzero(mask)
        assert point == pytest.approx((columns.mean() + 0.5, rows.mean() + 0.5), abs=5)
    hits = seeing.hits(list(zip(seen, drawn, strict=True)))
    assert len(hits) == 6
    assert all(hit.peak and hit.boxes for _, hit in hits)


def test_one_command_compares_two_bundles(
    places: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page says which of them looks at the defect, with chance beside it; the escape comes first."""
    where, home = places
    words = ["cam", str(home / "a/made"), str(home / "b/made"), str(where), "--out", str(tmp_path)]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "spotter 1: of 6 pictures with a drawn defect the peak hits 100%" in said
    assert "blind 1: of 6 pictures with a drawn defect the peak hits 0%" in said
    text = (tmp_path / "cam.html").read_text(encoding="utf-8")
    assert "11 pictures, 7 of them NG; 1 judged wrongly" in text
    assert "augment bolt" in text
    assert text.index("pale.png") < text.index("0.png")
    sheet = cv2.imread(str(tmp_path / "cam.png"))
    assert sheet is not None
    assert min(sheet.shape[:2]) > 300
    assert main(words) == 0
    assert (tmp_path / "cam.html").read_text(encoding="utf-8") == text, "the same input gives the same page"


def test_polygons_count_as_masks(places: tuple[Path, Path], tmp_path: Path) -> None:
    """As labelme writes them, found by the picture's name."""
    where, home = places
    plain = tmp_path / "plain"
    for path in [*where.glob("dirty/*.png"), *where.glob("ok/*.png")]:
        write(plain / path.parent.name / path.name, cv2.imread(str(path)))
    words = [str(home / "a/made"), str(plain), "--polygons", str(home / "labelme"), "--out", str(tmp_path / "out")]
    assert main(["cam", *words]) == 0
    text = (tmp_path / "out/cam.html").read_text(encoding="utf-8")
    assert "Where the defect is found" in text
    with pytest.raises(ConfigError, match="is no folder"):
        masks.drawn(items.read(plain, items.Choice(classes=CLASSES)).items[0], tmp_path / "nowhere")


def test_what_is_drawn_is_chosen_for_a_person(places: tuple[Path, Path]) -> None:
    """Mistakes, then NG by classes in turn, then OK; and no more than asked for."""
    where, home = places
    collection = items.read(where, items.Choice(classes=CLASSES))
    seen = tuple(seeing.seen(bundle.load(home / "a/made"), collection.items))
    comparison = Comparison(
        columns=(Column(name="last", note="", seen=seen),),
        bad=tuple(map(bool, collection.bad)),
        masks=(None,) * len(seen),
    )
    order = [collection.items[place].path.name for place in cam_page.shown(comparison, 9)]
    assert order[0] == "pale.png"
    assert {"6.png", "7.png"} & set(order[7:])
    assert len(order) == 9
    assert cam_page.located(comparison) == [], "without masks nothing is claimed"
    assert cam_page.sheet(comparison, cam_page.shown(comparison, 4)).shape[1] > 600


def test_a_bundle_without_a_heat_map_is_one_line(places: tuple[Path, Path], tmp_path: Path) -> None:
    """What an older version exported cannot say where it looked."""
    old = spotter(tmp_path / "old", heat=False)
    collection = items.read(places[0], items.Choice(classes=CLASSES))
    with pytest.raises(ConfigError, match="has no heat map") as caught:
        seeing.seen(old, collection.items)
    assert "\n" not in str(caught.value)


def test_bundles_come_before_the_set() -> None:
    """As many bundles as wanted, then one set."""
    parser = argparse.ArgumentParser()
    cam.options(parser)
    args = parser.parse_args(["models/a", "models/b@3", "set", "--ok", "good"])
    assert (args.bundles, args.data, args.ok) == (["models/a", "models/b@3"], Path("set"), ["good"])
