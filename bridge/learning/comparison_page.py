"""The comparison as a page: what to choose, the table, and what the augmentation was worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from bridge.learning.comparison import Comparison, Difference, Row, Spread
from bridge.learning.metrics import Estimate
from bridge.pages import page
from bridge.pages.page import Markup, Section

_BEST = 20
"""The most ways that are drawn."""


def page_of(one: Comparison, provenance: Sequence[tuple[str, object]]) -> str:
    """Return the page; the same input gives the same bytes.

    Args:
        one: what was found.
        provenance: where it comes from, by name.
    """
    sections = [Section(title="Which to choose", body=[_table(one), _drawn(one)])]
    if one.differences:
        sections.append(Section(title="What varying pictures is worth", body=[_differences(one)]))
    sections.append(Section(title="Each class", body=[_classes(one)]))
    sections.append(Section(title="Where the figures come from", body=[page.facts(provenance)]))
    return page.render("Comparison of judges", lead(one), sections)


def lead(one: Comparison) -> str:
    """Return what came out, in a sentence."""
    best = one.rows[0]
    return (
        f"Of {len(one.rows)} ways to train, {title(best)} ranks parts best: AUC {spread(best.auc, 4)}, "
        f"{spread(best.accuracy, 4)} of the pictures told right, on parts that no training saw."
    )


def title(row: Row) -> str:
    """Return a way as people say it."""
    way = row.way
    copies = f"{way.copies} copies" if way.copies > 1 else "1 copy" if way.copies else "varied anew"
    return f"{way.backbone} {way.head}, {way.augment}, {copies}"


def spread(one: Spread, digits: int) -> str:
    """Return mean and deviation as people write them; a dash where there is no number."""
    if math.isnan(one.mean):
        return "–"
    return f"{one.mean:.{digits}f}" + ("" if math.isnan(one.deviation) else f" ± {one.deviation:.{digits}f}")


def gain(one: Estimate) -> str:
    """Return a difference with its interval and sign."""
    if math.isnan(one.value):
        return "–"
    return f"{one.value:+.4f} ({one.low:+.4f} to {one.high:+.4f})"


HEADERS = ("backbone", "head", "augment", "copies", "AUC", "accuracy", "training s", "GFLOPs", "edge ms", "seeds")


def cells(row: Row) -> tuple[str, ...]:
    """Return the cells of ``HEADERS``."""
    way, cost = row.way, row.cost
    return (
        way.backbone,
        way.head,
        way.augment,
        str(way.copies) if way.copies else "anew",
        spread(row.auc, 4),
        spread(row.accuracy, 4),
        spread(row.seconds, 1),
        f"{cost.flops / 1e9:.3g}" if cost else "–",
        f"{cost.edge_ms:.1f}" if cost else "–",
        str(row.seeds),
    )


def _table(one: Comparison) -> Markup:
    caption = (
        "Mean ± deviation over seeds; each seed draws its own split by group. AUC is the chance that a bad part "
        "scores below a good one; accuracy is the share of pictures whose class is told. Training leaves out what "
        "the part of the network that is held still takes to look at each picture once. GFLOPs: thousand million "
        "floating-point operations of one picture, two for each multiply-add. Edge: one picture on this machine "
        "in float32, median; a model slower than the cycle cannot be used."
    )
    return page.table(HEADERS, [cells(row) for row in one.rows], caption)


def _drawn(one: Comparison) -> Markup:
    rows = [row for row in one.rows[:_BEST] if row.cost and math.isfinite(row.auc.mean)]

    def draw(axes: Any) -> None:
        for row in rows:
            assert row.cost is not None  # noqa: S101 - chosen above
            axes.errorbar(
                row.cost.edge_ms,
                row.auc.mean,
                yerr=None if math.isnan(row.auc.deviation) else row.auc.deviation,
                fmt="o",
            )
            axes.annotate(
                row.way.name, (row.cost.edge_ms, row.auc.mean), xytext=(5, 4), textcoords="offset points"
            )
        axes.set_xscale("log")
        axes.set_xlabel("edge latency, ms")
        axes.set_ylabel("AUC")

    caption = "Up and to the left is better. Bars: one deviation between seeds."
    return page.svg(draw, 7.5, 3.6, caption) if rows else page.prose("The latency was not measured.")


def _differences(one: Comparison) -> Markup:
    headers = ("network", "from", "to", "accuracy", "AUC", "seeds")
    caption = (
        "Second less first, on the same held-out parts. In brackets: 95 % intervals, from drawing whole groups "
        "anew. Where an interval includes 0, the data do not show which is better."
    )
    return page.table(headers, [difference_cells(two) for two in one.differences], caption)


def difference_cells(two: Difference) -> tuple[str, ...]:
    """Return network, first and second way, both gains and the number of seeds."""
    ways = (two.first, two.second)
    names = [f"{one.augment} × {one.copies}" if one.copies else f"{one.augment}, anew" for one in ways]
    return (" ".join(two.first.rival), *names, gain(two.accuracy), gain(two.auc), str(two.seeds))


def _classes(one: Comparison) -> Markup:
    headers = ("way", "class", "precision", "recall", "F1")
    rows: list[tuple[str, ...]] = [
        (title(row), name, *(spread(figure, 3) for figure in row.classes[name]))
        for row in one.rows
        for name in one.classes
    ]
    caption = "Precision: of what is called so, the share that is so. Recall: of what is so, the share called so."
    return page.table(headers, rows, caption)
