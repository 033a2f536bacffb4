"""The command line: one line for a mistake, and a gateway that stops when it is told to."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from core_kit import a_name

from bridge.asking import ask
from bridge.cli.main import main
from bridge.config import load
from bridge.store import Entry, record

Run = Callable[..., "subprocess.Popen[str]"]
PATIENCE = 30.0
"""Seconds that a process may take on a busy machine before a test gives up."""


def said(capsys: pytest.CaptureFixture[str]) -> tuple[str, list[str]]:
    captured = capsys.readouterr()
    return captured.out, captured.err.splitlines()


class TestInit:
    def test_init_writes_what_check_accepts(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = tmp_path / "bridge.toml"
        assert main(["init", "--out", str(path)]) == 0
        assert main(["check", "--offline", "--config", str(path)]) == 0
        out, err = said(capsys)
        assert f"{path}: 1 line(s), 1 judge(s), no mistakes" in out
        assert err == []

    def test_init_takes_other_plugins(self, tmp_path: Path) -> None:
        path = tmp_path / "bridge.toml"
        arguments = ["init", "--out", str(path), "--source", "tcp", "--reporter", "tcp", "--reporter", "tcp"]
        assert main(arguments) == 0
        assert [told.options.name for told in load(path).line[0].reporter] == ["mes", "mes-2"]

    def test_init_leaves_an_existing_file_alone(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = tmp_path / "bridge.toml"
        path.write_text("mine", encoding="utf-8")
        assert main(["init", "--out", str(path)]) == 2
        assert said(capsys)[1] == [f"{path}: is there already; write --out with another name"]
        assert path.read_text(encoding="utf-8") == "mine"

    def test_init_into_a_folder_that_is_not_there_is_one_line(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["init", "--out", str(tmp_path / "no" / "bridge.toml")]) == 2
        assert len(said(capsys)[1]) == 1


class TestMistakes:
    def test_each_mistake_is_one_line_on_standard_error(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "bridge.toml"
        main(["init", "--out", str(path)])
        text = path.read_text(encoding="utf-8").replace("goal = 1", "goal = 7").replace("# log = ", "lgo = ")
        path.write_text(text, encoding="utf-8")
        said(capsys)
        for command in (["check", "--offline"], ["run"], ["status"]):
            assert main([*command, "--config", str(path)]) == 2
            out, err = said(capsys)
            assert out == ""
            assert [line.split(";")[0] for line in err] == [
                f"{path}: line.line-1.goal: 7 is not one of the choices",
                f"{path}: lgo: no such key",
            ]

    def test_a_missing_file_says_how_to_get_one(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["run", "--config", str(tmp_path / "none.toml")]) == 2
        assert said(capsys)[1] == [f"{tmp_path}/none.toml: there is no such file; write one with aoi-bridge init"]

    @pytest.mark.parametrize("words", [[], ["chek"], ["check", "--of"], ["init", "--source", "zzz"]])
    def test_a_wrong_command_line_is_one_line(self, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        if words == ["check", "--of"]:
            words = ["check", "--nonsense"]
        with pytest.raises(SystemExit) as caught:
            main(words)
        assert caught.value.code == 2
        (line,) = said(capsys)[1]
        assert line.startswith("aoi-bridge")
        assert "--help to see what it takes" in line

    def test_help_lists_every_command(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as caught:
            main(["--help"])
        assert caught.value.code == 0
        out = said(capsys)[0]
        for name in ("init", "check", "run", "status", "plugins", "train", "simulate", "demo", "modbus-map"):
            assert name in out

    def test_status_without_a_gateway_is_one_line(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "bridge.toml"
        main(["init", "--out", str(path)])
        said(capsys)
        assert main(["status", "--config", str(path)]) == 2
        (line,) = said(capsys)[1]
        assert line == (
            f"aoi-bridge: no gateway runs on {tmp_path / 'var'}; start it with aoi-bridge run --config {path}"
        )


@pytest.mark.usefixtures("plugins")
class TestPlugins:
    def test_it_lists_what_is_installed_with_its_options(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "300")
        assert main(["plugins"]) == 0
        out, err = said(capsys)
        assert err == []
        for word in ("source hotfolder", "reporter modbus", "judge classifier", "source feed  (core-plugins 1.2)"):
            assert word in out
        assert "what goes wrong" in out

    def test_a_broken_plugin_is_a_line_in_the_list(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["plugins", "gone"]) == 0
        out, _ = said(capsys)
        assert out.startswith("source gone: this source needs the Python package core_plugins_that_is_not_there")

    def test_a_plugins_command_is_listed_in_its_own_words_and_runs(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "300")
        for words in (["--help"], ["greet", "--help"]):
            with pytest.raises(SystemExit):
                main(words)
            assert "reet 100 % of all" in said(capsys)[0]
        assert main(["greet", "--name", "Ada"]) == 0
        assert said(capsys)[0] == "hello Ada\n"

    def test_a_command_that_cannot_be_loaded_is_one_line(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It costs its own line of the help, and no other command anything."""
        monkeypatch.setenv("COLUMNS", "300")
        missing = "lost: this command needs the Python package core_plugins_that_is_not_there, which is missing"
        assert main(["lost", "--anything"]) == 2
        assert said(capsys)[1][0].startswith(missing)
        with pytest.raises(SystemExit) as caught:
            main(["--help"])
        assert caught.value.code == 0
        out = said(capsys)[0]
        assert missing in out
        assert "run the gateway" in out

    def test_words_in_brackets_are_shown_as_they_are(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The table's library would take [".jpg"] or [line.source] for markup and swallow them."""
        monkeypatch.setenv("COLUMNS", "300")
        main(["plugins", "hotfolder"])
        assert '[".jpg", ".jpeg"' in said(capsys)[0]

    def test_it_prints_samples(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["plugins", "feed", "--sample"]) == 0
        assert said(capsys)[0].startswith('[line.source]\ntype = "feed"\n# a name under which the test finds it\n')

    def test_an_unknown_name_is_one_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["plugins", "zzz"]) == 2
        (line,) = said(capsys)[1]
        assert line.startswith("zzz: no plugin of this name is installed; write one of ")


