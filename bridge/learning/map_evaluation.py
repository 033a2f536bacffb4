"""What an anomaly judge is worth: how well it tells bad pictures, and where in them it sees the defect.

By picture, from p(OK): the threshold's verdicts, and what another threshold could do. By pixel, from maps and
masks, over all pictures of which it is known where they are bad: a bad one of which nobody drew the defect is left
out, for none of its pixels is known. See ``pixels`` for what each figure is.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import cv2
import numpy as np

from bridge.learning import metrics, pixel_intervals, pixels, points
from bridge.learning.evaluation import VERDICTS, plain
from bridge.learning.masks import Mask
from bridge.learning.metrics import ClassFigures, Curve, Estimate
from bridge.learning.pixel_intervals import Intervals
from bridge.learning.pixels import FALSE_ALARMS, Map
from bridge.learning.points import BestF1, Scores, Truth

Row: TypeAlias = tuple[str, str, str]
"""By what is counted, the figure's name, and the figure with its interval."""

_PLANE: Final = 2
_POINTS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFigures:
    """By picture; NG is what is to be found."""

    pictures: int
    bad: int
    threshold: float
    """p(OK) from which a picture passes."""
    auroc: Estimate
    average_precision: Estimate
    """The area under precision and recall, AUPRC."""
    ng: ClassFigures
    """Precision, recall and F1 at the threshold."""
    best_f1: BestF1
    """Chosen on these pictures: what their scores allow, and no promise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelFigures:
    """By pixel of the model's input."""

    pictures: int
    """Those that are counted."""
    drawn: int
    """Of these, those that show a drawn defect."""
    left_out: int
    """Bad ones of which nobody drew the defect."""
    regions: int
    anomalous: float
    """The share of pixels that are."""
    limit: float
    """The share of false alarms up to which PRO is integrated."""
    threshold: float
    """Of the best F1, in the maps' own units."""
    figures: Intervals


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """What a page shows of the pixels beside their figures."""

    curve: Curve
    """As ``pixels.pro_curve``, at a few hundred points."""
    own: tuple[float, ...]
    """``pixels.own_pro`` of each of N pictures; NaN where no defect is drawn."""

    @property
    def worst(self) -> list[int]:
        """The places of the pictures with a drawn defect, the least found first."""
        own = np.array(self.own)
        return [int(place) for place in np.argsort(own, kind="stable") if not math.isnan(own[place])]


@dataclass(frozen=True, slots=True, kw_only=True)
class MapEvaluation:
    """Everything that is to be said of an anomaly judge on a set."""

    image: ImageFigures
    pixel: PixelFigures | None
    """None where no defect is drawn, or nothing but defects."""
    drawing: Drawing | None = None
    """Same."""


def evaluated(
    scores: Scores,
    bad: Truth,
    groups: Sequence[str],
    threshold: float,
    maps: Sequence[Map] = (),
    masks: Sequence[Mask | None] = (),
    limit: float = FALSE_ALARMS,
) -> MapEvaluation:
    """Return every figure of N judged pictures.

    Args:
        scores: p(OK), shape (N,).
        bad: which are NG, shape (N,).
        groups: what each belongs to; intervals draw these anew.
        threshold: p(OK) from which a picture passes.
        maps: N maps, higher where more anomalous, sized as the masks (``sized``); empty where there are none.
        masks: N masks as ``masks.read`` gives them: None for a good picture, and where nobody drew the defect.
        limit: of PRO.

    Raises:
        ValueError: maps and masks do not fit each other or the scores, or a map holds what is not finite.
    """
    image = _image(scores, bad, groups, threshold)
    pixel, drawing = _pixel(bad, groups, maps, masks, limit) if len(maps) else (None, None)
    return MapEvaluation(image=image, pixel=pixel, drawing=drawing)


def sized(one: Map, height: int, width: int) -> Map:
    """Return a map at the size of its mask, linear between the middles of its cells.

    Args:
        one: shape (rows, columns) or (rows, columns, 1).
        height: of the model's input.
        width: of the model's input.
    """
    cells = one.reshape(one.shape[:_PLANE])
    fine = cells.astype(np.result_type(cells, np.float32))
    return np.asarray(cv2.resize(fine, (width, height), interpolation=cv2.INTER_LINEAR), fine.dtype)


def _image(scores: Scores, bad: Truth, groups: Sequence[str], threshold: float) -> ImageFigures:
    truth, told = (~bad).astype(np.int64), (scores >= threshold).astype(np.int64)
    ng, _ = metrics.class_figures(truth, told, [str(one) for one in VERDICTS], groups)
    return ImageFigures(
        pictures=len(bad),
        bad=int(bad.sum()),
        threshold=threshold,
        auroc=metrics.auc(scores, bad, groups),
        average_precision=metrics.average_precision(scores, bad, groups),
        ng=ng,
        best_f1=points.best_f1(scores, bad),
    )


