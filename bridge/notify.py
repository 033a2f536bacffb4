"""Telling systemd how the service does: READY, WATCHDOG, STATUS, STOPPING, as datagrams to a unix socket.

The watchdog proves something: it is fed only after the event loop has turned and the journal's thread has come by.
A disk that is full answers "full", which is a proof of life too, so a full disk never gets the gateway killed; a
thread that hangs for longer than WatchdogSec does.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

TICK_SECONDS = 5.0
"""How often the status is looked at, where no watchdog asks for less."""
LONGEST_STATUS = 500


def in_words(readiness: Mapping[str, Any]) -> str:
    """Return what ``/readyz`` says in one line, for people who look at the service."""
    if readiness["ready"]:
        return "ready"
    ill = [
        " ".join(
            filter(None, (one["line"], one["name"], one["state"], f"({one['error']})" if one["error"] else ""))
        )
        for one in readiness["plugins"]
    ]
    wrong = [f"{name} in error" for name in readiness["lines_in_error"]]
    return "NOT READY: " + "; ".join([*wrong, *ill])


class Notify:
    """The service manager's socket; without one, everything is told to nobody."""

    def __init__(self, address: str = "", watchdog_seconds: float | None = None) -> None:
        self.watchdog_seconds = watchdog_seconds
        """The service is killed when it was silent for so long; None: nobody watches."""
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._status = ""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Notify:
        """Return what the service manager has left in the environment for this process."""
        said = os.environ if environ is None else environ
        usec = said.get("WATCHDOG_USEC", "")
        ours = said.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        watched = ours and usec.isascii() and usec.isdecimal() and int(usec) > 0
        return cls(said.get("NOTIFY_SOCKET", ""), int(usec) / 1_000_000 if watched else None)

    @property
    def wanted(self) -> bool:
        """Whether anybody listens."""
        return bool(self._address)

    def ready(self) -> None:
        """Say that the service has started."""
        self._send("READY=1")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that the service is about to end."""
        self._send("STOPPING=1\nSTATUS=stopping")

    def status(self, text: str) -> None:
        """Say in words how the service does, where that has changed."""
        words = " ".join(text.split())[:LONGEST_STATUS]
        if words != self._status:
            self._status = words
            self._send(f"STATUS={words}")

    async def keep_telling(self, prove: Callable[[], Awaitable[None]], status: Callable[[], str]) -> None:
        """Feed the watchdog at half its time, each time after ``prove`` has returned, until cancelled."""
        pause = TICK_SECONDS if self.watchdog_seconds is None else min(TICK_SECONDS, self.watchdog_seconds / 2)
        while True:
            await prove()
            self.alive()
            self.status(status())
            await asyncio.sleep(pause)

    def _send(self, said: str) -> None:
        if not self._address:
            return
        # A manager that is restarting or does not read must not cost the gateway anything.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
            sock.sendto(said.encode(), self._address)
