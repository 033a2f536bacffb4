"""``aoi-bridge check`` for a judge: its bundle loads, rejects its known bad parts, and fits into the deadline."""

from __future__ import annotations

from bridge.judging.classifier import ClassifierOptions, Hiring, in_force
from bridge.judging.golden import best_bad
from bridge.messages import Verdict
from bridge.plugin import Finding


async def check(
    options: ClassifierOptions,
    *,
    write_test: bool = False,
    budget_ms: float | None = None,
    threshold: float | None = None,
) -> list[Finding]:
    """Load and warm the bundle in a worker of its own, and hold what it measured against its lines.

    Args:
        options: the judge's options; ``home`` is the models folder.
        write_test: means nothing to a judge.
        budget_ms: what the tightest of its lines leaves the judge for one view, in milliseconds.
        threshold: the lowest that one of its lines or recipes states; None where all take the judge's.

    Raises:
        ConfigError: there is no such bundle, a hash differs, it cannot run here, or it lets a part pass that it
            knows to be bad.
        Unavailable: the worker died or was not ready in time.
    """
    del write_test
    hiring = Hiring(options)
    async with hiring.hire():
        pass
    loads = f"{hiring.model.identity}, precision {hiring.model.manifest.precision}"
    return [
        Finding("model loads", good=True, said=loads),
        _golden(hiring, in_force(options, hiring.model), threshold),
        _deadline(hiring.ready.ms_per_view, budget_ms),
    ]


def _golden(hiring: Hiring, judges: float, lines: float | None) -> Finding:
    """Say how far the known bad stay below the lowest threshold in use."""
    what, worst = "rejects known bad", best_bad(hiring.model, hiring.ready.golden)
    if worst is None:
        return Finding(what, good=None, said="the bundle carries no picture of a part known to be bad")
    pictures = sum(one.verdict is Verdict.NG for one in hiring.model.manifest.golden)
    lowest = judges if lines is None else min(judges, lines)
    said = f"{pictures} pictures, the best gets p(OK) {worst:.4g}, the lowest threshold is {lowest:.4g}"
    return Finding(what, good=worst < lowest, said=said)


def _deadline(ms_per_view: float, budget_ms: float | None) -> Finding:
    what, said = "meets the deadline", f"{ms_per_view:.1f} ms a view"
    if budget_ms is None:
        return Finding(what, good=None, said=f"{said}; no line asks this judge")
    return Finding(
        what, good=ms_per_view <= budget_ms, said=f"{said}, the tightest line leaves {budget_ms:.0f} ms"
    )
