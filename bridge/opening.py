"""What the first opening of every plugin means for the start: to go on without it, or to refuse.

A line never waits for us, so a machine that comes back after a power cut at night runs whatever happened: a peer
that is away is tried again, a judge that cannot be opened is answered for by the safe rows. Only where a person
is there to see it, the start is refused:

- a plugin with ``when_unreachable = "stop"`` could not be opened, whatever the reason;
- a file that never answered a part has a mistake that concerns a live line: going live waits until it is mended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bridge.errors import ConfigError
from bridge.explaining import explain, mistake
from bridge.watched import State, Watched


def refusal(watched: Watched, *, proven: bool) -> ConfigError | None:
    """Return why the gateway shall not start, as one line; None where it shall.

    Args:
        watched: a plugin after its first opening, or during it.
        proven: whether this very configuration has answered parts before.
    """
    error = watched.first_error
    if error is None:
        return None
    found = mistake(error)
    if found and (watched.insists or (watched.live and not proven)):
        return ConfigError(f"{_place(watched)}: {found.where}", found.found, found.write)
    if watched.insists:
        return ConfigError(_place(watched), explain(error), 'mend that, or write when_unreachable = "retry"')
    return None


async def opened_once(plugins: Sequence[Watched], *, proven: bool) -> None:
    """Wait until every plugin was tried once; each has limits of its own.

    Raises:
        ConfigError: the gateway shall not start, as soon as that is known.
    """
    while True:
        for watched in plugins:
            if (refused := refusal(watched, proven=proven)) is not None:
                raise refused
        untried = [watched for watched in plugins if watched.state is State.STARTING]
        if not untried:
            return
        await _any_change(untried)


async def admitted(plugins: Sequence[Watched], *, proven: bool) -> None:
    """Wait, before the first part of all, while any of a line's plugins refuses the start, or may still do so."""
    for watched in plugins:
        while not watched.opened and (watched.insists or refusal(watched, proven=proven)):
            await watched.changed.wait()


async def _any_change(plugins: Sequence[Watched]) -> None:
    changes = [asyncio.create_task(watched.changed.wait()) for watched in plugins]
    try:
        await asyncio.wait(changes, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for change in changes:
            change.cancel()


def _place(watched: Watched) -> str:
    return f"line {watched.line}: {watched.name}" if watched.line else watched.name
