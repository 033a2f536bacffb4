"""plugins/README.md, walked through: every command in its order, every block as it stands in the example."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from bridge.simulate.factory import free_ports

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "plugins" / "README.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "examples" / "custom_plugin"
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\w+)\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
COMMANDS = [line for kind, block in BLOCKS if kind == "sh" for line in block.splitlines()]
SECONDS = 120
PARTS = b"".join(b"SN%d,%s,E1\r\n" % (number, b"NG" if number % 3 else b"OK") for number in range(9))


def test_every_block_of_code_stands_in_the_example() -> None:
    """What the guide shows is what runs."""
    modules = [path.read_text(encoding="utf-8") for path in sorted((EXAMPLE / "bridge_mc").glob("*.py"))]
    for kind, block in BLOCKS:
        assert kind in {"sh", "python", "toml"}
        if kind == "python":
            assert any(block in module for module in modules), f"differs from the example:\n{block}"


def test_what_the_author_edits_is_named_by_the_guide() -> None:
    """The table of files is that of the package."""
    named = set(re.findall(r"^\| `(\w+\.py)`", GUIDE, re.MULTILINE))
    assert named == {path.name for path in (EXAMPLE / "bridge_mc").glob("*.py")} - {"__init__.py"}


class Walk:
    """An engineer who types what the guide says."""

    def __init__(self, home: Path) -> None:
        self.place = home
        self.target = home / "installed"
        self.receiver, self.machine, self.plc = free_ports(3)

    @property
    def environment(self) -> Mapping[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.target), "COLUMNS": "160"}

    def started(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, cwd=self.place, env=self.environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )

    def run(self, *words: str) -> str:
        with self.started(*words) as process:
            said, error = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, (words, said[-3000:], error[-3000:])
        return said

    def type(self, line: str) -> None:
        """Do one line of the guide; a line that is not known here fails."""
        done = next((do for begins, do in self.known().items() if line.startswith(begins)), None)
        assert done is not None, f"the guide has a command that nobody tries: {line}"
        done(line)

    def known(self) -> Mapping[str, Callable[[str], None]]:
        return {
            "aoi-bridge sniff record": self.record,
            "aoi-bridge sniff": self.bridge,
            "aoi-bridge plugin": self.bridge,
            "aoi-bridge plugins": self.bridge,
            "aoi-bridge check": self.check,
            "aoi-bridge run": self.start_and_stop,
            "cd ": lambda line: setattr(self, "place", self.place / line.split()[1]),
            "pip install -e": lambda _: self.install(),
            "pytest": lambda _: self.replace_the_protocol(),
        }

    def bridge(self, line: str) -> None:
        line, _, into = line.partition(" > ")
        said = self.run("bridge.cli", *shlex.split(line)[1:])
        if into:
            (self.place / into).write_text(said, encoding="utf-8")
        if "sniff replay" in line:
            assert "not understood: 0" in said
        if "plugin test" in line:
            assert " holds" in said
            assert "fails" not in said

    def record(self, line: str) -> None:
        """Stand between a machine and its receiver."""
        words = line.replace("0.0.0.0:9100", f"127.0.0.1:{self.machine}")
        words = words.replace("192.168.0.20:9100", f"127.0.0.1:{self.receiver}")
        with (
            socket.create_server(("127.0.0.1", self.receiver)) as receiver,
            self.started("bridge.cli", *shlex.split(words)[1:]) as recording,
        ):
            assert recording.stdout is not None
            assert "Listening" in recording.stdout.readline()
            with socket.create_connection(("127.0.0.1", self.machine), SECONDS) as machine:
                machine.sendall(PARTS)
                taken, _ = receiver.accept()
                with taken:
                    heard = b""
                    while len(heard) < len(PARTS):
                        heard += taken.recv(4096)
            assert heard == PARTS
            recording.send_signal(signal.SIGINT)
            recording.communicate(timeout=SECONDS)

    def install(self) -> None:
        """Do what pip does, into a folder of the test's own."""
        uv = os.environ.get("UV", str(ROOT / ".venv" / "bin" / "uv"))
        command = [uv, "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target", self.target, self.place]
        subprocess.run(command, check=True, timeout=SECONDS)

    def replace_the_protocol(self) -> None:
        """Write what the guide has told up to here, and run the tests."""
        for path in self.place.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert (EXAMPLE / path.relative_to(self.place)).is_file(), f"the example lacks {path}"
        shutil.copytree(EXAMPLE, self.place, dirs_exist_ok=True)
        self.install()
        self.run("pytest", "-q", "-p", "no:cacheprovider", "-k", "codec or accepted-is-taken")

    def check(self, _: str) -> None:
        """Have a bridge.toml with the guide's table in it, and a PLC: the author's own peer."""
        (table,) = [block for kind, block in BLOCKS if kind == "toml"]
        assert set(tomllib.loads(table)["line"]["reporter"][0]) == {"type", "name", "host", "first_register"}
        table = table.replace('"192.168.0.10"', f'"127.0.0.1"\nport = {self.plc}\nin_shadow = true')
        model = ROOT / "bridge" / "simulate" / "demo_bundle"
        (self.place / "bridge.toml").write_text(
            f'[http]\nport = 0\n[judge.bolts]\ntype = "classifier"\nmodel = "{model}"\n'
            f'[[line]]\nname = "a"\ngoal = 1\njudge = "bolts"\ndeadline_ms = 5000\n'
            f'[line.source]\ntype = "tcp"\nport = {self.machine}\n{table}',
            encoding="utf-8",
        )
        with self.started("bridge.cli", "simulate", "plc") as plc:
            assert plc.stdout is not None
            assert "is listening" in plc.stdout.readline()
            said = self.run("bridge.cli", "check")
            plc.kill()
        assert re.search(r"plc +opens +well", said), said

    def start_and_stop(self, _: str) -> None:
        """Run the gateway until it is ready."""
        with self.started("bridge.cli", "run") as gateway:
            assert gateway.stderr is not None
            said = ""
            while "ready" not in said and (line := gateway.stderr.readline()):
                said += line
            gateway.send_signal(signal.SIGTERM)
            gateway.communicate(timeout=SECONDS)
        assert gateway.returncode == 0, said


@pytest.mark.timeout(300)
def test_the_guide_leads_from_an_empty_folder_to_a_plugin_that_passes(tmp_path: Path) -> None:
    """Each command in its order; what comes out of the last one is the example."""
    walk = Walk(tmp_path)
    for line in COMMANDS:
        walk.type(line)
    for path in EXAMPLE.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert (walk.place / path.relative_to(EXAMPLE)).read_bytes() == path.read_bytes()


def test_what_is_shown_is_short() -> None:
    """A morning has no time for a book."""
    shown = "\n".join(textwrap.dedent(block) for _, block in BLOCKS)
    assert len(shown.splitlines()) < 80
    assert len(GUIDE.split()) < 1200
