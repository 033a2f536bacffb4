"""The course of the month: calendar, drift, how the estimates settled, and the health of line and bridge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from bridge.pages import page
from bridge.pages.page import Markup, Section
from bridge.shadow.report import graphs, seeded, words
from bridge.shadow.report.grouped import Facts
from bridge.shadow.report.pictures import FIGURES

LISTED: Final = 15
"""The most gaps, silences and absences that are listed, the longest."""
SHOWN_VIEWS: Final = 12
"""The most views whose pictures are listed."""
MEGABYTE: Final = 1e6
_TONES: Final = {"stable": True, "act": False}
_MEANT: Final = (
    "Brightness is the mean grey level of what the model was shown, contrast the standard deviation, sharpness "
    "the variance of the Laplacian. A lamp that ages, a dirty lens or a camera that was moved shows here, often "
    "before verdicts suffer; another product or material does too, and so does "
    "a bundle that is shown its pictures at another size."
)


def calendar(facts: Facts) -> Section:
    """Return a cell a day."""
    days = facts["calendar"]
    if not days:
        return Section(title="Calendar", body=[page.prose("No part came.")])
    rows = 1 + len(days) // 7
    caption = (
        "Above on the right: parts. Orange: a crash, or parts that only the inspector counted. "
        "Not labelled: drawn, and nobody has said yet what they are."
    )
    drawn = page.svg(lambda axes: graphs.calendar(axes, days), 9.4, 0.35 + 0.82 * (rows + 1), caption)
    return Section(title="Calendar", body=[drawn])


def settled(facts: Facts) -> Section:
    """Return how the estimates settled over time."""
    days, goal = facts["stability"], facts["goal"]
    if len(days) < 2:  # noqa: PLR2004 - a line needs two points
        return Section(title="How the estimates settled", body=[page.prose("There is one day only.")])
    ppm, both = (words.MILLION, "ppm of all parts"), (("inspector", page.INK), ("goal", page.NG))
    drawings = [
        _settling(
            facts, [(f"{what}_{whose}", whose, colour) for whose, colour in both], ppm, f"{name}, until then."
        )
        for what, name in (("false_calls", "False calls"), ("escapes", "Escapes"))
    ]
    if goal != 2:  # noqa: PLR2004 - goal 2 overrules no NG
        drawn = [("overruled", "overruled", page.NG)]
        drawings.append(_settling(facts, drawn, (100.0, "% of true NG"), "True NG overruled, until then."))
    last = days[-1]
    rows = [
        (name, words.counted(last[key]), how(last[key]))
        for name, key, how in (
            ("false calls, inspector", "false_calls_inspector", words.ppm),
            (f"false calls, goal {goal}", "false_calls_goal", words.ppm),
            ("escapes, inspector", "escapes_inspector", words.ppm),
            (f"escapes, goal {goal}", "escapes_goal", words.ppm),
            ("true NG overruled", "overruled", words.percent),
        )
    ]
    caption = (
        "At the end; parts count as independent here, so that bounds differ a little from those of the verdict."
    )
    caption += seeded.aside(facts, " Seeded known-bad parts are left out here.")
    return Section(
        title="How the estimates settled",
        body=[page.row(*drawings), page.table(("", "counted", "rate"), rows, caption)],
    )


def _settling(facts: Facts, series: Sequence[tuple[str, str, str]], scale: tuple[float, str], said: str) -> Markup:
    return page.svg(lambda axes: graphs.settled(axes, facts["stability"], series, *scale), 3.45, 2.5, said)


def drift(facts: Facts) -> Section:
    """Return whether the scores stayed what they were."""
    body: list[Markup] = []
    for one in facts["drift"]:
        if not one["weeks"]:
            continue
        if one["recipe"]:
            body.append(Markup("<h3>Recipe {}</h3>").format(one["recipe"]))
        elif any(week["psi"] is not None for week in one["weeks"]):
            body.append(
                page.svg(
                    lambda axes, weeks=one["weeks"]: graphs.drift(axes, weeks),  # type: ignore[misc]
                    6.4,
                    2.2,
                    "Population stability index of the lowest score of each part, against the first week.",
                )
            )
        body.append(_weeks(one))
    if not body:
        body.append(page.prose("Nothing was judged."))
    return Section(title="Drift", body=body)


def _weeks(one: Facts) -> Markup:
    rows = [
        (
            week["week"],
            week["parts"],
            f"{week['median']:.4g}",
            f"{week['low']:.4g}",
            words.number(week["psi"]),
            page.mark(week["tone"], good=_TONES.get(week["tone"])) if week["tone"] else "the first",
            words.number(week["ks"]),
        )
        for week in one["weeks"]
    ]
    caption = "Lowest score of each part. PSI: below 0.1 stable, to 0.25 watch, above act. KS: distance, 0 to 1."
    return page.table(("week", "judged", "median", "5 %", "PSI", "", "KS"), rows, caption)


def pictures(facts: Facts) -> Section:
    """Return whether the pictures stayed what they were."""
    title, views = "Drift of the pictures", facts["pictures"]
    if not views:
        nothing = "No picture was measured: the judge does not say how its pictures look."
        return Section(title=title, body=[page.prose(nothing)])
    body: list[Markup] = [page.prose(_MEANT)]
    if any(graphs.largest(views, name) for name in FIGURES):
        said = "The largest population stability index of any view, against its first week."
        body.append(page.svg(lambda axes: graphs.pictures(axes, views, FIGURES), 6.4, 2.2, said))
    shown = sorted(views, key=lambda one: -_most(one))[:SHOWN_VIEWS]
    rows = [row for one in views if one in shown for row in _looks(one)]
    caption = (
        "Medians in grey levels, 0 to 255; of the sharpness in their squares. PSI and KS as above, of a sample of "
        "each week's parts."
    )
    if len(views) > len(shown):
        caption += f" The {len(shown)} of {len(views)} views with the largest PSI."
    headers = ("view", "week", "measured", *(word for name in FIGURES for word in (name, "PSI", "KS")))
    return Section(title=title, body=[*body, page.table(headers, rows, caption)])


def _most(view: Facts) -> float:
    return max((one for name in FIGURES for one in graphs.largest([view], name).values()), default=0.0)


def _looks(view: Facts) -> Iterable[Sequence[object]]:
    for week in view["weeks"]:
        yield (
            view["view"],
            week["week"],
            week["measured"],
            *(cell for name in FIGURES for cell in _drifted(week[name])),
        )


def _drifted(one: Facts) -> Sequence[object]:
    median = f"{one['median']:.4g}"
    if one["psi"] is None:
        return median, words.NOTHING, words.NOTHING
    tone = page.mark(f"{words.number(one['psi'])} {one['tone']}", good=_TONES.get(one["tone"]))
    return median, tone, words.number(one["ks"])


def health(facts: Facts) -> Section:
    """Return how line and bridge did."""
    one, parts, zone = facts["health"], facts["parts"], facts["days"]["timezone"]
    counting = one["counting"]
    told: list[tuple[str, object]] = [
        ("presentations", f"{parts['presentations']:,}, of which {parts['backlog']:,} were found afterwards"),
        ("without a verdict of the model", parts["without_verdict"]),
        ("judged too late to count", parts["late"]),
        ("starts, clean stops, crashes", f"{one['starts']}, {one['stops']}, {one['crashes']}"),
        ("parts that the inspector counted and the bridge never saw", _missing(counting)),
    ]
    body = [page.facts(told)]
    if counting["gaps"]:
        longest = sorted(counting["gaps"], key=lambda gap: (-gap["parts"], gap["at"]))[:LISTED]
        rows = [(words.moment(gap["at"], zone), gap["first"], gap["parts"]) for gap in longest]
        body += [
            _heading("Gaps in the inspector's numbers"),
            page.table(("before", "first number", "parts"), rows),
        ]
    if one["away"]:
        away = sorted(one["away"], key=lambda gone: gone["since"] - gone["until"])[:LISTED]
        absences = [
            (
                words.moment(gone["since"], zone),
                words.moment(gone["until"], zone),
                words.long(gone["until"] - gone["since"]),
                page.mark("crash", good=False) if gone["crashed"] else "stopped",
            )
            for gone in away
        ]
        body += [_heading("The bridge did not run"), page.table(("from", "to", "", ""), absences)]
    body += [*_silences(facts), *_days(one["days"]), *_latencies(facts), *_peers(one["peers"])]
    return Section(title="Health of the month", body=body)


def _heading(text: str) -> Markup:
    return Markup("<h3>{}</h3>").format(text)


def _missing(counting: Facts) -> str:
    if not counting["seen"]:
        return "not known: the inspector tells no number of its own"
    resets = len(counting["resets"])
    again = f"; its number began elsewhere {resets} times, and what was lost then nobody knows" if resets else ""
    return f"{counting['missing']:,} of {counting['seen'] + counting['missing']:,}{again}"


def _silences(facts: Facts) -> Iterable[Markup]:
    silences, zone = facts["health"]["silences"], facts["days"]["timezone"]
    if not silences:
        return
    longest = sorted(silences, key=lambda one: one["since"] - one["until"])[:LISTED]
    rows = [
        (
            words.moment(one["since"], zone),
            words.moment(one["until"], zone),
            words.long(one["until"] - one["since"]),
            "the bridge did not run" if one["away"] else "no part came",
        )
        for one in longest
    ]
    yield _heading("No part for more than a quarter of an hour")
    yield page.table(
        ("from", "to", "", ""), rows, f"The longest of {len(silences):,}." if len(silences) > LISTED else ""
    )


def _days(days: list[Facts]) -> Iterable[Markup]:
    if not days:
        return
    rows = [
        (
            one["day"],
            one["minutes"],
            one["queued"],
            one["skipped"],
            one["late"],
            one["backlog"],
            f"{one['disk_free'] / MEGABYTE:,.0f} MB",
        )
        for one in days
    ]
    yield _heading("Did the work keep up?")
    headers = ("day", "minutes up", "waited for the judge", "passed over", "late", "owed", "least disk free")
    yield page.table(headers, rows, "Waited, owed: the most of the day. Late: parts with a missed deadline.")


def _latencies(facts: Facts) -> Iterable[Markup]:
    days = facts["health"]["latencies"]
    if not days:
        return
    yield _heading("Latency by day")
    yield page.row(
        *(
            page.svg(
                lambda axes, key=key, title=title: graphs.latency(axes, days, key, title),  # type: ignore[misc]
                3.45,
                2.4,
                caption,
            )
            for key, title, caption in (
                ("answer", "Answer", "From the part's event to the answer."),
                ("judge", "Judge", "How long the judge took."),
            )
        )
    )


def _peers(peers: list[Facts]) -> Iterable[Markup]:
    if not peers:
        return
    rows = [
        (
            one["name"],
            f"{100 * one['up_seconds'] / one['known_seconds']:.2f} %" if one["known_seconds"] else words.NOTHING,
            words.long(one["known_seconds"]),
            one["downs"],
            words.long(one["longest_down"]) if one["downs"] else words.NOTHING,
        )
        for one in peers
    ]
    yield _heading("Peers")
    yield page.table(("", "up", "of", "went down", "longest"), rows, "Of the time in which the bridge ran.")
