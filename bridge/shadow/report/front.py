"""The first page: the verdict, the four numbers, and how inspector, model and truth stand to each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bridge.pages import page
from bridge.pages.page import Markup, Section
from bridge.shadow.report import pooling, seeded, words
from bridge.shadow.report.grouped import Facts

GOALS: Final = {
    "1": "cut false calls",
    "2": "catch escapes",
    "3": "replace the inspector",
}
_BOUNDS: Final = "In brackets: one-sided bounds, each at {:g} % confidence."
_WEIGHTED: Final = "[n]: for how many parts the labelled ones stand."


def lead(facts: Facts) -> str:
    """Return what this is and what came out, in two sentences."""
    goal, parts, days = str(facts["goal"]), facts["parts"], facts["days"]
    said = facts["verdict"][goal]["state"]
    return (
        f"{parts['distinct']:,} parts from {days['first']} to {days['last']}, of which {parts['labelled']:,} were "
        f"looked at by people.{pooling.sentence(facts)} Goal {goal} ({GOALS[goal]}): {said}."
    )


def verdict(facts: Facts) -> Section:
    """Return the verdict of the line's goal, the four numbers and the confusion."""
    goal = str(facts["goal"])
    body = [_verdict(facts, goal), _others(facts, goal), _numbers(facts, goal), _confusion(facts), _signed()]
    return Section(title="The verdict", body=body)


def _verdict(facts: Facts, goal: str) -> Markup:
    said = facts["verdict"][goal]
    first = Markup("Goal {} ({}): {}.").format(goal, GOALS[goal], words.state(said["state"]))
    return page.said(first, *said["reasons"], *_more(said), good=words.STATES[said["state"]])


def _more(said: Facts) -> list[str]:
    if said["state"] != "need more":
        return []
    wanted = [
        f"about {said[name]:,} more {what}"
        for name, what in (("more_ng", "confirmed NG"), ("more_ok", "audited OK parts"))
        if said[name]
    ]
    days = f"about {said['more_days']:,} more days of this line"
    return [f"It takes {' and '.join(wanted)}: {days}." if wanted else f"It takes {days}."]


def _others(facts: Facts, goal: str) -> Markup:
    rest = [
        Markup("goal {} ({}): {}").format(one, what, words.state(facts["verdict"][one]["state"]))
        for one, what in GOALS.items()
        if one != goal
    ]
    return page.prose(Markup("The others: {}.").format(Markup("; ").join(rest)))


def _numbers(facts: Facts, goal: str) -> Markup:
    rows = []
    for name, told in (("false calls", "false_calls"), ("escapes", "escapes")):
        rates = facts["numbers"][told]
        before, after = rates["inspector"], rates[goal]
        rows.append(
            (
                name,
                words.counted(before),
                words.ppm(before),
                words.counted(after),
                words.ppm(after),
                _change(before, after),
            )
        )
    headers = ("", "inspector", "of all parts", f"with goal {goal}", "of all parts", "change")
    caption = (
        f"False call: NG, and the part is good. Escape: OK, and the part is bad. {_bounds(facts)} {_WEIGHTED} "
        f"{_outstanding(facts, goal)}"
    )
    return page.table(headers, rows, caption)


def _outstanding(facts: Facts, goal: str) -> str:
    waiting = max(facts["numbers"][what][goal]["outstanding"] for what in ("false_calls", "escapes"))
    if not waiting:
        return "No label is outstanding."
    return f"{waiting:,} labels are outstanding; the upper bounds take each for the worst that it could be."


def _change(before: Facts, after: Facts) -> str:
    if not before["value"] or after["value"] is None:
        return words.NOTHING
    return f"{100 * (after['value'] / before['value'] - 1):+.0f} %"


def _bounds(facts: Facts) -> str:
    return _BOUNDS.format(100 * facts["limits"]["confidence"])