def a_config(folder: Path, source: str = "none", told: str = "none", port: int = 0) -> Path:
    path = folder / "bridge.toml"
    path.write_text(
        f"""
log = "json"
http = {{port = {port}}}
[[line]]
name = "{a_name("line")}"
goal = 1
topology = "inline"
judge = "j"
source = {{type = "feed", tag = "s", parts = 3, trouble = "{source}"}}
reporter = [{{type = "tell", name = "mes", tag = "m", trouble = "{told}"}}]
[judge.j]
type = "opinion"
""",
        encoding="utf-8",
    )
    return path


@pytest.fixture
def run(plugins: Path) -> Iterator[Run]:
    """Start the command as a process of its own, with the test's plugins installed."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        paths = [str(plugins), str(Path(__file__).parent)]
        process = subprocess.Popen(
            [sys.executable, "-m", "bridge.cli", *words],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def status(path: Path) -> Any:
    """Wait until the gateway has answered its three parts; return its status."""
    data = load(path).data
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        answer = ask(data, "/v1/status")
        if answer is not None and answer["ready"] and answer["lines"][0]["parts"] == 3:
            return answer
        time.sleep(0.02)
    raise TimeoutError("the gateway did not come up")


def stopped(process: subprocess.Popen[str]) -> tuple[float, str]:
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=PATIENCE)
    return time.monotonic() - began, err


@pytest.mark.usefixtures("plugins")
class TestRun:
    def test_it_runs_until_it_is_told_to_stop(self, tmp_path: Path, run: Run) -> None:
        path = a_config(tmp_path)
        process = run("run", "--config", str(path))
        answer = status(path)
        assert answer["lines"][0]["parts"] == 3
        seconds, err = stopped(process)
        assert process.returncode == 0
        assert seconds < 5
        events = [json.loads(line)["event"] for line in err.splitlines()]
        assert [event for event in events if event in {"started", "ready", "stopping", "stopped"}] == [
            "started",
            "ready",
            "stopping",
            "stopped",
        ]

    def test_it_stops_within_five_seconds_though_plugins_hang(self, tmp_path: Path, run: Run) -> None:
        """A thread on a dead share, a plugin that ignores its cancellation: neither keeps the process."""
        path = a_config(tmp_path, "blocking", "stubborn")
        process = run("run", "--config", str(path))
        status(path)
        seconds, err = stopped(process)
        assert process.returncode == 0
        assert seconds < 6, "five, and one for a busy machine"
        assert "Traceback" not in err

    def test_while_it_runs_status_and_check_ask_it_and_dial_nobody(
        self, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = a_config(tmp_path)
        process = run("run", "--config", str(path))
        status(path)
        assert main(["status", "--json", "--config", str(path)]) == 0
        assert json.loads(said(capsys)[0])["lines"][0]["parts"] == 3
        assert main(["status", "--config", str(path)]) == 0
        assert "ready, up " in said(capsys)[0]
        assert main(["check", "--config", str(path)]) == 0
        out = said(capsys)[0]
        assert "The gateway is running" in out
        assert "write test" not in out
        assert main(["check", "--write-test", "--config", str(path)]) == 0
        assert "The write test was not done; stop the gateway for it." in said(capsys)[0]
        path.write_text(path.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
        main(["check", "--config", str(path)])
        assert "an older version of this file" in said(capsys)[0]
        right = path.read_text(encoding="utf-8")
        path.write_text(right.replace("goal = 1", "goal = 7"), encoding="utf-8")
        assert main(["status", "--config", str(path)]) == 0, "also while somebody is still at the file"
        assert "The file has changed since" in said(capsys)[0]
        path.write_text(right, encoding="utf-8")
        assert main(["run", "--config", str(path)]) == 2
        (line,) = said(capsys)[1]
        assert "is in use by another aoi-bridge" in line
        stopped(process)

    def test_a_port_that_is_taken_ends_it_with_one_line(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            path = a_config(tmp_path, port=taken.getsockname()[1])
            assert main(["run", "--log-level", "error", "--config", str(path)]) == 2
        (line,) = said(capsys)[1]
        assert "http.port" in line
        assert "write a free port" in line

    def test_check_dials_everybody_and_says_who_does_not_answer(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = a_config(tmp_path, source="opening", told="away")
        assert main(["check", "--config", str(path)]) == 1
        words = " ".join(said(capsys)[0].split())
        for word in ("NOT WELL", "the share is away", "connection refused", "opened and closed again"):
            assert word in words

    @pytest.mark.parametrize(("told", "status", "word"), [("away", 1, "connection refused"), ("none", 0, "well")])
    def test_check_also_dials_what_is_only_opened_when_live(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], told: str, status: int, word: str
    ) -> None:
        """Word order and MES are proven before a line goes live, not by going live."""
        path = a_config(tmp_path, told=told)
        path.write_text(path.read_text(encoding="utf-8").replace('"inline"', '"tap"'), encoding="utf-8")
        assert main(["check", "--config", str(path)]) == status
        words = " ".join(said(capsys)[0].split())
        assert word in words
        assert "the gateway itself opens it only" in words

    def test_check_says_that_nothing_can_be_kept_in_the_data_folder(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Else it is all well, and the gateway then does not start."""
        path = a_config(tmp_path)
        assert main(["check", "--config", str(path)]) == 0
        assert not (tmp_path / "var").exists(), "a check leaves nothing behind"
        (tmp_path / "var").touch()
        said(capsys)
        assert main(["check", "--config", str(path)]) == 1
        assert "is no folder that this user may write to" in " ".join(said(capsys)[0].split())


