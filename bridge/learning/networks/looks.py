"""Several looks at one picture, mirrored and turned, inside the network's own graph: test-time augmentation.

A part that would get the same verdict mirrored gets the mean of the logits of its mirror images. That is steadier
than one look where few pictures taught the network, and costs as much more time as there are looks. They are
pixels in another order, nothing is interpolated, and any engine runs them: the line knows nothing of it.

Looks of one batch lie one after the other along its first axis: all pictures as they are, then all mirrored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from bridge.errors import ConfigError
from bridge.judging.spec import Input
from bridge.learning.backend import keras

Tensor: TypeAlias = Any
"""A tensor, or Keras' symbol of one; shape (batch, rows, columns, channels)."""

COUNTS: Final = (1, 2, 4, 8)
"""As it is; left and right swapped too; up and down swapped as well; all of them with rows and columns swapped."""
_SQUARE: Final = 8


def fitting(count: int, into: Input) -> None:
    """Refuse looks that a picture does not have.

    Raises:
        ConfigError: a picture that is no square has no quarter turns.
    """
    if count == _SQUARE and into.width != into.height:
        raise ConfigError(
            "--tta 8", f"a picture of {into.width}x{into.height} cannot be turned by a quarter", "write --tta 4"
        )


def at_all(pictures: Tensor, count: int) -> Tensor:
    """Return all looks at these pictures, shape (looks x batch, rows, columns, channels)."""
    if count == 1:
        return pictures
    return keras.ops.concatenate([_seen(pictures, _STEPS[look]) for look in range(count)], axis=0)


def turned_back(maps: Tensor, count: int) -> Tensor:
    """Return the mean of what was found at each look, each turned back: shape (batch, rows, columns, …)."""
    return _mean(maps, count, lambda part, look: _seen(part, _STEPS[look][::-1]))


def agreed(logits: Tensor, count: int) -> Tensor:
    """Return the mean of the logits of all looks, shape (batch, classes)."""
    return _mean(logits, count, lambda part, _look: part)


class AtAll(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """``at_all`` as a layer."""

    def __init__(self, count: int) -> None:
        super().__init__(name="looks", trainable=False, dtype="float32")
        self._count = count

    def call(self, pictures: Tensor) -> Tensor:
        """Return all looks at these pictures."""
        return at_all(pictures, self._count)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of a picture, of a batch that is not known."""
        return (None, *input_shape[1:])


class Agreed(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """``agreed``, or ``turned_back`` for what lies on a grid, as a layer."""

    def __init__(self, count: int, name: str) -> None:
        super().__init__(name=name, trainable=False, dtype="float32")
        self._count = count

    def call(self, found: Tensor) -> Tensor:
        """Return the mean over looks."""
        return agreed(found, self._count) if len(found.shape) == 2 else turned_back(found, self._count)  # noqa: PLR2004

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the same with another batch; without it PyTorch and JAX would split a batch that they made up."""
        return (None, *input_shape[1:])


def _mean(found: Tensor, count: int, back: Callable[[Tensor, int], Tensor]) -> Tensor:
    if count == 1:
        return found
    parts = keras.ops.split(found, count, axis=0)
    return sum(back(part, look) for look, part in enumerate(parts)) / count


def _left_right(seen: Tensor) -> Tensor:
    return _reversed(seen, 2)


def _up_down(seen: Tensor) -> Tensor:
    return _reversed(seen, 1)


def _turned(seen: Tensor) -> Tensor:
    return keras.ops.swapaxes(seen, 1, 2)


def _reversed(seen: Tensor, axis: int) -> Tensor:
    return keras.ops.take(seen, list(range(seen.shape[axis]))[::-1], axis=axis)


def _seen(pictures: Tensor, steps: Sequence[Callable[[Tensor], Tensor]]) -> Tensor:
    for step in steps:
        pictures = step(pictures)
    return pictures


_MIRRORED: Final = ((), (_left_right,), (_up_down,), (_left_right, _up_down))
_STEPS: Final = (*_MIRRORED, *((*steps, _turned) for steps in _MIRRORED))
"""What is done to a picture one after the other; each step undoes itself."""
