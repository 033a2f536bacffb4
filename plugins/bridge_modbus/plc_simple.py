"""The program of an old PLC with a simple map: a few coils or registers instead of the register map."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from bridge.plugin import Taken, Verdict
from bridge_modbus.options import Place, SimpleMap
from bridge_modbus.plc_memory import Memory
from bridge_modbus.plc_rules import NOTHING

UNCLEAR = "no clear verdict in the simple map"


@dataclass(kw_only=True)
class SimplePlc:
    """A PLC's side of a simple map: a Station that cannot know which part a verdict is for.

    It clears the places when a part comes, when it has taken a verdict, and when one comes while no part is there.
    A part that is told nothing is ejected, unless the map says that silence means OK.
    """

    memory: Memory
    map: SimpleMap
    clock: Callable[[], float]
    """Monotonic seconds."""
    late: int = 0
    """Verdicts that came when no part stood here."""
    taken: list[Taken] = field(default_factory=list)
    """What became of every part, in order."""
    _part: str = ""
    _standing: asyncio.Future[Taken] | None = None
    _place: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def present(self, part: str, seconds: float) -> Taken:
        """Let a part stand at the station, take its verdict within this time, and pass or eject it.

        One part stands at a time; another waits. The name goes nowhere, so an empty one does as well.
        """
        async with self._place:
            self._clear()
            self._part, self._standing = part, asyncio.get_running_loop().create_future()
            standing = self._standing
            try:
                await asyncio.wait([standing], timeout=seconds)
            finally:
                self._standing = None
            taken = standing.result() if standing.done() else self._untold()
            self.taken.append(taken)
            return taken

    def heard(self) -> None:
        """Look at the places, for the bridge has just written."""
        if not self._told():
            return
        if self._standing is None:
            self.late += 1
        else:
            self._standing.set_result(self._take(self._verdict()))
            self._standing = None
        self._clear()

    def _take(self, verdict: Verdict | None) -> Taken:
        why = "" if verdict is Verdict.OK else verdict or UNCLEAR
        return Taken(part=self._part, passed=not why, verdict=verdict, readable_at=self.clock(), why=str(why))

    def _untold(self) -> Taken:
        passed = self.map.silent_ok
        why = "" if passed else NOTHING
        return Taken(part=self._part, passed=passed, verdict=None, readable_at=None, why=why)

    def _told(self) -> bool:
        """Return whether a verdict stands, whatever it says."""
        places = [self.map.done] if self.map.done else [self.map.ok, self.map.ng, self.map.verdict]
        return any(self._value(text) for text in places)

    def _verdict(self) -> Verdict | None:
        """Return the verdict that stands, None if the places contradict one another."""
        if self.map.verdict:
            named = {self.map.ok_value: Verdict.OK, self.map.ng_value: Verdict.NG}
            return named.get(self._value(self.map.verdict))
        ok = bool(self._value(self.map.ok)) if self.map.ok else not self._value(self.map.ng)
        ng = bool(self._value(self.map.ng)) if self.map.ng else not ok
        if ok == ng:
            return None
        return Verdict.OK if ok else Verdict.NG

    def _value(self, text: str) -> int:
        if not text:
            return 0
        place = Place.parse(text)
        return self.memory.coils[place.address] if place.kind == "coil" else self.memory.holding[place.address]

    def _clear(self) -> None:
        for place in self.map.places():
            if place.kind == "coil":
                self.memory.coils[place.address] = False
            else:
                self.memory.holding[place.address] = 0


def simple_memory(simple: SimpleMap) -> Memory:
    """Return a memory just large enough for the places of a map, which the bridge may write and nothing else."""
    coils = frozenset(place.address for place in simple.places() if place.kind == "coil")
    registers = frozenset(place.address for place in simple.places() if place.kind == "register")
    return Memory(
        holding=[0] * (max(registers, default=0) + 1),
        coils=[False] * (max(coils, default=0) + 1),
        bridge_holding=registers,
        bridge_coils=coils,
    )
