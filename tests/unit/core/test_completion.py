"""The JSON Schema of bridge.toml says what the bridge itself checks, for whatever is installed."""

from __future__ import annotations

import json
import tomllib
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bridge.cli.main import main
from bridge.config.completion import FILE, FIRST_LINE, config_schema, loadable
from bridge.config.sample import sample
from bridge.errors import ConfigError
from bridge.plugin import Name, Secret, SourceOptions
from bridge.plugin.discovery import Plugin, find, installed

READ = {
    path: tomllib.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parents[3] / "examples").rglob("*.toml"))
}
EXAMPLES = [path for path, document in READ.items() if document.keys() >= {"line", "judge"}]
"""Every whole bridge.toml among them."""
SCHEMA = json.loads(FILE.read_text(encoding="utf-8"))


def mistakes(document: Any, schema: Any = SCHEMA) -> list[tuple[str, str]]:
    """Return the place of each mistake, and what is said of it."""
    found = jsonschema.Draft202012Validator(schema).iter_errors(document)
    return [(error.json_path, error.message) for error in found]


def example() -> dict[str, Any]:
    """Return a small bridge.toml without a mistake."""
    return {
        "judge": {"pins": {"type": "classifier", "model": "pins"}},
        "line": [
            {
                "name": "smt-3",
                "goal": 1,
                "judge": "pins",
                "source": {"type": "tcp", "port": 9100},
                "reporter": [{"type": "http", "name": "mes", "url": "http://mes/"}],
            }
        ],
    }


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_example_is_valid(path: Path) -> None:
    """Whatever the bridge takes, an editor leaves unmarked."""
    assert mistakes(READ[path]) == []


@pytest.mark.parametrize(
    ("source", "reporter"),
    [(source, reporter) for source in installed("source") for reporter in ("tcp", "modbus", "http")],
)
def test_every_sample_is_valid(source: str, reporter: str) -> None:
    """What init writes, before anything is edited."""
    assert mistakes(tomllib.loads(sample(source, [reporter]))) == []


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_each_mistake_is_found_at_its_place() -> None:
    """A wrong key, choice, type, or number in the table where it stands; of the plugin that was chosen alone."""
    assert mistakes(example()) == []
    for path, key, value, where, said in [
        ("line.0", "gaol", 1, "$.line[0]", "'gaol' was unexpected"),
        ("line.0", "goal", 4, "$.line[0].goal", "4 is not one of [1, 2, 3]"),
        ("line.0.source", "prot", 9100, "$.line[0].source", "'prot' was unexpected"),
        ("line.0.source", "port", 70_000, "$.line[0].source.port", "70000 is greater than the maximum of 65535"),
        ("line.0.source", "framing", "lines", "$.line[0].source.framing", "'lines' is not one of"),
        ("line.0.source", "type", "tpc", "$.line[0].source.type", "'tpc' is not one of"),
        ("line.0.reporter.0", "secret", "hunter2", "$.line[0].reporter[0].secret", "does not match"),
        ("line.0.reporter.0", "home", "/", "$.line[0].reporter[0]", "'home' was unexpected"),
        ("judge.pins", "model", 1, "$.judge.pins.model", "1 is not of type 'string'"),
    ]:
        document = example()
        table: Any = document
        for step in path.split("."):
            table = table[int(step) if step.isdigit() else step]
        table[key] = value
        found = mistakes(document)
        assert [place for place, _ in found] == [where], found
        assert said in found[0][1]


def test_what_is_missing_is_said() -> None:
    """The plugin's own required options among them."""
    document = example()
    del document["line"][0]["source"]["port"]
    assert mistakes(document) == [("$.line[0].source", "'port' is a required property")]
    assert ("$", "'judge' is a required property") in mistakes({"line": []})


def test_a_source_within_a_source_is_checked_too() -> None:
    document = example()
    roads = {"verdicts": {"type": "tcp", "port": 1, "prot": 2}, "pictures": {"type": "hotfolder", "path": "a"}}
    document["line"][0]["source"] = {"type": "join"} | roads
    assert [place for place, _ in mistakes(document)] == ["$.line[0].source.verdicts"]


def test_options_are_told_to_people() -> None:
    """Each with its description; defaults and choices where there are any; nothing that no TOML file can hold."""
    options = SCHEMA["$defs"]["source.http"]["properties"]
    for name, field in find("source", "http").options.model_fields.items():
        if name != "home":
            assert options[name]["description"] == " ".join((field.description or "").split())
    assert options["in_flight"] | {"default": 16, "minimum": 1, "maximum": 1024} == options["in_flight"]
    assert '"null"' not in FILE.read_text(encoding="utf-8")


class _Strange(SourceOptions):
    """Options of somebody else's plugin, some of which no schema can describe."""

    names: tuple[Name, ...] = ()
    """a list of names"""
    secret: Secret | None = None
    """a reference"""
    anything: object = object()
    """whatever"""


@asynccontextmanager
async def open_strange(options: _Strange) -> Any:
    """Open nothing."""
    yield options


def test_a_plugin_of_somebody_else_is_in_the_schema() -> None:
    """What it takes is checked as far as it can be described."""
    plugins = [Plugin("source", "strange", _Strange, open_strange, "strange 1"), find("judge", "classifier")]
    schema = config_schema(plugins)
    document = example()
    document["line"][0] |= {"source": {"type": "strange", "names": ["!"], "anything": 1}, "reporter": []}
    assert [place for place, _ in mistakes(document, schema)] == ["$.line[0].source.names[0]"]


def test_a_plugin_whose_packages_are_missing_is_left_out_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are in the schema all the same."""

    def finding(kind: Any, name: str) -> Plugin:
        if name == "grpc":
            raise ConfigError(name, "needs the Python package grpc, which is missing", "write pip install")
        return find(kind, name)

    monkeypatch.setattr("bridge.config.completion.find", finding)
    said: list[str] = []
    known = {(plugin.kind, plugin.name) for plugin in loadable(said.append)}
    assert ("source", "tcp") in known
    assert ("source", "grpc") not in known
    assert said[0] == "source grpc is left out: needs the Python package grpc, which is missing; write pip install"


@pytest.fixture
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    """For what is installed: here, what comes with the bridge at least."""
    assert main(["schema", "config"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["$defs"].keys() >= SCHEMA["$defs"].keys()
    assert mistakes(example(), printed) == []


@pytest.mark.usefixtures("_here")
def test_init_writes_it_beside_the_file() -> None:
    """The first line tells the editor; the bridge itself takes it for the comment that it is."""
    assert main(["init", "--schema", "--source", "http", "--reporter", "http"]) == 0
    text = Path("bridge.toml").read_text(encoding="utf-8")
    assert text.startswith(FIRST_LINE)
    assert mistakes(tomllib.loads(text), json.loads(Path("bridge.schema.json").read_text(encoding="utf-8"))) == []
