"""What a detector's boxes are worth on pictures in which the true ones are drawn; without Keras.

Boxes are those that the line would tell, in pixels of the original picture, at most as many as the bundle keeps.
True ones that the region of interest cuts off are not counted. Average precision looks at every box whatever the
threshold; what the line does is counted at the threshold, whatever the class.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError
from bridge.judging import hiring
from bridge.judging.bench import Bench, Shown
from bridge.judging.bundle import Bundle
from bridge.judging.detections import overlaps
from bridge.judging.detector import DetectorOptions
from bridge.judging.engine import BATCH, Unfit
from bridge.judging.inbox import Inbox
from bridge.learning import roi
from bridge.learning.data import Item
from bridge.learning.data.pictures import Told as Counted
from bridge.learning.data.pictures import silent
from bridge.learning.detection import precision, windows
from bridge.learning.detection.precision import Drawn, Told
from bridge.learning.scoring import Scored
from bridge.messages import Box, Spot

OVERLAPS: Final = (0.33, 0.5)
"""From which a box is right, where nothing is said: DeepPCB's authors', and COCO's."""
_HALF: Final = 0.5
_DIGITS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class OfClass:
    """One class of boxes."""

    name: str
    boxes: int
    """True ones."""
    average_precision: tuple[float, ...]
    """At each overlap; NaN where there are no true ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxFigures:
    """Everything that is to be said of a detector's boxes on a set."""

    pictures: int
    boxes: int
    """True ones."""
    overlaps: tuple[float, ...]
    classes: tuple[OfClass, ...]
    means: tuple[float, ...]
    """Mean average precision at each overlap."""
    half: float
    """At 0.5."""
    mean: float
    """Over 0.5 to 0.95, as COCO's."""
    threshold: float
    """How sure a box is that makes a view NG."""
    found: tuple[int, ...]
    """True boxes that such a one is right about, whatever its class, at each overlap."""
    touched: int
    """True boxes that share anything with one."""
    false: int
    """Such boxes that share nothing with any true one."""


def evaluated(
    model: Bundle, scored: Scored, threshold: float, levels: Sequence[float] = OVERLAPS, told: Counted = silent
) -> BoxFigures:
    """Return what a bundle's boxes are worth; blocks.

    Args:
        model: of kind detector.
        scored: what it said of the pictures.
        threshold: p(OK) from which a picture passes.
        levels: overlaps from which a box is right.
        told: how far it is.

    Raises:
        ConfigError: the bundle cannot run here.
    """
    names = [one.name for one in model.manifest.classes[:-1]]
    known = [item for item in scored.items if item.marks is not None]
    truth = [_drawn(model, item, names) for item in known]
    return counted(truth, said(model, known, names, told), names, 1 - threshold, levels)


def counted(
    drawn: Sequence[Drawn], told: Sequence[Told], names: Sequence[str], sure: float, levels: Sequence[float]
) -> BoxFigures:
    """Return every figure of N pictures. Pure.

    Args:
        drawn: true boxes of each.
        told: what is said of each.
        names: the classes.
        sure: boxes that score over this count at the threshold.
        levels: overlaps from which a box is right.
    """
    kinds = range(len(names))
    each = [[precision.average_precision(drawn, told, kind, one) for one in levels] for kind in kinds]
    firm = [_over(one, sure) for one in told]
    pairs = list(zip(drawn, firm, strict=True))
    shares = [np.array([overlaps(one, sure_ones) for one in true.edges]) for true, sure_ones in pairs]
    touching = [one for one in shares if one.size]
    classes = tuple(
        OfClass(
            name=name,
            boxes=sum(int((one.kinds == kind).sum()) for one in drawn),
            average_precision=tuple(each[kind]),
        )
        for kind, name in enumerate(names)
    )
    return BoxFigures(
        pictures=len(drawn),
        boxes=sum(len(one.edges) for one in drawn),
        overlaps=tuple(levels),
        classes=classes,
        means=tuple(precision.mean_precision(drawn, told, kinds, (one,)) for one in levels),
        half=precision.mean_precision(drawn, told, kinds, (_HALF,)),
        mean=precision.mean_precision(drawn, told, kinds),
        threshold=sure,
        found=tuple(
            sum(int((precision.matched(true.edges, sure_ones, one) >= 0).sum()) for true, sure_ones in pairs)
            for one in levels
        ),
        touched=sum(int((one.max(axis=1) > 0).sum()) for one in touching),
        false=sum(len(one) for one in firm) - sum(int((one.max(axis=0) > 0).sum()) for one in touching),
    )


