"""Known-bad parts that were put in on purpose: what inspector, model and goals made of them."""

from __future__ import annotations

from bridge.messages import Goal
from bridge.pages import page
from bridge.pages.page import Markup
from bridge.shadow.estimates import Estimates
from bridge.shadow.month import CONTRADICTED, NG, OK, Month
from bridge.shadow.report import words
from bridge.shadow.report.grouped import Facts, Mask, share


def facts_of(month: Month, pattern: str, confidence: float) -> Facts:
    """Return what there is to say of a month's seeded parts.

    Args:
        month: all parts, seeded ones and the line's own.
        pattern: of their serial numbers.
        confidence: of each bound, one-sided.
    """
    put_in = month.of(month.seeded)
    bad = put_in.truth == NG
    found, passed = bad & (put_in.legacy == NG), bad & (put_in.legacy == OK)
    judged, said = put_in.drawn, Estimates(put_in, confidence, 0.0).said
    told = int(found.sum() + passed.sum())

    def of(cell: Mask, goal: Goal, verdict: int) -> Facts:
        among = cell & judged
        return share(int((among & (said(goal) == verdict)).sum()), int(among.sum()), confidence)

    return {
        "pattern": pattern,
        "parts": len(put_in),
        "not_judged": int((~judged).sum()),
        "disputed": int((put_in.truth == CONTRADICTED).sum()),
        "good": int((put_in.truth == OK).sum()),
        "found": int(found.sum()),
        "passed": int(passed.sum()),
        "without_verdict": int((bad & ~found & ~passed).sum()),
        "inspector_missed": share(int(passed.sum()), told, confidence),
        "goals": {
            str(int(goal)): {"overruled": of(found, goal, OK), "caught": of(passed, goal, NG)} for goal in Goal
        },
    }


def part_of_page(facts: Facts) -> list[Markup]:
    """Return what the page says of them; nothing where there are none."""
    one = facts["seeded"]
    if not one["parts"]:
        return []
    told: list[tuple[str, object]] = [
        ("put in", f"{one['parts']:,} parts with a serial number like {one['pattern']}"),
        ("the inspector found", f"{one['found']:,}"),
        ("the inspector passed", f"{one['passed']:,}: it misses {words.percent(one['inspector_missed'])} of them"),
    ]
    told += [
        (name, f"{one[key]:,}: {what}")
        for name, key, what in (
            ("the inspector said nothing of", "without_verdict", "in no figure"),
            ("not judged", "not_judged", "they say nothing of the model, and count nowhere"),
            ("disputed", "disputed", "somebody labelled them OK; they count as the worst that they could be"),
            ("good after all", "good", "a label that decides says so; they count nowhere"),
        )
        if one[key]
    ]
    rows = [
        (
            f"goal {goal}",
            *(f"{said[key]['events']:,} / {said[key]['trials']:,.0f}" for key in ("overruled", "caught")),
        )
        for goal, said in one["goals"].items()
    ]
    caption = "Of those that were judged. What was overruled is part of the miss rate above, and of nothing else."
    headers = ("", "found by the inspector, overruled", "passed by the inspector, caught")
    return [Markup("<h3>Seeded known-bad parts</h3>"), page.facts(told), page.table(headers, rows, caption)]


def aside(facts: Facts, text: str) -> str:
    """Return a text that is to be said only where there are seeded parts."""
    return text if facts["seeded"]["parts"] else ""
