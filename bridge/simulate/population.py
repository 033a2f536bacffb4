"""How an old inspector errs: it calls NG what looks odd, and passes what does not.

Its false calls therefore fall on the good parts with most nuisance and its escapes on the faintest defects. Errors
drawn at random would be kinder to the second opinion than any real machine is.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from bridge.messages import Verdict

_WAVER = 0.15
"""Spread of the inspector's own uncertainty, in shares of the ranking."""
_SIZE = (64, 64)
"""What a picture is shrunk to before its statistics are taken."""


def legacy_verdicts(
    truth: Sequence[Verdict], oddness: Sequence[float], false_calls: float, escapes: float, seed: int
) -> list[Verdict]:
    """Return what an old inspector says of these parts, with exactly the errors asked for.

    Args:
        truth: what each part is.
        oddness: how odd each part looks, in any unit: nuisance on a good part, strength of the defect on a bad
            one. Only the order among the good and among the bad parts counts.
        false_calls: the share of good parts that it calls NG, 0 to 1; ``round(share * good)`` of them are.
        escapes: the share of bad parts that it calls OK, likewise.
        seed: decides between parts that look alike.

    Raises:
        ValueError: as many oddnesses as truths are needed, and shares from 0 to 1.
    """
    if len(truth) != len(oddness):
        raise ValueError(f"{len(truth)} truths and {len(oddness)} oddnesses")
    if not (0 <= false_calls <= 1 and 0 <= escapes <= 1):
        raise ValueError("false_calls and escapes are shares from 0 to 1")
    rng = np.random.default_rng(seed)
    values = np.asarray(oddness, np.float64)
    said = list(truth)
    good = [index for index, verdict in enumerate(truth) if verdict is Verdict.OK]
    bad = [index for index, verdict in enumerate(truth) if verdict is Verdict.NG]
    for index in _first(-values[good], round(false_calls * len(good)), rng):
        said[good[index]] = Verdict.NG
    for index in _first(values[bad], round(escapes * len(bad)), rng):
        said[bad[index]] = Verdict.OK
    return said


def _first(values: NDArray[np.float64], count: int, rng: np.random.Generator) -> list[int]:
    """Return the places of ``count`` low values: the lowest mostly, near neighbours sometimes change places."""
    places = np.argsort(np.argsort(values, kind="stable"), kind="stable") / max(len(values), 1)
    ranking = np.argsort(places + rng.normal(0, _WAVER, len(values)), kind="stable")
    return [int(index) for index in ranking[:count]]


def oddness(pictures: Sequence[bytes], truth: Sequence[Verdict]) -> list[float]:
    """Return how far each picture lies from the typical good one, for sets where nobody measured it.

    Level, contrast, sharpness and the tone of 4 x 4 fields are compared with their medians over the good pictures,
    in robust standard deviations; the value is their root mean square. Blocks for about a millisecond a picture.

    Args:
        pictures: encoded, one per part.
        truth: what each part is; at least one is good.

    Raises:
        ValueError: a picture cannot be decoded, or no part is good.
    """
    good = np.array([verdict is Verdict.OK for verdict in truth], np.bool_)
    if not good.any():
        raise ValueError("no part is good, so nothing says what is typical")
    features = np.stack([_features(data) for data in pictures])
    typical = np.median(features[good], axis=0)
    spread = 1.4826 * np.median(np.abs(features[good] - typical), axis=0) + 1e-3
    away = np.clip((features - typical) / spread, -8, 8)
    return [float(value) for value in np.sqrt(np.mean(np.square(away), axis=1))]


def _features(data: bytes) -> NDArray[np.float64]:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise ValueError("a picture cannot be decoded")
    small = cv2.resize(image, _SIZE, interpolation=cv2.INTER_AREA).astype(np.float64) / 255
    sharpness = np.abs(cv2.Laplacian(small, cv2.CV_64F)).mean()
    fields = cv2.resize(small, (4, 4), interpolation=cv2.INTER_AREA)
    return np.concatenate([[small.mean(), small.std(), sharpness], fields.ravel() - small.mean()])
