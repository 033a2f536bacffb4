"""What a person may set of a training, and how far one has come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from bridge.learning.augmentation import NAMED, Policy
from bridge.learning.heads import Kind
from bridge.learning.networks import NONE, Backbone


class Share(StrEnum):
    """What learns in a phase; all below it stays as it is."""

    HEAD = "head"
    BLOCK = "last block and head"
    ALL = "everything"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One stretch of training."""

    learns: Share
    epochs: int
    """At most so many."""
    patience: int
    """Epochs in a row none of which is kept (see ``Progress.best``) before the phase ends."""
    rate: float
    """The learning rate. Of the head alone and of everything it is the largest: it falls along a cosine to zero
    (AdamW). Of the last block it stays (SGD)."""
    momentum: float = 0.9
    """Of SGD."""


HEAD: Final = Phase(learns=Share.HEAD, epochs=30, patience=8, rate=1e-3)
STANDARDISED: Final = replace(HEAD, rate=5e-3)
"""Of the heads that ``heads.standardised`` names: their numbers are all of one size."""
BLOCK: Final = Phase(learns=Share.BLOCK, epochs=20, patience=5, rate=1e-4)
"""The rate is the bolt paper's."""
ALL: Final = Phase(learns=Share.ALL, epochs=30, patience=8, rate=3e-3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Equal settings and data give the same training."""

    backbone: Backbone = Backbone.SMALL
    source: str | Path = NONE
    """The backbone's weights: ``imagenet``, a file, or ``none``."""
    head: Kind = Kind.AVGMAX
    tta: int = 1
    """So many looks at each picture once it is trained: test-time augmentation, see ``networks.looks``."""
    phases: tuple[Phase, ...] = (ALL,)
    policy: Policy = field(default_factory=lambda: NAMED["fixture"])
    """How pictures are varied."""
    copies: int = 0
    """So many fixed copies of each picture, the first as it is; 0: every epoch varies every picture anew.

    What stays as it is in all phases looks at fixed copies only once.
    """
    batch: int = 32
    balanced: bool = True
    """Both verdicts weigh the same, and so do the classes of each, however many pictures they have."""
    seed: int = 0
    """Decides the head's first weights, the order of pictures, and what is dropped; copies follow from their
    number alone, so that two seeds share them."""
    precision: str = "float32"
    """``mixed_float16`` or ``mixed_bfloat16`` is faster on a GPU; what comes out is float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far training has come; told after each epoch."""

    phase: int = 0
    """The place of the phase under way."""
    began: int = 0
    """The last epoch before this phase."""
    epoch: int = 0
    """The last finished epoch, from 1, through all phases."""
    learnt_loss: float = np.inf
    """Mean loss of the epoch on what it learnt from."""
    loss: float = np.inf
    """Mean cross-entropy on validation, each class with the same weight."""
    auc: float = 0.0
    """How well p(OK) ranks validation: the chance that a bad picture scores below a good one."""
    best: int = 0
    """The epoch that is kept: where the rate falls, the last one that ranks no worse than the best by more than
    one standard error (Breiman's rule), for a few validation parts rank early epochs high by chance; where the
    rate stays, the one that ranks best, by lower loss where two rank alike.

    Ranking and not loss, because the threshold is chosen afterwards: a network that is too sure of itself is
    no worse for it.
    """
    best_auc: float = 0.0
    """Of the epoch that is kept."""
    best_loss: float = np.inf
    top_auc: float = 0.0
    """The highest that any epoch had."""
    seconds: float = 0.0
    """So long the finished epochs took, interruptions left out."""


Told: TypeAlias = Callable[[str, int, int, Progress | None], None]
"""Called with what is done (``features``, or what learns), steps done, steps in all, and, after an epoch's last
step, how it went."""


def silent(_what: str, _done: int, _total: int, _progress: Progress | None) -> None:
    """Tell nobody."""
