"""What a bundle's threshold promises, and whether the lines that use it can rely on it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.judging.bundle import ANY_VIEW, Manifest, OperatingPoint
from bridge.messages import Box, Goal


@dataclass(frozen=True, slots=True)
class Use:
    """A line that asks a judge."""

    line: str
    goal: Goal
    threshold: float | None = None
    """The one that it states, for itself or a recipe; None: it takes the judge's."""
    rois: Mapping[str, Box] = field(default_factory=dict)
    """Where it looks instead of where the bundle does, by view; ``*`` for the others."""


def said(point: OperatingPoint) -> str:
    """Return the promise in a sentence."""
    laxer = point.goal is Goal.CATCH_ESCAPES
    parts, what = (point.good, "good parts may be called NG") if laxer else (point.bad, "bad parts may pass")
    evidence = (
        f"{point.errors} of {parts} did, so at most {point.bound:.2%} with {point.confidence:.0%} confidence"
    )
    return f"at goal {point.goal:d}, {point.risk:.2%} of {what}: {evidence}"


def short(point: OperatingPoint | None) -> str:
    """Return the promise in a few words."""
    if point is None:
        return "none"
    return f"goal {point.goal:d}: {f'{point.risk:.2%}' if point.holds else 'not shown'}"


def doubts(manifest: Manifest, judges: float, uses: Sequence[Use]) -> Iterator[str]:
    """Yield why a line cannot rely on what was shown.

    A promise about bad parts that pass outlives a stricter threshold, one about added false calls a laxer one.

    Args:
        manifest: the bundle's.
        judges: the judge's threshold, for lines that state none.
        uses: the lines that ask it.
    """
    point = manifest.operating_point
    if point is None:
        yield "nothing was shown of its threshold; run aoi-bridge calibrate"
        return
    if not point.holds:
        yield f"not shown: {said(point)}{_missing(point)}"
    for use in uses:
        threshold = judges if use.threshold is None else use.threshold
        who = f"line {use.line} has goal {use.goal:d}"
        if use.goal is not point.goal:
            yield f"{who}, and the bundle was calibrated for goal {point.goal:d}"
        elif point.holds and _laxer(point.goal, threshold, manifest.threshold):
            yield f"{who} at threshold {threshold:.4g}, and the promise is of {manifest.threshold:.4g}"
        if point.holds and (views := _elsewhere(manifest, use.rois)):
            yield f"line {use.line} has a roi of its own ({', '.join(views)}), and the promise is of the bundle's"


def _missing(point: OperatingPoint) -> str:
    if point.missing is None:
        return "; at that rate no number of parts will do"
    if point.missing:
        return f"; it takes {point.missing} more labelled parts"
    return "; no single threshold keeps both risks" if point.goal is Goal.REPLACE else ""


def _elsewhere(manifest: Manifest, rois: Mapping[str, Box]) -> list[str]:
    """Return the views that a line cuts elsewhere than the bundle was calibrated with."""
    views = {*rois, *manifest.roi}
    if manifest.roi and ANY_VIEW not in manifest.roi:
        views.discard(ANY_VIEW)  # the bundle names every view that there was
    stated = {view: rois.get(view, rois.get(ANY_VIEW)) for view in sorted(views)}
    return [view for view, box in stated.items() if box is not None and box != manifest.region(view)]


def _laxer(goal: Goal, threshold: float, shown: float) -> bool:
    return threshold > shown if goal is Goal.CATCH_ESCAPES else threshold < shown
