"""The end of the report: disagreements with their pictures, who labelled, where the figures come from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bridge.pages import page
from bridge.pages.page import Markup, Section
from bridge.shadow.report import words
from bridge.shadow.report.grouped import Facts

Show: TypeAlias = Callable[[str, int], NDArray[np.uint8] | bytes | None]
"""The picture of a view, by the inspection's id and the view's place, drawn as it shall stand; None for none."""

_AREA, _WIDEST, _NARROWEST = 52_000, 420, 90
"""Pixels of a picture on the screen: in all, and how wide it is at most and at least."""
_CHOSEN: Final = (
    "Of each kind those whose lowest score is furthest from the threshold, and where the judge looked."
)
_AS_A_STUDY: Final = "Every labelled part counts for as many as it stands for."


def disagreements(facts: Facts, show: Show) -> Section:
    """Return the disagreements on which the model was surest, with pictures."""
    body: list[Markup] = []
    for kind in facts["worst"]:
        heading = f"{kind['said'][0].upper()}{kind['said'][1:]}: {kind['parts']:,}"
        body.append(Markup("<h3>{}</h3>").format(heading))
        figures = [figure for part in kind["shown"] for figure in _figures(part, show, facts["days"]["timezone"])]
        body.append(page.row(*figures) if figures else page.prose("None to show."))
    body.append(page.prose(_CHOSEN))
    return Section(title="Disagreements", body=body)


def _figures(part: Facts, show: Show, timezone: str) -> Iterable[Markup]:
    views = part["views"] or [None]
    for view in views:
        told = Markup("{} <br>{} · {}{}<br>inspector {} · model {}{}").format(
            part["part"] or f"part {part['number']}",
            words.moment(part["at"], timezone),
            part["recipe"],
            f" · {part['defect']}" if part["defect"] else "",
            _word(view["legacy"] if view else part["legacy"]),
            _word(view["model"] if view else part["model"]),
            Markup(" · truth {}").format(_word(part["truth"])) if part["truth"] else "",
        )
        if view and view["score"] is not None:
            told += Markup("<br>view {} · score {:.4g} of {:.4g}").format(
                view["name"], view["score"], view["threshold"] if view["threshold"] is not None else math.nan
            )
        drawn = show(part["id"], view["place"]) if view else None
        yield _figure(drawn, told)


def _figure(drawn: NDArray[np.uint8] | bytes | None, told: Markup) -> Markup:
    if drawn is None:
        return Markup("<figure><figcaption>{}</figcaption></figure>").format(told)
    if isinstance(drawn, bytes):
        return page.picture(drawn, told, _WIDEST // 2)
    width = round(math.sqrt(_AREA * drawn.shape[1] / drawn.shape[0]))
    return page.picture(drawn, told, min(max(width, _NARROWEST), _WIDEST))


def _word(word: str) -> Markup | str:
    return page.mark(word, good=word == "OK") if word in {"OK", "NG"} else word or "said nothing"


def labels(facts: Facts) -> Section:
    """Return who labelled, and how far people, the inspector and the model can be relied on."""
    one = facts["labels"]
    told: list[tuple[str, object]] = [
        ("labels", f"{one['labels']:,} of {one['parts']:,} parts, by {_people(len(one['people']))}"),
        ("drawn and labelled", f"{one['drawn_labelled']:,} of {one['drawn']:,}"),
        ("good, bad, contradicted", f"{one['good']:,}, {one['bad']:,}, {one['contradicted']:,}"),
        (
            "by two people or more",
            f"{one['double']:,}, of which {one['disputed']:,} disputed, {one['settled']:,} settled",
        ),
        ("blind", f"{one['blind']:,} parts: nobody who labelled them had seen a verdict"),
        ("volunteered", f"{one['volunteered']:,} parts that were not drawn: in no estimate"),
        ("how they came", ", ".join(f"{road} {count:,}" for road, count in one["roads"].items()) or words.NOTHING),
    ]
    if one["elsewhere"]:
        told.append(("of parts that are not in this report", one["elsewhere"]))
    body = [page.facts(told)]
    if one["people"]:
        rows = [
            (person["name"], person["parts"], person["blind"], *_study(person["against_truth"]))
            for person in one["people"]
        ]
        headers = ("person", "parts", "blind", "held against the truth", *_STUDY, "κ", "AIAG")
        caption = "Held against the truth: parts on which two people or more agree, or that were settled."
        body += [Markup("<h3>People</h3>"), page.table(headers, rows, caption)]
    if one["pairs"]:
        rows = [
            (
                pair["a"],
                pair["b"],
                f"{pair['agreed']:,} / {pair['parts']:,}",
                f"{words.number(pair['kappa'])} ({words.number(pair['lower'])}–{words.number(pair['upper'])})",
            )
            for pair in one["pairs"]
        ]
        body.append(page.table(("", "", "agreed", "κ"), rows, "κ with its two-sided 95 % interval; 0.75 is good."))
    rows = [
        (
            machine["name"],
            machine["parts"],
            *(_share(machine[key]) for key in _KEYS),
            words.number(machine["kappa"]),
        )
        for machine in one["machines"]
    ]
    body += [
        Markup("<h3>Inspector and model, as an attribute study would see them</h3>"),
        page.table(("", "labelled", *_STUDY, "κ"), rows, _AS_A_STUDY),
    ]
    return Section(title="Labels", body=body)


_STUDY: Final = ("effectiveness", "miss", "false alarm")
_KEYS: Final = ("effectiveness", "miss", "false_alarm")


def _people(count: int) -> str:
    return "one person" if count == 1 else f"{count} people"


def _study(one: Facts) -> tuple[object, ...]:
    return (
        one["parts"],
        *(_share(one[key]) for key in _KEYS),
        words.number(one["kappa"]["kappa"]),
        one["grade"] or words.NOTHING,
    )


def _share(value: float | None) -> str:
    return words.NOTHING if value is None else f"{100 * value:.3g} %"


def provenance(facts: Facts) -> Section:
    """Return where the figures come from."""
    one, days = facts["provenance"], facts["days"]
    hashes = [
        (f"decision hash, goal {goal}", digest[:16]) for goal, digest in facts["decision_hash"].items() if digest
    ]
    told: list[tuple[str, object]] = [
        ("line", f"{facts['line']}, {facts['topology']}, goal {facts['goal']}"),
        ("span", f"{days['first']} to {days['last']}, {days['count']} days, {days['with_parts']} with parts"),
        ("time zone", days["timezone"]),
        ("began", _began(facts)),
        *hashes,
        *[("takes no line live", reason) for reason in facts["began"]["unbound"]],
        ("bundles", _counted(one["bundles"], "parts")),
        ("configurations", _counted(one["configurations"], "presentations")),
        ("audit log", _head(one)),
        ("labels", f"up to number {one['labels_until']:,} of the book" if one["labels_until"] else "none"),
        ("aoi-bridge", f"{one['aoi_bridge']}, journal of version {one['journal_version']}"),
    ]
    limits = [(name.replace("_", " "), _plain(value)) for name, value in facts["limits"].items()]
    note = "The same journal, labels and configuration give this page again, byte for byte."
    return Section(
        title="Where the figures come from",
        body=[page.facts(told), Markup("<h3>Settings: [line.shadow]</h3>"), page.facts(limits), page.prose(note)],
    )


def _began(facts: Facts) -> str:
    one = facts["began"]
    return f"{words.moment(one['at'], facts['days']['timezone'])}, {one['because'] or 'the day of the first part'}"


def _plain(value: object) -> str:
    return (
        ", ".join(map(str, value)) if isinstance(value, list) else words.NOTHING if value is None else str(value)
    )


def _counted(counts: Facts, what: str) -> str:
    return "; ".join(f"{name}: {count:,} {what}" for name, count in counts.items()) or words.NOTHING


def _head(one: Facts) -> str:
    return f"entry {one['audit_number']:,}, hash {one['audit_hash']}" if one["audit_number"] else "empty"
