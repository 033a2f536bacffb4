"""``aoi-bridge compare``: trains each, goes on where it was interrupted, and writes the table."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from toys import CLASSES, marked

from bridge.cli.main import main
from bridge.judging.spec import Input
from bridge.learning import trials
from bridge.learning.networks import Backbone
from bridge.learning.settings import Settings

pytestmark = [
    pytest.mark.learning,
    pytest.mark.timeout(180),
    pytest.mark.filterwarnings("default"),  # TensorFlow and h5py warn of their own affairs
]


@pytest.fixture
def desks(monkeypatch: pytest.MonkeyPatch) -> list[trials.Desk]:
    """What trials would be made on; each is split, and interrupted before it is trained."""
    found = []

    def split_only(desk: trials.Desk, _way: object, settings: Settings, *_: object) -> None:
        desk.split(settings.seed)
        found.append(desk)
        raise KeyboardInterrupt

    monkeypatch.setattr(trials.Desk, "trial", split_only)
    return found


def test_a_set_that_tears_groups_apart_is_compared_on_where_that_is_allowed(
    tmp_path: Path, desks: list[trials.Desk], capsys: pytest.CaptureFixture[str]
) -> None:
    """As train does it."""
    for index, picture in enumerate(marked(24, 1).pictures):
        path = tmp_path / "set" / ("train", "test")[index % 3 == 0] / ("ok", "ng")[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), picture)
    words = f"compare {tmp_path}/set --size 32x32 --colour gray --seeds 1 --out {tmp_path}/out".split()
    words += ["--groups", r"(?P<group>\d)\.png"]
    assert main(words) == 2
    assert "tears" in capsys.readouterr().err
    assert main([*words, "--allow-leak"]) == 130
    assert len(desks) == 1


def test_parts_that_cannot_be_registered_are_left_out_for_every_network(
    tmp_path: Path, desks: list[trials.Desk], capsys: pytest.CaptureFixture[str]
) -> None:
    """All trials are asked about the same pictures, however large each is shown them."""
    golden = np.full((96, 128), 60, np.uint8)
    cv2.rectangle(golden, (40, 30), (88, 66), 200, -1)
    cv2.circle(golden, (56, 44), 7, 90, -1)
    for index in range(20):
        path = tmp_path / "set" / ("ok", "ng")[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), golden + index if index else np.full_like(golden, 60))
    words = f"compare {tmp_path}/set --roi 64,48,52,40 --register {tmp_path}/set/ng/1.png --seeds 1 --allow-leak"
    assert main([*words.split(), "--out", f"{tmp_path}/out"]) == 130
    assert len(desks[0].dataset.labels) == 19
    assert "1 of 20 pictures is left out: ok/0.png cannot be registered" in capsys.readouterr().out


def test_looks_are_paid_for_by_the_picture() -> None:
    """Two looks are twice the multiply-adds, with as many weights."""
    into = Input(width=32, height=32)
    one, two = (trials.priced(Settings(backbone=Backbone.SMALL, tta=tta), into, CLASSES) for tta in (1, 2))
    assert two.flops == 2 * one.flops > 1e6
    assert two.parameters == one.parameters
    assert two.edge_ms > 0


def test_a_comparison_is_interrupted_resumed_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The augmentation A/B with its difference; a finished training is not made twice."""
    made = marked(60, 1)
    for index, picture in enumerate(made.pictures):
        path = tmp_path / "set" / CLASSES[made.labels[index]].name / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), picture)
    out = tmp_path / "out"
    words = (
        f"compare {tmp_path}/set --ok plain --size 32x32 --colour gray --epochs 1 --batch 16 --seeds 1 --out {out}"
    )
    words += " --augment none fixture --copies 1 2 --head gap --tta 2"
    train, trained = trials.training.train, []

    def until_the_second(*given: object, **named: object) -> object:
        if len(trained) == 1:
            raise KeyboardInterrupt
        trained.append(given)
        return train(*given, **named)  # type: ignore[arg-type]  # passed through as they came

    monkeypatch.setattr(trials.training, "train", until_the_second)
    assert main(words.split()) == 130
    assert len(list((out / "trials").iterdir())) == 1
    monkeypatch.setattr(
        trials.training, "train", lambda *given, **named: trained.append(given) or train(*given, **named)
    )
    assert main(words.split()) == 0
    assert len(trained) == 3, "none x 1, and fixture x 1 and x 2: copies of nothing are one"
    told = json.loads((out / "comparison.json").read_text())
    assert {(row["way"]["augment"], row["way"]["copies"]) for row in told["rows"]} == {
        ("none", 1),
        ("fixture", 1),
        ("fixture", 2),
    }
    assert len(told["differences"]) == 2
    assert told["provenance"]["looks"] == "2 at each picture"
    row = told["rows"][0]
    assert row["cost"]["edge_ms"] > 0
    assert 1e6 < row["cost"]["flops"] < 1e8
    assert 0 <= row["accuracy"]["mean"] <= 1
    assert "small gap" in (out / "comparison.html").read_text()
    assert "GFLOPs" in capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == ["comparison.html", "comparison.json", "trials"]
