"""ONNX detectors whose answers are known by heart: each cell of a grid says how much it lacks of each colour.

A cell of 8 x 8 pixels without red is a box of class 0 with exactly the cell's edges, without green of class 1,
without blue of class 2; it is sure (1) where nothing of the colour is left, and not at all (0) from 0.4 of it on.
Neither white nor the grey of a letterbox is anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
CELL = 8
LAYOUTS = ("yolov5", "yolov8", "yolox", "end2end")


class _Graph:
    """Nodes and constants as they are added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name


def cells(layout: str, width: int, height: int) -> np.ndarray:
    """Return the edges of each box that a layout has, (N, 4): left, top, right, bottom."""
    found = []
    for step in (8, 16, 32) if layout == "yolox" else (CELL,):
        rows, columns = np.indices((height // step, width // step)).reshape(2, -1)
        found.append(np.stack([columns, rows, columns + 1, rows + 1], axis=1) * step)
    return np.concatenate(found).astype(np.float32)


def detector(
    layout: str, width: int = 64, height: int = 64, batch: int | str = "batch", *, poisoned: bool = False
) -> onnx.ModelProto:
    """Return the model.

    Args:
        layout: of its output.
        width: of its input, in pixels; a multiple of 32.
        height: as width.
        batch: a name where it is free.
        poisoned: whether what is dark is not-a-number instead.
    """
    graph = _Graph()
    sure = _sure(graph, (8, 16, 32) if layout == "yolox" else (CELL,), poisoned=poisoned)
    edges = cells(layout, width, height)
    if layout == "end2end":
        out = _end_to_end(graph, sure, edges)
    elif layout == "yolov8":
        out = graph.add("Concat", _everywhere(graph, sure, _middles(edges).T), sure, axis=1)
    else:
        tall = graph.add("Transpose", sure, perm=[0, 2, 1])
        boxes = _raw(edges) if layout == "yolox" else _middles(edges)
        ones = np.ones((len(edges), 1), np.float32)
        out = graph.add("Concat", _everywhere(graph, tall, boxes), _everywhere(graph, tall, ones), tall, axis=2)
    return _model(graph, out, [batch, 3, height, width], [batch, "a", "b"])


def _sure(graph: _Graph, steps: Sequence[int], *, poisoned: bool) -> str:
    """Return how sure each cell is of each class, (batch, 3, N)."""
    flat = []
    for step in steps:
        mean = graph.add("AveragePool", "picture", kernel_shape=[step, step], strides=[step, step])
        lack = graph.add("Sub", graph.constant(0.4), mean)
        sure = graph.add("Relu", graph.add("Div", lack, graph.constant(0.4)))
        sure = graph.add("Min", sure, graph.constant(1.0))
        if poisoned:
            root = graph.add("Sqrt", graph.add("Sub", mean, graph.constant(0.2)))
            sure = graph.add("Add", sure, graph.add("Mul", root, graph.constant(1e-6)))
        flat.append(graph.add("Reshape", sure, graph.constant([0, 3, -1], np.int64)))
    return graph.add("Concat", *flat, axis=2)


def _everywhere(graph: _Graph, like: str, value: np.ndarray) -> str:
    """Return a constant for each picture of the batch."""
    first = graph.add("Slice", like, *(graph.constant([at], np.int64) for at in (0, 1, 1)))
    first = graph.add("Slice", first, *(graph.constant([at], np.int64) for at in (0, 1, 2)))
    return graph.add("Add", graph.add("Mul", first, graph.constant(0.0)), graph.constant(value[None]))


def _middles(edges: np.ndarray) -> np.ndarray:
    return np.concatenate([(edges[:, :2] + edges[:, 2:]) / 2, edges[:, 2:] - edges[:, :2]], axis=1)


def _raw(edges: np.ndarray) -> np.ndarray:
    """Return the same for YOLOX: half a cell into each cell, as large as it."""
    return np.concatenate([np.full((len(edges), 2), 0.5), np.zeros((len(edges), 2))], axis=1).astype(np.float32)


def _end_to_end(graph: _Graph, sure: str, edges: np.ndarray) -> str:
    best = graph.add("ReduceMax", sure, axes=[1], keepdims=1)
    which = graph.add("Cast", graph.add("ArgMax", sure, axis=1, keepdims=1), to=TensorProto.FLOAT)
    columns = [graph.add("Transpose", one, perm=[0, 2, 1]) for one in (best, which)]
    return graph.add("Concat", _everywhere(graph, columns[0], edges), *columns, axis=2)


def _model(graph: _Graph, out: str, shown: list[Any], said: list[Any]) -> onnx.ModelProto:
    made = helper.make_graph(
        graph.nodes,
        "cells",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, shown)],
        [helper.make_tensor_value_info(out, TensorProto.FLOAT, said)],
        graph.constants,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    return model
