"""The terms of a part: how its recipe is treated, by when each step must be done, and whether it is ours to tell.

The deadline counts from the part's own event and ends when the PLC can read the verdict. It is spent so::

    event ──── pictures, the judge's turn, judging ────┤ commit ┤ report ┤ expires
                                                       └── reserve_ms ───┘
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.afterwards import PATIENCE_SECONDS
from bridge.config import Line as LineConfig
from bridge.goals import Rules, left_to_us, route
from bridge.judging.turns import Turns
from bridge.messages import Box, Decision, Failure, Inspection


@dataclass(frozen=True, slots=True)
class Treatment:
    """How parts of one recipe are treated; built once from the configuration."""

    rules: Rules
    turns: Turns
    rois: Mapping[str, Box]
    threshold: float | None
    failures: frozenset[Failure] = frozenset()


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for one part: its treatment, and the instants (monotonic seconds) that bound it."""

    treatment: Treatment
    rules: Rules
    event: float
    judge_by: float
    commit_by: float
    expires: float
    backlog: bool
    bypass: bool
    recheck: bool


def treatment_of(config: LineConfig, recipe: str, judges: Mapping[str, Turns]) -> Treatment:
    """Return how a recipe's parts are treated; of one that the line does not know, as a failure."""
    over = config.recipe.get(recipe)
    rois = (over.roi if over and over.roi else config.roi) or {}
    return Treatment(
        rules=config.rules(recipe),
        turns=judges[config.judge_of(recipe)],
        rois={name: roi.box() for name, roi in rois.items()},
        threshold=over.threshold if over and over.threshold is not None else config.threshold,
        failures=frozenset() if config.knows(recipe) else frozenset({Failure.RECIPE_UNKNOWN}),
    )


def terms_of(
    part: Inspection, treatment: Treatment, config: LineConfig, now: float, *, bypass: bool = False
) -> Terms:
    """Return the terms of a part that arrived ``now`` (monotonic seconds), and whether a bypass was in force."""
    event = now if part.event is None else min(part.event, now)
    allowed = min(config.deadline_ms, part.deadline_ms or float("inf")) / 1000
    expires = event + allowed
    backlog = part.backlog or now >= expires
    reserve = min(config.reserve_ms / 1000, allowed)  # of a part in a hurry the commit has half, still
    return Terms(
        treatment=treatment,
        rules=treatment.rules,
        event=event,
        judge_by=now + PATIENCE_SECONDS if backlog else expires - reserve,
        commit_by=now + 2 * PATIENCE_SECONDS if backlog else expires - reserve / 2,
        expires=expires,
        backlog=backlog,
        bypass=bypass,
        recheck=route(treatment.rules, part, bypass=bypass) == "recheck",
    )


def is_ours_to_tell(decision: Decision, config: LineConfig) -> bool:
    """Beside a tap the old machine reports by itself what our goal cannot change.

    Wires know no recipes: once a line is live and rewired, a part that is itself in shadow (of a recipe that is
    not live yet, or after a fall back to shadow) reaches PLC and MES through us or not at all, with the verdict of
    the inspector. On a line that is not rewired, whoever is open beside it asked to be told everything.
    """
    wired_as_before = config.topology == "inline" or config.stage == "shadow"
    return wired_as_before or left_to_us(decision.goal, decision.legacy)
