"""Every adapter's folder is laid out alike, and its README cannot drift from its options."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from bridge.plugin.api import Kind
from bridge.plugin.discovery import GROUPS, find, installed
from bridge.plugin.sample import plugin_sample

PLUGINS = Path(__file__).parents[2] / "plugins"
FOLDERS = sorted(path for path in PLUGINS.glob("bridge_*") if path.is_dir())
HEADINGS = ["What it does", "Configuration", "What it sends", "When the peer is away", "Troubleshooting"]


def openers(folder: Path) -> list[tuple[Kind, str]]:
    """Return what a folder offers: kind and name of each of its entry points."""
    return [
        (kind, name)
        for kind in GROUPS
        for name, entry in installed(kind).items()
        if entry.value.startswith(f"{folder.name}.")
    ]


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def folder(request: pytest.FixtureRequest) -> Path:
    """Each adapter's folder in turn."""
    chosen: Path = request.param
    return chosen


def test_holds_the_same_files(folder: Path) -> None:
    """Whoever knows one adapter finds their way in every other."""
    names = {path.name for path in folder.iterdir()}
    assert {"__init__.py", "codec.py", "peer.py", "sample.toml", "README.md", "py.typed"} <= names
    assert names & {"source.py", "reporter.py"}


def test_readme_has_the_headings_in_order(folder: Path) -> None:
    """Five headings, the same everywhere."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS


def test_sample_is_what_the_options_say(folder: Path) -> None:
    """The sample is generated from the options, so each option and each default stands in it."""
    expected = "\n".join(plugin_sample(kind, name) for kind, name in openers(folder))
    assert (folder / "sample.toml").read_text(encoding="utf-8") == expected


def test_readme_embeds_the_sample(folder: Path) -> None:
    """The README shows the sample, word for word."""
    sample = (folder / "sample.toml").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert sample in blocks


def test_every_option_says_what_to_write(folder: Path) -> None:
    """A field's docstring is its documentation, its error text and its comment in the sample."""
    for kind, name in openers(folder):
        for option, field in find(kind, name).options.model_fields.items():
            assert field.description, f"{kind} {name}.{option} says nothing"
            assert field.description[0] != field.description[0].upper() or field.description.split()[0].isupper()


def test_samples_are_toml_with_and_without_comment_marks(folder: Path) -> None:
    """The options accept a sample's live lines as they stand, and know every name in its commented ones."""
    for kind, name in openers(folder):
        text = plugin_sample(kind, name)
        model = find(kind, name).options
        live = table_of(text)
        assert live.pop("type") == name
        model.model_validate(live)
        lines = [line for line in text.splitlines() if not line.endswith('"…"')]
        everything = table_of("\n".join(re.sub(r"^# (?=\w+ = )", "", line) for line in lines))
        assert set(everything) - {"type"} == set(model.model_fields) - {"home"}


def table_of(text: str) -> dict[str, Any]:
    """Return the table under a sample's first header."""
    table: Any = tomllib.loads(text)
    for step in text.partition("\n")[0].strip("[]").split("."):
        table = table[step][0] if isinstance(table[step], list) else table[step]
    return dict(table)
