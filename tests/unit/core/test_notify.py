"""What the service manager hears: when it is ready, that it lives, and that it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from core_kit import a_decision, a_name, until

from bridge.cli import run
from bridge.config import load
from bridge.errors import Unavailable
from bridge.gateway import open_gateway
from bridge.notify import LONGEST_STATUS, Notify, in_words
from bridge.store import Journal, open_journal
from bridge.tasks import Tasks

PATIENCE = 30.0


class Manager:
    """A service manager's end of the socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.heard: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)

    def listen(self) -> list[str]:
        """Return all that was said until now."""
        while True:
            try:
                self.heard += self._socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return self.heard

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest) -> Iterator[Manager]:
    """Return a manager on a socket file (in a short path, for there is a limit), or on an abstract socket."""
    with tempfile.TemporaryDirectory(prefix="n") as folder:
        opened = Manager(f"{folder}/s" if request.param == "path" else f"@aoi-bridge-{os.getpid()}-{a_name('s')}")
        yield opened
        opened.close()


@contextmanager
def held(journal: Journal) -> Iterator[None]:
    """Let the journal's thread hang, as on a disk that does not answer."""
    gate = threading.Event()
    journal._writer.submit(lambda _: gate.wait(PATIENCE))
    try:
        yield
    finally:
        gate.set()


async def filled(journal: Journal) -> None:
    """Commit until the disk refuses."""
    for number in range(1000):
        await journal.commit(a_decision("l", number))


def test_everything_is_said_in_the_managers_words(manager: Manager) -> None:
    notify = Notify(manager.address)
    notify.ready()
    notify.alive()
    notify.status("NOT READY:\nline-1 plc down")
    notify.status("NOT READY: line-1 plc down")
    notify.status("x" * 10_000)
    notify.stopping()
    assert manager.listen() == [
        "READY=1",
        "WATCHDOG=1",
        "STATUS=NOT READY: line-1 plc down",
        "STATUS=" + "x" * LONGEST_STATUS,
        "STOPPING=1",
        "STATUS=stopping",
    ]


@pytest.mark.parametrize("address", ["", "/nowhere/at/all", "@nobody-listens-here", "/" + "x" * 300])
def test_a_manager_that_is_not_there_costs_nothing(address: str) -> None:
    notify = Notify(address)
    notify.ready()
    notify.status("well")
    assert notify.wanted is bool(address)


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdogs_time_is_for_the_process_it_names(
    environment: dict[str, str], seconds: float | None
) -> None:
    assert Notify.from_environment(environment).watchdog_seconds == seconds


def test_the_status_says_who_is_not_well() -> None:
    assert in_words({"ready": True, "plugins": [], "lines_in_error": []}) == "ready"
    plugins = [
        {"line": "", "name": "judge pins", "state": "starting", "error": ""},
        {"line": "smt-3", "name": "source", "state": "down", "error": "the share is away"},
    ]
    said = in_words({"ready": False, "plugins": plugins, "lines_in_error": ["smt-4"]})
    assert said == "NOT READY: smt-4 in error; judge pins starting; smt-3 source down (the share is away)"


class TestWatchdog:
    async def test_it_is_fed_while_the_journals_thread_comes_by_and_no_longer(
        self, manager: Manager, journal: Journal
    ) -> None:
        """A hanging thread is a hanging gateway, however well the event loop turns."""
        notify = Notify(manager.address, watchdog_seconds=0.02)
        telling = asyncio.create_task(notify.keep_telling(journal.alive, lambda: "ready"))
        await until(lambda: manager.listen().count("WATCHDOG=1") >= 3)
        with held(journal):
            await asyncio.sleep(0.1)  # one feeding may have been on its way
            manager.listen()
            manager.heard.clear()
            await asyncio.sleep(0.2)
            assert manager.listen() == []
        await until(lambda: "WATCHDOG=1" in manager.listen())
        telling.cancel()
        await asyncio.wait({telling})

    async def test_a_full_disk_is_no_reason_to_be_killed(self, manager: Manager, tmp_path: Path) -> None:
        """Parts are answered by their safe rows; a restart would answer them no better."""
        async with open_journal(tmp_path) as journal:
            await journal._writer.submit(lambda ledger: ledger.connection.execute("PRAGMA max_page_count = 1"))
            with pytest.raises(Unavailable):
                await filled(journal)
            notify = Notify(manager.address, watchdog_seconds=0.02)
            telling = asyncio.create_task(notify.keep_telling(journal.alive, lambda: "ready"))
            await until(lambda: manager.listen().count("WATCHDOG=1") >= 3)
            telling.cancel()
            await asyncio.wait({telling})


CONFIG = """
log = "json"
http = {port = 0}
[[line]]
name = "l"
goal = 1
judge = "j"
source = {type = "feed", tag = "s", parts = 3}
[judge.j]
type = "opinion"
"""


@pytest.fixture
def gateway(tmp_path: Path, plugins: Path, manager: Manager) -> Iterator[subprocess.Popen[bytes]]:
    path = tmp_path / "bridge.toml"
    path.write_text(CONFIG, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "bridge.cli", "run", "--config", str(path)],
        env={
            **os.environ,
            "PYTHONPATH": f"{plugins}:{Path(__file__).parent}",
            "NOTIFY_SOCKET": manager.address,
            "WATCHDOG_USEC": "200000",
        },
        stderr=subprocess.DEVNULL,
    )
    yield process
    process.kill()
    process.wait(PATIENCE)


def heard(manager: Manager, word: str, times: int = 1) -> None:
    end = time.monotonic() + PATIENCE
    while manager.listen().count(word) < times:
        assert time.monotonic() < end, manager.heard
        time.sleep(0.01)


def test_a_gateway_tells_its_service_manager(gateway: subprocess.Popen[bytes], manager: Manager) -> None:
    heard(manager, "READY=1")
    heard(manager, "WATCHDOG=1", 3)
    heard(manager, "STATUS=ready")
    gateway.send_signal(signal.SIGTERM)
    heard(manager, "STOPPING=1")
    assert gateway.wait(PATIENCE) == 0
    assert manager.listen().count("READY=1") == 1


@pytest.mark.usefixtures("plugins")
async def test_a_start_that_is_broken_off_was_never_ready(tmp_path: Path, manager: Manager) -> None:
    path, stop = tmp_path / "bridge.toml", asyncio.Event()
    path.write_text(CONFIG + 'trouble = "opening"\n', encoding="utf-8")
    async with open_gateway(await asyncio.to_thread(load, path)) as gateway:
        stop.set()
        await run._run_on(gateway, stop, Notify(manager.address), Tasks())
    assert manager.listen() == []