class TestOutput:
    """What a command says reaches whoever can read it, and never ends in a traceback."""

    def told(self, data: Path, stdout: int, **environment: str) -> subprocess.CompletedProcess[bytes]:
        words = [sys.executable, "-m", "bridge.cli", "audit", "show", "--data", str(data)]
        environment = {"PATH": "", "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment}
        return subprocess.run(words, stdout=stdout, stderr=subprocess.PIPE, env=environment, check=False)

    def test_a_terminal_of_ascii_shows_the_rest_as_escapes(self, tmp_path: Path) -> None:
        record(tmp_path, Entry(what="threshold", old="0.5", new="0.6", why="검사"))
        done = self.told(tmp_path, subprocess.PIPE, PYTHONIOENCODING="ascii")
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"0.5 \\u2192 0.6" in done.stdout

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a file that is always full")
    def test_a_full_disk_under_the_output_is_one_line(self, tmp_path: Path) -> None:
        record(tmp_path, Entry(what="threshold"))
        with Path("/dev/full").open("wb") as full:
            done = self.told(tmp_path, full.fileno())
        assert done.returncode == 2
        assert done.stderr == b"aoi-bridge: what it has to say cannot be written (No space left on device)\n"

    @pytest.mark.parametrize(
        ("error", "line"),
        [
            (
                OSError(errno.ENOSPC, "No space left on device"),
                "aoi-bridge: No space left on device; make room, and",
            ),
            (
                NotADirectoryError(errno.ENOTDIR, "Not a directory", "models/pins"),
                "models/pins: Not a directory; make",
            ),
            (
                PermissionError(errno.EACCES, "Permission denied", b"models"),
                "models: Permission denied; make room",
            ),
        ],
    )
    def test_a_disk_that_takes_nothing_is_one_line(
        self, error: OSError, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Wherever a command meets it."""

        def refused(_args: object) -> int:
            raise error

        monkeypatch.setattr("bridge.cli.plugins.run", refused)
        assert main(["plugins"]) == 2
        said = capsys.readouterr().err
        assert said.startswith(line)
        assert said.count("\n") == 1
