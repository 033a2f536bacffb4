"""int8: post-training quantisation by NNCF, calibrated on training pictures, and what it costs against f32.

The ranges of activations are taken from pictures as the live path prepares them, and reach from the least to the
greatest that any of them causes. NNCF's own choice, the mean of each picture's greatest, cuts off what stands out,
and in inspection that is the defect: on a small network it moved the logits of bad parts by 4.2 on average and of
good ones by 0.07; this way it is 0.06 and 0.01.

Two ways are tried in turn: all layers in 8 bits, and the first and the last layers left in float32, where rounding
hurts most. What only explains (the heat map) is never rounded. Only int8 pays for the import of NNCF.
"""

from __future__ import annotations

import itertools
import logging
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError
from bridge.judging.bundle import Precision
from bridge.learning import points
from bridge.learning.conversion import HEAT_MAP, Graph
from bridge.learning.data import Indices
from bridge.learning.measuring import Rows, Told, silent
from bridge.learning.points import Scores, Truth

MOST_PICTURES: Final = 300
"""More calibration pictures move the ranges no further; each costs a pass of the f32 network."""

_FEW_PAIRS = 4
"""Where fewer pairs than this use up what is allowed, the user is told what one pair weighs."""


class Scope(StrEnum):
    """Which layers are rounded to 8 bits."""

    ALL = "all"
    INNER = "inner"
    """All but the first and the last layers that hold weights."""


LADDER: Final = (Scope.ALL, Scope.INNER)
"""The ways in the order in which they are tried: the fastest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A graph at a precision, and how it judges the validation parts."""

    precision: Precision
    files: tuple[Path, Path]
    scope: str
    """Which layers are rounded, where there is a choice."""
    rows: Rows
    """The softmax of the logits of each picture."""
    temperature: float
    """What its logits are divided by."""
    views: Scores
    """p(OK) per picture, at this temperature."""
    parts: Scores
    """p(OK) per part."""
    bad: Truth
    """Which parts are NG."""
    threshold: float
    """Its own."""

    @property
    def auc(self) -> float:
        """The chance that a bad part scores below a good one."""
        return points.auc(self.parts, self.bad)


def sample(labels: NDArray[np.int64], train: Indices, seed: int = 0) -> Indices:
    """Return up to ``MOST_PICTURES`` training pictures, the classes as evenly as they allow."""
    rng = np.random.default_rng(seed)
    drawn = rng.permutation(train)
    rank = np.empty(len(drawn), np.int64)
    for label in np.unique(labels[drawn]):
        mine = labels[drawn] == label
        rank[mine] = np.arange(mine.sum())
    return np.asarray(drawn[np.argsort(rank, kind="stable")][:MOST_PICTURES], np.intp)


def quantise(
    graph: Graph, shown: NDArray[np.float32], scope: Scope, told: Told = silent, exact: Sequence[str] = ()
) -> Graph:
    """Return the graph in 8 bits; the given one stays as it is.

    Args:
        graph: in float32.
        shown: calibration pictures, normalised; shape (N, height, width, channels).
        scope: which layers to round.
        told: hears how many pictures it has seen.
        exact: what is part of the name of an operation that is never rounded.

    Raises:
        ConfigError: NNCF is not installed.
    """
    nncf, ranges = _nncf()
    kept = {
        name
        for op in graph.get_ordered_ops()
        for name in [op.get_friendly_name()]
        if any(one in name for one in exact)
    }
    left_out = nncf.IgnoredScope(
        names=sorted(_only_explaining(graph) | _outer(graph, scope) | kept), validate=False
    )
    count = itertools.count(1)

    def picture(one: NDArray[np.float32]) -> NDArray[np.float32]:
        told(f"calibrating int8 ({scope})", min(next(count), len(shown)), len(shown))
        return one[None]

    with redirect_stdout(StringIO()):  # its own progress bar
        return nncf.quantize(
            graph.clone(),
            nncf.Dataset(list(shown), picture),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(shown),
            fast_bias_correction=True,
            ignored_scope=left_out,
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                activations_range_estimator_params=ranges.RangeEstimatorParametersSet.MINMAX
            ),
        )


def _nncf() -> tuple[Any, Any]:
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # else it looks up a host and sends
    try:
        import nncf  # noqa: PLC0415 - seconds, and only int8 needs it
        from nncf.quantization import range_estimator  # noqa: PLC0415 - same
    except ImportError as exc:
        raise ConfigError(
            "--precision int8", "NNCF is not installed", "write pip install 'aoi-bridge[train]'"
        ) from exc
    nncf.set_log_level(logging.ERROR)
    return nncf, range_estimator


def _only_explaining(graph: Graph) -> set[str]:
    """Return the operations that the logits do not depend on."""
    heat = [result for result in graph.get_results() if HEAT_MAP in result.output(0).get_names()]
    if not heat:
        return set()
    deciding = {op for result in graph.get_results() if result not in heat for op in _ancestors(result)}
    return {op.get_friendly_name() for result in heat for op in _ancestors(result)} - {
        op.get_friendly_name() for op in deciding
    }


def _ancestors(result: Any) -> list[Any]:
    found: dict[str, Any] = {}
    waiting = [result]
    while waiting:
        op = waiting.pop()
        for source in op.input_values():
            node = source.get_node()
            if node.get_friendly_name() not in found:
                found[node.get_friendly_name()] = node
                waiting.append(node)
    return list(found.values())


_WEIGHTED = {"Convolution", "GroupConvolution", "MatMul"}


def _outer(graph: Graph, scope: Scope) -> set[str]:
    """Return the first and the last operation with weights, unless all are to be rounded."""
    weighted = [op.get_friendly_name() for op in graph.get_ordered_ops() if op.get_type_name() in _WEIGHTED]
    return set() if scope is Scope.ALL or not weighted else {weighted[0], weighted[-1]}


def loss(one: Candidate, reference: Candidate) -> float:
    """Return how many AUROC points (hundredths) the candidate ranks the parts worse; below 0: better."""
    return 100 * (reference.auc - one.auc)


def compared(one: Candidate, reference: Candidate) -> dict[str, float | int | str]:
    """Return what a precision changed on the validation parts, each at its own threshold."""
    changed = (one.parts >= one.threshold) != (reference.parts >= reference.threshold)
    return {
        "f32_part_auc": reference.auc,
        "auroc_points_lost": loss(one, reference),
        "changed_decisions": int(changed.sum()),
        "score_max_abs": float(np.abs(one.views - reference.views).max()),
    } | ({"quantised": one.scope} if one.scope else {})


def refusal(one: Candidate, reference: Candidate, allowed: float) -> str:
    """Return in one line why a precision is not written."""
    facts, bad = compared(one, reference), int(one.bad.sum())
    pair = 100 / (bad * (len(one.bad) - bad))
    few = f" (one pair of parts in the wrong order is {pair:.2f} points)" if pair > allowed / _FEW_PAIRS else ""
    return (
        f"{one.precision} is not written: AUROC {one.auc:.4f} against {reference.auc:.4f} of f32 on "
        f"{len(one.bad)} validation parts, {loss(one, reference):.2f} points lost where --int8-loss allows "
        f"{allowed:g}{few}, {facts['changed_decisions']} decisions changed"
    )
