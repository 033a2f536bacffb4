"""The drawings of the report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Final

from matplotlib.patches import Rectangle

from bridge.pages import page
from bridge.shadow.report.grouped import Facts
from bridge.shadow.report.words import MILLION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DAYS: Final = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
_QUIET, _BUSY = "#eef3f7", "#9dc3de"
_HIGH: Final = 1.0
"""A bar that is higher is cut and bears its figure, or the levels could not be told apart."""
_LOOSE: Final = 4
"""A band that is so many times as high as the highest estimate is cut, or nothing else could be seen."""


def trade(axes: Axes, curve: Facts, harm: str, gain: str) -> None:
    """Draw what is gained against the harm, one point a threshold, with the bands of both."""
    points = curve["points"]
    x = [one["harm"]["value"] * MILLION for one in points]
    y = [100 * one["gain"]["value"] for one in points]
    axes.fill_betweenx(
        y,
        [one["harm"]["lower"] * MILLION for one in points],
        [one["harm"]["upper"] * MILLION for one in points],
        color=page.NG,
        alpha=0.16,
        linewidth=0,
    )
    low, high = ([100 * one["gain"][side] for one in points] for side in ("lower", "upper"))
    axes.fill_between(x, low, high, color=page.OK, alpha=0.16, linewidth=0)
    axes.plot(x, y, color=page.INK, marker=".", markersize=3, linewidth=1)
    if (here := _here(curve)) is not None:
        axes.plot([x[here]], [y[here]], "o", color=page.NG, markersize=7, label="threshold in force")
        axes.legend(loc="lower right")
    axes.set_xlabel(f"{harm}, ppm")
    axes.set_ylabel(f"{gain}, %")
    axes.set_ylim(-2, 102)
    axes.set_xlim(0, _top(x, [one["harm"]["upper"] * MILLION for one in points]))
    axes.ticklabel_format(style="plain")


def _here(curve: Facts) -> int | None:
    if curve["threshold"] is None:
        return None
    marks = [abs(one["threshold"] - curve["threshold"]) for one in curve["points"]]
    return marks.index(min(marks)) if marks else None


def over_threshold(axes: Axes, curve: Facts, side: str, name: str, scale: float) -> None:
    """Draw one side of the trade over the threshold, with its band; ``scale``: 100 for %, a million for ppm."""
    points = curve["points"]
    colour = page.OK if side == "gain" else page.NG
    x = [one["threshold"] for one in points]
    value, low, high = ([scale * one[side][key] for one in points] for key in ("value", "lower", "upper"))
    axes.fill_between(x, low, high, color=colour, alpha=0.16, linewidth=0, step="post")
    axes.plot(x, value, color=colour, drawstyle="steps-post")
    if curve["threshold"] is not None:
        axes.axvline(curve["threshold"], color=page.INK, linewidth=1, linestyle="--", label="in force")
        axes.legend(loc="best")
    axes.set_xlabel("threshold")
    axes.set_ylabel(name)
    axes.set_ylim(0, 102 if side == "gain" else _top(value, high))
    axes.ticklabel_format(style="plain")


def _top(values: Sequence[float], bounds: Sequence[float]) -> float:
    """Return how far an axis goes: to the bounds, if they do not dwarf everything else."""
    highest, bound = max(values, default=0.0), max(bounds, default=0.0)
    least = min((one for one in bounds if one > 0), default=1.0)
    return 1.05 * min(bound, max(_LOOSE * highest, 2 * least)) or 1.0


def calendar(axes: Axes, days: Sequence[Facts]) -> None:
    """Draw a cell a day: a row a week from Monday on, what came, and what went wrong."""
    first = date.fromisoformat(days[0]["day"])
    start = first.toordinal() - first.weekday()
    most = max(one["parts"] for one in days) or 1
    rows = 0
    for one in days:
        day = date.fromisoformat(one["day"])
        row, column = divmod(day.toordinal() - start, 7)
        rows = max(rows, row + 1)
        bad = one["crashes"] or one["missing"]
        face = "#fbe3d7" if bad else _QUIET if one["parts"] < most / 2 else _BUSY if one["parts"] else "#ffffff"
        axes.add_patch(Rectangle((column, row), 0.96, 0.94, facecolor=face, edgecolor="#ffffff"))
        axes.text(column + 0.05, row + 0.06, f"{day:%d.%m.}", fontsize=7, va="top", weight="bold")
        axes.text(column + 0.92, row + 0.06, f"{one['parts']:,}", fontsize=7, va="top", ha="right")
        for line, text in enumerate(_noted(one)):
            axes.text(column + 0.05, row + 0.34 + 0.2 * line, text, fontsize=6, va="top", color=page.INK)
    axes.set_xlim(0, 7)
    axes.set_ylim(rows, 0)
    axes.set_xticks([at + 0.48 for at in range(7)], list(_DAYS))
    axes.xaxis.tick_top()
    axes.set_yticks([])
    axes.tick_params(length=0)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _noted(one: Facts) -> list[str]:
    told = [f"{one['disagreements']:,} disagree"] if one["disagreements"] else []
    told += [f"{one['outstanding']:,} not labelled"] if one["outstanding"] else []
    crash = [f"{one['crashes']} crash{'es' if one['crashes'] > 1 else ''}"] if one["crashes"] else []
    return [*told, ", ".join([*crash, *([f"{one['missing']:,} missing"] if one["missing"] else [])])][:3]


def settled(
    axes: Axes, days: Sequence[Facts], series: Sequence[tuple[str, str, str]], scale: float, unit: str
) -> None:
    """Draw how estimates stood at the end of each day, with their bands.

    Args:
        axes: where to draw.
        days: out of ``times.stability``.
        series: key, name and colour of each.
        scale: 100 for per cent, a million for ppm.
        unit: of the axis.
    """
    x = list(range(1, len(days) + 1))
    top = 0.0
    for key, name, colour in series:
        value, low, high = (
            [float("nan") if one[key][side] is None else scale * one[key][side] for one in days]
            for side in ("value", "lower", "upper")
        )
        axes.fill_between(x, low, high, color=colour, alpha=0.14, linewidth=0)
        axes.plot(x, value, color=colour, marker=".", markersize=3, label=name)
        later = slice(len(x) // 4, None)
        top = max(top, _top([one for one in value if one == one], high[later]))  # noqa: PLR0124 - nan
    axes.set_ylim(0, top or 1.0)
    axes.set_xlabel("days of parts")
    axes.set_ylabel(unit)
    axes.legend(loc="upper right")


def drift(axes: Axes, weeks: Sequence[Facts]) -> None:
    """Draw the stability index of each week against the first, and where it should be watched."""
    told = [one for one in weeks if one["psi"] is not None]
    colours = [page.NG if one["tone"] == "act" else page.OK for one in told]
    axes.bar([one["week"] for one in told], [one["psi"] for one in told], color=colours, width=0.6)
    _levels(axes, len(told))
    axes.set_ylim(0, 1.1 * max(0.3, *(one["psi"] for one in told)))
    axes.set_ylabel("PSI")
    axes.tick_params(axis="x", labelrotation=0)


def largest(views: Sequence[Facts], figure: str) -> dict[str, float]:
    """Return, by week, the largest stability index that a figure of any view has."""
    found: dict[str, float] = {}
    for week in (week for view in views for week in view["weeks"]):
        if (psi := week[figure]["psi"]) is not None:
            found[week["week"]] = max(psi, found.get(week["week"], 0.0))
    return dict(sorted(found.items()))


def pictures(axes: Axes, views: Sequence[Facts], figures: Sequence[str]) -> None:
    """Draw the stability index of each figure of the pictures, week by week, beside each other."""
    told = [largest(views, figure) for figure in figures]
    weeks = sorted({week for one in told for week in one})
    width = 0.8 / len(figures)
    for place, (figure, one, colour) in enumerate(zip(figures, told, (page.INK, page.OK, page.NG), strict=True)):
        at = [weeks.index(week) + (place - (len(figures) - 1) / 2) * width for week in one]
        axes.bar(at, list(one.values()), color=colour, width=width, label=figure)
        for x, psi in zip(at, one.values(), strict=True):
            if psi > _HIGH:
                axes.text(x, 0.97 * _HIGH, f"{psi:.1f}", fontsize=7, ha="center", va="top", color="white")
    axes.set_xticks(range(len(weeks)), weeks)
    _levels(axes, len(weeks))
    axes.set_ylim(0, min(_HIGH, 1.1 * max(0.3, *(psi for one in told for psi in one.values()))))
    axes.set_ylabel("PSI")
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=len(figures), frameon=False)


def _levels(axes: Axes, weeks: int) -> None:
    for level, word in ((0.1, "watch"), (0.25, "act")):
        axes.axhline(level, color=page.SOFT, linewidth=1, linestyle="--")
        axes.text(weeks - 0.5, level, word, fontsize=7, ha="right", va="bottom", color=page.INK)


def latency(axes: Axes, days: Sequence[Facts], key: str, title: str) -> None:
    """Draw percentiles by day."""
    x = list(range(1, len(days) + 1))
    names = ("median", "95 %", "99 %", "slowest")
    for place, name in enumerate(names):
        values = [float("nan") if one[key][place] is None else one[key][place] for one in days]
        shade = (page.INK, page.OK, page.NG, page.SOFT)[place]
        axes.plot(x, values, color=shade, marker=".", markersize=3, linewidth=1, label=name)
    axes.set_yscale("log")
    for formatter in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        formatter("{x:g}")
    axes.tick_params(which="minor", labelsize=6)
    axes.set_xlabel("days of parts")
    axes.set_ylabel("ms")
    axes.set_title(title)
    axes.legend(loc="upper right", ncols=2)
