"""Changing a gateway while it runs: everything is tried first, then what changed is replaced, and nothing else.

The steps of a reload and of a promotion, in order: find the models, compare, hold against the rules of live lines,
open new judges beside the old ones, write down what was approved, move a promoted model's link, swap judges
between two parts, restart the lines that differ. Up to the swap everything can be taken back, and is, if anything
is wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from bridge import approvals, in_force
from bridge.approvals import UNDONE, Permit, entry_of, in_shadow, undone
from bridge.config import Config, ConfigMistakes
from bridge.config.changes import Facts, compare, facts, shared
from bridge.config.decision import SHOWN, Approval, decision_hash, fits, fitting, granted, unapproved
from bridge.errors import BridgeError, ConfigError, Unavailable
from bridge.explaining import explain
from bridge.in_force import InForce, Pending, Reasoned, reasoned_by
from bridge.judges import Judges, Sitting, pinned
from bridge.log import logger
from bridge.objections import fixed, passes_bad, too_slow, unspoken
from bridge.plugin.discovery import Plugged
from bridge.store import Entry, Journal


@dataclass(frozen=True)
class Wanted:
    """What shall run, and who wants it why."""

    config: Config
    override: str = ""
    who: str = ""
    models: Mapping[str, Path] = field(default_factory=dict)
    """Folders of bundles by judge, where they shall be others than the configuration's pointers say."""
    advice: str = 'repeat it with --override "reason", or have the line approved with aoi-bridge stage'
    because: str = ""
    """Why, in words for the audit log; no live line may change for it."""
    approval: Approval | None = None
    """One that is given with the wish."""
    grants: bool = True
    """Whether the override is a person's, and approves what a line then is that had an approval before."""


@dataclass(frozen=True)
class Approved:
    """What stood every test, and the judges that are open for it."""

    wanted: Wanted
    file: str
    """The fingerprint of the file that ran until now."""
    before: Facts
    facts: Facts
    reasoned: list[Reasoned]
    judges: list[Sitting]
    granted: list[Approval]
    """What is to be put into the audit log before anything is done."""


class Trial:
    """Tries a wish against what runs; on leaving the context, judges that were not taken are closed."""

    def __init__(self, running: Config, known: Facts, judges: Judges, permits: Mapping[str, Permit]) -> None:
        self._running, self._known, self._judges, self._permits = running, known, judges, permits
        self._ends = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._ends.aclose()

    async def approve(self, wanted: Wanted) -> Approved:
        """Return what may be done.

        Raises:
            ConfigError: something stands against it; a line for each reason.
        """
        refuse(fixed(self._running, wanted.config))
        found = await self._found(wanted)
        now = in_force.remembered(self._known, facts(self._running, self._judges.identities))
        then = in_force.remembered(now, facts(wanted.config, {name: one[1] for name, one in found.items()}))
        given = [wanted.approval] if wanted.approval else []
        fit = fitting(then, [*approvals.standing(self._permits), *given])
        alone = unapproved(then, fit, in_shadow(self._permits))
        changes = [*shared(self._running, wanted.config), *compare(now, then)]
        reasoned = [reasoned_by(change, wanted.who, wanted.override.strip(), fit) for change in changes]
        refused = [one.change for one in reasoned if one.change.guarded and not one.why]
        silent = [] if wanted.override.strip() else alone
        refuse(_unfit(then, given) + unspoken(refused, silent, wanted.config, wanted.advice))
        judges = await self._auditioned(wanted, found)
        reasoned = [replace(one, why=one.why or wanted.because) for one in reasoned]
        given += granted(then, alone if wanted.grants else [], wanted.who, wanted.override.strip())
        return Approved(wanted, self._running.fingerprint, now, then, reasoned, judges, given)

    def keep(self) -> None:
        """Leave the new judges open: they were taken."""
        self._ends.pop_all()

    async def _found(self, wanted: Wanted) -> dict[str, tuple[Plugged, str]]:
        """Follow every judge's pointer; one that could not be found before either is left as it is."""
        found: dict[str, tuple[Plugged, str]] = {}
        mistakes: list[str] = []
        for name, judge in wanted.config.judge.items():
            aimed = _aimed(judge, wanted.models.get(name))
            try:
                found[name] = await asyncio.to_thread(pinned, aimed, self._judges.models)
            except ConfigError as exc:
                old = self._judges.sitting.get(name)
                if old is None or old.identity or old.plugged != judge:
                    mistakes.append(f"judge.{name}: {exc}")
                found[name] = judge, ""
        refuse(mistakes)
        return found

    async def _auditioned(self, wanted: Wanted, found: Mapping[str, tuple[Plugged, str]]) -> list[Sitting]:
        """Open every judge that is new or another, all of them before anything is said of one."""
        mistakes: list[str] = []
        candidates: list[Sitting] = []
        for name, (_, identity) in found.items():
            old = self._judges.sitting.get(name)
            if old and old.plugged == wanted.config.judge[name] and old.identity == identity:
                continue
            try:
                candidates.append(await self._audition(name, wanted.config.judge[name], *found[name]))
            except BridgeError as exc:
                mistakes.append(str(exc))
        sitting = {**self._judges.sitting, **{one.name: one for one in candidates}}
        speeds = {name: one.ms_per_view for name, one in sitting.items() if one.ms_per_view is not None}
        bad = {name: one.best_bad for name, one in sitting.items() if one.best_bad is not None}
        refuse(mistakes + too_slow(wanted.config, speeds) + passes_bad(wanted.config, bad))
        return candidates

    async def _audition(self, name: str, written: Plugged, aimed: Plugged, identity: str) -> Sitting:
        candidate = await self._judges.audition(name, written, aimed, identity)
        self._ends.push_async_callback(candidate.close)
        return candidate


