"""The evaluation as a page: what came out first, then what it rests on, then the parts it went wrong with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from bridge.judging.bundle import Manifest
from bridge.judging.preprocess import Picture
from bridge.learning import curves, metrics
from bridge.learning.data import Item
from bridge.learning.evaluation import Evaluation, Judged, Level, Piece
from bridge.learning.metrics import ClassFigures, Estimate, Rate
from bridge.messages import Verdict
from bridge.pages import page
from bridge.pages.page import Markup, Section

Show: TypeAlias = Callable[[Item], Picture | None]
"""A picture, its heat map beside it if there is one; None where it cannot be shown."""

SHOWN: Final = 12
"""The most mistakes of a kind, and the most close calls, that are shown."""
ROWS: Final = 40
"""The most groups that are listed."""
_AREA, _WIDEST, _NARROWEST = 124_000, 460, 120
"""Pixels of a picture on the screen: in all, and how wide it is at most and at least."""


def page_of(
    one: Evaluation,
    manifest: Manifest,
    provenance: Sequence[tuple[str, object]],
    show: Show,
    maps: Section | None = None,
) -> str:
    """Return the page; the same input gives the same bytes.

    Args:
        one: what was found.
        manifest: of the bundle.
        provenance: where bundle and pictures come from, by name.
        show: how a part is shown.
        maps: what is to be said of an anomaly judge's maps.
    """
    sections = [
        Section(title="What the line would see", body=_line(one)),
        Section(title="Verdicts", body=_verdicts(one)),
        Section(title="Threshold", body=_threshold(one, manifest)),
        *([maps] if maps else []),
        Section(title="What the score is worth", body=_score(one, manifest)),
        Section(title="Where it goes wrong", body=_pieces(one)),
        Section(title="Mistakes", body=_mistakes(one, show, explained=manifest.heat_map is not None)),
        Section(title="Where the figures come from", body=_provenance(one, provenance)),
    ]
    return page.render(f"Evaluation of {manifest.name} {manifest.version}", _lead(one), sections)


def _lead(one: Evaluation) -> str:
    line = one.line
    return (
        f"Of {line.escapes.trials} bad {_plural(line)}, {line.escapes.events} would have passed; of "
        f"{line.false_calls.trials} good ones, {line.false_calls.events} would have been called NG."
    )


def _plural(level: Level) -> str:
    return f"{level.unit}s"


def share(one: Rate) -> str:
    """Return a share with its interval, as people write it; a dash where nothing was counted."""
    if one.how == "none":
        return "–"
    return f"{100 * one.value:.2f} % ({100 * one.low:.2f}–{100 * one.high:.2f})"


def figure(one: Estimate) -> str:
    """Return a figure with its interval; a dash where nothing was counted."""
    if math.isnan(one.value):
        return "–"
    return f"{one.value:.4f} ({one.low:.4f}–{one.high:.4f})"


def _line(one: Evaluation) -> list[Markup]:
    rows = [
        (
            f"by {level.unit}",
            f"{level.false_calls.events} / {level.false_calls.trials}",
            share(level.false_calls),
            f"{level.escapes.events} / {level.escapes.trials}",
            share(level.escapes),
            figure(level.auc),
        )
        for level in one.levels
    ]
    headers = ("", "false calls", "of the good", "escapes", "of the bad", "AUC")
    caption = (
        "A part is NG if any of its views is; a group counts by its mean score. In brackets: 95 % intervals. "
        "AUC is the chance that a bad one scores below a good one."
    )
    return [page.table(headers, rows, caption), *_warnings(one)]


def _warnings(one: Evaluation) -> list[Markup]:
    said = []
    if one.scored.failures:
        broken = f"{len(one.scored.failures)} pictures could not be judged; their parts count nowhere by part. "
        said.append(page.said(broken + "They are listed at the end.", good=False))
    few = min(one.line.escapes.trials, one.line.false_calls.trials)
    if few < 60:  # noqa: PLR2004 - none of 59 still leaves 5 % possible (95 %, one-sided)
        said.append(
            page.said(f"Only {few} {_plural(one.line)} of one kind: the intervals say how little that shows.")
        )
    return said


def _verdicts(one: Evaluation) -> list[Markup]:
    line = one.line
    right_bad = line.escapes.trials - line.escapes.events
    right_good = line.false_calls.trials - line.false_calls.events
    matrix = page.table(
        (f"{_plural(line)} that are", "told NG", "told OK"),
        [
            (_verdict(Verdict.NG), right_bad, line.escapes.events),
            (_verdict(Verdict.OK), line.false_calls.events, right_good),
        ],
        "Escapes stand above on the right, false calls below on the left.",
    )
    blocks = [matrix, _figures(line.verdicts), page.prose(f"Accuracy {share(line.accuracy)}.")]
    if len(one.scored.classes) > 2:  # noqa: PLR2004 - OK and NG were told already
        blocks += [Markup("<h3>Classes, by picture</h3>"), _classes(one)]
        blocks += [_figures(one.classes)] if _names_classes(one) else []
    return blocks


def _verdict(verdict: Verdict) -> Markup:
    return page.mark(str(verdict), good=verdict is Verdict.OK)


def _figures(classes: Iterable[ClassFigures]) -> Markup:
    rows = [
        (one.name, share(one.precision), share(one.recall), figure(one.f1), one.recall.trials) for one in classes
    ]
    caption = "Precision: of what is called so, the share that is. Recall: of what is so, the share called so."
    return page.table(("", "precision", "recall", "F1", "support"), rows, caption)


def _names_classes(one: Evaluation) -> bool:
    """Return whether a picture is of a class that the bundle has a name for; an anomaly judge has its own two."""
    return bool((one.scored.labels < one.scored.probabilities.shape[1]).any())


def _classes(one: Evaluation) -> Markup:
    names = [kind.name for kind in one.scored.classes]
    rows = [(name, *counts) for name, counts in zip(names, one.confusion.tolist(), strict=True)]
    if not _names_classes(one):
        names = names[: one.scored.probabilities.shape[1]]
        rows = [row[: 1 + len(names)] for row in rows[len(names) :]]
    return page.table(("is \\ told", *names), rows, "The most likely class, whatever the threshold says.")


def _threshold(one: Evaluation, manifest: Manifest) -> list[Markup]:
    line = one.line
    drawings = [
        page.svg(lambda axes: curves.histogram(axes, one), 9.2, 2.7, "Scores of good and bad, and the threshold."),
        page.row(
            page.svg(
                lambda axes: curves.roc(axes, one),
                4.5,
                3.6,
                f"Good {_plural(line)} that pass over bad ones that do.",
            ),
            page.svg(
                lambda axes: curves.precision_recall(axes, one), 4.5, 3.6, f"What is called NG, by {line.unit}."
            ),
        ),
    ]
    facts: list[tuple[str, object]] = [
        ("threshold", f"{one.threshold:.6g}"),
        ("AUC", figure(line.auc)),
        ("average precision of NG", figure(line.average_precision)),
    ]
    return [_promise(manifest, one.threshold), page.facts(facts), *drawings]


def _promise(manifest: Manifest, threshold: float) -> Markup:
    point = manifest.operating_point
    if point is None or threshold != manifest.threshold:
        return page.said(
            "Nothing is promised of this threshold yet: aoi-bridge calibrate sets one with a promise."
        )
    what = "good parts called NG" if point.goal == 2 else "bad parts that pass"  # noqa: PLR2004 - the goal's number
    units = point.good if point.goal == 2 else point.bad  # noqa: PLR2004 - same
    if not point.holds:
        return page.said(
            f"This threshold is a guess: at most {100 * point.risk:g} % {what} could not be shown "
            f"({point.errors} of {units}, which leaves {100 * point.bound:.2f} % possible).",
            good=False,
        )
    return page.said(
        f"Calibrated for goal {point.goal}: at most {100 * point.risk:g} % {what}, at "
        f"{100 * point.confidence:g} % confidence ({point.errors} of {units}; "
        f"the bound reached is {100 * point.bound:.2f} %).",
        good=True,
    )


def _score(one: Evaluation, manifest: Manifest) -> list[Markup]:
    facts = [
        ("Brier score", f"{figure(one.brier)}; 0 is perfect"),
        ("calibration error", f"{figure(one.calibration_error)}; how far p(OK) is from the share that is OK"),
        ("temperature", f"{manifest.temperature:.4g}"),
        ("meaning", manifest.score or "p(OK): the probabilities of all classes that are OK, together"),
    ]
    diagram = page.svg(
        lambda axes: curves.reliability(axes, one),
        4.5,
        3.8,
        "How often pictures of a score are OK, with 95 % intervals.",
    )
    return [page.row(diagram, page.facts(facts))]


def _pieces(one: Evaluation) -> list[Markup]:
    blocks = [Markup("<h3>By class of the picture</h3>"), _piece_table("class", one.kinds, with_auc=False)]
    if len(one.views) > 1:
        blocks += [Markup("<h3>By view, by picture</h3>"), _piece_table("view", one.views)]
    if one.groups:
        shown = one.groups[:ROWS]
        more = f" The other {len(one.groups) - ROWS} are in the JSON." if len(one.groups) > ROWS else ""
        blocks += [Markup("<h3>By group, by part</h3>"), _piece_table("group", shown, more, with_auc=False)]
    return blocks


def _piece_table(what: str, pieces: Sequence[Piece], more: str = "", *, with_auc: bool = True) -> Markup:
    rows = []
    for one in pieces:
        cells: list[object] = [one.name]
        for rate in (one.false_calls, one.escapes):
            cells += [f"{rate.events} / {rate.trials}" if rate.trials else "–", share(rate)]
        rows.append([*cells, figure(one.auc)] if with_auc else cells)
    headers = (what, "false calls", "of the good", "escapes", "of the bad", *(("AUC",) if with_auc else ()))
    return page.table(headers, rows, f"In brackets: 95 % intervals.{more}")


def _mistakes(one: Evaluation, show: Show, *, explained: bool) -> list[Markup]:
    blocks = [page.prose("With each picture: where the likeliest defect would be.")] if explained else []
    for heading, found, none in (
        ("Escapes: bad, and would pass", one.escapes, "No bad part would pass."),
        ("False calls: good, and would be called NG", one.false_calls, "No good part would be called NG."),
        ("Judged right, nearest to the threshold", one.closest, "None."),
    ):
        blocks.append(Markup("<h3>{}</h3>").format(heading))
        figures = [exhibit(judged, show) for judged in found[:SHOWN]]
        blocks.append(page.row(*figures) if figures else page.prose(none))
        if len(found) > SHOWN and found is not one.closest:
            blocks.append(page.prose(f"The worst {SHOWN} of {len(found)}; the JSON has every part's score."))
    return blocks


def shown(one: Evaluation) -> tuple[Item, ...]:
    """Return the pictures that the page will show."""
    return tuple(judged.item for found in (one.escapes, one.false_calls, one.closest) for judged in found[:SHOWN])


def exhibit(judged: Judged, show: Show, more: str = "") -> Markup:
    """Return a picture with what is known of it, and a line more."""
    item = judged.item
    words = Markup("{} <br>{} · view {} · {}<br>p(OK) {}").format(
        item.path.name if Path(judged.part).name == item.path.name else judged.part,
        item.label,
        item.view,
        _verdict(Verdict.NG if judged.bad else Verdict.OK),
        f"{judged.score:.4g}",
    )
    if more:
        words += Markup("<br>{}").format(more)
    drawn = show(item)
    if drawn is None:
        return Markup("<figure><figcaption>{}</figcaption></figure>").format(words)
    width = round(math.sqrt(_AREA * drawn.shape[1] / drawn.shape[0]))
    return page.picture(drawn, words, min(max(width, _NARROWEST), _WIDEST))


def _provenance(one: Evaluation, provenance: Iterable[tuple[str, object]]) -> list[Markup]:
    how = (
        "Shares have the exact interval of Clopper and Pearson, which takes each for independent of the others. "
        "AUC, average precision, F1, Brier score and calibration error have a percentile bootstrap over groups "
        f"({metrics.RESAMPLES} resamples, always the same ones); where all is right, a bound by counting."
    )
    blocks = [page.facts(provenance), page.prose(how)]
    if one.scored.failures:
        rows = [(failed.item.path.name, failed.item.part, failed.why) for failed in one.scored.failures]
        blocks += [Markup("<h3>Could not be judged</h3>"), page.table(("file", "part", "why"), rows)]
    return blocks
