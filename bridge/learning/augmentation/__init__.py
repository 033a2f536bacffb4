"""Variation of training pictures, by named policies or a table of one's own.

Works on 8-bit pictures before they are normalised, with OpenCV: much faster on a CPU than layers of a network,
and what happens to a picture follows from a seed alone, so that an interrupted training goes on as it would have.
"""

from __future__ import annotations

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
]
