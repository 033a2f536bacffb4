"""Pictures with boxes that tests draw: dark holes and bright hairs on grey noise."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 96
KINDS = ("hair", "hole")

Rows = list[tuple[int, int, int, int, int]]
"""Class, left, top, width, height."""


def picture(rng: np.random.Generator, *, clean: bool = False) -> tuple[NDArray[np.uint8], Rows]:
    """Return a picture and what is drawn in it: one to three defects, none over another."""
    shown = np.clip(rng.normal(rng.uniform(110, 150), 6, (SIDE, SIDE)), 0, 255).astype(np.uint8)
    rows: Rows = []
    for cell in rng.permutation(4)[: 0 if clean else int(rng.integers(1, 4))].tolist():
        kind = int(rng.integers(2))
        wide, high = (int(rng.integers(18, 28)), 8) if kind == 0 else (14, 14)
        left = SIDE // 2 * (cell % 2) + int(rng.integers(4, SIDE // 2 - wide - 3))
        top = SIDE // 2 * (cell // 2) + int(rng.integers(4, SIDE // 2 - high - 3))
        if kind == 0:
            cv2.rectangle(shown, (left, top), (left + wide - 1, top + high - 1), 235, -1)
        else:
            cv2.circle(shown, (left + 7, top + 7), 7, 25, -1)
        rows.append((kind, left, top, wide, high))
    return shown, rows


def yolo(folder: Path, count: int, seed: int, every: int = 4) -> Path:
    """Write a set as YOLO keeps it; each so many-th picture is clean."""
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    (folder / "data.yaml").write_text("nc: 2\nnames:\n  0: hair\n  1: hole\n", encoding="utf-8")
    for number in range(count):
        shown, rows = picture(rng, clean=number % every == every - 1)
        lines = [f"{k} {(x + w / 2) / SIDE} {(y + h / 2) / SIDE} {w / SIDE} {h / SIDE}" for k, x, y, w, h in rows]
        cv2.imwrite(str(folder / "images" / f"{number:03}.png"), shown)
        (folder / "labels" / f"{number:03}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def coco(folder: Path, count: int, seed: int) -> Path:
    """Write a set as COCO keeps it, with a side for training and one for validation."""
    rng = np.random.default_rng(seed)
    (folder / "annotations").mkdir(parents=True)
    for side in ("train", "val"):
        (folder / side).mkdir()
        images, annotations = [], []
        for number in range(count):
            shown, rows = picture(rng)
            name = f"{side}-{number}.png"
            cv2.imwrite(str(folder / side / name), shown)
            images.append({"id": number, "file_name": name, "width": SIDE, "height": SIDE})
            annotations += [
                {"id": len(annotations) + at, "image_id": number, "category_id": 7 + row[0], "bbox": list(row[1:])}
                for at, row in enumerate(rows)
            ]
        categories = [{"id": 7 + at, "name": name} for at, name in enumerate(KINDS)]
        said = {"images": images, "annotations": annotations, "categories": categories}
        (folder / "annotations" / f"instances_{side}2017.json").write_text(json.dumps(said), encoding="utf-8")
    return folder