def _unfit(then: Facts, given: list[Approval]) -> list[str]:
    """Return what an approval that is given now was given for, where that is not what would be live."""
    return [
        f"line.{one.line}: what was approved is decision hash {one.decision[:SHOWN]} under goal {one.goal}, "
        f"and live would be {decision_hash(then[one.line], one.goal)[:SHOWN]}; approve what runs"
        for one in given
        if one.line in then and not fits(one, then[one.line])
    ]


async def write_down(
    approved: Approved, journal: Journal, data: Path, then: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Put what was approved into the record of what is in force, as pending, and into the audit log.

    Args:
        approved: what was approved.
        journal: holds the audit log.
        data: the data directory.
        then: the last step that may fail; where it does, what was written down is taken back.

    Raises:
        Unavailable: the disk refuses.
        BridgeError: what ``then`` raises.
    """
    wanted, file = approved.wanted, approved.wanted.config.fingerprint
    why = wanted.override or next((one.why for one in approved.reasoned if one.change.guarded), wanted.because)
    for approval in approved.granted:  # first of all: a start that finds what is pending finds who approved it
        await journal.audit(entry_of(approval))
    if approved.reasoned:
        pending = Pending(approved.facts, wanted.who, why)
        await asyncio.to_thread(in_force.write, data, InForce(approved.before, pending))
    try:
        await audited(approved.reasoned, journal)
        if file != approved.file:
            old = approved.file
            await journal.audit(Entry(what="configuration", who=wanted.who, old=old, new=file, why=why))
        if then is not None:
            await then()
    except BridgeError as exc:
        await _take_back(approved, journal, data, exc)
        raise


async def _take_back(approved: Approved, journal: Journal, data: Path, error: BridgeError) -> None:
    """Say that what was written down was not done after all; a disk that refuses that too is a line in the log."""
    why = f"{UNDONE}{explain(error)}"
    back = [replace(one.change, old=one.change.new, new=one.change.old) for one in approved.reasoned]
    try:
        await asyncio.to_thread(in_force.write, data, InForce(approved.before))
        await audited([Reasoned(change=change, who="", why=why) for change in back], journal)
        for approval in approved.granted:
            await journal.audit(undone(approval, explain(error)))
    except Unavailable as exc:
        logger().error("what was not done stays written down", reason=str(exc))


async def audited(reasoned: list[Reasoned], journal: Journal) -> None:
    """Put changes into the audit log, and into the other one."""
    for one in reasoned:
        change = one.change
        logger(line=change.line).warning("changed", what=change.what, old=change.old, new=change.new, why=one.why)
        entry = Entry(what=change.what, who=one.who, line=change.line, old=change.old, new=change.new, why=one.why)
        await journal.audit(entry)


def refuse(mistakes: list[str]) -> None:
    """Raise them all as one error, if there are any."""
    if mistakes:
        raise ConfigMistakes(mistakes)


def _aimed(judge: Plugged, folder: Path | None) -> Plugged:
    """Return a judge that runs the bundle of a folder, whatever the configuration's pointer says."""
    if folder is None:
        return judge
    return Plugged(judge.plugin, judge.options.model_copy(update={"model": str(folder)}))