def _over(told: Told, sure: float) -> NDArray[np.float64]:
    """Return the boxes that score over this, the surest first."""
    order = np.argsort(-told.scores, kind="stable")
    return told.edges[order[told.scores[order] > sure]]


def _drawn(model: Bundle, item: Item, names: Sequence[str]) -> Drawn:
    """Return the true boxes of a picture that the model is shown, in pixels of the picture."""
    marks = [one for one in item.marks or () if one.label in names]
    edges = np.array([(one.left, one.top, one.right, one.bottom) for one in marks], np.float64).reshape(-1, 4)
    kinds = np.array([names.index(one.label) for one in marks], np.int64)
    if marks and (model.manifest.roi or model.manifest.registration):
        cut = roi.look_of(model).cut(item.path.read_bytes(), item.view)
        into = model.manifest.input
        shown = windows.carried(edges, np.linalg.inv(cut.placement).astype(np.float64))
        inside = np.clip(shown, 0, (into.width, into.height, into.width, into.height))
        seen = (inside[:, 2:] - inside[:, :2]).prod(axis=1) / (shown[:, 2:] - shown[:, :2]).prod(axis=1)
        edges, kinds = edges[seen >= windows.VISIBLE], kinds[seen >= windows.VISIBLE]
    return Drawn(edges=edges, kinds=kinds)


def said(model: Bundle, items: Sequence[Item], names: Sequence[str], told: Counted = silent) -> list[Told]:
    """Return what the line would tell of each picture.

    Args:
        model: of kind detector.
        items: pictures that can be read.
        names: its classes of boxes.
        told: how far it is.

    Raises:
        ConfigError: the bundle cannot run here.
    """
    load = hiring.workload(DetectorOptions(model=str(model.folder)), model)
    try:
        bench = Bench(load, cast("Inbox", None))  # nobody asks through a socket
    except Unfit as exc:
        raise ConfigError(str(model.folder), str(exc)) from exc
    how, found = model.manifest, list[Told]()
    for at in range(0, len(items), BATCH):
        batch = items[at : at + BATCH]
        shown = [Shown(one.path.read_bytes(), how.region(one.view), how.reference(one.view)) for one in batch]
        found += [told_of(one.boxes, names) for one in bench.judge(shown)]
        told(len(found), len(items))
    return found


def told_of(boxes: Sequence[Box], names: Sequence[str]) -> Told:
    """Return boxes of a judgement as numbers."""
    spots = [one for one in boxes if isinstance(one, Spot)]
    rows = [(b.cx - b.w / 2, b.cy - b.h / 2, b.cx + b.w / 2, b.cy + b.h / 2) for b in spots]
    return Told(
        edges=np.array(rows, np.float64).reshape(-1, 4),
        kinds=np.array([names.index(one.label) for one in spots], np.int64),
        scores=np.array([one.score or 0.0 for one in spots], np.float64),
    )


def lines(one: BoxFigures) -> tuple[str, ...]:
    """Return the figures to be printed."""
    widest = max(len(name) for name in (*(kind.name for kind in one.classes), "mean"))
    head = "  ".join(f"AP {level:g}".rjust(7) for level in one.overlaps)
    rows = [(kind.name, kind.boxes, kind.average_precision) for kind in one.classes]
    table = [
        f"{name:{widest}s}  {boxes:6d}  {'  '.join(_figure(value) for value in values)}"
        for name, boxes, values in (*rows, ("mean", one.boxes, one.means))
    ]
    false = one.false / max(one.pictures, 1)
    found = ", ".join(f"{count} at {level:g}" for count, level in zip(one.found, one.overlaps, strict=True))
    return (
        f"boxes: {one.boxes} true ones in {one.pictures} pictures",
        f"{'class':{widest}s}  {'boxes':>6s}  {head}",
        *table,
        f"mAP {_figure(one.half).strip()} at 0.5, {_figure(one.mean).strip()} over 0.5 to 0.95",
        f"boxes of any class that score over {one.threshold:.4g}: find {found}, touch {one.touched}",
        f"such boxes that touch no true one: {one.false}, {false:.2f} a picture",
    )


def _figure(value: float) -> str:
    return f"{'–' if math.isnan(value) else f'{value:.4f}':>7s}"


def facts(one: BoxFigures) -> dict[str, Any]:
    """Return the same in JSON values; null where there is nothing to count."""
    plain: dict[str, Any] = _plain(asdict(one))
    return plain | {"false_boxes_a_picture": round(one.false / max(one.pictures, 1), _DIGITS)}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, _DIGITS)
    return value
