"""OpenVINO: a model at the numeric precision that its bundle fixes, on a stated number of cores.

Compiled models are not cached on disk: compiling the networks in use takes tenths of a second, and a cache
would be a file that runs without having been held to a hash.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bridge.judging.frames import Load
from bridge.judging.softmax import softmax

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # else the import looks up a host and sends
import openvino as ov  # noqa: E402 - after the line above

Scores = npt.NDArray[np.float64]
"""Shape (views, classes): probabilities."""
Heats = npt.NDArray[np.float32]
"""Shape (views, rows, columns, classes): how much each place speaks for each class, from 0 on; an anomaly map has
one channel."""

BATCH: Final = 8
"""The most views inferred at once; it bounds memory."""
BATCH_MS: Final = 250.0
"""A slow model gets smaller batches: this is how long a cancelled request is worked on at most."""
_NEEDS = {"f32": "FP32", "bf16": "BF16", "int8": "INT8"}
_HINT = {"f32": "f32", "bf16": "bf16", "int8": "f32"}  # int8 lies in the model itself; the rest of it is f32
_MAP_RANK = 4  # batch, rows, columns, classes
_SUM_TOLERANCE = {"f32": 1e-3, "bf16": 5e-2, "int8": 1e-3}


class Unfit(ValueError):  # noqa: N818 - named after what the model is here
    """The model cannot run here as its manifest says; ``str()`` is one line for the user."""


class Engine:
    """One compiled model."""

    def __init__(self, load: Load) -> None:
        """Read and compile the model.

        Raises:
            Unfit: no OpenVINO model, other shapes than the manifest says, or a precision the processor lacks.
        """
        self._load = load
        core = ov.Core()
        check_precision(load.precision, core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
        try:
            model = self._fitted(core.read_model(load.model))
            self._model = core.compile_model(model, "CPU", _settings(load))
        except RuntimeError as exc:
            raise Unfit(f"OpenVINO cannot load it ({str(exc).strip().splitlines()[-1]})") from exc
        self._request = self._model.create_infer_request()
        self.batch = self._most
        """The most views to infer at once."""

    def _fitted(self, model: Any) -> Any:
        """Return the model as it is compiled; set how its channels lie, and the largest batch that it takes."""
        wanted = _wanted(model, self._load)
        self._channels_first = _fit(wanted, self._load)
        self._most = BATCH if self._load.limit is None else min(BATCH, self._load.threads)
        return wanted

    def warm_up(self) -> None:
        """Run the batch sizes that come in daily life, so that no part pays for the first time; sets ``batch``."""
        self.batch = min(self._most, batch_for([self._timed(1) for _ in range(3)][-1]))
        for size in {4, BATCH}:
            if size <= self.batch:
                self._timed(size)

    def _timed(self, size: int) -> float:
        shown = self._load.input
        blank = np.zeros((shown.height, shown.width, shown.channels), np.float32)
        started = time.perf_counter()
        self.infer([blank] * size)
        return (time.perf_counter() - started) * 1000

    def infer(self, views: Sequence[npt.NDArray[np.float32]]) -> Scores:
        """Return class probabilities for up to ``BATCH`` views of shape (height, width, channels).

        A row that is no probability distribution (not finite, negative, not adding up to 1) comes back as NaN.
        """
        return self.explain(views)[0]

    def explain(self, views: Sequence[npt.NDArray[np.float32]]) -> tuple[Scores, Any]:
        """Return the same, and where the model looked: ``Heats`` or None; they hold until the next call."""
        raw = np.asarray(self._run(views), np.float64)
        raw = raw.reshape(len(views), _outputs(self._load))
        heats = None if self._load.heat_map is None else self._request.get_output_tensor(1).data
        if self._load.limit is not None:
            raw = np.hstack([np.zeros_like(raw), raw - self._load.limit])
        if self._load.logits:
            return softmax(raw / self._load.temperature), heats
        return checked(raw, _SUM_TOLERANCE[self._load.precision]), heats

    def _run(self, views: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
        """Return the first output, which holds until the next call."""
        batch = np.stack(views)
        if self._channels_first:
            batch = np.ascontiguousarray(batch.transpose(0, 3, 1, 2))
        self._request.infer([batch], share_inputs=True)
        return np.asarray(self._request.get_output_tensor(0).data)


def _outputs(load: Load) -> int:
    """Return how many numbers the model says of a view."""
    return load.classes if load.limit is None else 1


def batch_for(ms_per_view: float) -> int:
    """Return how many views, 1 to ``BATCH``, take about ``BATCH_MS`` together."""
    return int(min(BATCH, max(1.0, BATCH_MS / ms_per_view)))


def checked(probabilities: Scores, tolerance: float) -> Scores:
    """Return the same rows, with NaN for each that is no probability distribution."""
    with np.errstate(invalid="ignore"):
        good = (probabilities >= 0).all(axis=1) & (np.abs(probabilities.sum(axis=1) - 1) <= tolerance)
    return np.where(good[:, None], probabilities, np.nan)


def check_precision(precision: str, capabilities: Iterable[str]) -> None:
    """Refuse a precision that this processor only imitates.

    Raises:
        Unfit: the scores would not be those that were validated.
    """
    if _NEEDS[precision] not in capabilities:
        raise Unfit(
            f"its precision is {precision}, which this processor lacks; export it as f32 and validate again"
        )


def _settings(load: Load) -> dict[str, Any]:
    """One stream that answers as fast as it can, unpinned so that the line's own processes are not evicted."""
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": load.threads,
        "INFERENCE_PRECISION_HINT": _HINT[load.precision],
        "ENABLE_CPU_PINNING": False,
    }


