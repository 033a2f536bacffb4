"""``aoi-bridge compare``: trains each, goes on where it was interrupted, and writes the table."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
from toys import CLASSES, marked

from bridge.cli.main import main
from bridge.learning import trials

pytestmark = [
    pytest.mark.learning,
    pytest.mark.timeout(180),
    pytest.mark.filterwarnings("default"),  # TensorFlow and h5py warn of their own affairs
]


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
    words += " --augment none fixture --copies 1 2 --head gap"
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
    row = told["rows"][0]
    assert row["cost"]["edge_ms"] > 0
    assert 1e6 < row["cost"]["flops"] < 1e8
    assert 0 <= row["accuracy"]["mean"] <= 1
    assert "small gap" in (out / "comparison.html").read_text()
    assert "GFLOPs" in capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == ["comparison.html", "comparison.json", "trials"]
