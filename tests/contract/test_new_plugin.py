"""``aoi-bridge plugin new``: what it writes is a plugin at once, for its tests and for a type checker."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bridge.cli.main import main
from bridge.plugin.api import Kind

KINDS: tuple[Kind, ...] = ("source", "reporter", "judge")
HEADINGS = ["What it does", "Configuration", "What it sends", "When the peer is away", "Troubleshooting"]


def made(kind: Kind, folder: Path) -> Path:
    """Return the folder of a new plugin, installed as far as Python looks: beside its dist-info."""
    assert main(["plugin", "new", "trialled", "--kind", kind, "--out", str(folder)]) == 0
    package = folder / "bridge_trialled"
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = package / "aoi_bridge_trialled-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: aoi-bridge-trialled\nVersion: 0.1.0\n")
    groups = project["entry-points"].items()
    text = "".join(f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in each.items()) for group, each in groups)
    (info / "entry_points.txt").write_text(text)
    return package


def ran(package: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of this Python in the folder of a plugin."""
    environment = {**os.environ, "PYTHONPATH": str(package), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, *words], cwd=package, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.timeout(240)
@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_passes_its_own_tests(kind: Kind, tmp_path: Path) -> None:
    """The author begins on green; the contract's rules are among the tests."""
    done = ran(made(kind, tmp_path), "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed
    assert int(passed[1]) > 20, done.stdout


@pytest.mark.timeout(240)
def test_a_new_plugin_is_held_to_the_contract_by_the_command(tmp_path: Path) -> None:
    """``aoi-bridge plugin test`` finds what is installed, whoever wrote it."""
    package = made("reporter", tmp_path)
    done = ran(package, "-m", "bridge.cli", "plugin", "test", "trialled", "--rule", "accepted-is-taken")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 holds" in done.stdout
    codec = package / "bridge_trialled" / "codec.py"
    codec.write_text(codec.read_text(encoding="utf-8").replace("decision.final or ''", "'OK'"), encoding="utf-8")
    done = ran(package, "-m", "bridge.cli", "plugin", "test", "trialled", "--rule", "no-verdict-is-not-ok")
    assert done.returncode == 1
    assert "a decision without a verdict was told as OK" in done.stdout


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What mypy knows of the bridge already."""
    return str(tmp_path_factory.mktemp("mypy"))


@pytest.mark.timeout(240)
@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_is_typed_and_tidy(kind: Kind, tmp_path: Path, cache: str) -> None:
    """Strict types, sorted imports, and no line that a formatter would change."""
    package = made(kind, tmp_path)
    done = ran(package, "-m", "mypy", "--strict", "--cache-dir", cache, "bridge_trialled", "tests")
    assert done.returncode == 0, done.stdout
    select = ["--select", "I,F,E,D1,ANN,ASYNC,RUF,B,UP", "--ignore", "D103,D105,D107", "--line-length", "115"]
    done = ran(package, "-m", "ruff", "check", "--isolated", "--no-cache", *select, ".")
    assert done.returncode == 0, done.stdout
    done = ran(package, "-m", "ruff", "format", "--isolated", "--no-cache", "--check", "--line-length", "115", ".")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_is_documented(kind: Kind, tmp_path: Path) -> None:
    """Five headings, and the sample word for word, as in every adapter of ours."""
    package = made(kind, tmp_path)
    readme = (package / "README.md").read_text(encoding="utf-8")
    sample = (package / "bridge_trialled" / "sample.toml").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", readme, re.MULTILINE) == HEADINGS
    assert sample in re.findall(r"```toml\n(.*?)```", readme, re.DOTALL)
    done = ran(
        package,
        "-c",
        "from bridge_trialled import TrialledOptions\nfrom bridge.plugin.sample import model_sample\n"
        f"print(model_sample({kind!r}, 'trialled', TrialledOptions), end='')",
    )
    assert done.stdout == sample, done.stderr
    everything = "".join(path.read_text(encoding="utf-8") for path in package.rglob("*") if path.is_file())
    assert "plugname" not in everything.casefold()
    assert "plugkind" not in everything


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Melsec", "is no name of a plugin"),
        ("class", "is no name of a plugin"),
        ("../melsec", "is no name of a plugin"),
        ("m", "is no name of a plugin"),
        ("tcp", "is taken by a plugin that is installed"),
        ("classifier", "is taken by a plugin that is installed"),
        ("plugin", "is taken"),
    ],
)
def test_an_unfit_name_costs_one_line(
    name: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plugin", "new", name, "--kind", "source", "--out", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_folder_that_exists_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bridge_melsec").mkdir()
    assert main(["plugin", "new", "melsec", "--kind", "reporter", "--out", str(tmp_path)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert not list((tmp_path / "bridge_melsec").iterdir())


def test_a_plugin_that_cannot_be_tried_is_not_called_sound(tmp_path: Path) -> None:
    """Without a trial nobody knows: the exit status of a build must not say otherwise."""
    package = made("reporter", tmp_path)
    points = package / "aoi_bridge_trialled-0.1.0.dist-info" / "entry_points.txt"
    kept = points.read_text().partition("[aoi_bridge.trials]")
    assert kept[1]
    points.write_text(kept[0])
    done = ran(package, "-m", "bridge.cli", "plugin", "test", "trialled", "--rule", "accepted-is-taken")
    assert done.returncode == 1
    assert "1 missing" in done.stdout


def test_a_rule_that_there_is_not_costs_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugin", "test", "tcp", "--rule", "nonsense"]) == 2
    assert "there is no such rule; write one of options-documented" in capsys.readouterr().err


def test_an_unknown_plugin_costs_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugin", "test", "nobodys"]) == 2
    assert "no plugin of this name is installed" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("where a folder should be")
    assert main(["plugin", "new", "melsec", "--kind", "reporter", "--out", str(tmp_path / "file")]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert "cannot be written" in said


def test_ctrl_c_ends_the_command_at_once() -> None:
    """Whatever rule is being tried."""
    words = [sys.executable, "-u", "-m", "bridge.cli", "plugin", "test", "tcp"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        while "holds" not in running.stdout.readline():
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "aoi-bridge: interrupted" in said
