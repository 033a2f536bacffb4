"""How exactly and how fast a loose part is found: synthetic bolts, moved by transforms that are known.

    python benchmarks/registration.py [--parts 40] [--motion turn]

A bolt in a picture of 850 x 1,250 pixels is shifted by up to 6 % of the longer side and turned by up to 9 degrees
(and, where the motion allows, stretched and tilted), in other light, with a sensor's noise. Told is how far
the corners of the ROI (450 x 945 pixels) are from where they truly are, in pixels of the picture and of a model of
224 x 224; and the milliseconds of finding it, without decoding: by the clock, and of the processor, which other
programs on the machine do not lengthen.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time

import cv2
import numpy as np
from harness import finish

from bridge.judging.headers import Unreadable
from bridge.judging.registration import Aligner
from bridge.judging.spec import Motion, Registration
from bridge.judging.transforms import Matrix, Pixels, frame, moved, scaling, turning, warped
from bridge.messages import Box
from bridge.simulate import bolts

TIMES = 2.5
"""The pictures are enlarged by so much: the paper's region is 425 x 840."""
ROI_SHARE = (0.85, 0.9)
MODEL = 224


def scene(seed: int) -> Pixels:
    """Return a bolt with room around it."""
    view = cv2.resize(bolts.bolt(seed).views["front"], None, fx=TIMES, fy=TIMES, interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.copyMakeBorder(view, 100, 100, 160, 160, cv2.BORDER_REPLICATE), np.uint8)


def movement(motion: Motion, rng: np.random.Generator, width: int, height: int) -> Matrix:
    """Return how a part lies otherwise, about the middle of the picture."""
    own = np.eye(3)
    if motion in {"affine", "perspective"}:
        own[:2, :2] += rng.uniform(-0.04, 0.04, (2, 2))
    if motion == "perspective":
        own[2, :2] = rng.uniform(-0.05, 0.05, 2) / max(width, height)
    turn = np.eye(3) if motion == "shift" else turning(float(rng.uniform(-9, 9)), 0, 0)
    x, y = rng.uniform(-0.06, 0.06, 2) * max(width, height)
    centre = scaling(1, width / 2, height / 2)
    return np.asarray(scaling(1, float(x), float(y)) @ centre @ turn @ own @ np.linalg.inv(centre), np.float64)


def seen(golden: Pixels, transform: Matrix, rng: np.random.Generator) -> Pixels:
    """Return the picture of the moved part."""
    height, width = golden.shape[:2]
    light = warped(golden, np.linalg.inv(transform), width, height) * rng.uniform(0.7, 1.2)
    return np.clip(light + rng.normal(0, 4, light.shape), 0, 255).astype(np.uint8)


def main() -> None:
    """Print one line, and the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", type=int, default=40, help="(40)")
    parser.add_argument("--motion", default="turn", choices=["shift", "turn", "affine", "perspective"])
    parser.add_argument("--threads", type=int, default=2, help="OpenCV may take so many (2)")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    cv2.setNumThreads(args.threads)
    errors, took, worked, lost = [], [], [], 0
    for seed in range(args.parts):
        golden = scene(seed)
        height, width = golden.shape[:2]
        w, h = ROI_SHARE[0] * bolts.WIDTH * TIMES, ROI_SHARE[1] * bolts.HEIGHT * TIMES
        roi = Box(cx=width / 2, cy=height / 2, w=w, h=h)
        how = Registration(golden="golden.png", motion=args.motion)
        onto = Aligner(cv2.imencode(".png", golden)[1].tobytes(), how, roi)
        truth = movement(args.motion, rng, width, height)
        shown = seen(golden, truth, rng)
        try:
            onto.locate(shown)  # the first time makes the anchor
            started, begun = time.perf_counter(), time.process_time()
            found = onto.locate(shown)
        except Unreadable:
            lost += 1
            continue
        took.append((time.perf_counter() - started) * 1000)
        worked.append((time.process_time() - begun) * 1000)
        corners = [(roi.cx + (x - 0.5) * w, roi.cy + (y - 0.5) * h) for x, y in frame(1, 1)]
        pairs = zip(moved(found, corners), moved(truth, corners), strict=True)
        errors.append(max(math.dist(*pair) for pair in pairs))
    figures: dict[str, object] = {
        "parts": args.parts,
        "not_found": lost,
        "median_pixels": statistics.median(errors),
        "worst_pixels": max(errors),
        "worst_model_pixels": max(errors) * MODEL / h,
        "median_ms": statistics.median(took),
        "least_ms": min(took),
        "median_processor_ms": statistics.median(worked),
    }
    print(f"{args.motion}: " + ", ".join(f"{name} {value:.2f}" for name, value in figures.items()))
    finish(figures)


if __name__ == "__main__":
    main()
