"""The real gateway in a process group of its own, to be started, waited for and killed without a goodbye."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bridge.asking import ask

READY_SECONDS = 60.0
"""A bridge that is not ready by then never will be, on however busy a machine."""
POLL_SECONDS = 0.02
GONE_SECONDS = 30.0
COMMAND = (sys.executable, "-m", "bridge.cli")
CARELESS = (sys.executable, str(Path(__file__).parent / "careless.py"))


class GatewayProcess:
    """``aoi-bridge run`` on one file; its log grows beside the file."""

    def __init__(self, path: Path, data: Path, command: Sequence[str] = COMMAND) -> None:
        self._path, self._data, self._command = path, data, command
        self._process: subprocess.Popen[bytes] | None = None
        self._began = 0.0

    @property
    def pid(self) -> int:
        """The gateway's process number."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the process; it will not be ready at once."""
        with self._path.with_suffix(".log").open("ab") as log:
            self._began = time.monotonic()
            self._process = subprocess.Popen(
                [*self._command, "run", "--config", str(self._path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def ready(self, within: float = READY_SECONDS) -> float | None:
        """Return the seconds from the start until ``/readyz`` said yes, None where it did not within so many.

        Raises:
            RuntimeError: the process ended by itself, with the end of its log.
        """
        assert self._process is not None
        while time.monotonic() < self._began + within:
            if self._process.poll() is not None:
                raise RuntimeError(
                    f"the gateway ended with status {self._process.returncode}: {self._last_words()}"
                )
            said = await asyncio.to_thread(ask, self._data, "/readyz")
            if said and said["ready"]:
                return time.monotonic() - self._began
            await asyncio.sleep(POLL_SECONDS)
        return None

    async def kill(self, *, all_of_it: bool) -> int:
        """Kill the gateway, and its judge's worker too or the worker must notice; return their process group."""
        assert self._process is not None
        if all_of_it:
            os.killpg(self.pid, signal.SIGKILL)
        else:
            self._process.kill()
        await asyncio.to_thread(self._process.wait)
        return self.pid

    async def stop(self) -> None:
        """Stop it cleanly, if it runs; kill what is left of it."""
        if self._process is None:
            return
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._process.wait, 10)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        await asyncio.to_thread(self._process.wait)

    def _last_words(self) -> str:
        text = self._path.with_suffix(".log").read_text(encoding="utf-8", errors="replace")
        return " | ".join(text.strip().splitlines()[-3:])


async def gone(group: int) -> bool:
    """Wait until no process of a group is left; return False where one outlives its gateway."""
    until = time.monotonic() + GONE_SECONDS
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        await asyncio.sleep(POLL_SECONDS)
    return False
