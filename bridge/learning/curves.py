"""The drawings of an evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from bridge.learning.evaluation import Evaluation
from bridge.learning.metrics import Curve
from bridge.learning.points import log_odds
from bridge.pages import page

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FURTHEST: Final = 14.0
"""Log-odds at the edge of the histogram; scores beyond stand there."""
_TICKS: Final = (1e-6, 1e-4, 0.01, 0.1, 0.5, 0.9, 0.99, 0.9999, 0.999999)


def histogram(axes: Axes, one: Evaluation) -> None:
    """Draw the scores of good and bad parts, by log-odds, and the threshold between them."""
    parts = one.parts
    at = np.clip([log_odds(score) for score in parts.scores.tolist()], -_FURTHEST, _FURTHEST)
    edges = np.linspace(-_FURTHEST, _FURTHEST, 57)
    for ill, colour, name in ((False, page.OK, "good"), (True, page.NG, "bad")):
        axes.hist(at[parts.bad == ill], edges.tolist(), color=colour, alpha=0.55, label=f"{name} parts")
    axes.axvline(log_odds(one.threshold), color=page.INK, linewidth=1.2, linestyle="--", label="threshold")
    axes.set_yscale("symlog", linthresh=1)
    axes.set_xticks([log_odds(tick) for tick in _TICKS], [f"{tick:g}" for tick in _TICKS])
    axes.set_yticks([0, 1, 10, 100, 1000, 10000], ["0", "1", "10", "100", "1000", "10000"])
    tallest = max(np.histogram(at[parts.bad == ill], edges)[0].max(initial=1) for ill in (False, True))
    axes.set_ylim(0, 5 * tallest)
    axes.set_xlim(-_FURTHEST, _FURTHEST)
    axes.set_xlabel("p(OK) of the lowest view, by log-odds")
    axes.set_ylabel("parts")
    axes.legend(loc="upper center", ncols=3)


def roc(axes: Axes, one: Evaluation) -> None:
    """Draw the good that pass over the bad that do, with the point at the threshold."""
    axes.plot(one.roc.x, one.roc.y, color=page.OK, drawstyle="steps-post")
    line = one.line
    axes.plot(
        [line.escapes.value],
        [1 - line.false_calls.value],
        "o",
        color=page.INK,
        markersize=5,
        label="at the threshold",
    )
    axes.plot([0, 1], [0, 1], color=page.SOFT, linewidth=0.8, linestyle=":")
    _square(axes, "bad ones that pass (escapes)", "good ones that pass")
    axes.set_title("ROC")


def precision_recall(axes: Axes, one: Evaluation) -> None:
    """Draw the precision of NG over its recall, with the point at the threshold."""
    axes.plot(one.precision_recall.x, one.precision_recall.y, color=page.NG)
    ng = one.line.verdicts[0]
    axes.plot([ng.recall.value], [ng.precision.value], "o", color=page.INK, markersize=5, label="at the threshold")
    _square(axes, "bad ones that are called NG (recall)", "called NG and bad (precision)")
    axes.set_title("Precision and recall of NG")


def pro(axes: Axes, curve: Curve, limit: float) -> None:
    """Draw the mean share of the regions that is found over the share of good pixels called anomalous."""
    axes.plot(curve.x, curve.y, color=page.NG)
    axes.plot([0, limit], [0, limit], color=page.SOFT, linewidth=0.8, linestyle=":", label="by chance")
    axes.set_xlabel("good pixels that are called anomalous")
    axes.set_ylabel("of each region, found on average")
    axes.set_xlim(0, limit)
    axes.set_ylim(-0.02, 1.02)
    axes.legend(loc="lower right")
    axes.set_title("PRO")


def _square(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.legend(loc="lower center")


def reliability(axes: Axes, one: Evaluation) -> None:
    """Draw how often pictures of a score are OK, with intervals and counts."""
    bins = one.reliability
    mean, value = [tenth.mean for tenth in bins], [tenth.good.value for tenth in bins]
    away = [
        [tenth.good.value - tenth.good.low for tenth in bins],
        [tenth.good.high - tenth.good.value for tenth in bins],
    ]
    axes.plot([0, 1], [0, 1], color=page.SOFT, linewidth=0.8, linestyle=":", label="as often as it says")
    axes.errorbar(mean, value, yerr=away, color=page.OK, marker="o", markersize=4, linewidth=1.2, elinewidth=0.8)
    for tenth in bins:
        spot = (tenth.mean, tenth.good.value)
        axes.annotate(
            str(tenth.good.trials), spot, (5, -9), textcoords="offset points", fontsize=7, color=page.SOFT
        )
    _square(axes, "mean p(OK)", "share that is OK")
    axes.set_title("Reliability, by picture; small figures: how many")
