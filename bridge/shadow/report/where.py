"""Where it goes wrong, by product, defect code, shift, week and view; and what another threshold would do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bridge.pages import page
from bridge.pages.page import Markup, Section
from bridge.shadow.report import graphs, words
from bridge.shadow.report.grouped import Facts
from bridge.shadow.report.pieces import MOST_VIEWS

ROWS: Final = 30
"""The most groups of a kind that are listed, those with the most parts."""
_AXES: Final = {
    1: ("escapes added", "false calls gone"),
    2: ("false calls added", "escapes caught"),
    3: ("false calls in all", "true NG found"),
}
_RATES: Final = ("false_calls_inspector", "false_calls_goal", "escapes_inspector", "escapes_goal")
_KINDS: Final = (
    ("recipe", "By product (recipe)", "recipe"),
    ("defect", "By defect code of the inspector", "code"),
    ("shift", "By shift", "from"),
    ("week", "By week", "week"),
)


def thresholds(facts: Facts) -> Section:
    """Return what every other threshold would have done, for each goal."""
    body: list[Markup] = [
        page.prose(
            "Every labelled part counts for as many as it stands for. Lines: estimates; bands: one-sided bounds, "
            f"each at {100 * facts['limits']['confidence']:g} %, of parts as if each were independent."
        )
    ]
    for curve in facts["curves"]:
        if curve["goal"] != facts["goal"] and curve["goal"] == 3:  # noqa: PLR2004 - the goal's number
            continue
        harm, gain = _AXES[curve["goal"]]
        heading = Markup("<h3>Goal {}</h3>").format(curve["goal"])
        if not curve["labelled_bad"] or not curve["labelled_good"]:
            body += [heading, page.prose("Too few labels: it takes good and bad parts that this goal could move.")]
            continue
        body += [page.together(heading, _drawn(curve, harm, gain)), _points(curve, harm, gain)]
    return Section(title="What another threshold would do", body=body)


def _drawn(curve: Facts, harm: str, gain: str) -> Markup:
    return page.row(
        page.svg(
            lambda axes: graphs.trade(axes, curve, harm, gain),
            3.45,
            2.7,
            f"{gain[0].upper()}{gain[1:]} against {harm}.",
        ),
        page.svg(
            lambda axes: graphs.over_threshold(axes, curve, "harm", f"{harm}, ppm", words.MILLION),
            3.45,
            2.7,
            f"{harm[0].upper()}{harm[1:]}, by threshold.",
        ),
    )


def _points(curve: Facts, harm: str, gain: str) -> Markup:
    points = curve["points"]
    here = [place for place, one in enumerate(points) if one["threshold"] == curve["threshold"]]
    chosen = sorted({*range(0, len(points), max(1, len(points) // 8)), *here})
    rows = [
        (
            f"{one['threshold']:.4g}" + (" (in force)" if one["threshold"] == curve["threshold"] else ""),
            one["gain"]["events"],
            words.percent(one["gain"]),
            one["harm"]["events"],
            words.ppm(one["harm"]),
        )
        for one in (points[place] for place in chosen)
    ]
    headers = ("threshold", "labelled", gain, "labelled", harm)
    counted = f"From {curve['labelled_good']:,} good and {curve['labelled_bad']:,} bad labelled parts."
    return page.table(headers, rows, f"{counted} Some of the thresholds; the JSON has all of them.")


def rates(facts: Facts) -> Section:
    """Return the rates by product, defect code, shift, week and view."""
    goal = facts["goal"]
    body = [
        page.prose(
            f"False calls and escapes of the inspector, and with goal {goal}, of all parts of a group. They show "
            "where to look: parts count as independent here, and of many groups some stand out by chance."
        )
    ]
    for key, title, name in _KINDS:
        groups = facts["rates"][key]
        body += [Markup("<h3>{}</h3>").format(title), _table(groups, name, goal)]
    alone = f" (line {facts['line']} alone)" if facts["pool"] else ""
    by_view = Markup("<h3>By view: per camera, or per component{}</h3>").format(alone)
    body += [by_view, _views(facts), *([] if alone else [_boards(facts)])]
    return Section(title="Where it goes wrong", body=body)


def _table(groups: Sequence[Facts], name: str, goal: int) -> Markup:
    shown = sorted(groups, key=lambda one: -one["parts"])[:ROWS]
    shown = [one for one in groups if one in shown]
    rows = [
        (
            one["name"] or words.NOTHING,
            one["parts"],
            one["labelled"],
            *(
                _cell(one[f"{what}_{whose}"])
                for what in ("false_calls", "escapes")
                for whose in ("inspector", "goal")
            ),
        )
        for one in shown
    ]
    more = f" The other {len(groups) - len(shown)} are in the JSON." if len(groups) > len(shown) else ""
    headers = (name, "parts", "labelled", "false calls", f"goal {goal}", "escapes", f"goal {goal}")
    return page.table(headers, rows, f"Estimate in ppm (bounds), and below it how many labelled ones.{more}")


def _cell(rate: Facts) -> Markup:
    return Markup("{}<br><span class=note>{}</span>").format(
        words.ppm(rate).replace(" ppm", ""), words.counted(rate)
    )


def _views(facts: Facts) -> Markup:
    views = facts["rates"]["view"]
    rows = [
        (
            one["name"] or words.NOTHING,
            one["views"],
            one["inspector_ng"],
            one["model_ng"],
            one["both_ng"],
            _cell(one["false_calls_inspector"]),
            _cell(one["false_calls_model"]),
        )
        for one in views[:MOST_VIEWS]
    ]
    headers = ("view", "judged", "inspector NG", "model NG", "both", "false calls", "model's")
    more = f" The other {len(views) - MOST_VIEWS} are in the JSON." if len(views) > MOST_VIEWS else ""
    caption = (
        "Per view in ppm: views that are called NG on parts that are truly OK. Which view of a bad part is bad "
        f"no label says, so escapes are counted by part.{more}"
    )
    return page.table(headers, rows, caption)


def _boards(facts: Facts) -> Markup:
    """Return what the rate per component means for a board."""
    views, parts = facts["rates"]["view"], facts["parts"]["judged"]
    total = sum(one["views"] for one in views)
    if not parts or total <= parts:
        return Markup()
    each, calls = total / parts, sum(one["false_calls_inspector"]["weighted"] for one in views)
    rate = calls / total
    board = facts["numbers"]["false_calls"]["inspector"]
    return page.prose(
        f"A part has {each:.1f} views. {rate * words.MILLION:,.0f} ppm false calls per view would make "
        f"{100 * (1 - (1 - rate) ** each):.2g} % of parts, 1 - (1 - f)ⁿ, if views were independent; by part "
        f"it is {words.percent(board)}."
    )
