"""Telling by a few coils or registers of an old PLC program: the verdict first, then done, then cleared.

Modbus outputs keep their last value, so everything here is taken back: at the start, before the next part, at the
part's deadline or ``clear_after_ms`` after it was told, and on a clean stop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.plugin import Decision, Host, Refused, Unavailable, Verdict, logger
from bridge_modbus.client import NEVER, Link, any_of, together
from bridge_modbus.options import ModbusOptions, Place, SimpleMap

log = logger()


class Simple:
    """Tells decisions through the places of a simple map."""

    def __init__(self, options: ModbusOptions, places: SimpleMap, line: Host, link: Link) -> None:
        self._options = options
        self._map = places
        self._line = line
        self._link = link
        self._clock = asyncio.get_running_loop().time
        self._reports = asyncio.Lock()
        self._places = places.places()[::-1]
        self._first = self._places[0]
        self._stands = False  # something may be set
        self._changed = asyncio.Event()
        self._clear_at = NEVER

    @asynccontextmanager
    async def telling(self) -> AsyncIterator[None]:
        """Hold the places cleared before and after, and clear them in between when it is time.

        Raises:
            Unavailable: the PLC does not answer, at any time.
        """
        if self._map.silent_ok:
            why = f"a dead bridge reads as OK on the PLC {self._link.peer}, as the configuration accepts"
            self._line.audit("ok_by_silence", new="accepted", why=why)
        stop = asyncio.Event()
        try:
            await self._clear()
            async with together(self._link) as tasks:
                tasks.create_task(self._tend(stop), name=f"modbus-clear {self._link.peer}")
                yield
                stop.set()
        finally:
            await self._end()

    async def report(self, decision: Decision) -> None:
        """Tell one decision; it stands in the PLC when this returns.

        Raises:
            Refused: it came too late; nothing of it stands.
            Unavailable: the PLC is away.
        """
        async with self._reports:
            if self._clock() >= decision.expires:
                raise Refused("late: expired before it was sent")
            if self._stands:
                await self._make_way()
            self._clear_at = min(decision.expires, self._clock() + self._map.clear_after_ms / 1000)
            self._stands = True
            self._changed.set()
            try:
                await self._tell(decision)
            except Refused:
                await self._clear()
                raise

    async def _make_way(self) -> None:
        """Take back the verdict of the part before; let a PLC that has not done so itself see it."""
        taken = not await self._get(self._first)
        await self._clear()
        if not taken:
            await asyncio.sleep(self._map.rest_ms / 1000)

    async def _tell(self, decision: Decision) -> None:
        """Write the verdict, then done; anything that is not OK is NG."""
        ok = decision.final is Verdict.OK
        if self._map.verdict:
            value = self._map.ok_value if ok else self._map.ng_value
            await self._put(Place.parse(self._map.verdict), value, decision.expires)
        elif place := self._map.ok if ok else self._map.ng:
            await self._put(Place.parse(place), 1, decision.expires)
        if self._map.done:
            await self._put(Place.parse(self._map.done), 1, decision.expires)

    async def _tend(self, stop: asyncio.Event) -> None:
        """Clear what stands when its time is over; while nothing stands, see that the PLC still answers."""
        while not stop.is_set():
            self._changed.clear()
            patience = self._options.heartbeat_ms / 1000
            if self._stands:
                patience = min(patience, max(0.0, self._clear_at - self._clock()))
            await any_of(stop, self._link.lost, self._changed, seconds=patience)
            async with self._reports:
                if not self._stands:
                    await self._put(self._first, 0)
                elif self._clock() >= self._clear_at or self._link.lost.is_set():
                    await self._clear()

    async def _clear(self) -> None:
        """Take back done before what it vouched for."""
        for place in self._places:
            await self._put(place, 0)
        self._stands = False

    async def _end(self) -> None:
        self._link.revive()
        try:
            async with asyncio.timeout(self._options.timeout_ms / 1000):
                await self._clear()
        except (Unavailable, TimeoutError):
            log.warning("the PLC could not be cleared before we went", peer=self._link.peer)

    async def _get(self, place: Place) -> int:
        if place.kind == "coil":
            return int((await self._link.read_coils(place.address, 1))[0])
        return (await self._link.read_registers(place.address, 1))[0]

    async def _put(self, place: Place, value: int, expires: float = NEVER) -> None:
        if place.kind == "coil":
            await self._link.write_coil(place.address, bool(value), expires)
        else:
            await self._link.write_register(place.address, value, expires)
