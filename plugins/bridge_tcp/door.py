"""How many machines are served at once, and who makes room when all places are taken."""

from __future__ import annotations

import asyncio

from bridge.plugin import Link, count, logger
from bridge_tcp.connection import Connection, Intake

log = logger()


class Door:
    """Lets connections in, a bounded number at once.

    A connection that never said anything we understand (a port scanner, a peer that dribbles a byte a second, the
    remains of a machine that lost its power) must not keep the machine out: when all places are taken, the oldest
    such one is closed for the newcomer. A connection that has brought a part is never closed for another.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._inside: dict[asyncio.Task[None], Connection] = {}  # the oldest first
        self.intake: Intake | None = None

    def accept(self, link: Link) -> None:
        """Serve a new connection in a task of the source, or close it at once."""
        if self.intake is None:  # the source closes
            link.writer.close()
            return
        if not self._room():
            count("connections_refused")
            log.warning("connection refused: too many are open", peer=link.peer, most=self._most)
            link.writer.close()
            return
        connection = Connection(link, self.intake)
        task = self.intake.tasks.create_task(connection.serve(), name=f"tcp-connection {link.peer}")
        self._inside[task] = connection
        task.add_done_callback(self._leave)
        task.add_done_callback(lambda _: link.writer.close())  # also of one that was cancelled before it began
        count("connections")

    def _room(self) -> bool:
        """Return whether there is a place, if need be by closing a connection that said nothing yet."""
        if len(self._inside) < self._most:
            return True
        for task, connection in self._inside.items():
            if not connection.understood:
                connection.drop()
                del self._inside[task]
                count("connections_dropped")
                return True
        return False

    def _leave(self, task: asyncio.Task[None]) -> None:
        self._inside.pop(task, None)
