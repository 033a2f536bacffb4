"""What stands against a new configuration while the old one runs: each reason one line. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from bridge.config import Config, Line, Recipe
from bridge.config.changes import Change

FIXED = ("data", "http", "log")
"""What a gateway has from its start to its end."""


def fixed(old: Config, new: Config) -> list[str]:
    """Return what cannot change while the gateway runs."""
    return [
        f"{key}: is another than the gateway runs with; this needs a restart"
        for key in FIXED
        if getattr(old, key) != getattr(new, key)
    ]


def unreasoned(changes: Iterable[Change], advice: str) -> list[str]:
    """Return what a live line takes only for a reason, where none was given."""
    return [f"{change} on a live line needs a reason; {advice}" for change in changes if change.guarded]


def unspoken(changes: Sequence[Change], alone: Iterable[str], config: Config, advice: str) -> list[str]:
    """Return what a live line takes without a reason, and which are live on nobody's word.

    Args:
        changes: what has no reason.
        alone: the live lines that neither an approval nor their own ``live_because`` speaks for.
        config: all lines.
        advice: how a reason is given.
    """
    told = {change.line for change in changes if change.guarded}
    goals = {line.name: line.goal for line in config.line if line.name not in told}
    return unreasoned(changes, advice) + [
        f"line.{name}.stage: live has no recorded approval; take it live with aoi-bridge stage {name} live "
        f'--goal {goals[name]}, or write live_because = "why", or stage = "shadow"'
        for name in alone
        if name in goals
    ]


def too_slow(config: Config, ms_per_view: Mapping[str, float]) -> list[str]:
    """Return each line for which a judge is too slow.

    Args:
        config: the lines, with their deadlines and how many views their parts have.
        ms_per_view: what one view takes, by judge; those that are missing are not known.
    """
    return [sentence for line in config.line for sentence in _too_slow(line, ms_per_view)]


def _too_slow(line: Line, ms_per_view: Mapping[str, float]) -> Iterator[str]:
    leaves = line.deadline_ms - line.reserve_ms
    asked: dict[str, int] = {}
    for recipe in [Recipe(), *line.recipe.values()]:
        judge = recipe.judge or line.judge
        asked[judge] = max(asked.get(judge, 1), recipe.views_expected or line.views_expected or 1)
    for judge, views in asked.items():
        needs = views * ms_per_view.get(judge, 0.0)
        if needs > leaves:
            yield (
                f"line.{line.name}.deadline_ms: the judge {judge} takes {needs:.0f} ms for {views} view(s), "
                f"and deadline_ms - reserve_ms leaves {leaves:.0f} ms; take a faster model, or a longer deadline"
            )


def passes_bad(config: Config, best_bad: Mapping[str, float]) -> list[str]:
    """Return each operating point at which a judge would pass a picture that its model knows to be bad.

    Args:
        config: the lines, with the thresholds of their own.
        best_bad: the highest score of such a picture, by judge; those that are missing have none.
    """
    return [
        f"line.{line.name}.{place}: at {threshold:g} the judge {judge} passes a picture known to be bad "
        f"(score {best_bad[judge]:.4g}); write a threshold above it"
        for line in config.line
        for place, judge, threshold in line.thresholds()
        if judge in best_bad and best_bad[judge] >= threshold
    ]


def naming(config: Config, model: str) -> list[str]:
    """Return the judges that name a model, and not a folder of their own."""
    return [name for name, judge in config.judge.items() if getattr(judge.options, "model", "") == model]
