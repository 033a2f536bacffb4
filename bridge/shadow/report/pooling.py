"""Several lines that decide alike, taken together for the verdict of one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from bridge.config.shadow import Shadow
from bridge.messages import Goal
from bridge.pages import page
from bridge.pages.page import Markup, Section
from bridge.shadow.estimates import Estimates
from bridge.shadow.month import NG, Month
from bridge.shadow.readiness import Readiness, readiness, said
from bridge.shadow.report import words
from bridge.shadow.report.grouped import Facts, share


def facts_of(lines: Mapping[str, Month], confidence: float) -> list[Facts]:
    """Return what each line brings; nothing where there is one only.

    Within a line parts count as independent here.

    Args:
        lines: the parts of each line by its name, the one that the report is about first.
        confidence: of each bound, one-sided.
    """
    return [_line(name, month, confidence) for name, month in lines.items()] if len(lines) > 1 else []


def _line(name: str, month: Month, confidence: float) -> Facts:
    own, estimates = month.own(), Estimates(month, confidence, 0.0)
    overruled = {goal: estimates.overruled(goal) for goal in Goal}
    return {
        "line": name,
        "from": round(float(month.at[0]), 6),
        "parts": len(own),
        "lots": len(np.unique(own.lot)),
        "seeded": len(month) - len(own),
        "true_ng": int((own.drawn & (own.truth == NG)).sum()),
        "found": overruled[Goal.CUT_FALSE_CALLS].trials,
        "overruled": {
            str(int(goal)): share(one.events, int(one.trials), confidence) for goal, one in overruled.items()
        },
    }


def agreed(verdict: Readiness, lines: Mapping[str, Month], shadow: Shadow, days: float) -> Readiness:
    """Return the verdict of lines taken together; not ready where one of them alone is beyond a limit.

    What the others do well shall not hide it.
    """
    if len(lines) < 2 or not verdict.look:  # noqa: PLR2004 - one is no pool
        return verdict
    reasons = [
        f"line {name} alone: {said(limit)}"
        for name, month in lines.items()
        for limit in readiness(month, shadow, verdict.goal, days).limits
        if limit.refuted and not limit.holds
    ]
    return replace(verdict, state="not ready", reasons=(*verdict.reasons, *reasons)) if reasons else verdict


def sentence(facts: Facts) -> str:
    """Return of which lines the figures are; nothing where there is one only."""
    others = [f"{one['parts']:,} of line {one['line']}" for one in facts["pool"][1:]]
    return f" With {' and '.join(others)}, pooled." if others else ""


def part_of_page(facts: Facts) -> list[Markup]:
    """Return what each line brings; nothing where there is one only."""
    goal = str(facts["goal"])
    if not facts["pool"]:
        return []
    rows = [
        (
            one["line"],
            words.moment(one["from"], facts["days"]["timezone"]),
            one["parts"],
            one["lots"],
            one["true_ng"],
            one["seeded"],
            f"{one['overruled'][goal]['events']:,} / {one['found']:,}",
            words.percent(one["overruled"][goal]),
        )
        for one in facts["pool"]
    ]
    headers = ("line", "first part", "parts", "lots", "true NG", "seeded", "overruled, of those found", "")
    caption = (
        "They decide alike: judge, bundle, thresholds, regions, codes and limits are the same. True NG: labelled "
        "ones. Overruled: seeded parts included, parts as independent here."
    )
    return [Markup("<h3>Lines that are pooled</h3>"), page.table(headers, rows, caption)]


def alone(facts: Facts, sections: Iterable[Section]) -> Sequence[Section]:
    """Return sections that are about the report's own line, named so where others are pooled with it."""
    if not facts["pool"]:
        return [*sections]
    return [replace(one, title=f"{one.title} (line {facts['line']} alone)") for one in sections]
