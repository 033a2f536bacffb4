"""What a score means: temperature scaling, so that p(OK) is as often right as it says."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError

try:
    from scipy.optimize import minimize_scalar
except ImportError as exc:
    raise ConfigError(
        "calibrate", "SciPy is not installed, and a temperature needs it", "write pip install 'aoi-bridge[report]'"
    ) from exc

Numbers = NDArray[np.float64]

COOLEST: Final = 0.05
HOTTEST: Final = 100.0


def temperature(logits: Numbers, labels: NDArray[np.int64]) -> float:
    """Return what logits are divided by before the softmax: the T of least cross-entropy on these pictures.

    One number for all classes, so neither the most likely class nor, with two classes, the order of the scores
    changes (Guo et al., On Calibration of Modern Neural Networks, 2017). The true class is not asked for with
    certainty but with (n + 1) / (n + 2) of its n pictures (Platt, Probabilistic Outputs for Support Vector
    Machines, 1999): otherwise the best T of a set without a mistake would be 0, and every score 0 or 1.

    Args:
        logits: (N, classes), or logarithms of probabilities, which differ from them by nothing that matters here;
            of pictures that the network was not trained on.
        labels: (N,) the true classes.

    Returns:
        ``COOLEST`` to ``HOTTEST``; 1 where there are no pictures.
    """
    sound = np.isfinite(logits).all(axis=1)
    shown = np.asarray(logits, np.float64)[sound]
    if not len(shown):
        return 1.0
    wanted = _wanted(np.asarray(labels)[sound], shown.shape[1])
    found = minimize_scalar(
        lambda log_t: cross_entropy(shown / math.exp(log_t), wanted),
        bounds=(math.log(COOLEST), math.log(HOTTEST)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(math.exp(found.x))


def cross_entropy(logits: Numbers, wanted: Numbers) -> float:
    """Return the mean cross-entropy of softmax(logits) against wanted probabilities, both (N, classes)."""
    highest = logits.max(axis=1, keepdims=True)
    normal = highest + np.log(np.exp(logits - highest).sum(axis=1, keepdims=True))
    return float(-(wanted * (logits - normal)).sum(axis=1).mean())


def _wanted(labels: NDArray[np.int64], classes: int) -> Numbers:
    """Return the probabilities to be asked for, (N, classes): nearly all for the true class."""
    counts = np.bincount(labels, minlength=classes)[labels]
    true = (counts + 1) / (counts + 2)
    wanted = np.repeat(((1 - true) / (classes - 1))[:, None], classes, axis=1)
    wanted[np.arange(len(labels)), labels] = true
    return wanted