def _confusion(facts: Facts) -> Markup:
    rows = [
        (
            page.mark(one["inspector"], good=_good(one["inspector"])),
            page.mark(one["model"], good=_good(one["model"])),
            one["parts"],
            one["good"],
            one["bad"],
            one["contradicted"],
            words.percent(one["share_bad"]),
            f"{round(one['weighted_bad']):,}",
        )
        for one in facts["confusion"]
    ]
    headers = ("inspector", "model", "parts", "good", "bad", "disputed", "of the labelled, bad", "stands for bad")
    caption = f"Good and bad: as people labelled the parts that were drawn. {_bounds(facts)}"
    caption += seeded.aside(facts, f" Without the {facts['seeded']['parts']:,} seeded known-bad parts.")
    return page.table(headers, rows, caption)


def _good(word: str) -> bool | None:
    return {"OK": True, "NG": False}.get(word)


def _signed() -> Markup:
    blank = Markup("&nbsp;" * 36)
    return page.table(("", "name", "date", "signature"), [(who, blank, "", blank) for who in ("quality", "line")])


def limits(facts: Facts) -> Section:
    """Return of each goal what the month must show, and how far it is."""
    body: list[Markup] = []
    for goal in _in_order(facts):
        said = facts["verdict"][goal]
        heading = Markup("<h3>Goal {}: {} – {}</h3>")
        body += [heading.format(goal, GOALS[goal], words.state(said["state"])), _limits(said)]
        body.append(_rates(facts, goal))
    body += [*pooling.part_of_page(facts), *seeded.part_of_page(facts)]
    return Section(title="Limits, goal by goal", body=body)


def _in_order(facts: Facts) -> Sequence[str]:
    own = str(facts["goal"])
    return [own, *(one for one in GOALS if one != own)]


def _limits(said: Facts) -> Markup:
    rows = [
        (
            one["name"],
            f"{one['events']:,} / {round(one['trials']):,}" if one["unit"] else f"{round(one['trials']):,}",
            words.in_words(one, one["measured"]),
            words.in_words(one, one["bound"]),
            f"{'at most' if one['at_most'] else 'at least'} {words.in_words(one, one['limit'])}",
            page.mark("holds", good=True) if one["holds"] else page.mark("does not hold", good=False),
        )
        for one in said["limits"]
    ]
    look = f"look {said['look']}" if said["look"] else "before the first look: running figures"
    after = f"; the next look is after {said['next_look_days']} days" if said["next_look_days"] else ""
    caption = f"Bound: one-sided, at {100 * said['confidence']:.4g} % confidence ({look}{after})."
    return page.table(("", "counted", "measured", "bound", "limit", ""), rows, caption)


def _rates(facts: Facts, goal: str) -> Markup:
    one = facts["goals"][goal]
    told = (
        ("of true NG that the inspector finds, overruled", "overruled", words.percent),
        ("of the inspector's false calls, gone", "cut", words.percent),
        ("of the inspector's escapes, caught", "caught", words.percent),
        ("escapes added, of all parts", "added_escapes", words.ppm),
        ("false calls added, of all parts", "added_false_calls", words.ppm),
    )
    rows = [(name, words.counted(one[key]), how(one[key])) for name, key, how in told if _moves(goal, key)]
    pair = one["discordant"]
    caption = (
        f"Where the two differ and people said who is right: only the inspector {pair['only_inspector']:,} times, "
        f"only goal {goal} {pair['only_goal']:,} times (McNemar, exact: p {_p(pair['p'])}). {_bounds(facts)}"
    )
    caption += seeded.aside(facts, " What is overruled counts seeded known-bad parts; nothing else does.")
    return page.table(("", "counted", "rate"), rows, caption)


def _p(value: float) -> str:
    return "< 0.0001" if value < 1e-4 else f"= {value:.2g}"  # noqa: PLR2004 - four digits


def _moves(goal: str, key: str) -> bool:
    """Return whether a goal can move a figure at all: goal 1 turns no OK into NG, goal 2 no NG into OK."""
    never = {"1": {"caught", "added_false_calls"}, "2": {"overruled", "cut", "added_escapes"}}
    return key not in never.get(goal, set())
