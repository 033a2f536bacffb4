"""The report as one page that stands alone and prints: the verdict first, then what it rests on."""

from __future__ import annotations

from bridge.pages.page import render
from bridge.shadow.report import closing, course, front, method, pooling, where
from bridge.shadow.report.closing import Show
from bridge.shadow.report.grouped import Facts

__all__ = ["Show", "page_of"]


def page_of(facts: Facts, show: Show) -> str:
    """Return the page; the same facts and pictures give the same bytes.

    Args:
        facts: out of ``facts.report_of``.
        show: brings the pictures of disagreements.
    """
    sections = [
        front.verdict(facts),
        front.limits(facts),
        where.thresholds(facts),
        where.rates(facts),
        *pooling.alone(
            facts,
            (
                course.calendar(facts),
                course.settled(facts),
                course.drift(facts),
                course.pictures(facts),
                course.health(facts),
                closing.disagreements(facts, show),
                closing.labels(facts),
            ),
        ),
        method.method(facts),
        closing.provenance(facts),
    ]
    return render(f"Shadow month of line {facts['line']}", front.lead(facts), sections)
