"""A foreign detector made to fit the line: one input of the stated size, one output of boxes as its layout says.

What an output means is not changed: decoding and non-maximum suppression are the line's own, in plain numbers.
"""

from __future__ import annotations

import sys
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError
from bridge.judging import detections, engine, finder
from bridge.judging.detections import Unsound
from bridge.judging.engine import Unfit
from bridge.judging.preprocess import normalise
from bridge.judging.spec import Detection, Layout
from bridge.learning.importing import fitting, trial
from bridge.learning.importing.wanted import Graph, Wanted

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # else the import looks up a host and sends
import openvino as ov  # noqa: E402 - after the line above

_SAME = 1e-3
"""What one picture's numbers may differ between alone and in a batch, as a share of the largest number."""
_ONE = "it takes one picture at a time, so that a part of many views takes longer; export it with a free batch"


def fit(graph: Graph, wanted: Wanted, how: Detection) -> tuple[Graph, tuple[str, ...]]:
    """Return the graph as the line takes it, and what the user should know; tries it on pictures.

    Raises:
        ConfigError: it has other inputs or outputs than the user says, or answers with what is no boxes.
    """
    chosen = _chosen(graph, wanted)
    size = fitting.size(graph, wanted)
    try:
        alone = _made(graph, wanted, chosen, (1, *size))
        said = _said(alone, wanted, together=False)
    except (RuntimeError, ValueError) as exc:
        raise ConfigError(str(wanted.model), f"does not take pictures of {size}", "check --size") from exc
    _hold(alone, wanted, how)
    _hold_numbers(said, wanted, how)
    try:
        free = _made(graph, wanted, chosen, (ov.Dimension(1, engine.BATCH), *size))
        again = _said(free, wanted, together=True)
    except (RuntimeError, ValueError):
        return alone, (_ONE,)
    same = again.shape == said.shape and np.abs(again - said).max() <= _SAME * np.abs(said).max()
    return (free, ()) if same else (alone, (_ONE,))


def _chosen(graph: Graph, wanted: Wanted) -> int:
    """Return the place of the output that holds the boxes.

    Raises:
        ConfigError: it has several and none, or another, was named.
    """
    try:
        return int(finder.chosen(graph, wanted.tensor).get_index())
    except Unfit as exc:
        named = sorted(name for one in graph.outputs for name in one.get_names())
        found = f"has the outputs {', '.join(named)}"
        raise ConfigError(str(wanted.model), found, "write --tensor and the one that holds the boxes") from exc


def _made(graph: Graph, wanted: Wanted, chosen: int, shape: tuple[Any, ...]) -> Graph:
    """Return a copy of the graph for inputs of this shape, with the boxes alone, in float32 at both ends."""
    graph = graph.clone()
    graph.reshape(list(shape))
    graph = fitting.in_float32(graph, chosen)
    boxes = graph.output(chosen).get_node().input_value(0)
    made = ov.Model([boxes], graph.get_parameters(), wanted.model.stem)
    made.input().get_tensor().set_names({"picture"})
    made.output().get_tensor().set_names({"boxes"})
    return made


def _said(graph: Graph, wanted: Wanted, *, together: bool) -> NDArray[np.float32]:
    """Return what it says of black, white, noise and a slope."""
    shown: Any = normalise(trial.pictures(wanted.into), wanted.normalisation)
    if [one.get_length() for one in list(graph.input().get_partial_shape())[1:]] != list(shown.shape[1:]):
        shown = np.ascontiguousarray(shown.transpose(0, 3, 1, 2))
    compiled = ov.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    if together:
        return np.array(compiled([shown])[0])
    return np.concatenate([np.array(compiled([one[None]])[0]) for one in shown])


def _hold(graph: Graph, wanted: Wanted, how: Detection) -> None:
    """Hold the output's shape to the layout."""
    have = engine.sizes(graph.output())
    try:
        finder.hold(have, how.layout, len(wanted.classes) - 1, wanted.into)
    except Unfit as exc:
        others = [one for one in get_args(Layout) if one != how.layout and _fits(have, one, wanted)]
        write = f"write --layout {' or '.join(others)}" if others else "name one class for each of its own"
        raise ConfigError(str(wanted.model), str(exc), write) from exc


def _fits(have: list[int | None], layout: Layout, wanted: Wanted) -> bool:
    try:
        finder.hold(have, layout, len(wanted.classes) - 1, wanted.into)
    except Unfit:
        return False
    return True


def _hold_numbers(said: NDArray[np.float32], wanted: Wanted, how: Detection) -> None:
    """See whether what it answers can be read."""
    classes, size = len(wanted.classes) - 1, (wanted.into.width, wanted.into.height)
    for one in said:
        try:
            detections.found(one, how, classes, range(classes), size)
        except Unsound as exc:
            raise ConfigError(str(wanted.model), f"{exc}", "check --layout and --normalise") from exc
