"""Bundles side by side as a page: the table to pick by, and what a verdict costs over what it is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from bridge.learning import side_by_side
from bridge.learning.metrics import Estimate
from bridge.learning.side_by_side import Entry
from bridge.pages import page
from bridge.pages.page import Markup, Section

HEADERS: Final = ("bundle", "judges by", "AUROC", "pixel AUROC", "PRO", "training", "edge ms", "MB")
SURE: Final = ("bundle", "against the first", "AUPRC", "F1-max", "pixel AUROC", "PRO")
_FAR: Final = 3.0
"""From so many times the fastest on, latencies are drawn by their logarithm."""


def cells(one: Entry) -> tuple[str, ...]:
    """Return the cells of ``HEADERS``, what to pick by; a dash where nothing is known."""
    pixel = one.worth.pixel
    return (
        named(one),
        side_by_side.way(one.model),
        figure(one.worth.image.auroc),
        plain(pixel.figures.auroc.value) if pixel else "–",
        plain(pixel.figures.pro.value) if pixel else "–",
        "–" if one.training_seconds is None else spent(one.training_seconds),
        f"{one.edge_ms:.1f}",
        f"{one.megabytes:.1f}",
    )


def sure(one: Entry) -> tuple[str, ...]:
    """Return the cells of ``SURE``, how sure that is; same."""
    image, pixel = one.worth.image, one.worth.pixel
    return (
        named(one),
        _gain(one.gain),
        figure(image.average_precision),
        plain(image.best_f1.value),
        figure(pixel.figures.auroc) if pixel else "–",
        figure(pixel.figures.pro) if pixel else "–",
    )


def named(one: Entry) -> str:
    """Return what people call a bundle: name, version and precision."""
    manifest = one.model.manifest
    return f"{manifest.name} {manifest.version} {manifest.precision}"


def figure(one: Estimate) -> str:
    """Return a figure with its interval, as short as the interval allows; a dash where nothing was counted."""
    if math.isnan(one.value):
        return "–"
    return f"{one.value:.3f}" if math.isnan(one.low) else f"{one.value:.3f} ({one.low:.3f}–{one.high:.3f})"


def plain(value: float) -> str:
    """Return a figure without its interval; a dash where nothing was counted."""
    return "–" if math.isnan(value) else f"{value:.3f}"


def spent(seconds: float) -> str:
    """Return how long something took, in a unit that fits."""
    if seconds < 100:  # noqa: PLR2004 - up to here people think in seconds
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"  # noqa: PLR2004 - same


def _gain(one: Estimate | None) -> str:
    if one is None or math.isnan(one.value):
        return "–"
    return f"{one.value:+.3f}" + ("" if math.isnan(one.low) else f" ({one.low:+.3f} to {one.high:+.3f})")


def lead(entries: Sequence[Entry]) -> str:
    """Return what came out, in a sentence or two."""
    first, image = entries[0], entries[0].worth.image
    said = (
        f"On {image.pictures} pictures, {image.bad} of them NG, {named(first)} ranks best: AUROC "
        f"{figure(image.auroc)}, {first.edge_ms:.1f} ms a view on this machine."
    )
    alike = [named(one) for one in entries[1:] if one.gain and one.gain.high >= 0]
    return said + (f" These pictures do not show that {_listed(alike)} ranks worse." if alike else "")


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def page_of(entries: Sequence[Entry], provenance: Sequence[tuple[str, object]]) -> str:
    """Return the page; the same input gives the same bytes.

    Args:
        entries: the table, best first.
        provenance: where it comes from, by name.
    """
    sections = [
        Section(title="Which to choose", body=[page.table(HEADERS, map(cells, entries), _PICK), _drawn(entries)]),
        Section(title="How sure that is", body=[page.table(SURE, map(sure, entries), _SURE)]),
        Section(title="Where the figures come from", body=[page.facts(provenance)]),
    ]
    return page.render("Judges side by side", lead(entries), sections)


_PICK: Final = (
    "AUROC, by picture, is the chance that a bad one scores below a good one; in brackets its 95 % interval. By "
    "pixel, and PRO to 30 % false alarms, where a judge has an anomaly map and defects are drawn. Training as the "
    "bundle says it, on whatever machine that was. Edge: one view on this machine, from the encoded picture to "
    "the verdict, median of turns. MB: all files of the bundle."
)
_SURE: Final = (
    "Against the first: its AUROC less that of the first line, with groups drawn together for both. AUPRC: the "
    "area under precision and recall of NG, by picture. F1-max is chosen on these very pictures. In brackets: "
    "95 % intervals."
)


def _drawn(entries: Sequence[Entry]) -> Markup:
    took = [one.edge_ms for one in entries]

    def draw(axes: Any) -> None:
        for one in entries:
            area = one.worth.image.auroc
            away = [[max(area.value - area.low, 0)], [max(area.high - area.value, 0)]]
            axes.errorbar(one.edge_ms, area.value, yerr=away, fmt="o")
            axes.annotate(named(one), (one.edge_ms, area.value), xytext=(5, 4), textcoords="offset points")
        if max(took) > _FAR * min(took):
            axes.set_xscale("log")
        else:
            axes.set_xlim(0, 1.3 * max(took))
        axes.set_xlabel("edge latency, ms")
        axes.set_ylabel("image AUROC")

    return page.svg(draw, 7.5, 3.6, "Up and to the left is better. Bars: 95 % intervals.")