def _pixel(
    bad: Truth, groups: Sequence[str], maps: Sequence[Map], masks: Sequence[Mask | None], limit: float
) -> tuple[PixelFigures | None, Drawing | None]:
    if not len(maps) == len(masks) == len(groups) == len(bad):
        raise ValueError(f"{len(bad)} pictures, {len(groups)} groups, {len(maps)} maps and {len(masks)} masks")
    known = [place for place, ill in enumerate(bad.tolist()) if not ill or masks[place] is not None]
    of, there = [maps[place] for place in known], [masks[place] for place in known]
    one = pixels.ranked(of, there)
    if not one.bad or not one.good:
        return None, None
    best = pixels.best_f1(one)
    figures = PixelFigures(
        pictures=len(known),
        drawn=sum(mask is not None and bool(mask.any()) for mask in there),
        left_out=len(bad) - len(known),
        regions=one.regions,
        anomalous=one.bad / (one.bad + one.good),
        limit=limit,
        threshold=best.threshold,
        figures=pixel_intervals.intervals(one, of, there, [groups[place] for place in known], limit),
    )
    own = [
        math.nan if mask is None or not mask.any() else pixels.own_pro(one, np.asarray(each), mask, limit)
        for each, mask in zip(maps, masks, strict=True)
    ]
    return figures, Drawing(curve=_thinned(pixels.pro_curve(one, limit)), own=tuple(own))


def _thinned(curve: Curve) -> Curve:
    """Return both ends of every step that a few hundred verticals meet."""
    grid = np.linspace(0, curve.x[-1], _POINTS)
    met = [np.searchsorted(curve.x, grid, "left"), np.searchsorted(curve.x, grid, "right") - 1]
    kept = np.unique(np.clip(np.concatenate(met), 0, len(curve.x) - 1))
    return Curve(x=curve.x[kept], y=curve.y[kept], thresholds=curve.thresholds[kept])


def rows(one: MapEvaluation) -> tuple[Row, ...]:
    """Return every figure as a line of a table."""
    image = one.image
    found = [
        ("image", "AUROC", figure(image.auroc)),
        ("image", "AUPRC", figure(image.average_precision)),
        ("image", "precision of NG", figure(image.ng.precision)),
        ("image", "recall of NG", figure(image.ng.recall)),
        ("image", "F1 of NG", figure(image.ng.f1)),
        ("image", "F1-max", _best(image.best_f1.value, image.best_f1.threshold)),
    ]
    if one.pixel is not None:
        sure = one.pixel.figures
        found += [
            ("pixel", "AUROC", figure(sure.auroc)),
            ("pixel", "AUPRC", figure(sure.average_precision)),
            ("pixel", f"PRO to {one.pixel.limit:.0%} false alarms", figure(sure.pro)),
            ("pixel", "F1-max", f"{figure(sure.best_f1)}, from {one.pixel.threshold:.4g} on"),
        ]
    return tuple(found)


def counted(one: MapEvaluation) -> tuple[str, str]:
    """Return in words what was counted, by picture and by pixel."""
    image, pixel = one.image, one.pixel
    said = f"image: {image.pictures} pictures, {image.bad} of them NG, threshold {image.threshold:.4g}"
    if pixel is None:
        return said, "pixel: no defect is drawn, so nothing is counted by pixel"
    out = f"; {pixel.left_out} NG left out, for nobody drew the defect" if pixel.left_out else ""
    regions = f"{pixel.regions} regions, {pixel.anomalous:.2%} of all pixels"
    return said, f"pixel: {pixel.pictures} pictures, {pixel.drawn} with a drawn defect ({regions}){out}"


def lines(one: MapEvaluation) -> tuple[str, ...]:
    """Return the same to be printed, and what was counted."""
    table = rows(one)
    widest = max(len(name) for _, name, _ in table)
    return (*counted(one), *(f"{level}  {name:{widest}s}  {value}" for level, name, value in table))


def figure(one: Estimate) -> str:
    """Return a figure with its interval, if it has one; a dash where nothing was counted."""
    if math.isnan(one.value):
        return "–"
    return f"{one.value:.4f}" if math.isnan(one.low) else f"{one.value:.4f} ({one.low:.4f}–{one.high:.4f})"


def _best(value: float, threshold: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4f} at {threshold:.4g}"


def facts(one: MapEvaluation) -> dict[str, Any]:
    """Return every figure with its interval as JSON values."""
    if one.pixel is None:
        return {"image": plain(one.image), "pixel": None}
    threshold = float(f"{one.pixel.threshold:.6g}")  # maps may be of any size
    return {"image": plain(one.image), "pixel": plain(one.pixel) | {"threshold": threshold}}


def encoded(one: MapEvaluation, provenance: Iterable[tuple[str, object]]) -> str:
    """Return the report as JSON."""
    said = {
        "provenance": {name: str(value) for name, value in provenance},
        "confidence": metrics.CONFIDENCE,
        **facts(one),
    }
    return json.dumps(said, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
