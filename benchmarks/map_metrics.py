"""What it takes to rate anomaly maps: every figure by pixel, beside scikit-learn and a plain PRO.

    python benchmarks/map_metrics.py [--maps 200] [--size 256] [--rounds 3]

Maps are blurred noise, every other one with planted regions. All are exact, so all must agree. The plain PRO sorts
every pixel once and sums its way down, as MVTec's own evaluation does.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from harness import finish
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from bridge.learning import pixel_intervals, pixels
from bridge.learning.pixel_intervals import Intervals
from bridge.learning.pixels import Map, Mask

TARGET_SECONDS = 5.0


def main() -> None:
    """Time every way in turn, hold their figures against each other, print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--maps", type=int, default=200)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    maps, masks = planted(args.maps, args.size)
    values, bad = (np.concatenate([one.ravel() for one in ones]) for ones in (maps, masks))
    ways: dict[str, Callable[[], Any]] = {
        "ours, all four": lambda: ours(maps, masks),
        "with intervals": lambda: sure(maps, masks),
        "scikit-learn AUROC": lambda: float(roc_auc_score(bad, values)),
        "scikit-learn AUPRC": lambda: float(average_precision_score(bad, values)),
        "scikit-learn F1-max": lambda: best_f1(bad, values),
        "plain PRO": lambda: plain_pro(maps, masks),
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    found: dict[str, Any] = {}
    for _ in range(args.rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            found[name] = way()
            took[name].append(time.perf_counter() - began)
    others = [found[name] for name in list(ways)[2:]]
    assert np.allclose(found["ours, all four"], others, rtol=1e-9), found
    medians = {name: round(statistics.median(seconds), 2) for name, seconds in took.items()}
    for name, seconds in took.items():
        print(f"{name:20s} {medians[name]:6.2f} s ({min(seconds):.2f} to {max(seconds):.2f})")
    finish(
        {
            "maps": args.maps,
            "size": args.size,
            "anomalous_share": round(float(bad.mean()), 4),
            "median_seconds": medians,
            "target_seconds": TARGET_SECONDS,
            "auroc_auprc_f1_pro": [round(one, 6) for one in found["ours, all four"]],
        }
    )


def planted(number: int, size: int) -> tuple[list[Map], list[Mask]]:
    """Return maps in float32 with their masks."""
    rng = np.random.default_rng(0)
    maps: list[Map] = []
    masks: list[Mask] = []
    for place in range(number):
        drawn = np.zeros((size, size), np.uint8)
        for _ in range(3 * (place % 2)):
            middle = [int(at) for at in rng.integers(0, size, 2)]
            cv2.circle(drawn, middle, int(rng.integers(2, max(size // 12, 3))), (1,), cv2.FILLED)
        noise = cv2.GaussianBlur(rng.normal(size=drawn.shape).astype(np.float32), (0, 0), 4)
        maps.append(np.asarray(noise + np.float32(1.5 * noise.std()) * drawn, np.float32))
        masks.append(drawn > 0)
    return maps, masks


def ours(maps: Sequence[Map], masks: Sequence[Mask]) -> list[float]:
    """Return AUROC, AUPRC, F1-max and PRO."""
    one = pixels.ranked(maps, masks)
    return [pixels.auroc(one), pixels.average_precision(one), pixels.best_f1(one).value, pixels.pro(one)]


def sure(maps: Sequence[Map], masks: Sequence[Mask]) -> Intervals:
    """Return the same, each with its interval, every picture a group."""
    return pixel_intervals.intervals(pixels.ranked(maps, masks), maps, masks, [str(at) for at in range(len(maps))])


def best_f1(bad: NDArray[np.bool_], values: Map) -> float:
    """Return F1-max from scikit-learn's curve."""
    precision, recall, _ = precision_recall_curve(bad, values)
    return float((2 * precision * recall / np.maximum(precision + recall, 1e-300)).max())


def plain_pro(maps: Sequence[Map], masks: Sequence[Mask]) -> float:
    """Return PRO to 30 % from one sorting of all pixels."""
    shares, false = [], []
    regions = sum(cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0] - 1 for mask in masks)
    good = sum(int((~mask).sum()) for mask in masks)
    for mask in masks:
        labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[1]
        weight = 1.0 / np.bincount(labels.ravel())
        shares.append(np.where(mask, weight[labels], 0.0).ravel() / regions)
        false.append((~mask).ravel())
    values = np.concatenate([one.ravel() for one in maps])
    order = np.argsort(values)[::-1]
    x = np.cumsum(np.concatenate(false)[order]) / good
    y = np.cumsum(np.concatenate(shares)[order])
    last = np.append(np.diff(values[order]) != 0, True)
    x, y = np.append(0.0, x[last]), np.append(0.0, y[last])
    limit = pixels.FALSE_ALARMS
    inside = x <= limit
    return float(np.trapezoid(np.append(y[inside], np.interp(limit, x, y)), np.append(x[inside], limit)) / limit)


if __name__ == "__main__":
    main()
