"""A PostgreSQL of the suite's own: made in a temporary folder, on a free port, with its disk writes real."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path

import psutil
import psycopg
import pytest

PASSWORD = "s3cret-of-reader"
_RULES = "host all reader 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"
_NUMBERS = count(1)
_PATIENCE_SECONDS = 20


def find() -> Path:
    """Return the folder of the server's programs, which Debian keeps off the path; skip where there is none."""
    known = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    on_path = shutil.which("initdb")
    found = known[-1] if known else Path(on_path).parent if on_path else None
    if found is None and not os.environ.get("CI"):
        pytest.skip("PostgreSQL is not installed")
    assert found, "PostgreSQL is not installed"
    return found


class Server:
    """One PostgreSQL; it refuses to run as root, so root lends it the user that its package made."""

    def __init__(self) -> None:
        self._programs = find()
        self._user = "postgres" if os.getuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="aoi-bridge-postgresql-"))
        if self._user:
            shutil.chown(self.folder, self._user)
        self._data = self.folder / "data"
        self._run("initdb", "-D", str(self._data), "-U", "aoi", "-A", "trust", "-E", "UTF8", "--locale=C")
        (self._data / "pg_hba.conf").write_text(_RULES, encoding="ascii")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self._process: psutil.Popen | None = None
        self.start()
        with self.connect("postgres") as connection:
            connection.execute(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        subprocess.run(command, user=self._user, cwd=self.folder, check=True, capture_output=True, timeout=60)

    def start(self) -> None:
        """Run until it takes connections; after ``kill`` it recovers first."""
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "on",
            "max_connections": 40,
            "shared_buffers": "16MB",
        }
        flags = [flag for name, value in settings.items() for flag in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = psutil.Popen(
                [str(self._programs / "postgres"), "-D", str(self._data), *flags],
                user=self._user,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        self._await()

    def _await(self) -> None:
        until = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                self.connect("postgres").close()
            except psycopg.OperationalError:
                if time.monotonic() > until:
                    raise AssertionError((self.folder / "log").read_text(encoding="utf-8")) from None
                time.sleep(0.02)
            else:
                return

    def connect(self, database: str) -> psycopg.Connection:
        """Return a connection of the superuser, which commits by itself."""
        where = f"host=127.0.0.1 port={self.port} user=aoi dbname={database} connect_timeout=5"
        return psycopg.connect(where, autocommit=True)

    def create(self) -> str:
        """Make an empty database; return its name."""
        name = f"plant_{next(_NUMBERS)}"
        with self.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return name

    def drop(self, name: str) -> None:
        """Remove a database, whoever is connected to it."""
        with self.connect("postgres") as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def kill(self) -> None:
        """Pull the plug: every process of it is gone at once."""
        assert self._process is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            family = [self._process, *self._process.children(recursive=True)]
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(family, timeout=_PATIENCE_SECONDS)
        self._process.wait()

    def restart(self) -> None:
        """Pull the plug, and put it in again."""
        self.kill()
        self.start()

    def freeze(self, *, frozen: bool) -> None:
        """Stop every process of it where it stands, or let all go on."""
        assert self._process is not None
        for process in [*self._process.children(recursive=True), self._process]:
            (process.suspend if frozen else process.resume)()

    def stop(self) -> None:
        """End, and leave nothing behind."""
        self.kill()
        shutil.rmtree(self.folder)
