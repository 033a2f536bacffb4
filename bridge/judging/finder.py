"""OpenVINO: a model whose output is boxes, run like one whose output is classes.

What it says of a view is a probability for each class all the same: how sure the surest box is for that box's
class, and the rest for the last class, which is that of a view in which nothing was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bridge.judging import detections
from bridge.judging.detections import Find, Unsound
from bridge.judging.engine import (
    BATCH,
    Engine,
    Scores,
    Unfit,
    channels_first,
    free,
    only_input,
    sizes,
    with_outputs,
)
from bridge.judging.frames import Load
from bridge.judging.spec import Detection, Input, Layout

_RANK = 3  # batch, and the two of a layout


class Finder(Engine):
    """One compiled detector."""

    def __init__(self, load: Load) -> None:
        """Read and compile the model.

        Raises:
            Unfit: as an engine; or its output is not of the layout that the manifest says.
        """
        assert load.detection is not None  # noqa: S101 - whoever makes one has looked
        self._how: Detection = load.detection
        self._ng = [place for place in range(load.classes - 1) if place not in load.ok_outputs]
        super().__init__(load)

    def _fitted(self, model: Any) -> Any:
        """Return the model with the boxes alone, and a free batch unless it takes one picture at a time."""
        model = with_outputs(model, [chosen(model, self._how.output)])
        have = only_input(model)
        self._channels_first, size = channels_first(have, self._load)
        self._most = 1 if have[0] == 1 else BATCH
        if self._most > 1:
            free(model, size)
        hold(sizes(model.output()), self._how.layout, self._load.classes - 1, self._load.input)
        return model

    def explain(self, views: Sequence[npt.NDArray[np.float32]]) -> tuple[Scores, list[list[Find]]]:
        """Return a row of probabilities for each view, and what was found; a row of NaN for an output of none."""
        raw = self._run(views)
        told = [self._found(one) for one in raw]
        return np.stack([row for row, _ in told]), [finds for _, finds in told]

    def _found(self, raw: npt.NDArray[np.float32]) -> tuple[Scores, list[Find]]:
        classes, size = self._load.classes, (self._load.input.width, self._load.input.height)
        try:
            finds = detections.found(raw, self._how, classes - 1, self._ng, size)
        except Unsound:
            return np.full(classes, np.nan), []
        return row(finds, classes), finds


def row(finds: Sequence[Find], classes: int) -> Scores:
    """Return the probabilities that stand for what was found, shape (classes,)."""
    says = np.zeros(classes)
    surest = finds[0].score or 0.0 if finds else 0.0
    says[-1] = 1 - surest
    if finds:
        says[finds[0].output] = surest
    return says


def chosen(model: Any, name: str = "") -> Any:
    """Return the output of this name; without a name, the only one of a detector's rank.

    Raises:
        Unfit: there is none, or there are several.
    """
    named = [one for one in model.outputs if name in one.get_names()]
    kept = named if name else [one for one in model.outputs if one.get_partial_shape().rank == _RANK]
    if len(kept) != 1:
        raise Unfit(f"of its {len(model.outputs)} outputs {len(kept)} may be the boxes, instead of one")
    return kept[0]


def hold(have: Sequence[int | None], layout: Layout, classes: int, shown: Input) -> None:
    """Hold an output's shape, batch first, to a layout.

    Raises:
        Unfit: it is not of that layout.
    """
    wanted = detections.shape(layout, classes)
    if len(have) != _RANK or not all(map(_agrees, wanted, have[1:])):
        says = " x ".join("N" if one is None else str(one) for one in wanted)
        raise Unfit(f"its output is {list(have[1:])} for a picture; {layout} with {classes} classes has {says}")
    rows = have[1]
    if layout == "yolox" and rows and detections.strides(rows, shown.width, shown.height) is None:
        raise Unfit(f"its {rows} boxes are not those of YOLOX on {shown.width} x {shown.height}")


def _agrees(wanted: int | None, have: int | None) -> bool:
    return None in {wanted, have} or wanted == have
