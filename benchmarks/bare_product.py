"""A matrix product in OpenVINO at each precision: what the processor can do, whatever the network.

A network that takes as long as a product of as many multiply-adds is bound by arithmetic: only fewer of them, or
another processor, would make it faster.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np

from bridge.judging.bundle import Precision
from bridge.learning.quantising import Scope, quantise

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # else the import looks up a host and sends
import openvino as ov  # noqa: E402 - after the line above
from openvino import opset13 as op  # noqa: E402 - same

SIDE = 1536
"""Of the square matrices: large enough that multiplying is all that counts, as the convolutions of VGG16 are."""


def product(precision: Precision, threads: int) -> Callable[[int], float]:
    """Return a clock: from a number of multiply-adds to what they would take at the speed of the product."""
    rng = np.random.default_rng(0)
    shown = op.parameter([1, SIDE, SIDE], np.float32, name="picture")
    said = op.matmul(
        shown, op.constant(rng.normal(size=(SIDE, SIDE)).astype(np.float32)), transpose_a=False, transpose_b=False
    )
    graph = ov.Model([said], [shown], "product")
    left = rng.normal(size=(1, SIDE, SIDE)).astype(np.float32)
    if precision is Precision.INT8:
        graph = quantise(graph, left, Scope.ALL)
    hint = "bf16" if precision is Precision.BF16 else "f32"
    settings = {
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": hint,
        "ENABLE_CPU_PINNING": False,
    }
    request = ov.Core().compile_model(graph, "CPU", settings).create_infer_request()

    def seconds(multiply_adds: int) -> float:
        started = time.perf_counter()
        request.infer([left], share_inputs=True)
        return (time.perf_counter() - started) * multiply_adds / SIDE**3

    for _ in range(3):
        seconds(1)
    return seconds
