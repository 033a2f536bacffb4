"""A foreign graph made to fit the engine: one input of the stated size with a free batch, one output per class.

What a number means is not changed: no softmax, no normalisation and no temperature go into the graph.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from bridge.errors import ConfigError
from bridge.judging.engine import BATCH
from bridge.judging.spec import Input
from bridge.learning.importing.wanted import Graph, Layout, Output, Wanted

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # else the import looks up a host and sends
import openvino as ov  # noqa: E402 - after the line above
from openvino import opset13 as op  # noqa: E402 - same

_AXES = 4
"""Batch, and the three of a picture."""
_BINARY = 2


def fit(graph: Graph, wanted: Wanted) -> tuple[Graph, tuple[str, ...]]:
    """Return the graph as the engine takes it, and what the user should know.

    Raises:
        ConfigError: it has other inputs or outputs than the user says, or a batch that cannot be freed.
    """
    where = str(wanted.model)
    shape = size(graph, wanted)
    chosen = _chosen(graph, wanted).get_index()
    try:
        graph.reshape([ov.Dimension(1, BATCH), *shape])
        graph = in_float32(graph, chosen)
    except RuntimeError as exc:
        write = "export it with a free batch, or check --size"
        raise ConfigError(where, f"does not take pictures of {shape} in batches", write) from exc
    return _with_classes(graph, chosen, wanted)


def size(graph: Graph, wanted: Wanted) -> list[int]:
    """Return the sizes of the only input in its own order, without the batch.

    Raises:
        ConfigError: it has several inputs, or takes other pictures than the user says.
    """
    if len(graph.inputs) != 1:
        found = f"has {len(graph.inputs)} inputs"
        raise ConfigError(str(wanted.model), found, "export it with one picture as its only input")
    return _ways(wanted.into)[_layout(graph, wanted)]


def _layout(graph: Graph, wanted: Wanted) -> Layout:
    """Return the order of the input's axes.

    Raises:
        ConfigError: none fits, or both do and the user does not say which.
    """
    have, into = _sizes(graph.input().get_partial_shape()), wanted.into
    fits = [layout for layout, size in _ways(into).items() if have is None or _agrees(have, size)]
    if wanted.layout is not None:
        fits = [layout for layout in fits if layout == wanted.layout]
    if len(fits) == 1:
        return fits[0]
    seen = "of any shape" if have is None else f"[{', '.join('?' if one is None else str(one) for one in have)}]"
    if fits:
        raise ConfigError(str(wanted.model), f"its input is {seen}", "write --layout nhwc or nchw")
    asked = f"{into.width}x{into.height} in {into.colour}"
    write = "write the --size, --colour and --layout it was trained with"
    raise ConfigError(str(wanted.model), f"its input is {seen}, which does not take {asked}", write)


def _ways(into: Input) -> dict[Layout, list[int]]:
    size = [into.height, into.width]
    return {"nhwc": [*size, into.channels], "nchw": [into.channels, *size]}


def _sizes(shape: Any) -> list[int | None] | None:
    """Return the sizes of all axes, None for those that are free; None where even their number is."""
    if shape.rank.is_dynamic:
        return None
    return [None if one.is_dynamic else int(one.get_length()) for one in shape]


def _agrees(have: list[int | None], size: list[int]) -> bool:
    return len(have) == _AXES and all(one in {None, other} for one, other in zip(have[1:], size, strict=True))


def _chosen(graph: Graph, wanted: Wanted) -> Any:
    """Return the output that holds the classes.

    Raises:
        ConfigError: it has several and none, or another, was named.
    """
    named = {name: one for one in graph.outputs for name in one.get_names()}
    if wanted.tensor in named:
        return named[wanted.tensor]
    if not wanted.tensor and len(graph.outputs) == 1:
        return graph.output()
    write = "write --tensor and the one that holds the classes"
    raise ConfigError(str(wanted.model), f"has the outputs {', '.join(sorted(named))}", write)


def in_float32(graph: Graph, chosen: int) -> Graph:
    """Return the graph with float32 at both ends, also of a model that computes in 16 bits."""
    ends = ov.preprocess.PrePostProcessor(graph)
    ends.input().tensor().set_element_type(ov.Type.f32)
    if graph.output(chosen).get_element_type().is_real():
        ends.output(chosen).tensor().set_element_type(ov.Type.f32)
    return ends.build()


def _with_classes(graph: Graph, chosen: int, wanted: Wanted) -> tuple[Graph, tuple[str, ...]]:
    """Return the graph with the output (batch, classes) alone."""
    source = graph.output(chosen).get_node().input_value(0)
    if not source.get_element_type().is_real():
        raise ConfigError(str(wanted.model), "answers with the number of a class", "export it with its scores")
    columns, classes = _columns(source, wanted), len(wanted.classes)
    flat = op.reshape(source, op.constant([-1, columns], np.int64), special_zero=False)
    remarks: tuple[str, ...] = ()
    if columns < classes:
        flat = _two_columns(flat, wanted.output)
        remarks = (f"its one number is taken for {wanted.classes[1].name}, the second of the classes",)
    flat.output(0).set_names({wanted.output})
    graph.input().get_tensor().set_names({"picture"})
    return ov.Model([flat], graph.get_parameters(), wanted.model.stem), remarks


def _columns(source: Any, wanted: Wanted) -> int:
    """Return how many numbers there are for each picture.

    Raises:
        ConfigError: another number than there are classes; one number may stand for two.
    """
    sizes = _sizes(source.get_partial_shape()) or [None, None]
    told = None if None in sizes[1:] else math.prod(one for one in sizes[1:] if one is not None)
    classes = len(wanted.classes)
    if told == classes or (told == 1 and classes == _BINARY):
        return told
    found = f"has {'a varying number of' if told is None else told} outputs where --classes names {classes}"
    raise ConfigError(str(wanted.model), found, "name one class for each output, in their order")


def _two_columns(number: Any, output: Output) -> Any:
    """Return (0, x) of a logit x, whose softmax is the sigmoid of x; or (1 - p, p) of a probability p."""
    if output == "logits":
        return op.concat([op.multiply(number, op.constant(np.float32(0))), number], 1)
    return op.concat([op.subtract(op.constant(np.float32(1)), number), number], 1)
