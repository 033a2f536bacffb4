"""Watching one live line: does it keep what its shadow month promised? Looked at once an hour, and at the start.

A limit of goal 1 that is broken, held-back parts that nobody labels, scores that have drifted, and more
disagreements are alarms: in the logs, in status and metrics. What else an alarm does is the line's
``guard_breach``. Under goal 1 a broken limit may take the line back to shadow by itself, until somebody takes it
live again; goals 2 and 3 never go back, for their protection would vanish, but may drop Ready until somebody
resets the line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from prometheus_client import Gauge

from bridge import approvals, health
from bridge.approvals import LOWERED, Permit
from bridge.bypass import Audit
from bridge.clock import Clock
from bridge.config import Line as LineConfig
from bridge.errors import BridgeError
from bridge.explaining import explain
from bridge.log import logger
from bridge.messages import Goal
from bridge.shadow.guarding import PSI_ACTS, Bound, escapes, miss_rate, psi, rose
from bridge.shadow.living import Living, Seen

LOOK_SECONDS = 3600.0
"""From one look to the next."""
AGAIN_SECONDS = 60.0
"""So soon where the line is in shadow by itself, or the audit log does not say yet since when it is live."""
LOOKED_AT = 0.5
"""With a smaller share of labels than this of what was held back the guard shows less and less."""
LIMITS = frozenset({"miss rate", "escapes"})
"""The alarms that say that a limit is broken."""

bounds = Gauge(
    "aoi_bridge_guard_bound",
    "Goal 1: exact one-sided bounds of what is let through; miss rate 0 to 1, escapes in ppm",
    ["line", "rate", "side"],
    registry=health.registry,
)
drift = Gauge(
    "aoi_bridge_score_psi", "Scores of the last days against the first", ["line"], registry=health.registry
)
alarming = Gauge("aoi_bridge_alarm", "1 while a live line alarms", ["line", "alarm"], registry=health.registry)


class Watch:
    """Looks after one live line."""

    def __init__(self, config: LineConfig, data: Path, clock: Clock, audit: Audit) -> None:
        self._config, self._data, self._clock, self._audit = config, data, clock, audit
        self._living: Living | None = None
        self._read = False
        """Whether the audit log was ever read."""
        self.alarms: Mapping[str, str] = {}
        """What is not as it was promised, in words, by the kind of alarm."""
        self.bounds: Mapping[str, Bound] = {}
        """What goal 1 lets through, by its name; empty before the first look and under another goal."""
        self.lower: Callable[[str], None] = lambda _: None
        """Takes the line back to shadow, for this reason; set by whoever runs it."""
        self.hold: Callable[[str], None] = lambda _: None
        """Drops Ready, for this reason; set by whoever runs it."""

    async def run(self) -> None:
        """Look at once and then every hour, until cancelled."""
        while True:
            looked = False
            try:
                looked = await self.look()
            except BridgeError as exc:
                logger(line=self._config.name).error("the line cannot be watched", reason=explain(exc))
            await asyncio.sleep(LOOK_SECONDS if looked else AGAIN_SECONDS)

    async def look(self) -> bool:
        """Look, and act on what is new; return False where there is nothing to look at now.

        What is read at once is some hours, each in a thread of its own, so that a stop waits for none of it long.

        Raises:
            ConfigError: a file is not what it should be.
            Unavailable: the disk refuses.
        """
        permit = await asyncio.to_thread(self._permit)
        if permit.lowered and not self._read:
            self.lower(permit.lowered)  # a start at which the disk did not say so has let the line come back live
        self._read = True
        living, now = self._since(permit), self._clock.wall()
        if living is None:
            return False
        while await asyncio.to_thread(living.read_on, now):
            pass
        self._heed(await asyncio.to_thread(living.look, now))
        return True

    def _permit(self) -> Permit:
        return approvals.look(self._data).get(self._config.name, Permit())

    def _since(self, permit: Permit) -> Living | None:
        """Return what reads the line since it is live as it is."""
        if permit.lowered or not permit.since:
            return None
        if self._living is None or self._living.since != permit.since:
            shadow = self._config.shadow
            within, seeded = shadow.reinspected_within_hours, shadow.seeded
            self._living = Living(self._data, self._config.name, permit.since, within, seeded)
        return self._living

    def _heed(self, seen: Seen) -> None:
        shadow, before = self._config.shadow, self.alarms
        if self._guards:
            self.bounds = {
                "miss rate": miss_rate(seen.guarded, shadow.miss_limit, shadow.confidence),
                "escapes": escapes(seen.guarded, shadow.escapes_ppm, shadow.confidence),
            }
        self.alarms = {**_broken(self.bounds, seen), **_unlabelled(seen), **_drifted(seen)}
        self._meter(seen)
        for kind in before.keys() - self.alarms.keys():
            self._audit("alarm over", old=before[kind])
        new = {kind: said for kind, said in self.alarms.items() if kind not in before}
        for said in new.values():
            self._audit("alarm", new=said)
        if new:
            self._act(new)

    @property
    def _guards(self) -> bool:
        return Goal(self._config.goal) is Goal.CUT_FALSE_CALLS

    def _act(self, new: Mapping[str, str]) -> None:
        """Do what the line's ``guard_breach`` says; under goal 1 only for a limit that is broken."""
        reasons = "; ".join(said for kind, said in new.items() if kind in LIMITS or not self._guards)
        breach = self._config.shadow.guard_breach
        if not reasons or breach == "alarm":
            return
        if breach == "shadow" and self._guards:
            self._audit(LOWERED, old="live", new="shadow", why=reasons)
            self.lower(reasons)
        else:
            self._audit("Ready dropped", old="ready", new="not ready", why=reasons)
            self.hold(reasons)

    def _meter(self, seen: Seen) -> None:
        name = self._config.name
        for rate, bound in self.bounds.items():
            bounds.labels(name, rate, "lower").set(bound.lower)
            bounds.labels(name, rate, "upper").set(bound.upper)
        drift.labels(name).set(psi(seen.before.scores, seen.now.scores) or 0.0)
        for kind in (*LIMITS, "labels", "scores", "disagreements"):
            alarming.labels(name, kind).set(kind in self.alarms)


