"""``aoi-bridge sniff`` as an engineer uses it: record, show, propose, replay, case; a mistake is one line."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.cli.main import main
from bridge.sniff.capture import Event, read, writing

COMMAND = [sys.executable, "-m", "bridge.cli", "sniff"]
SECONDS = 30
LINES = [f"SN{1000 + n},{'NG' if n % 4 == 1 else 'OK'},{'E12' if n % 4 == 1 else ''}" for n in range(9)]


@dataclass
class Done:
    """What a command has said."""

    returncode: int
    stdout: str
    stderr: str


Sniff = Callable[..., Done]


@pytest.fixture
def sniff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Sniff:
    """Run the command in this process, in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Done:
        try:
            status = main(["sniff", *words])
        except SystemExit as exc:
            status = int(str(exc.code))
        return Done(status, *capfd.readouterr())

    return run


@contextmanager
def recording(*words: str, cwd: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Record on a free port of this machine; it is killed at the end, if it still lives."""
    command = [*COMMAND, "record", "--listen", "0", "--out", "c.jsonl", *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=cwd
    ) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert first.startswith("Listening on 127.0.0.1:"), first
            yield process, int(first.split(":")[1].split(";")[0].split(",")[0])
        finally:
            process.kill()


def ask(link: socket.socket, line: str) -> bytes:
    """Say a line and wait for the answer."""
    link.sendall(f"{line}\r\n".encode())
    return link.recv(100)


def capture(path: Path, lines: list[str] = LINES) -> Path:
    """Write a capture of two connections."""
    with writing(path, "tcp", "listen 127.0.0.1:9100", 1_000_000) as (writer, _):
        for number, line in enumerate(lines):
            link = 1 + (number >= len(lines) // 2)
            writer.write(Event(what="machine", t=number / 10, connection=link, data=f"{line}\r\n".encode()))
    return path


def test_a_kill_loses_nothing_that_was_answered_and_the_recording_goes_on(tmp_path: Path) -> None:
    """Each message that got its answer is in the file after ``kill -9``; the same command appends to it."""
    for run in range(2):
        with recording("--answer", r"\x06", cwd=tmp_path) as (process, port):
            with socket.create_connection(("127.0.0.1", port), SECONDS) as link:
                answers = [ask(link, f"{line}-{run}") for line in LINES]
                process.send_signal(signal.SIGKILL)
            process.wait(SECONDS)
        assert answers == [b"\x06"] * len(LINES)
    held = read(tmp_path / "c.jsonl")
    said = b"".join(event.data for event in held.events if event.what == "machine").decode().split()
    assert said == [f"{line}-{run}" for run in range(2) for line in LINES]
    assert set(held.connections()) == {1, 2}, "connections are numbered on"
    assert [event.what for event in held.events].count("resumed") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_recording_is_ended_by_hand(number: signal.Signals, tmp_path: Path) -> None:
    """It says what it has, and what comes next."""
    with recording(cwd=tmp_path) as (process, port):
        with socket.create_connection(("127.0.0.1", port), SECONDS) as link:
            link.sendall(f"{LINES[0]}\r\n".encode())
            link.shutdown(socket.SHUT_WR)
            assert link.recv(1) == b"", "nothing is sent to the machine"
        process.send_signal(number)
        said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert "1 packet of" in said
    assert "stopped" in said
    assert "aoi-bridge sniff propose c.jsonl" in said
    assert len(read(tmp_path / "c.jsonl").events) == 4


def test_a_recording_ends_by_itself_when_the_file_is_full(tmp_path: Path) -> None:
    with (
        recording("--megabytes", "0.001", cwd=tmp_path) as (process, port),
        socket.create_connection(("127.0.0.1", port), SECONDS) as link,
    ):
        link.sendall(b"x" * 2000)
        said, _ = process.communicate(timeout=SECONDS)
    assert (process.returncode, "full" in said) == (0, True)
    assert (tmp_path / "c.jsonl").stat().st_size <= 1000


def test_from_a_capture_to_a_line_that_understands_it(tmp_path: Path, sniff: Sniff) -> None:
    """Propose writes a file that replay takes as it is; its exit status says whether all was understood."""
    capture(tmp_path / "c.jsonl")
    proposed = sniff("propose", "c.jsonl")
    assert proposed.returncode == 0, proposed.stderr
    (tmp_path / "source.toml").write_text(proposed.stdout)
    table = tomllib.loads(proposed.stdout)["line"]["source"]
    assert table["pattern"] == "(?P<part>[^,]*),(?P<verdict>[^,]*),(?P<defect>[^,]*)"
    assert "# certain:" in proposed.stdout
    assert "# A GUESS:" in proposed.stdout
    replayed = sniff("replay", "c.jsonl", "--config", "source.toml")
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert "understood: 9 parts; not understood: 0 messages" in replayed.stdout
    assert "SN1001" in replayed.stdout
    assert not (tmp_path / "var").exists(), "nothing was journalled"


@pytest.mark.parametrize("how", [["--split", "1"], ["--speed", "50"], ["--all-at-once"]])
def test_what_a_stream_means_does_not_depend_on_how_it_is_replayed(
    how: list[str], tmp_path: Path, sniff: Sniff
) -> None:
    capture(tmp_path / "c.jsonl", [*LINES, "what is this"])
    (tmp_path / "s.toml").write_text('[line.source]\ntype = "tcp"\nport = 9100\n')
    done = sniff("replay", "c.jsonl", "--config", "s.toml", "--json", *how)
    said = json.loads(done.stdout)
    assert done.returncode == 1
    assert (said["understood"], said["missed"]) == (9, 1)
    assert [row["part"] for row in said["rows"] if row["understood"]] == [line.split(",")[0] for line in LINES]
    assert [row["why"] for row in said["rows"] if not row["understood"]] == ["line does not match the pattern"]


def test_a_line_of_a_whole_configuration_is_replayed_without_a_gateway(tmp_path: Path, sniff: Sniff) -> None:
    capture(tmp_path / "c.jsonl")
    (tmp_path / "bridge.toml").write_text(
        '[judge.pins]\ntype = "classifier"\nmodel = "pins"\n'
        '[[line]]\nname = "a"\ngoal = 1\njudge = "pins"\n[line.source]\ntype = "tcp"\nport = 9100\n'
        '[[line]]\nname = "b"\ngoal = 1\njudge = "pins"\n[line.source]\ntype = "hotfolder"\npath = "/aoi"\n'
    )
    assert sniff("replay", "c.jsonl", "--line", "a").returncode == 0
    for words, said in (
        ([], "--line: is needed"),
        (["--line", "c"], "--line c: is not a line"),
        (["--line", "b"], "source hotfolder: cannot be played a capture of kind tcp"),
    ):
        done = sniff("replay", "c.jsonl", *words)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert said in done.stderr


def test_a_case_is_made_for_each_connection(tmp_path: Path, sniff: Sniff) -> None:
    """The layout is that of the cases in the tests of the adapter."""
    capture(tmp_path / "c.jsonl", [*LINES, "what is this"])
    (tmp_path / "s.toml").write_text('[line.source]\ntype = "tcp"\nport = 9100\nok_words = ["OK", "GUT"]\n')
    done = sniff("case", "c.jsonl", "--config", "s.toml", "--out", "cases/old")
    assert done.returncode == 0, done.stderr
    first, second = tmp_path / "cases/old-1", tmp_path / "cases/old-2"
    assert tomllib.loads((first / "options.toml").read_text()) == {"port": 9100, "ok_words": ["OK", "GUT"]}
    assert (first / "input.bin").read_bytes() == "".join(f"{line}\r\n" for line in LINES[:5]).encode()
    expected = [json.loads(line) for line in (second / "expected.jsonl").read_text().splitlines()]
    assert expected[0] == {"part": "SN1005", "legacy": "NG", "defect": "E12"}
    assert expected[-1] == {"quarantined": "line does not match the pattern"}
    again = sniff("case", "c.jsonl", "--config", "s.toml", "--out", "cases/old")
    assert (again.returncode, "is there already" in again.stderr) == (2, True)


def test_a_capture_is_shown_to_people(tmp_path: Path, sniff: Sniff) -> None:
    """One line for each event; nothing that a terminal would obey."""
    capture(tmp_path / "c.jsonl", ["P1,OK\x1b[2J"])
    done = sniff("show", "c.jsonl")
    assert (done.returncode, "\x1b" in done.stdout) == (0, False)
    assert r"P1,OK\x1b[2J\r\n" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["record", "--out", "c"], "one of the arguments"),
        (["record", "--listen", "nowhere", "--out", "c"], "nowhere is no place"),
        (["record", "--connect", "127.0.0.1:1", "--forward", "127.0.0.1:2", "--out", "c"], "--forward: is for"),
        (
            ["record", "--listen", "0", "--forward", "a:1", "--answer", "x", "--out", "c"],
            "--answer: stands beside",
        ),
        (["record", "--folder", "nowhere", "--out", "c"], "--folder nowhere: is no folder"),
        (["record", "--listen", "0", "--out", "no/such/folder/c"], "no/such/folder/c: cannot be written"),
        (["record", "--listen", "203.0.113.9:9", "--out", "c"], "--listen: cannot listen on 203.0.113.9:9"),
        (["record", "--listen", "0", "--allow", "plc", "--out", "c"], "plc is no address"),
        (["show", "none"], "none: cannot be read"),
        (["propose", "text"], "text: is no capture"),
        (["propose", "empty"], "the machine has sent nothing"),
        (["replay", "full", "--config", "none.toml"], "none.toml: there is no such file"),
        (["replay", "full", "--config", "bad.toml"], "bad.toml"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], said: str, tmp_path: Path, sniff: Sniff) -> None:
    """Where, what was found, what to write; never a traceback."""
    (tmp_path / "text").write_text("hello\n")
    (tmp_path / "bad.toml").write_text('[line.source]\ntype = "tcp"\nport = "x"\n')
    capture(tmp_path / "full")
    capture(tmp_path / "empty", [])
    done = sniff(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
