"""The report on a set as a page: what an engineer should have seen before the first training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bridge.judging import headers, preprocess
from bridge.learning import sheets
from bridge.learning.data.check import MEASURES, SHORTCUT, UNITS, Report
from bridge.learning.data.copies import Pair
from bridge.learning.data.found import named
from bridge.learning.data.likeness import Likeness
from bridge.messages import Verdict
from bridge.pages import page
from bridge.pages.page import Markup, Section

SHOWN_COPIES: Final = 12
SHOWN_FILES: Final = 50
SAMPLES: Final = 6


def written(report: Report) -> str:
    """Return the page."""
    sections = [
        Section(title="What was found", body=_found(report)),
        Section(title="Classes and sides", body=_counts(report)),
        Section(title="What the pictures are like", body=_measured(report)),
        Section(title="Samples", body=[_samples(report)]),
    ]
    if report.copies.pairs:
        sections.append(Section(title="Copies", body=_copies(report)))
    if report.contradicting:
        sections.append(Section(title="One photograph, two labels", body=[_contradicting(report)]))
    if report.unreadable:
        sections.append(Section(title="Unreadable", body=[_unreadable(report)]))
    many = len(report.collection.items)
    lead = f"{many} pictures in {report.collection.where.name}. {findings(report)[0]}"
    return page.render("Labelled pictures", lead, sections)


def findings(report: Report) -> list[str]:
    """Return what a person must know, the most important first; one line each."""
    said = []
    if report.leaking:
        said.append(
            f"The split is not clean: {len(report.leaking)} pairs of copies lie on two sides of it, "
            f"{_touched(report.leaking)} pictures in all."
        )
    if report.contradicting:
        said.append(f"{len(report.contradicting)} pairs are one photograph under two labels.")
    if report.unreadable:
        said.append(f"{len(report.unreadable)} pictures cannot be read.")
    if not said:
        looked = "nothing was found that lies on two sides" if report.looked else "copies were not looked for"
        said.append(f"The split is clean as far as this looked: {looked}.")
    if report.copies.pairs:
        groups = len(set(report.collection.groups))
        said.append(
            f"Copies join groups: what looks like {groups} groups is {groups - report.parts_less} "
            "(--groups copies takes them so)."
        )
    if report.identical:
        said.append(f"{len(report.identical)} files are byte for byte another one; they teach nothing more.")
    said += [
        f"{name.capitalize()} alone tells OK from NG with AUC {value:.2f}: a judge may learn that instead."
        for name, value in report.shortcuts.items()
        if value >= SHORTCUT
    ]
    if report.copies.plain:
        said.append(f"{len(report.copies.plain)} pictures have too little detail to be compared with others.")
    return said


def _touched(pairs: Sequence[Pair]) -> int:
    return len({place for pair in pairs for place in (pair.one, pair.other)})


def _found(report: Report) -> list[Markup]:
    first, *others = findings(report)
    return [page.said(first, good=report.clean), *([page.prose(*others)] if others else [])]


def _counts(report: Report) -> list[Markup]:
    pictures, groups = report.counts(), report.groups()
    sides = list(report.split.sides)
    verdict = {
        one.name: page.mark(one.verdict, good=one.verdict is Verdict.OK) for one in report.collection.classes
    }
    rows = [
        (name, verdict[name], *(f"{pictures[name][side]} / {groups[name][side]}" for side in sides))
        for name in pictures
    ]
    counted = page.table(("class", "", *sides), rows, "Pictures / groups of them that must stay together.")
    notes = (*report.collection.notes, *report.split.notes)
    return [counted, *_views(report), *([page.prose(*notes)] if notes else [])]


def _views(report: Report) -> list[Markup]:
    """Return how many pictures there are of each view and class, where there are several views."""
    counted = Counter((item.view, item.label) for item in report.collection.items)
    views = sorted({view for view, _ in counted})
    if len(views) == 1:
        return []
    rows = [(one.name, *(counted[view, one.name] for view in views)) for one in report.collection.classes]
    return [page.table(("class", *views), rows, "Pictures of each view.")]


def _measured(report: Report) -> list[Markup]:
    heads = ("class", *(f"{name} ({UNITS[name]})" if name in UNITS else name for name in MEASURES))
    rows = [(name, *row.values()) for name, row in report.medians().items()]
    alone = [(name, value, "a shortcut" if value >= SHORTCUT else "") for name, value in report.shortcuts.items()]
    return [
        page.table(heads, rows, "Medians. Brightness and contrast in grey levels."),
        page.table(
            ("number", "AUC alone", ""), alone, "0.5 tells nothing; 1 tells OK from NG without a look at it."
        ),
    ]


def _samples(report: Report) -> Markup:
    items = report.collection.items
    chosen = [
        place
        for one in report.collection.classes
        for place in _spread([n for n, item in enumerate(items) if item.label == one.name])
    ]
    shown = [_bgr(items[place].path) for place in chosen]
    sheet = sheets.grid(shown, [f"{items[place].label} · {items[place].view}" for place in chosen], SAMPLES, 140)
    return page.picture(sheet, "Pictures of each class, from the first to the last file.", sheet.shape[1])


def _spread(places: Sequence[int]) -> list[int]:
    wanted = np.linspace(0, len(places) - 1, min(SAMPLES, len(places))).round().astype(int)
    return [places[at] for at in wanted]


def _copies(report: Report) -> list[Markup]:
    shown = _of_different_groups(report)[:SHOWN_COPIES]
    items, where = report.collection.items, report.collection.where
    side = {int(place): name for name, places in report.split.sides.items() for place in places}
    pictures, captions = [], []
    for pair in shown:
        for place in (pair.one, pair.other):
            shown_as = _bgr(items[place].path)
            pictures.append(shown_as if place == pair.one else _laid(shown_as, pair.likeness))
            captions.append(f"{side[place]}, {items[place].label}\n{named(items[place].path, where)}")
    sheet = sheets.grid(pictures, captions, 4, 220)
    rows = [
        (
            named(items[pair.one].path, where),
            named(items[pair.other].path, where),
            f"{side[pair.one]} / {side[pair.other]}",
            "byte for byte" if pair.identical else str(pair.likeness),
            pair.likeness.correlation,
        )
        for pair in shown
    ]
    heads = ("picture", "is also", "sides", "how", "correlation")
    return [
        page.picture(
            sheet,
            f"{len(shown)} of {len(report.copies.pairs)} pairs; of each, the second is turned like the first.",
            sheet.shape[1],
        ),
        page.table(heads, rows, "Correlation is that of the fine detail, where one lies on the other."),
    ]


def _laid(picture: NDArray[np.uint8] | None, likeness: Likeness) -> NDArray[np.uint8] | None:
    """Return a copy as its likeness lies, so that a person sees at once that it is one."""
    if picture is None:
        return picture
    shown = np.ascontiguousarray(picture[:, ::-1]) if likeness.mirrored else picture
    height, width = shown.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), likeness.degrees, 1)
    return np.asarray(cv2.warpAffine(shown, turn, (width, height), borderValue=(235, 235, 235)), np.uint8)


def _of_different_groups(report: Report) -> list[Pair]:
    """Return the pairs as they are worth a look: leaking ones first, and one of any two groups before a second."""
    leaking, items = set(report.leaking), report.collection.items
    seen: Counter[frozenset[str]] = Counter()
    ranked: list[tuple[int, int, Pair]] = []
    for pair in sorted(report.copies.pairs, key=lambda pair: (pair not in leaking, pair.one, pair.other)):
        groups = frozenset((items[pair.one].group, items[pair.other].group))
        ranked.append((seen[groups], len(ranked), pair))
        seen[groups] += 1
    return [pair for *_, pair in sorted(ranked, key=lambda one: one[:2])]


def _contradicting(report: Report) -> Markup:
    items, where = report.collection.items, report.collection.where
    shown = sorted(report.contradicting)[:SHOWN_FILES]
    rows = [
        tuple(word for place in pair for word in (named(items[place].path, where), items[place].label))
        for pair in shown
    ]
    return page.table(
        ("picture", "label", "is also", "label"), rows, f"{len(shown)} of {len(report.contradicting)}."
    )


def _unreadable(report: Report) -> Markup:
    shown = list(report.unreadable.items())[:SHOWN_FILES]
    rows = [(named(path, report.collection.where), why) for path, why in shown]
    return page.table(("picture", "why"), rows, f"{len(shown)} of {len(report.unreadable)}.")


def _bgr(path: Path) -> NDArray[np.uint8] | None:
    """Return a picture to be shown; None where it cannot be read."""
    try:
        data = path.read_bytes()
        picture = preprocess.decode(data, headers.read(data))
    except (OSError, headers.Unreadable):
        return None
    factor = min(1.0, 300 / max(picture.shape[:2]))
    height, width = (max(round(side * factor), 1) for side in picture.shape[:2])
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
