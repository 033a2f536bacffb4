"""Variation of training pictures, by named policies or a table of one's own.

Works on 8-bit pictures before they are normalised, with OpenCV: much faster on a CPU than layers of a network,
and what happens to a picture follows from a seed alone, so that an interrupted training goes on as it would have.
"""

from __future__ import annotations

import numpy as np

from bridge.learning.augmentation.named import MEANING, NAMED
from bridge.learning.augmentation.policy import Pictures, Policy, generator
from bridge.learning.augmentation.reading import of_table, policy, printed
from bridge.learning.augmentation.variation import Variation

__all__ = [
    "MEANING",
    "NAMED",
    "Pictures",
    "Policy",
    "Variation",
    "generator",
    "of_table",
    "policy",
    "printed",
    "vary",
]


def vary(pictures: Pictures, rng: np.random.Generator, *, any_angle: bool) -> Pictures:
    """Return a varied copy of a batch, by the policy ``fixture`` or ``any-angle``."""
    return NAMED["any-angle" if any_angle else "fixture"].vary(pictures, rng)
