"""From a Keras model to OpenVINO IR in float32, with the tensor names that the live path knows."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, Final

from bridge.judging import bundle
from bridge.learning.networks import Model

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # else the import looks up a host and sends
import openvino as ov  # noqa: E402 - after the line above

LOGITS: Final = "logits"
"""Output of shape (batch, classes)."""
ANOMALY: Final = "anomaly"
"""Output of shape (batch, 1), of a model that knows only good parts."""
HEAT_MAP: Final = "heat_map"
"""Output of shape (batch, rows, columns, classes), where the graph explains itself."""

_FLAT = 2

Graph = Any
"""An ``openvino.Model``; OpenVINO's types are not complete."""


def convert(net: Model, scratch: Path, says: str = LOGITS) -> Graph:
    """Return the network as an OpenVINO graph in float32, its outputs named by what they are.

    Args:
        net: of one input (batch, height, width, channels) and a flat output, with or without a heat map; or of
            any one output.
        scratch: a folder that exists; hundreds of megabytes may be written to it.
        says: what the flat or only output is called.
    """
    with redirect_stdout(StringIO()):  # Keras prints the signature, which nobody asked for
        net.export(scratch / "saved", format="tf_saved_model", verbose=False)
        graph = ov.convert_model(scratch / "saved")
    for output in graph.outputs:
        flat = len(output.get_partial_shape()) == _FLAT or len(graph.outputs) == 1
        output.get_tensor().set_names({says if flat else HEAT_MAP})
    graph.input().get_tensor().set_names({"picture"})
    return graph


def save(graph: Graph, folder: Path) -> tuple[Path, Path]:
    """Write the graph as it is, without rounding weights to 16 bits; return its two files."""
    path = folder / bundle.MODEL
    ov.save_model(graph, path, compress_to_fp16=False)
    return path, path.with_suffix(".bin")
