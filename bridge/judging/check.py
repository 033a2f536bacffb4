"""``aoi-bridge check`` for a judge: its bundle loads, rejects its known bad parts, and fits into the deadline."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.judging.bundle import Manifest
from bridge.judging.claim import Use, doubts, said
from bridge.judging.golden import best_bad
from bridge.judging.hiring import BundleOptions, Hiring, in_force
from bridge.messages import Verdict
from bridge.plugin import Finding


async def check(
    options: BundleOptions,
    *,
    write_test: bool = False,
    budget_ms: float | None = None,
    threshold: float | None = None,
    uses: Sequence[Use] = (),
) -> list[Finding]:
    """Load and warm the bundle in a worker of its own, and hold what it measured against its lines.

    Args:
        options: the judge's options; ``home`` is the models folder.
        write_test: means nothing to a judge.
        budget_ms: what the tightest of its lines leaves the judge for one view, in milliseconds.
        threshold: the lowest that one of its lines or recipes states; None where all take the judge's.
        uses: the lines that ask it.

    Raises:
        ConfigError: there is no such bundle, a hash differs, it cannot run here, or it lets a part pass that it
            knows to be bad.
        Unavailable: the worker died or was not ready in time.
    """
    del write_test
    hiring = Hiring(options)
    async with hiring.hire():
        pass
    made = hiring.model.manifest
    tempered = "" if made.temperature == 1 else f", temperature {made.temperature:.3g}"
    loads = f"{hiring.model.identity}, precision {made.precision}{tempered}"
    return [
        Finding("model loads", good=True, said=loads),
        _golden(hiring, in_force(options, hiring.model), threshold),
        _promise(made, in_force(options, hiring.model), uses),
        _deadline(hiring.ready.ms_per_view, budget_ms),
    ]


def _golden(hiring: Hiring, judges: float, lines: float | None) -> Finding:
    """Say how far the known bad stay below the lowest threshold in use."""
    what, worst = "rejects known bad", best_bad(hiring.model, hiring.ready.golden)
    if worst is None:
        return Finding(what, good=None, said="the bundle carries no picture of a part known to be bad")
    pictures = sum(one.verdict is Verdict.NG for one in hiring.model.manifest.golden)
    lowest = judges if lines is None else min(judges, lines)
    told = f"{pictures} pictures, the best gets p(OK) {worst:.4g}, the lowest threshold is {lowest:.4g}"
    return Finding(what, good=worst < lowest, said=told)


def _promise(made: Manifest, judges: float, uses: Sequence[Use]) -> Finding:
    """Say what the threshold was shown to hold; that nothing was shown is no mistake, but must be known."""
    what, against = "keeps its promise", tuple(doubts(made, judges, uses))
    if against or made.operating_point is None:
        return Finding(what, good=None, said="; ".join(against))
    return Finding(what, good=True, said=said(made.operating_point))


def _deadline(ms_per_view: float, budget_ms: float | None) -> Finding:
    what, takes = "meets the deadline", f"{ms_per_view:.1f} ms a view"
    if budget_ms is None:
        return Finding(what, good=None, said=f"{takes}; no line asks this judge")
    return Finding(
        what, good=ms_per_view <= budget_ms, said=f"{takes}, the tightest line leaves {budget_ms:.0f} ms"
    )
