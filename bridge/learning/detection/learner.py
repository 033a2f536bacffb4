"""What learns: how sure to be of a box, which is how much it shares with the true one, and where it lies.

The first is the quality focal loss of Li et al. (2020), the second 1 - GIoU (Rezatofighi et al., 2019); both are
summed over places and divided by how many of these tell a box. Nothing but ``keras.ops``, and every shape is
known, so that it is compiled on any backend.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from bridge.learning.augmentation import Policy
from bridge.learning.backend import keras, on_gpu
from bridge.learning.detection.assigning import NOTHING
from bridge.learning.detection.grids import places
from bridge.learning.detection.network import EDGES, DetectorNetwork, corners
from bridge.learning.networks.trunk import Model, Tensor

STEPS: Final = 1500
_WHERE: Final = 2.0
"""How much the place of a box counts beside how sure it is."""
_WARM: Final = 0.05
"""In this share of the steps the rate rises."""
_TINY = 1e-7


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a detector is trained."""

    policy: Policy = field(default_factory=Policy)
    steps: int = STEPS
    batch: int = 8
    window: int = 256
    """Pixels a side of what a step is shown of a picture."""
    rate: float = 2e-3
    """The highest."""
    seed: int = 0


def learner(network: DetectorNetwork, settings: Settings, classes: int, channels: int) -> Model:
    """Return the model that learns: from what ``windows.Windows.batch`` gives to its losses."""
    side, ops = settings.window, keras.ops
    count = len(places(side, side)[0])
    shown = keras.Input(batch_shape=(settings.batch, side, side, channels), name="picture")
    kinds = keras.Input(batch_shape=(settings.batch, count), dtype="int32", name="kinds")
    edges = keras.Input(batch_shape=(settings.batch, count, EDGES), name="edges")
    raw = network.core(shown)
    there = ops.cast(kinds > NOTHING, "float32")
    known = ops.cast(kinds >= NOTHING, "float32")
    low, high = corners(raw, side, side)
    shared, generalised = overlap((low, high), (edges[..., :2], edges[..., 2:]))
    sure = ops.one_hot(ops.maximum(kinds, 0), classes) * (there * ops.stop_gradient(shared))[..., None]
    total = ops.maximum(ops.sum(there), 1.0)
    what = ops.sum(focal(raw[..., EDGES:], sure) * known[..., None]) / total
    where = ops.sum((1 - generalised) * there) / total
    model = _Losses([shown, kinds, edges], ops.stack([what, _WHERE * where]), name="learner")
    warm = max(1, round(_WARM * settings.steps))
    rate = keras.optimizers.schedules.CosineDecay(
        settings.rate / 100, max(1, settings.steps - warm), warmup_target=settings.rate, warmup_steps=warm
    )
    jit = "auto" if on_gpu() else False  # on a processor XLA is the slower one
    model.compile(keras.optimizers.AdamW(rate, weight_decay=1e-2, clipnorm=10.0), jit_compile=jit)
    model.optimizer.build(model.trainable_variables)
    return model


def focal(logits: Tensor, sure: Tensor) -> Tensor:
    """Return the quality focal loss: cross entropy times the squared distance to how sure one should be."""
    ops = keras.ops
    away = sure - ops.sigmoid(logits)
    return ops.square(away) * (ops.softplus(logits) - logits * sure)


def overlap(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Return IoU and GIoU of boxes, each given by left and top, and right and bottom."""
    ops = keras.ops

    def area(low: Tensor, high: Tensor) -> Tensor:
        return ops.prod(ops.maximum(high - low, 0.0), axis=-1)

    (low, high), (low2, high2) = one, other
    both = area(ops.maximum(low, low2), ops.minimum(high, high2))
    either = area(low, high) + area(low2, high2) - both + _TINY
    around = area(ops.minimum(low, low2), ops.maximum(high, high2)) + _TINY
    shared = both / either
    return shared, shared - (around - either) / around


class _Losses(keras.Model):  # type: ignore[misc]  # Keras ships no types
    """A model whose output is what it loses."""

    def compute_loss(self, _x: Any, _y: Any, losses: Tensor, *_rest: Any, **_named: Any) -> Tensor:
        """Return the sum of its losses."""
        return keras.ops.sum(losses)