def _wanted(model: Any, load: Load) -> Any:
    """Return the model with the scores as its first output, the heat map as its second, and no other.

    A heat map that nobody wants is taken out before compiling, so that it costs nothing.
    """
    scores = _output(model, "logits", flat=True)
    kept = [scores]
    if load.heat_map is not None:
        kept += [_output(model, load.heat_map.output, flat=False)]
    return with_outputs(model, kept)


def with_outputs(model: Any, kept: Sequence[Any]) -> Any:
    """Return the model with these outputs and no other, in this order."""
    if list(kept) == list(model.outputs):
        return model
    return ov.Model([one.node.input_value(0) for one in kept], model.get_parameters(), model.get_friendly_name())


def free(model: Any, size: Sequence[int]) -> None:
    """Have a model take any batch up to ``BATCH`` of inputs of this size."""
    model.reshape([ov.Dimension(1, BATCH), *size])


def _output(model: Any, name: str, *, flat: bool) -> Any:
    """Return the output of this name, or else the only one of its rank."""
    named = [one for one in model.outputs if name in one.get_names()]
    alike = [one for one in model.outputs if (one.get_partial_shape().rank != ov.Dimension(_MAP_RANK)) is flat]
    found = named or alike
    if len(found) != 1:
        what = "scores" if flat else f"the heat map {name!r} that the manifest names"
        raise Unfit(f"of its {len(model.outputs)} outputs {len(found)} may be {what}, instead of one")
    return found[0]


def only_input(model: Any) -> list[int | None]:
    """Return the sizes of the one input, None for each that is free.

    Raises:
        Unfit: it has several.
    """
    if len(model.inputs) != 1:
        raise Unfit(f"it has {len(model.inputs)} inputs instead of one")
    return sizes(model.input())


def channels_first(have: Sequence[int | None], load: Load) -> tuple[bool, list[int]]:
    """Return whether channels come first in an input, and its sizes without the batch.

    Raises:
        Unfit: it takes other pictures than the manifest says.
    """
    shown = load.input
    last = [shown.height, shown.width, shown.channels]
    first = [shown.channels, shown.height, shown.width]
    if len(have) != 1 + len(last) or not (_agrees(have[1:], last) or _agrees(have[1:], first)):
        raise Unfit(f"its input is {have} and the manifest says {last} (height, width, channels)")
    return (False, last) if _agrees(have[1:], last) else (True, first)


def _fit(model: Any, load: Load) -> bool:
    """Free the batch size and return whether channels come first."""
    said = _outputs(load)
    turned, size = channels_first(only_input(model), load)
    free(model, size)
    for output, what in zip(model.outputs, ("outputs", "heat maps"), strict=False):
        found = sizes(output)
        if found[-1] != said:
            named = f"the manifest names {said} classes" if load.limit is None else "an anomaly model has 1"
            raise Unfit(f"it has {found[-1]} {what} and {named}")
    return turned


def sizes(end: Any) -> list[int | None]:
    """Return the sizes of an input or output, None for each that is free."""
    return [None if one.is_dynamic else int(one.get_length()) for one in end.get_partial_shape()]


def _agrees(have: Sequence[int | None], wanted: Sequence[int]) -> bool:
    return all(one in {None, other} for one, other in zip(have, wanted, strict=True))
