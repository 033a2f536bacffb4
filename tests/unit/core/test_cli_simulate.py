"""``aoi-bridge simulate`` and the numbers of ``demo``, as a line engineer types them."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.cli.main import main

CONFIG = """
[[line]]
name = "a"
goal = 1
topology = "inline"
deadline_ms = 100
judge = "pins"

[line.source]
type = "hotfolder"
path = "aoi"

[[line.reporter]]
type = "modbus"
name = "plc"
host = "127.0.0.1"
port = {plc}

[[line.reporter]]
type = "tcp"
name = "mes"
host = "127.0.0.1"
port = {mes}
template = "{{id}};{{part}};{{verdict}}"

[judge.pins]
type = "classifier"
model = "pins"
"""


@pytest.fixture
def ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


@pytest.fixture
def config(tmp_path: Path, ports: tuple[int, int]) -> Path:
    path = tmp_path / "bridge.toml"
    path.write_text(CONFIG.format(plc=ports[0], mes=ports[1]), encoding="utf-8")
    (tmp_path / "aoi").mkdir()
    return path


@contextmanager
def simulating(config: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Hold the command in a process of its own, once it has said its first line."""
    command = [sys.executable, "-m", "bridge.cli", "simulate", *words, "--config", str(config)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline().startswith("#")
            yield process
        finally:
            process.terminate()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("simulate aoi --rate 0", "argument --rate: 0 is no rate; write a number above 0"),
        ("simulate aoi --rate nan", "argument --rate: nan is no rate"),
        ("simulate aoi --rate fast", "argument --rate: fast is no rate"),
        ("simulate aoi --parts -3", "argument --parts: -3 is no count; write a whole number from 1"),
        ("simulate aoi --parts 99999999999", "argument --parts: 99999999999 is no count"),
        ("simulate aoi --false-calls 3", "argument --false-calls: 3 is no share; write a number from 0 to 1"),
        ("simulate aoi --escapes -0.1", "argument --escapes: -0.1 is no share"),
        ("demo --parts 0", "argument --parts: 0 is no count"),
        ("demo --rate inf", "argument --rate: inf is no rate"),
    ],
)
def test_a_number_that_means_nothing_is_one_line(
    words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words.split())
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_a_demo_is_not_kept_over_an_older_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its journal would hold the parts of both."""
    (tmp_path / "bridge.toml").touch()
    assert main(["demo", "--keep", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"--keep {tmp_path}: is not empty; write another folder\n"
    assert main(["demo", "--keep", str(tmp_path / "bridge.toml")]) == 2
    assert "cannot be used (File exists); write another folder" in capsys.readouterr().err


def test_the_inspector_and_its_plc_are_a_whole_station(config: Path) -> None:
    """Without a bridge the PLC ejects the part; played again, it is another presentation."""
    said: list[str] = []
    for _ in range(2):
        with simulating(config, "aoi", "--plc", "--parts", "1", "--rate", "50") as process:
            said += process.communicate(timeout=30)[0].splitlines()
            assert process.returncode == 0
    serials = {line.split()[0] for line in said if "the inspector says" in line}
    assert len(serials) == 2
    assert sum("EJECTED: nothing reported" in line for line in said) == 2
    assert {path.stem for path in (config.parent / "aoi").glob("*.json")} == serials


def test_the_plc_shows_what_it_reads(config: Path) -> None:
    with simulating(config, "plc") as process:
        out, _ = process.communicate("# no part\n\nP1\n", timeout=30)
    assert out == "P1  EJECTED: nothing reported\n"


def test_the_mes_shows_what_a_template_tells(config: Path, ports: tuple[int, int]) -> None:
    with simulating(config, "mes") as process, socket.create_connection(("127.0.0.1", ports[1]), 10) as peer:
        peer.sendall(b"0123;P1;OK\r\n")
        assert b"accepted" in peer.recv(100)
        assert process.stdout is not None
        assert process.stdout.readline() == "P1  OK  0123\n"


def test_the_mes_does_what_is_typed(config: Path, ports: tuple[int, int]) -> None:
    """Each trouble of a real MES can be tried against a bridge, and it goes on when nobody types any more."""
    with simulating(config, "mes") as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def types(word: str) -> str:
            process.stdin.write(f"{word}\n")
            process.stdin.flush()
            return str(process.stdout.readline())

        def tells(seconds: float = 10) -> bytes:
            with socket.create_connection(("127.0.0.1", ports[1]), seconds) as peer:
                peer.sendall(b"0123;P1;OK\r\n")
                return peer.recv(200)

        assert types("refuse no such order") == "# refuse\n"
        assert b"no such order" in tells()
        assert types("die") == "# die\n"
        with pytest.raises(OSError, match="refused"):
            tells()
        assert types("back") == types("back") == "# back\n", "it is back already"
        assert [types(word) for word in ("stall", "resume", "accept")] == ["# stall\n", "# resume\n", "# accept\n"]
        assert types("lose-ack") == "# lose-ack\n"
        with pytest.raises(TimeoutError):
            tells(seconds=0.3)
        assert process.stdout.readline() == "P1  OK  0123\n", "it is kept all the same"
        assert types("half-close") == "# half-close\n"
        assert "write refuse REASON, accept" in types("dance")
        process.stdin.close()
        assert b"accepted" in tells()


@pytest.mark.parametrize("role", ["plc", "mes"])
def test_it_ends_at_once_though_nobody_types(config: Path, role: str) -> None:
    with simulating(config, role) as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0


@pytest.mark.parametrize("role", ["aoi", "plc", "mes"])
def test_bad_habits_are_listed_with_what_they_do(
    config: Path, role: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", role, "--habits", "--config", str(config)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 4
    assert all(len(line.split("  ", 1)) == 2 for line in lines)


def test_an_mes_with_a_bad_habit_has_it_from_the_start(config: Path, ports: tuple[int, int]) -> None:
    words = ("mes", "--habit", "refuse=1")
    with simulating(config, *words), socket.create_connection(("127.0.0.1", ports[1]), 10) as peer:
        peer.sendall(b"0123;P1;OK\r\n")
        assert b"refused by a habit" in peer.recv(200)


def test_habits_of_a_plc_that_nobody_plays_are_a_mistake(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "aoi", "--plc-habit", "busy", "--config", str(config)]) == 2
    assert capsys.readouterr().err == "--plc-habit: no PLC is played; write --plc too\n"
