"""The real Mosquitto on a port of its own, to be killed without a goodbye, frozen, and started again.

Its disk is set so that it can keep its word: it saves after every change. Its default, every half hour, loses what
it has acknowledged when it is killed.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
"""The broker; None where Debian's package mosquitto is not installed."""
PASSWD = shutil.which("mosquitto_passwd")
START_SECONDS = 30.0
POLL_SECONDS = 0.005
SETTINGS = """
listener {port} 127.0.0.1
persistence true
persistence_location {folder}/
autosave_on_changes true
autosave_interval 1
max_queued_messages 0
allow_anonymous true
log_dest none
"""

FORGETFUL = "listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest none\n"
"""Nothing is kept on the disk: a killed broker has forgotten everything."""


class MosquittoProcess:
    """One broker in a folder; what it keeps outlives the process."""

    def __init__(self, folder: Path, port: int, more: str = "", settings: str = SETTINGS) -> None:
        self.port = port
        self._file = folder / "mosquitto.conf"
        text = settings.format(port=port, folder=folder) + more
        if os.geteuid() == 0:
            text += "\nuser root\n"  # else it becomes a user that may not write into this folder
        folder.mkdir(parents=True, exist_ok=True)
        self._file.write_text(text, encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it; return once it listens."""
        self._process = process = self._spawned()
        until = time.monotonic() + START_SECONDS
        while not self._answers():
            if process.poll() is not None:
                raise RuntimeError(f"mosquitto ended with status {process.returncode}")
            assert time.monotonic() < until, "mosquitto does not listen"
            await asyncio.sleep(POLL_SECONDS)

    def _spawned(self) -> subprocess.Popen[bytes]:
        assert MOSQUITTO is not None
        command, nowhere = [MOSQUITTO, "-c", str(self._file)], subprocess.DEVNULL
        return subprocess.Popen(command, stdout=nowhere, stderr=nowhere)

    def kill(self) -> None:
        """Kill it without a goodbye, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """Stop it in its tracks: connections stay, nothing is read."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on after ``freeze``."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


def password_file(path: Path, user: str, password: str) -> str:
    """Write a broker's password file; return the settings that ask for it."""
    assert PASSWD is not None
    subprocess.run([PASSWD, "-b", "-c", str(path), user, password], check=True, capture_output=True)
    path.chmod(0o644)
    return f"\nallow_anonymous false\npassword_file {path}\n"
