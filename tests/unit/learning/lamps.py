"""Parts that are good if they are bright, and a bundle that knows it: p(OK) follows from brightness by hand."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import cv2
import numpy as np

from bridge.judging import bundle
from bridge.judging.bundle import Bundle, Manifest, ModelClass
from bridge.judging.spec import Input, Normalisation
from bridge.learning import data
from bridge.learning.data import Choice, Collection
from bridge.learning.seen import SEEN, Seen
from bridge.messages import Verdict

sys.modules["openvino_telemetry"] = None
import openvino as ov  # noqa: E402 - after the line above, as everywhere
from openvino import opset13 as op  # noqa: E402 - same

SIZE = 8
GAIN = 16.0
LAMPS = (ModelClass(name="lit", verdict=Verdict.OK), ModelClass(name="dark", verdict=Verdict.NG))


def log_odds(grey: int) -> float:
    """What the bundle makes of a grey level."""
    return GAIN * (grey / 255 - 0.5)


def p_ok(grey: int, temperature: float = 1.0) -> float:
    """The same as p(OK)."""
    return float(1 / (1 + np.exp(-log_odds(grey) / temperature)))


def model(folder: Path, *, hot: bool = False) -> tuple[Path, Path]:
    """Write the graph: logits (x, 0) with x rising with the mean of the picture; hot: where it is red is hot."""
    shown = op.parameter([-1, SIZE, SIZE, 3], np.float32, name="picture")
    mean = op.reduce_mean(shown, op.constant([1, 2, 3], np.int64), keep_dims=False)
    column = op.unsqueeze(op.subtract(mean, op.constant(0.5, np.float32)), op.constant([1], np.int64))
    logits = op.multiply(column, op.constant(np.array([[GAIN, 0.0]], np.float32)))
    logits.output(0).set_names({"logits"})
    outputs = [logits]
    if hot:
        red = op.gather(shown, op.constant([0, 0], np.int64), op.constant(3, np.int64))
        red.output(0).set_names({"heat_map"})
        outputs.append(red)
    ov.save_model(ov.Model(outputs, [shown], "lamps"), folder / "model.xml", compress_to_fp16=False)
    return folder / "model.xml", folder / "model.bin"


def shelf(folder: Path, seen: Seen = Seen(), **changes: object) -> Bundle:  # noqa: B008 - frozen
    """Write version 1 of the model ``lamps`` and make it live; ``dark.png`` goes along as known to be bad."""
    facts: dict[str, object] = {
        "name": "lamps",
        "version": 1,
        "classes": LAMPS,
        "threshold": 0.5,
        "input": Input(width=SIZE, height=SIZE),
        "normalisation": Normalisation(scale=1 / 255),
        "output": "logits",
        "golden": [{"file": "dark.png", "verdict": "NG"}],
    } | changes
    folder.mkdir(parents=True, exist_ok=True)
    hot = "heat_map" in changes
    files: dict[str, bytes | Path] = {path.name: path for path in model(folder, hot=hot)}
    files |= {SEEN: seen.encoded()} | ({"dark.png": encoded(0)} if facts.get("golden") else {})
    made = bundle.write(folder / "lamps" / "1", Manifest.model_validate(facts), files)
    bundle.make_live(made.folder)
    return made


def encoded(grey: int, mark: int = 0) -> bytes:
    """A grey picture; the mark, in one of its 768 numbers, makes its bytes its own and moves p(OK) by nothing."""
    pixels = np.full((2 * SIZE, 2 * SIZE, 3), grey, np.uint8)
    if mark:
        pixels.reshape(-1)[mark % pixels.size] += np.uint8(1 if grey < 255 else 255)
    return cv2.imencode(".png", pixels)[1].tobytes()


def write(folder: Path, lamps: list[tuple[str, int, str, str, str]]) -> Path:
    """Write pictures and ``set.csv``: (label, grey, part, view, group) each."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "set.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("file", "label", "part", "view", "group"))
        for mark, (label, grey, part, view, group) in enumerate(lamps, 1):
            name = f"{part}-{view}.png"
            (folder / name).write_bytes(encoded(grey, mark))
            table.writerow((name, label, part, view, group))
    return folder / "set.csv"


def read(folder: Path, lamps: list[tuple[str, int, str, str, str]]) -> Collection:
    """Write pictures, and read them as a set for the bundle."""
    return data.items.read(write(folder, lamps), Choice(classes=LAMPS))
