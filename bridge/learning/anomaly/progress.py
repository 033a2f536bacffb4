"""What a training keeps of itself, so that the same command goes on where it was interrupted."""

from __future__ import annotations

import hashlib
import io
import time
import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bridge.durable import replace_bytes
from bridge.learning.networks.trunk import Model

_RUN, _STEP, _SECONDS = "run", "step", "seconds"
_SPARED: Final = 20
"""So many times as long as keeping took, nothing is kept again."""


def fingerprint(facts: object, *arrays: NDArray[Any] | None) -> str:
    """Return a hash over all that a training follows from.

    Args:
        facts: what ``repr`` tells apart.
        arrays: pictures and labels; None where there are none.
    """
    told = hashlib.sha256(repr(facts).encode())
    for array in arrays:
        told.update(b"none" if array is None else np.ascontiguousarray(array).data)
    return told.hexdigest()


class Kept:
    """The file of a training's weights and its optimizer's numbers."""

    def __init__(self, path: Path, model: Model, run: str) -> None:
        self._path, self._model, self._run = path, model, run
        self._next = 0.0

    def restore(self) -> tuple[int, float]:
        """Fill the model with what was kept of the same run; return its steps, 0 for none, and its seconds."""
        try:
            with np.load(self._path, allow_pickle=False) as file:
                if str(file[_RUN]) != self._run:
                    return 0, 0.0
                for at, one in enumerate(self._variables):
                    one.assign(file[f"v{at}"])
                spent = float(file[_SECONDS]) if _SECONDS in file else 0.0
                return int(file[_STEP]), spent
        except (OSError, KeyError, ValueError, zipfile.BadZipFile):
            return 0, 0.0

    def write(self, step: int, seconds: float, *, whatever: bool) -> None:
        """Keep the model as it is after so many steps, unless most of the time would go into that.

        Args:
            step: how many.
            seconds: that they took.
            whatever: even if it does.
        """
        begun = time.monotonic()
        if begun < self._next and not whatever:
            return
        packed = io.BytesIO()
        arrays: dict[str, Any] = {f"v{at}": np.asarray(one) for at, one in enumerate(self._variables)}
        np.savez(packed, **arrays, run=np.array(self._run), step=np.array(step), seconds=np.array(seconds))
        self._path.parent.mkdir(parents=True, exist_ok=True)
        replace_bytes(self._path, packed.getvalue())
        ended = time.monotonic()
        self._next = ended + _SPARED * (ended - begun)

    @property
    def _variables(self) -> list[Any]:
        return [*self._model.trainable_variables, *self._model.optimizer.variables]
