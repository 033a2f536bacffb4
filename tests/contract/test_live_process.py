"""What a running gateway holds and whom it calls: looked at from inside the process itself.

Dynamic imports escape a linter, and a library may call home when it is merely imported. So a real gateway runs
with every adapter and a real judging worker, and an audit hook in each of its processes notes every name look-up
and connection.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pytest

HOOK = """
import atexit, json, os, sys

_folder = os.environ["AOI_BRIDGE_TEST_TRACE"]

def _note(event, what):
    with open(os.path.join(_folder, f"events-{os.getpid()}"), "a") as file:
        file.write(json.dumps([event, repr(what)]) + "\\n")

def _audit(event, args):
    if event in ("socket.connect", "socket.sendto", "socket.bind"):
        _note(event, args[1])
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "pickle.find_class"):
        _note(event, args[0])

def _modules():
    with open(os.path.join(_folder, f"modules-{os.getpid()}"), "w") as file:
        json.dump(sorted(sys.modules), file)

_note("process", sys.argv)
sys.addaudithook(_audit)
atexit.register(_modules)
"""

CONFIG = """
log = "json"
http = {{port = 0}}

[[line]]
name = "folder"
goal = 1
topology = "inline"
judge = "pins"
source = {{type = "hotfolder", path = "{folder}"}}
[[line.reporter]]
type = "modbus"
name = "plc"
host = "127.0.0.1"
port = {closed}

[[line]]
name = "stream"
goal = 2
topology = "inline"
judge = "pins"
source = {{type = "tcp", port = {free}}}
[[line.reporter]]
type = "tcp"
name = "mes"
host = "127.0.0.1"
port = {closed}

[[line]]
name = "press"
goal = 1
judge = "pins"
source = {{type = "modbus", role = "server", port = {other}}}

[[line]]
name = "station"
goal = 3
judge = "pins"
[line.source]
type = "camera"
trigger = {{type = "modbus", role = "server", port = {third}}}
camera = [{{name = "front", kind = "folder", path = "{folder}"}}]

[judge.pins]
type = "classifier"
model = "pins"
"""

BUNDLE = Path(__file__).parents[2] / "bridge" / "simulate" / "demo_bundle"

NEVER = {
    "tensorflow",
    "keras",
    "torch",
    "jax",
    "cv2",
    "openvino",
    "nncf",
    "numpy",
    "cloudpickle",
    "dill",
    "joblib",
    "multiprocessing",
    "bridge.learning",
    "bridge.simulate",
    "bridge.judging.engine",
    "bridge.judging.worker",
    "bridge.judging.preprocess",
    "harvesters",
    "genicam",
    "bridge_camera.worker",
    "bridge_camera.device",
}
"""What would make the gateway big, slow to start, or able to load code from data."""


@dataclass(frozen=True)
class Trace:
    """What the processes of one gateway left behind."""

    folder: Path
    gateway: int
    log: list[str]

    def modules(self) -> set[str]:
        return set(json.loads((self.folder / f"modules-{self.gateway}").read_text(encoding="utf-8")))

    def events(self) -> list[tuple[str, str]]:
        found = self.folder.glob("events-*")
        return [tuple(json.loads(line)) for path in found for line in path.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trace]:
    """Run a gateway until every part of it was tried once, and stop it."""
    home, site, traced = (tmp_path_factory.mktemp(name) for name in ("home", "site", "trace"))
    (site / "sitecustomize.py").write_text(HOOK, encoding="utf-8")
    (home / "aoi").mkdir()
    shutil.copytree(BUNDLE, home / "var" / "models" / "pins" / "live")
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
    free, other, closed, third = (one.getsockname()[1] for one in held)
    for one in held:
        one.close()
    text = CONFIG.format(folder=home / "aoi", closed=closed, free=free, other=other, third=third)
    path = home / "bridge.toml"
    path.write_text(text, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "bridge.cli", "run", "--config", str(path)],
        env={**os.environ, "PYTHONPATH": str(site), "AOI_BRIDGE_TEST_TRACE": str(traced)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield finished(process, traced)
    finally:
        process.kill()
        process.communicate()


def finished(process: subprocess.Popen[str], traced: Path) -> Trace:
    """Read the log until all sources are open and the judge was tried, stop the gateway, and return its trace."""
    assert process.stderr is not None
    lines: list[str] = []
    tried: set[str] = set()
    wanted = {"source folder", "source stream", "source press", "source station", "judge pins", "started"}
    for line in process.stderr:
        lines.append(line)
        said = json.loads(line)
        if said["event"].startswith("plugin "):
            tried.add(said["plugin"] if said["plugin"] != "source" else f"source {said['line']}")
        tried.add(said["event"])
        if wanted <= tried:
            break
    process.send_signal(signal.SIGTERM)
    lines += process.communicate(timeout=30)[1].splitlines()
    assert process.returncode == 0, "".join(lines)
    return Trace(traced, process.pid, lines)


def test_the_gateway_process_stays_small(trace: Trace) -> None:
    """Deep learning, image decoding and numbers live in the worker; nothing that unpickles lives anywhere."""
    modules = trace.modules()
    assert {"bridge.gateway", "bridge.line", "bridge_tcp.source", "bridge_camera.source"} <= modules
    assert NEVER & modules == set()


def test_nobody_is_called_but_who_the_configuration_names(trace: Trace) -> None:
    """No name is looked up and nothing outside this machine is connected to, by any process of the gateway."""
    events = trace.events()
    assert len([event for event, _ in events if event == "process"]) >= 3, "both workers were traced too"
    for event, what in events:
        assert not event.startswith("socket") or local(what), f"{event} {what}"


def test_listeners_are_on_loopback_until_told_otherwise(trace: Trace) -> None:
    """Nobody wrote a host for the two sources that listen, nor for the control port."""
    bound = [what for event, what in trace.events() if event == "socket.bind"]
    assert len([what for what in bound if "127.0.0.1" in what]) >= 3, "sources and control port were traced"
    assert [what for what in bound if not local(what)] == []


def test_nothing_is_ever_unpickled(trace: Trace) -> None:
    """Libraries import pickle; what matters is that nobody loads a class by it."""
    assert [what for event, what in trace.events() if event == "pickle.find_class"] == []


def test_nothing_failed_on_the_way(trace: Trace) -> None:
    assert not [line for line in trace.log if '"exception"' in line]


def local(what: str) -> bool:
    """Return whether an address, as an audit hook shows it, is of this machine."""
    if what.startswith(("'/", "b'/", "''", "b'\\x00")):  # a socket file
        return True
    host = what.strip("('\"").partition("'")[0]
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host in {"localhost", "None"}
