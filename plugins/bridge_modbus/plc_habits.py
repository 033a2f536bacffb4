"""What PLCs do on a bad day: a server that is slow, busy, alone or deaf, and a program that scans late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.pdu import ExceptionResponse
from pymodbus.server.requesthandler import ServerRequestHandler

from bridge.plugin import Habit, Habits, Mood

DROP_SECONDS = 2.0
"""After so long a PLC that is asked for another unit drops the connection."""

PLC_HABITS: Mapping[str, Habit] = {
    "slow-scan": Habit("the program looks at what was written only every so many seconds", 0.2),
    "slow-answer": Habit("every request is answered so many seconds late", 0.1),
    "one-connection": Habit("so many connections are served, one more is closed at once", 1),
    "busy": Habit("one request in so many is refused as busy (exception 6)", 5),
    "illegal": Habit("one request in so many is refused as an illegal address (exception 2)", 20),
    "drop": Habit("at one request in so many the connection is cut without an answer", 20),
    "wrong-unit": Habit(f"only this unit id is served; who asks another is dropped after {DROP_SECONDS:g} s", 17),
    "late-ack": Habit("ResultAck comes so many seconds late", 1),
    "no-ack": Habit("ResultAck never comes"),
    "still-heartbeat": Habit("HB_PLC stands still"),
}
OF_THE_PROGRAM = frozenset({"slow-scan", "late-ack", "no-ack", "still-heartbeat"})
"""Those of the PLC's program, whichever side is the Modbus server."""


def trouble(server: Any, habits: Habits) -> None:
    """Give a Modbus server of any kind these habits, before it listens."""
    mood, served = Mood(habits), set[object]()
    server.callback_new_connection = lambda: _Handler(server, mood, served)


class _Handler(ServerRequestHandler):
    """One connection of such a server."""

    def __init__(self, server: Any, mood: Mood, served: set[object]) -> None:
        super().__init__(server, None, None, None)  # type: ignore[no-untyped-call]
        self._served, self._mood = served, mood

    # The methods below are called by pymodbus, which names them.

    def callback_connected(self) -> None:
        super().callback_connected()
        most = self._mood.habits.get("one-connection")
        if most is not None and len(self._served) >= most:
            self.close()
        else:
            self._served.add(self)

    def callback_disconnected(self, exc: Exception | None) -> None:
        self._served.discard(self)
        super().callback_disconnected(exc)

    async def handle_request(self) -> None:
        habits, asked = self._mood.habits, self.last_pdu
        if not asked:
            return
        unit = habits.get("wrong-unit")
        if unit is not None and asked.dev_id != unit:
            asyncio.get_running_loop().call_later(DROP_SECONDS, self._hang_up)
            return
        if self._mood.strikes("drop"):
            self.close()
            return
        if refused := self._refused():
            response = ExceptionResponse(asked.function_code, refused, asked.dev_id, asked.transaction_id)
            self.server_send(response, self.last_addr)  # type: ignore[no-untyped-call]
            return
        if "slow-answer" in habits:
            await asyncio.sleep(habits["slow-answer"])
        await super().handle_request()  # type: ignore[no-untyped-call]

    def _hang_up(self) -> None:
        if self in self._served:
            self.close()

    def _refused(self) -> ExcCodes | None:
        if self._mood.strikes("busy"):
            return ExcCodes.DEVICE_BUSY
        return ExcCodes.ILLEGAL_ADDRESS if self._mood.strikes("illegal") else None


def scanning(program: Callable[[], None], habits: Habits) -> Callable[[], None]:
    """Return a program that runs when the bridge has written, or at the next scan where scans are slow."""
    due: list[Any] = []

    def scan() -> None:
        due.clear()
        program()

    def heard() -> None:
        seconds, loop = habits.get("slow-scan"), asyncio.get_running_loop()
        if not seconds:
            program()
        elif not due:
            due.append(loop.call_later(seconds - loop.time() % seconds, scan))

    return heard
