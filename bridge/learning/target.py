"""What is exported, where to, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from bridge.judging.bundle import Bundle, Precision
from bridge.judging.spec import HeatMapOutput, Normalisation
from bridge.learning.data import Indices, Look
from bridge.learning.networks import Model
from bridge.learning.points import Outcome
from bridge.learning.seen import Seen


class Exportable(Protocol):
    """What is exported of a network."""

    @property
    def whole(self) -> Model:
        """Picture to logits."""

    @property
    def normalisation(self) -> Normalisation:
        """How its input is made from pixels."""


class Split(Protocol):
    """Places in the data set."""

    @property
    def train(self) -> Indices:
        """What it was trained on; int8 takes its ranges from these."""

    @property
    def validation(self) -> Indices:
        """What thresholds are set on and precisions compared on."""


class Sides(NamedTuple):
    """A split without anything held out."""

    train: Indices
    validation: Indices


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where bundles go and what they are called."""

    models: Path
    """The model's folder; each bundle is written to ``<models>/<version>``."""
    name: str
    look: Look
    """How the pictures of the data set were cut."""
    precisions: tuple[Precision, ...] = (Precision.F32,)
    """What to write besides f32, which is always written."""
    escapes: float = 0.005
    """The share of bad validation parts that may pass."""
    int8_loss: float = 0.2
    """The most AUROC points (hundredths) that int8 may lose against f32 on validation parts."""
    parent: str = ""
    """The identity of the bundle that this one was trained from."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """All that it takes to train this network again, in JSON values."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """What else each bundle takes along, by name."""
    boxes: HeatMapOutput = field(default_factory=HeatMapOutput)
    """How a heat map becomes boxes, where the network has one; its output and layer are the network's own."""
    seconds: float = 0.0
    """How long it was trained; 0: unknown."""
    seen: Seen = field(default_factory=Seen)
    """What the network had seen before: the pictures of the bundle that it goes on from."""

    @property
    def took(self) -> dict[str, float | int | str]:
        """How long it was trained, for a bundle's metrics; empty where that is unknown."""
        return {"training_seconds": round(self.seconds, 1)} if self.seconds else {}


@dataclass(frozen=True, slots=True)
class Made:
    """A bundle that was written, and what its threshold does on the validation parts."""

    bundle: Bundle
    outcome: Outcome
