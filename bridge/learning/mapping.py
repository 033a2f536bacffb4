"""The anomaly maps of labelled pictures, as the line's own engine makes them: unscaled, so that they compare."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np

from bridge.errors import ConfigError
from bridge.judging import hiring
from bridge.judging.bench import Bench, Shown
from bridge.judging.bundle import Bundle
from bridge.judging.classifier import AnomalyOptions, Explained
from bridge.judging.engine import BATCH, Heats, Scores, Unfit
from bridge.judging.frames import Load
from bridge.judging.inbox import Inbox
from bridge.judging.preprocess import Tensor
from bridge.learning import map_evaluation, masks, roi
from bridge.learning.data.pictures import Told, silent
from bridge.learning.map_evaluation import MapEvaluation
from bridge.learning.pixels import Map
from bridge.learning.scoring import Scored


def evaluated(
    model: Bundle, scored: Scored, threshold: float, polygons: Path | None = None, told: Told = silent
) -> MapEvaluation:
    """Return what an anomaly bundle is worth by picture and, where defects are drawn, by pixel; blocks.

    Args:
        model: of kind anomaly.
        scored: what it said of the pictures.
        threshold: p(OK) from which a picture passes.
        polygons: a folder of labelme files, named as the pictures.
        told: how far it is.

    Raises:
        ConfigError: the bundle cannot run here, or a mask cannot be read.
    """
    look, into = roi.look_of(model), model.manifest.input
    drawn = masks.read(scored.items, scored.bad.tolist(), look, polygons)
    if not any(one is not None and one.any() for one in drawn):
        return map_evaluation.evaluated(scored.scores, scored.bad, scored.groups, threshold)
    maps = [map_evaluation.sized(one, into.height, into.width) for one in _maps(model, scored, told)]
    return map_evaluation.evaluated(scored.scores, scored.bad, scored.groups, threshold, maps, drawn)


def _maps(model: Bundle, scored: Scored, told: Told) -> list[Map]:
    options = AnomalyOptions(model=str(model.folder), heat_map=Explained.ALL)
    bench = _Mapping(model, hiring.workload(options, model))
    for at in range(0, len(scored.items), BATCH):
        batch = scored.items[at : at + BATCH]
        said = bench.judge(
            [
                Shown(one.path.read_bytes(), model.manifest.region(one.view), model.manifest.reference(one.view))
                for one in batch
            ]
        )
        failed = next((one.why for one in said if one.score is None), None)
        if failed is not None:
            raise ConfigError(
                str(batch[0].path.parent), f"holds a picture that was readable and {failed}", "try again"
            )
        told(at + len(batch), len(scored.items))
    return bench.maps


class _Mapping(Bench):
    """The bench of a worker, which also keeps the maps."""

    def __init__(self, model: Bundle, load: Load) -> None:
        try:
            super().__init__(load, cast("Inbox", None))  # nobody asks through a socket
        except Unfit as exc:
            raise ConfigError(str(model.folder), str(exc)) from exc
        self.maps: list[Map] = []
        """Of each picture so far, shape (rows, columns)."""

    def infer(self, tensors: Sequence[Tensor]) -> tuple[Scores, Heats | None]:
        rows, heats = super().infer(tensors)
        if heats is not None:
            self.maps += [np.array(one[:, :, 0]) for one in heats]
        return rows, heats
