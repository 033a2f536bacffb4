"""Good surfaces and such with a dark spot, where it is drawn, and judges that see them; without Keras."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import cv2
import numpy as np
from lamps import LAMPS

from bridge.judging import bundle
from bridge.judging.bundle import Bundle, Manifest, ModelClass
from bridge.judging.spec import HeatMapOutput, Input, Normalisation
from bridge.learning.seen import SEEN, Seen
from bridge.messages import Verdict

sys.modules["openvino_telemetry"] = None
import openvino as ov  # noqa: E402 - after the line above, as everywhere
from openvino import opset13 as op  # noqa: E402 - same

SIDE = 32
STRANGE = (ModelClass(name="lit", verdict=Verdict.OK), ModelClass(name="strange", verdict=Verdict.NG))


def judge(folder: Path, *, anomaly: bool, past: Seen | None = None, seconds: float = 0.0) -> Bundle:
    """Write a bundle for which a picture is as bad as its darkest place (anomaly), or as all of it is dark."""
    shown = op.parameter([-1, SIDE, SIDE, 3], np.float32, name="picture")
    dark = op.subtract(op.constant(np.float32(1)), shown)
    if anomaly:
        cells = op.reduce_mean(dark, op.constant([3], np.int64), keep_dims=True)
        worst = op.reduce_max(cells, op.constant([1, 2, 3], np.int64), keep_dims=False)
        score = op.unsqueeze(worst, op.constant([1], np.int64))
        cells.output(0).set_names({"heat_map"})
        outputs, more = (
            [score, cells],
            {
                "kind": "anomaly",
                "output": "anomaly",
                "limit": 0.6,
                "temperature": 0.05,
                "heat_map": HeatMapOutput(hot_from=0.6),
                "recipe": {"method": "patchcore", "network": {"backbone": "mobilenet_v2", "memory": 4000}},
            },
        )
    else:
        mean = op.reduce_mean(dark, op.constant([1, 2, 3], np.int64), keep_dims=False)
        one = op.unsqueeze(mean, op.constant([1], np.int64))
        score = op.multiply(one, op.constant(np.array([[-8.0, 0.0]], np.float32)))
        outputs, more = [score], {"output": "logits", "recipe": {"epochs": {"seconds": 90}}}
    score.output(0).set_names({"logits"})
    folder.mkdir(parents=True, exist_ok=True)
    ov.save_model(ov.Model(outputs, [shown], "judge"), folder / "model.xml", compress_to_fp16=False)
    facts: dict[str, object] = {
        "name": folder.name,
        "version": 1,
        "classes": STRANGE if anomaly else LAMPS,
        "threshold": 0.5,
        "input": Input(width=SIDE, height=SIDE),
        "normalisation": Normalisation(scale=1 / 255),
        "metrics": {"training_seconds": seconds} if seconds else {},
        **more,
    }
    files: dict[str, bytes | Path] = {name: folder / name for name in ("model.xml", "model.bin")}
    made = bundle.write(folder / "1", Manifest.model_validate(facts), files | {SEEN: (past or Seen()).encoded()})
    for path in files.values():
        assert isinstance(path, Path)
        path.unlink()
    bundle.make_live(made.folder)
    return made


def write(where: Path) -> Path:
    """Write twelve good ones of every brightness and twelve with a spot, all drawn but the last."""
    rng = np.random.default_rng(3)
    where.mkdir()
    with (where / "set.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("file", "label", "group"))
        for number in range(24):
            shown = np.full((SIDE, SIDE, 3), rng.integers(150, 250), np.uint8)
            shown += rng.integers(0, 5, shown.shape, np.uint8)
            if bad := number >= 12:
                x, y = (int(one) for one in rng.integers(6, SIDE - 6, 2))
                cv2.rectangle(shown, (x, y), (x + 3, y + 3), (10, 10, 10), -1)
                shape = {"shape_type": "rectangle", "points": [[x, y], [x + 3, y + 3]]}
                if number < 23:
                    (where / f"{number}.json").write_text(json.dumps({"shapes": [shape]}))
            cv2.imwrite(str(where / f"{number}.png"), shown)
            table.writerow((f"{number}.png", "dark" if bad else "lit", f"lot {number}"))
    return where
