"""A real inference of very different pictures, held against what the user says of the model."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError
from bridge.judging.preprocess import normalise
from bridge.judging.spec import Input
from bridge.learning.importing.wanted import Graph, Wanted

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # else the import looks up a host and sends
import openvino as ov  # noqa: E402 - after the line above

Rows = NDArray[np.float32]
"""Shape (pictures, classes)."""

_SUM_TOLERANCE = 1e-3
"""As the engine of the line allows it."""
_SAME = 1e-4
"""What one picture's numbers may differ between alone and in a batch, as a share of the largest number."""
_SHOWN = 4


def hold(graph: Graph, wanted: Wanted) -> tuple[str, ...]:
    """Return what the user should know of the model's answers.

    Raises:
        ConfigError: it cannot run in batches, its answers are not finite, or not of the kind that was said.
    """
    where = str(wanted.model)
    alone, together = _answers(graph, wanted)
    if not (np.isfinite(alone).all() and np.isfinite(together).all()):
        raise ConfigError(where, "answers with numbers that are not finite", "check --normalise")
    if alone.shape != together.shape or np.abs(alone - together).max() > _SAME * np.abs(alone).max():
        raise ConfigError(where, "judges a picture in a batch otherwise than alone", "export it with a free batch")
    shares = bool((alone >= 0).all() and np.allclose(alone.sum(axis=1), 1, rtol=0, atol=_SUM_TOLERANCE))
    if wanted.output == "probabilities" and not shares:
        raise ConfigError(where, f"answers {_row(alone)}, which is no probability", "write --output logits")
    if wanted.output == "logits" and shares:
        raise ConfigError(where, f"answers {_row(alone)}, which adds up to 1", "write --output probabilities")
    if np.ptp(alone, axis=0).max() <= _SAME * np.abs(alone).max():
        return ("it says the same of black, white and noise: is --normalise as it was in training?",)
    return ()


def _answers(graph: Graph, wanted: Wanted) -> tuple[Rows, Rows]:
    """Return what it says of pictures one at a time, and of the same ones together."""
    shown: Any = normalise(pictures(wanted.into), wanted.normalisation)
    if [one.get_length() for one in list(graph.input().get_partial_shape())[1:]] != list(shown.shape[1:]):
        shown = np.ascontiguousarray(shown.transpose(0, 3, 1, 2))
    try:
        compiled = ov.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        alone = np.concatenate([np.array(compiled([one[None]])[0]) for one in shown])
        return alone, np.array(compiled([shown])[0])
    except (RuntimeError, ValueError) as exc:
        raise ConfigError(
            str(wanted.model), "takes only one picture at a time", "export it with a free batch"
        ) from exc


def pictures(into: Input) -> NDArray[np.uint8]:
    """Return black, white, noise and a slope, each of the input's size."""
    size = (into.height, into.width, into.channels)
    noise = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    slope = np.broadcast_to(np.linspace(0, 255, into.width)[None, :, None], size)
    return np.stack([np.zeros(size, np.uint8), np.full(size, 255, np.uint8), noise, slope.astype(np.uint8)])


def _row(rows: Rows) -> str:
    """Return the answer to noise, cut short."""
    told = [f"{number:.3g}" for number in rows[2][:_SHOWN]] + (["…"] if rows.shape[1] > _SHOWN else [])
    return f"({', '.join(told)})"
