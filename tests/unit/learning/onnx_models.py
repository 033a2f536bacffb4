"""ONNX models small enough to know their answers by heart: mean brightness to a number for each class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17


def brightness(
    shape: Sequence[int | str] = ("batch", 3, 16, 16),
    *,
    outputs: int = 2,
    end: str = "",
    flat: tuple[int, int] | None = None,
    kind: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    """Return a model that says (8, -8, ...) times (mean - 0.5) of a picture of 0 to 1.

    Args:
        shape: of its input; channels first where it has 1 or 3 at place 1.
        outputs: how many numbers it says.
        end: an operator on them, such as Softmax or Sigmoid.
        flat: a fixed shape that its numbers go through, as careless exporters write it.
        kind: the type of its numbers.
    """
    signs = np.array([[8.0, -8.0, 4.0, -4.0, 2.0][:outputs]], helper.tensor_dtype_to_np_dtype(kind))
    half = np.array(0.5, signs.dtype)
    nodes = [
        helper.make_node("ReduceMean", ["picture"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Sub", ["mean", "half"], ["centred"]),
        helper.make_node("Unsqueeze", ["centred", "one"], ["column"]),
        helper.make_node("Mul", ["column", "signs"], ["said"]),
    ]
    weights = [
        numpy_helper.from_array(half, "half"),
        numpy_helper.from_array(np.array([1]), "one"),
        numpy_helper.from_array(signs, "signs"),
    ]
    last = "said"
    if flat is not None:
        weights.append(numpy_helper.from_array(np.array(flat), "flat"))
        nodes.append(helper.make_node("Reshape", [last, "flat"], ["reshaped"]))
        last = "reshaped"
    if end:
        nodes.append(helper.make_node(end, [last], ["ended"]))
        last = "ended"
    out = TensorProto.INT64 if end == "ArgMax" else kind
    graph = helper.make_graph(
        nodes,
        "brightness",
        [helper.make_tensor_value_info("picture", kind, list(shape))],
        [helper.make_tensor_value_info(last, out, ["rows", "columns"])],
        weights,
    )
    return _checked(graph)


def two_outputs() -> onnx.ModelProto:
    """Return a model that also tells its mean."""
    model = brightness()
    model.graph.output.append(helper.make_tensor_value_info("mean", TensorProto.FLOAT, ["rows"]))
    return model


def with_weights_in(location: str) -> onnx.ModelProto:
    """Return the model with its weights in another file, 8 bytes long."""
    model = brightness()
    (signs,) = (one for one in model.graph.initializer if one.name == "signs")
    signs.ClearField("raw_data")
    signs.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "8")):
        entry = signs.external_data.add()
        entry.key, entry.value = key, value
    return model


def hidden_in_a_branch(location: str) -> onnx.ModelProto:
    """Return a model that has such weights only inside a branch of an If."""
    inner: Any = with_weights_in(location).graph
    tensor = next(one for one in inner.initializer if one.name == "signs")
    constant = helper.make_node("Constant", [], ["signs_of_branch"], value=tensor)
    body = helper.make_graph(
        [constant], "branch", [], [helper.make_tensor_value_info("signs_of_branch", TensorProto.FLOAT, [1, 2])]
    )
    model = brightness()
    model.graph.node.append(
        helper.make_node("If", ["lit"], ["unused"], then_branch=body, else_branch=body),
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "lit"))  # noqa: FBT003 - a value
    return model


def save(model: onnx.ModelProto, path: Path) -> Path:
    """Write a model as it is, without following what it names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path


def _checked(graph: onnx.GraphProto) -> onnx.ModelProto:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    return model
