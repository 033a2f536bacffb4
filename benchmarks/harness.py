"""What the benchmarks share: a bridge.toml with many lines, a picture of a given size, a bare commit loop."""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from bridge.judging import bundle
from bridge.judging.bundle import Input, Manifest, ModelClass, Normalisation
from bridge.judging.spec import HeatMapOutput
from bridge.messages import Verdict
from bridge.simulate.factory import DEMO_BUNDLE
from bridge.simulate.figures import percentile

HEAD = """
data = "var"

[http]
port = 0

[images]
sample = 1  # every picture is written: the most that a day can ask of the disk

[judge.bolts]
type = "classifier"
model = "{bundle}"
"""


def config(lines: Sequence[str], model: Path = DEMO_BUNDLE) -> str:
    """Return a bridge.toml of these ``[[line]]`` blocks and one judge named ``bolts``."""
    return HEAD.format(bundle=model) + "\n".join(lines)


def tiny_bundle(folder: Path, *, explained: bool = False) -> Path:
    """Write a real bundle that costs next to nothing: mean brightness to two classes.

    Explained, it has a heat map of 4 x 4 as well: how bright each place is for OK, and how dark for NG.
    """
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import openvino as ov  # noqa: PLC0415 - after the line above, as everywhere
    from openvino import opset13 as op  # noqa: PLC0415 - same

    shown = op.parameter([-1, 16, 16, 3], np.float32, name="picture")
    mean = op.reduce_mean(shown, op.constant([1, 2, 3], np.int64), keep_dims=False)
    column = op.unsqueeze(op.subtract(mean, op.constant(0.5, np.float32)), op.constant([1], np.int64))
    outputs = [op.multiply(column, op.constant(np.float32([[8.0, -8.0]])))]
    outputs[0].output(0).get_tensor().set_names({"logits"})
    if explained:
        gray = op.reduce_mean(shown, op.constant([3], np.int64), keep_dims=True)
        rows = op.reshape(gray, op.constant([0, 4, 4, 4, 4], np.int64), special_zero=True)
        bright = op.reduce_mean(rows, op.constant([2, 4], np.int64), keep_dims=False)
        dark = op.subtract(op.constant(1.0, np.float32), bright)
        last = op.constant([3], np.int64)
        outputs += [op.concat([op.unsqueeze(bright, last), op.unsqueeze(dark, last)], axis=3)]
        outputs[1].output(0).get_tensor().set_names({"heat_map"})
    model = ov.Model(outputs, [shown], "brightness")
    folder.mkdir(parents=True, exist_ok=True)
    ov.save_model(model, folder / "model.xml", compress_to_fp16=False)
    manifest = Manifest(
        name="brightness",
        version=1,
        classes=(ModelClass(name="lit", verdict=Verdict.OK), ModelClass(name="dark", verdict=Verdict.NG)),
        threshold=0.5,
        input=Input(width=16, height=16),
        normalisation=Normalisation(scale=1 / 255),
        output="logits",
        heat_map=HeatMapOutput(peak_share=0.7) if explained else None,
    )
    files = {name: folder / name for name in ("model.xml", "model.bin")}
    return bundle.write(folder / "bundle", manifest, files).folder


def picture(kilobytes: int, seed: int = 0) -> bytes:
    """Return a JPEG of about so many kilobytes; another seed gives another picture of the same size."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (60, 80, 3), np.uint8)
    image = cv2.resize(coarse, (640, 480), interpolation=cv2.INTER_CUBIC)
    image = cv2.add(image, rng.integers(0, 24, image.shape, np.uint8))
    for quality in range(98, 10, -1):
        data: bytes = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(data) <= kilobytes * 1000:
            return data
    raise ValueError(f"no quality gives {kilobytes} kB")


def bare_commits(folder: Path, seconds: float, rate: float) -> list[float]:
    """Return the milliseconds of bare one-row commits in WAL with synchronous=FULL, paced at a rate per second."""
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS part (id INTEGER PRIMARY KEY, body BLOB)")
    took: list[float] = []
    due = time.perf_counter()
    for _ in range(int(seconds * rate)):
        due += 1 / rate
        time.sleep(max(0.0, due - time.perf_counter()))
        began = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO part (body) VALUES (?)", (b"x" * 300,))
        connection.execute("COMMIT")
        took.append((time.perf_counter() - began) * 1000)
    connection.close()
    return took


def quantiles(milliseconds: Sequence[float]) -> dict[str, float]:
    """Return p50 and p99, rounded to microseconds."""
    return {"p50_ms": round(percentile(milliseconds, 0.5), 3), "p99_ms": round(percentile(milliseconds, 0.99), 3)}


def finish(figures: dict[str, object]) -> None:
    """Print the figures as one JSON object, the last line of every benchmark."""
    print(json.dumps(figures))
