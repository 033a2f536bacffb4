"""Watching a table: look after look, with incomplete rows waiting aside and holding up nobody behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

from bridge.plugin import ConfigError, Unavailable, count, logger
from bridge_sql.clerk import Clerk
from bridge_sql.lanes import Lanes
from bridge_sql.looking import NEW_AT_ONCE, PAGE, Found, Look, Request, Table
from bridge_sql.options import SqlSourceOptions
from bridge_sql.position import IDS_AT_ONCE, LOWEST, Position

EXTENT_SECONDS = 1.0
"""How often it is asked whether the machine has begun to count anew."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A row that is not complete."""

    found: Found
    """As it was seen last."""
    event: float | None
    """None for backlog."""
    until: float
    generation: int


class Watch:
    """Looks at one table until that fails."""

    def __init__(
        self, options: SqlSourceOptions, clerk: Clerk, table: Table, position: Position, presenter: Lanes
    ) -> None:
        self._options = options
        self._clerk = clerk
        self._table = table
        self._position = position
        self._presenter = presenter
        self._waiting: dict[int, _Waiting] = {}  # those looked at longest ago come first
        self._clock = asyncio.get_running_loop().time
        self._absent_at = self._extent_at = self._clock()

    async def run(self) -> Unavailable | ConfigError:
        """Look until that fails; return why."""
        while True:
            began = self._clock()
            try:
                if self._presenter.live < NEW_AT_ONCE:
                    await self._look(began)
                else:
                    count("full")  # what comes meanwhile stays in the table, and counts as that old
            except (Unavailable, ConfigError) as exc:
                return exc
            took = self._clock() - began
            # A database so slow that a look takes long is given as long a rest.
            await asyncio.sleep(max(self._options.poll_ms / 1000 - took, took))

    async def _look(self, began: float) -> None:
        if began >= self._extent_at:
            self._extent_at = began + EXTENT_SECONDS
            if self._position.anew(await self._clerk.do(self._table.extent)):
                self._left_behind()
        request = self._request(began)
        try:
            look = await self._clerk.do(partial(self._table.look, request=request))
        except BaseException:
            self._position.holes.extend(request.holes)  # they were not looked at
            raise
        self._take(look, request, began)

    def _request(self, began: float) -> Request:
        position = self._position
        waiting = tuple(islice(self._waiting, IDS_AT_ONCE))
        room = self._presenter.backlog < PAGE and len(self._waiting) < IDS_AT_ONCE
        return Request(
            after=position.top,
            incomplete=waiting,
            overdue={row for row in waiting if self._waiting[row].until <= began},
            holes=position.look_again(),
            page=position.unread[0] if position.unread and room else None,
        )

    def _take(self, look: Look, request: Request, began: float) -> None:
        position = self._position
        position.met([found.id for found in look.new], began)
        if request.page:
            position.page([found.id for found in look.page], full=len(look.page) == PAGE, now=began)
        late = [found for found in look.again if found.id not in self._waiting]
        position.looked(request.holes, [found.id for found in late], began)
        self._wait_on(look, request)
        for hole in request.holes:
            self._arrived([one for one in late if hole.first <= one.id <= hole.last], hole.absent_at)
        self._arrived(look.new, self._absent_at)
        self._arrived(look.page, None)
        if not look.cut:
            self._absent_at = began

    def _arrived(self, rows: Sequence[Found], event: float | None) -> None:
        for found in rows:
            if found.complete:
                self._presenter.hand_over(found, event, self._position.generation)
            else:
                until = self._clock() + self._options.complete_timeout_seconds
                self._waiting[found.id] = _Waiting(found, event, until, self._position.generation)

    def _wait_on(self, look: Look, request: Request) -> None:
        """Go through the incomplete rows that were looked at again."""
        seen = {found.id: found for found in look.again}
        for row in request.incomplete:
            waiting = self._waiting.pop(row)
            waiting = replace(waiting, found=seen.get(row, waiting.found))
            if waiting.found.complete:
                live = waiting.event is not None
                event = self._absent_at if live and self._options.event == "complete" else waiting.event
                self._presenter.hand_over(waiting.found, event, waiting.generation)
            elif row in request.overdue:
                self._give_up(waiting, "did not become complete" if row in seen else "was deleted")
            else:
                self._waiting[row] = waiting

    def _give_up(self, waiting: _Waiting, why: str) -> None:
        count("never_complete")
        logger().warning("a row has no verdict, for it " + why, table=self._options.table, id=waiting.found.id)
        self._presenter.hand_over(waiting.found, waiting.event, waiting.generation)

    def _left_behind(self) -> None:
        """Say that the machine counts anew; rows of the old count will never be complete."""
        count("counted_anew")
        logger().error(
            "the machine counts its rows anew; from here on they are new ones",
            table=self._options.table,
            after=self._position.top if self._position.top != LOWEST else "the beginning",
        )
        for waiting in self._waiting.values():
            self._give_up(waiting, "was left behind")
        self._waiting.clear()