def _broken(found: Mapping[str, Bound], seen: Seen) -> dict[str, str]:
    """Return each limit of goal 1 that is broken, with what says so."""
    said = {
        "miss rate": "of the true NG at least {0.lower:.3%} are let through, and the limit is {0.limit:.3%}",
        "escapes": "at least {0.lower:,.0f} ppm escapes are added, and the limit is {0.limit:,.0f} ppm",
    }
    by = f"{seen.guarded.bad} of {seen.guarded.labelled} labelled parts that were held back are NG"
    return {kind: f"{said[kind].format(bound)}: {by}" for kind, bound in found.items() if bound.broken}


def _unlabelled(seen: Seen) -> dict[str, str]:
    """Return that nobody looks at what was held back, where it is so: no limit would be seen to break."""
    labelled = seen.guarded.labelled
    if labelled >= LOOKED_AT * seen.due:
        return {}
    said = f"of {seen.due:,} parts that were held back for blind labelling, days ago, {labelled:,} have a label"
    return {"labels": f"{said}: nobody knows what is let through"}


def _drifted(seen: Seen) -> dict[str, str]:
    """Return what of the last days is not like the first."""
    alarms: dict[str, str] = {}
    index = psi(seen.before.scores, seen.now.scores)
    if index is not None and index > PSI_ACTS:
        alarms["scores"] = (
            f"the scores of the last days are not those of the first: PSI {index:.2f} > {PSI_ACTS:g}"
        )
    before, now = ((one.disagreed, one.compared) for one in (seen.before, seen.now))
    if rose(before, now):
        shares = f"{before[0] / before[1]:.2%} to {now[0] / now[1]:.2%}"
        alarms["disagreements"] = f"model and inspector disagree more often than in the first days: {shares}"
    return alarms
