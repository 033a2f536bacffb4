"""Secrets stay where they lie: nothing that the bridge prints, logs, serves or stores ever holds one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from plant_tls import Plant

from bridge.plugin import ClientTls

SOURCE, REPORTER, HTTP = "open-sesame-source", "open-sesame-reporter", "open-sesame-http"
SECRETS = (SOURCE, REPORTER, HTTP)

pytestmark = pytest.mark.timeout(180)  # commands in processes of their own, on a machine that others load too

CONFIG = """
log = "json"

[http]
port = 0
tls = {{ cert = "{cert}", key = "http.key", key_password = "env:HTTP_KEY_PASSWORD" }}

[[line]]
name = "smt-3"
goal = 1
topology = "inline"
judge = "pins"

[line.source]
type = "tcp"
port = {port}
reply = "{{part}},{{verdict}}"
tls = {{ cert = "{cert}", key = "source.key", key_password = "env:SOURCE_KEY_PASSWORD" }}

[[line.reporter]]
type = "tcp"
name = "mes"
host = "127.0.0.1"
port = {closed}
tls = {{ ca = "{ca}", cert = "{cert}", key = "reporter.key", key_password = "file:reporter-password" }}

[judge.pins]
type = "classifier"
model = "pins"
"""


def encrypted(plant: Plant, path: Path, password: str) -> None:
    key = serialization.load_pem_private_key(plant.bridge.key.read_bytes(), None)
    kind = serialization.BestAvailableEncryption(password.encode())
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, kind))


@pytest.fixture
def home(plant: Plant, tmp_path: Path) -> Path:
    """A folder with a bridge.toml whose three keys are each under a password of their own."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        port, closed = one.getsockname()[1], other.getsockname()[1]
    for name, password in zip(("source", "reporter", "http"), SECRETS, strict=True):
        encrypted(plant, tmp_path / f"{name}.key", password)
    (tmp_path / "reporter-password").write_text(REPORTER, encoding="utf-8")
    text = CONFIG.format(cert=plant.bridge.cert, ca=plant.ca, port=port, closed=closed)
    (tmp_path / "bridge.toml").write_text(text, encoding="utf-8")
    (tmp_path / "port").write_text(str(port), encoding="utf-8")
    return tmp_path


def environment(**other: str) -> Mapping[str, str]:
    return {**os.environ, "SOURCE_KEY_PASSWORD": SOURCE, "HTTP_KEY_PASSWORD": HTTP, "COLUMNS": "400", **other}


def said(home: Path, *words: str, **env: str) -> str:
    """Run a command to its end and return all that it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "bridge.cli", *words],
        cwd=home,
        env=environment(**env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=50,
        check=False,
    )
    return done.stdout.decode()


@contextmanager
def running(home: Path, log: list[str]) -> Iterator[None]:
    """Run the gateway until the block ends; what it logs is in ``log`` then."""
    gateway = subprocess.Popen(
        [sys.executable, "-m", "bridge.cli", "run"], cwd=home, env=environment(), stderr=subprocess.PIPE, text=True
    )
    assert gateway.stderr is not None
    try:
        open_ = {"started", "source"}
        for line in gateway.stderr:
            log.append(line)
            facts = json.loads(line)
            open_.discard(facts["event"])
            if facts["event"] == "plugin up":
                open_.discard(facts["plugin"])
            if not open_:
                break
        yield
        gateway.send_signal(signal.SIGTERM)
        log.append(gateway.communicate(timeout=30)[1])
    finally:
        gateway.kill()
        gateway.wait()


def one_part(plant: Plant, port: int) -> bytes:
    """Hand one part in over TLS and return the reply."""
    context = ClientTls(ca=plant.ca).context()
    plain = socket.create_connection(("127.0.0.1", port), timeout=30)
    with context.wrap_socket(plain, server_hostname="127.0.0.1") as machine:
        machine.sendall(b"P1,NG\r\n")
        return machine.recv(100)


def test_no_secret_is_ever_told(plant: Plant, home: Path) -> None:
    """Logs, status, check, plugins, the journal and every other file that a running gateway leaves behind."""
    log: list[str] = []
    with running(home, log):
        assert one_part(plant, int((home / "port").read_text())) == b"P1,NG\r\n"
        told = [said(home, "status", "--json"), said(home, "status")]
        served = [path.read_bytes() for path in (home / "var").rglob("*") if path.is_file()]
        assert json.loads(told[0])["lines"][0]["parts"] == 1
    told += [said(home, "check"), said(home, "plugins"), *log]
    kept = [path.read_bytes() for path in (home / "var").rglob("*") if path.is_file()]
    assert any(b"P1" in blob for blob in kept), "the journal was looked at"
    for secret in SECRETS:
        assert not [text for text in told if secret in text]
        assert not [blob for blob in (*served, *kept) if secret.encode() in blob]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("env:HTTP_KEY_PASSWORD", "what stands there is not a reference"),
        ("file:reporter-password", "what stands there is not a reference"),
    ],
)
def test_a_secret_that_is_written_out_is_refused_and_not_repeated(home: Path, wrong: str, says: str) -> None:
    path = home / "bridge.toml"
    path.write_text(path.read_text(encoding="utf-8").replace(wrong, "written-out-secret"), encoding="utf-8")
    answer = said(home, "check", "--offline")
    assert says in answer
    assert "written-out-secret" not in answer


def test_a_password_that_does_not_fit_is_not_told(home: Path) -> None:
    """The error of the source names the key; neither the wrong password nor the right ones."""
    answer = said(home, "check", SOURCE_KEY_PASSWORD="open-sesame-wrong")
    assert "source.key" in answer
    assert "correct key_password" in answer
    assert "open-sesame" not in answer
