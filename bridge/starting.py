"""Before a gateway opens anything: which models it names, and whether live lines may come back like this.

A judge whose model is not there does not keep the line from its start: it is tried again, and answered for by the
safe rows meanwhile. What a live line changes without a reason does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from bridge import approvals, in_force
from bridge.approvals import Permit, entry_of, in_shadow
from bridge.attendance import CRASH, STOP
from bridge.changing import audited, refuse
from bridge.config import Config
from bridge.config.changes import Facts, facts
from bridge.config.decision import fitting, granted, unapproved
from bridge.errors import ConfigError, Unavailable
from bridge.in_force import InForce, held_against, remembered
from bridge.judges import pinned
from bridge.log import logger
from bridge.objections import unspoken
from bridge.store import Entry, Journal

ADVICE = (
    'start with aoi-bridge run --override "reason", write a new live_because for the line, '
    "or have it approved with aoi-bridge stage"
)
RECORD = "what was in force"


def models(config: Config) -> dict[str, str]:
    """Return the identity of each judge's model, empty where it cannot be found; blocks on the disk."""
    return {name: _identity(config, name) for name in config.judge}


def _identity(config: Config, name: str) -> str:
    try:
        return pinned(config.judge[name], config.data / "models")[1]
    except ConfigError:
        return ""  # its opener says the same, and says it again until somebody acts


async def held(
    config: Config,
    found: dict[str, str],
    journal: Journal,
    permits: Mapping[str, Permit] | None,
    override: str,
    who: str,
) -> Facts:
    """Hold a start against what was last in force; return what is in force now, audited and recorded.

    Raises:
        ConfigError: a live line changes what moves verdicts, or is live at all, and nobody says why; one line for
            each.
    """
    record, override = await _record(config, journal), override.strip()
    laid_out = remembered(record.facts if record else {}, facts(config, found))
    fit = fitting(laid_out, approvals.standing(permits or {}))
    alone = unapproved(laid_out, fit, in_shadow(permits)) if permits is not None else []
    reasoned, refused = held_against(record, laid_out, override, who, fit)
    refuse(unspoken(refused, [] if override else alone, config, ADVICE))
    for approval in granted(laid_out, alone, who, override):
        journal.note(entry_of(approval))
    try:
        await audited(reasoned, journal)
        await asyncio.to_thread(in_force.write, config.data, InForce(laid_out))
    except Unavailable as exc:
        logger().error("what is in force is not recorded", reason=str(exc))
    return laid_out


def objections(config: Config) -> list[str]:
    """Return each live line that a start would refuse because nobody ever approved it; blocks on the disk.

    Raises:
        Unavailable: the disk refuses.
    """
    try:
        record = in_force.read(config.data)
    except ConfigError:
        record = None  # as a start takes it
    laid_out = remembered(record.facts if record else {}, facts(config, models(config)))
    permits = approvals.look(config.data)
    fit = fitting(laid_out, approvals.standing(permits))
    return unspoken([], unapproved(laid_out, fit, in_shadow(permits)), config, ADVICE)


async def _record(config: Config, journal: Journal) -> InForce | None:
    try:
        record = await asyncio.to_thread(in_force.read, config.data)
        why = "" if record or not await _ran_before(journal) else "it is gone"
    except ConfigError as exc:
        record, why = None, exc.found
    if why:  # the line comes back all the same; the audit log says that nothing was held against its past
        logger().error("the record of what was in force is lost", reason=why)
        journal.note(Entry(what=RECORD, old="unknown", new="begun anew", why=why))
    return record


async def _ran_before(journal: Journal) -> bool:
    try:
        return await journal.newest_audit(STOP, CRASH) is not None
    except Unavailable:
        return False
