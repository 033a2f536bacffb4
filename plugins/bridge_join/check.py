"""What ``aoi-bridge check`` says of joined roads: what it says of each of the two."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from bridge.plugin import BridgeError, Finding, Plugged, check_of
from bridge_join.options import JoinOptions


async def check(options: JoinOptions, *, write_test: bool) -> list[Finding]:
    """Try both roads, each by its own check where it has one, else by opening and closing it."""
    found: list[Finding] = []
    for name, road in options.roads.items():
        findings = await _tried(road, options.home / name, write_test=write_test)
        found += [replace(finding, what=f"{name} {finding.what}") for finding in findings]
    return found


async def _tried(road: Plugged, home: Path, *, write_test: bool) -> list[Finding]:
    own = await asyncio.to_thread(check_of, road.plugin)
    if own is not None:
        return list(await own(road.options.model_copy(update={"home": home}), write_test=write_test))
    try:
        async with road.open(home):
            return [Finding("opens", good=True, said="opened and closed again")]
    except BridgeError as exc:
        return [Finding("opens", good=False, said=str(exc))]
