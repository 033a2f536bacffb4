"""Where a bundle looked in labelled pictures, through the very code that judges on the line; without Keras."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError
from bridge.judging import headers, heat, hiring, preprocess
from bridge.judging.bench import ALWAYS, Bench, Shown
from bridge.judging.bundle import Bundle
from bridge.judging.classifier import ClassifierOptions, Explained
from bridge.judging.engine import BATCH, Scores, Unfit
from bridge.judging.frames import Heat, Load, Opinion
from bridge.judging.headers import Unreadable
from bridge.judging.inbox import Inbox
from bridge.judging.preprocess import Tensor
from bridge.learning import localisation, overlay
from bridge.learning.data import Item
from bridge.learning.data.pictures import Told, silent
from bridge.learning.localisation import Sight
from bridge.learning.masks import Mask
from bridge.messages import Box, Failure, HeatMap, Verdict

Picture: TypeAlias = NDArray[np.uint8]
"""Shape (height, width, 3), blue-green-red."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a model said of one picture, and where it looked."""

    item: Item
    score: float | None = None
    """p(OK); None where it could not be judged."""
    verdict: Verdict | None = None
    label: str = ""
    """The likeliest class."""
    heat: HeatMap | None = None
    boxes: tuple[Box, ...] = ()
    peak: float | None = None
    """The anomaly where the map is hottest; None where maps have no scale."""
    why: str = ""
    """Why it could not be judged."""


def seen(model: Bundle, items: Sequence[Item], told: Told = silent, *, maps: bool = True) -> list[Seen]:
    """Judge every picture and ask of each where the likeliest defect would be; blocks.

    Args:
        model: the bundle.
        items: the pictures.
        told: how far it is.
        maps: whether heat maps are wanted; without, boxes will do.

    Raises:
        ConfigError: heat maps are wanted and the bundle has none, or it cannot run here.
    """
    if maps and model.manifest.heat_map is None:
        raise ConfigError(str(model.folder), "has no heat map", "train it again, or leave it out")
    watch = Watch(model)
    found: list[Seen] = []
    for at in range(0, len(items), BATCH):
        found += watch.seen(items[at : at + BATCH])
        told(len(found), len(items))
    return found


class Watch(Bench):
    """The bench of a worker, which also keeps how high maps are where they have a scale."""

    def __init__(self, model: Bundle) -> None:
        """Load the model.

        Raises:
            ConfigError: it cannot run here.
        """
        load = workload(model)
        try:
            super().__init__(load, cast("Inbox", None))  # nobody asks through a socket
        except Unfit as exc:
            raise ConfigError(str(model.folder), str(exc)) from exc
        self._model, self._scaled = model, load.limit is not None
        self._peaks: list[float] = []

    def seen(self, items: Sequence[Item]) -> list[Seen]:
        """Return what is said of up to a batch of pictures.

        Raises:
            ConfigError: one cannot be read.
        """
        self._peaks = []
        opinions = self.judge([asked(self._model, item) for item in items])
        peaks = iter(self._peaks)
        return [
            replace(told_of(self._model, item, one), peak=_peak(one, peaks))
            for item, one in zip(items, opinions, strict=True)
        ]

    def infer(self, tensors: Sequence[Tensor]) -> tuple[Scores, Any]:
        """Return the same as every bench."""
        rows, heats = super().infer(tensors)
        if heats is not None and self._scaled:
            self._peaks = [float(heat.shrunk(np.array(one[:, :, 0])).max()) for one in heats]
        return rows, heats


def _peak(one: Opinion, peaks: Iterator[float]) -> float | None:
    """Return the next peak, if this picture got as far as the model."""
    return None if one.failure is Failure.IMAGE_UNREADABLE else next(peaks, None)


def workload(model: Bundle) -> Load:
    """Return what a worker of the line would be told to run, to say of every view where it looked."""
    return hiring.workload(ClassifierOptions(model=str(model.folder), heat_map=Explained.ALL), model)


def asked(model: Bundle, item: Item) -> Shown:
    """Return a picture and how the bundle looks at it.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        data = item.path.read_bytes()
    except OSError as exc:
        raise ConfigError(str(item.path), f"cannot be read ({exc.strerror})") from exc
    return Shown(data, model.manifest.region(item.view), model.manifest.reference(item.view), ALWAYS)


def told_of(model: Bundle, item: Item, opinion: Opinion) -> Seen:
    """Return a worker's opinion in the bundle's words."""
    if opinion.score is None:
        return Seen(item=item, why=opinion.why)
    classes = model.manifest.classes
    return Seen(
        item=item,
        score=opinion.score,
        verdict=Verdict.OK if opinion.score >= model.manifest.threshold else Verdict.NG,
        label=classes[opinion.top].name,
        heat=mapped(opinion.heat, model) if opinion.heat else None,
        boxes=opinion.boxes,
    )


def mapped(one: Heat, model: Bundle) -> HeatMap:
    """Return a worker's heat map in the bundle's words."""
    label = model.manifest.classes[one.explains].name
    return HeatMap(label=label, rows=one.rows, columns=one.columns, values=one.values, corners=one.corners)


def dimmed(one: Seen, limit: float | None) -> HeatMap | None:
    """Return a map to be drawn: darker, the further its peak is below the limit; as it is where none is known."""
    if one.heat is None or one.peak is None or limit is None or not 0 <= one.peak < limit:
        return one.heat
    values = np.frombuffer(one.heat.values, np.uint8) * (one.peak / limit)
    return replace(one.heat, values=np.rint(values).astype(np.uint8).tobytes())


def picture(item: Item) -> Picture:
    """Return the original picture, as it is stored.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        data = item.path.read_bytes()
        return preprocess.decode(data, headers.read(data))
    except (OSError, Unreadable) as exc:
        raise ConfigError(str(item.path), f"cannot be read ({exc})", "remove or replace it") from exc


def sight(one: Seen) -> Sight | None:
    """Return what is held against a mask; None where there is no heat map."""
    if one.heat is None:
        return None
    low, high = np.min(one.heat.corners, axis=0), np.max(one.heat.corners, axis=0)
    middle, size = (low + high) / 2, high - low
    shown = Box(cx=float(middle[0]), cy=float(middle[1]), w=float(size[0]), h=float(size[1]))
    return Sight(shown=shown, peak=overlay.peak(one.heat), boxes=one.boxes)


def hits(pairs: Sequence[tuple[Seen, Mask | None]]) -> list[tuple[Item, localisation.Hit]]:
    """Return how each picture with a mask went, leaving out those whose defect the model was not shown."""
    judged = [
        (one.item, localisation.judged(mask, there))
        for one, mask in pairs
        if mask is not None and (there := sight(one)) is not None
    ]
    return [(item, hit) for item, hit in judged if hit is not None]
