"""A source that wraps others: what stands inside it is seen by everything that looks at a configuration."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import Field

from bridge.config import Config, load
from bridge.config.changes import Change, compare, facts
from bridge.errors import ConfigError
from bridge.plugin import Name, Options, Secret, SourceOptions, WordOptions, discovery
from bridge.plugin.discovery import AnySource, Plugin, find
from bridge.plugin.sample import plugin_sample


class EyeOptions(Options):
    """One of several."""

    name: Name = Field(examples=["front"])
    """a name"""
    sharp: int = 3
    """a number"""


class InnerOptions(WordOptions, SourceOptions):
    """What is wrapped."""

    token: Secret
    """env:NAME"""
    road: str = "wire"
    """wire or radio"""

    def unfit_for_live(self) -> str:
        return "road: radio is slow; write wire" if self.road == "radio" else ""


class OuterOptions(SourceOptions):
    """What wraps."""

    first: AnySource = Field(examples=[{"type": "inner", "token": "env:TOKEN"}])
    """a table of what is wrapped"""
    more: tuple[AnySource, ...] = ()
    """tables of more of it"""
    eye: tuple[EyeOptions, ...] = Field(examples=[[{"name": "front"}]])
    """a table for each eye"""

    moves_verdicts: ClassVar[frozenset[str]] = frozenset({"eye"})

    def unfit_for_live(self) -> str:
        why = self.first.options.unfit_for_live()
        return f"first.{why}" if why else ""


@pytest.fixture(autouse=True)
def _two_more(monkeypatch: pytest.MonkeyPatch) -> None:
    models: dict[str, type[SourceOptions]] = {"outer": OuterOptions, "inner": InnerOptions}

    def found(kind: Any, name: str) -> Plugin:
        if name in models:
            return Plugin("source", name, models[name], None, "")  # type: ignore[arg-type]
        return find(kind, name)

    monkeypatch.setattr(discovery, "find", found)
    monkeypatch.setattr("bridge.plugin.sample.find", found)
    monkeypatch.setenv("TOKEN", "hunter2")
    monkeypatch.setenv("OTHER", "hunter3")


HEAD = """
[[line]]
name = "l"
goal = 3
stage = "{stage}"
live_because = "a test"
shadow.guard_share = 0
judge = "pins"

[judge.pins]
type = "classifier"
model = "pins"

"""
GOOD = """\
[line.source]
type = "outer"
more = [{type = "inner", token = "env:TOKEN", road = "wire"}]

[line.source.first]
type = "inner"
token = "env:TOKEN"

[[line.source.eye]]
name = "front"

[[line.source.eye]]
name = "back"
sharp = 5
"""

Read = Callable[..., Config]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read a configuration with one thing written otherwise."""

    def reading(old: str = "", new: str = "", stage: str = "live") -> Config:
        assert old in GOOD
        path = tmp_path / "bridge.toml"
        head = HEAD.format(stage=stage).replace("\n[judge", "\n" + GOOD.replace(old, new, 1) + "\n[judge")
        path.write_text(head, encoding="utf-8")
        return load(path)

    return reading


def changes(read: Read, old: str, new: str) -> list[Change]:
    return compare(facts(read(), {}), facts(read(old, new), {}))


@pytest.mark.parametrize(
    ("old", "new", "told", "guarded"),
    [
        (
            'type = "inner"\ntoken',
            'type = "inner"\nroad = "hand"\ntoken',
            "source.first.road: wire → hand",
            False,
        ),
        ('road = "wire"', 'road = "hand"', "source.more[0].road: wire → hand", False),
        (
            'type = "inner"\ntoken',
            'type = "inner"\nok_words = ["FAIL"]\nng_words = ["PASS"]\ntoken',
            'source.first.ok_words: ["OK", "PASS"] → ["FAIL"]',
            True,
        ),
        (
            "sharp = 5",
            "sharp = 7",
            'source.eye.back: {"name": "back", "sharp": 5} → {"name": "back", "sharp": 7}',
            True,
        ),
        ('name = "front"', 'name = "left"', 'source.eye.left: none → {"name": "left"}', True),
    ],
)
def test_a_change_inside_is_named_and_guarded_as_it_deserves(
    read: Read, old: str, new: str, told: str, *, guarded: bool
) -> None:
    """On a live line the words of a wrapped source move verdicts as much as those of any other."""
    found = {str(change): change.guarded for change in changes(read, old, new)}
    assert found[f"line.l.{told}"] is guarded


def test_what_has_not_changed_inside_is_no_change(read: Read) -> None:
    assert changes(read, "", "") == []


def test_another_secret_restarts_the_line_and_is_never_shown(read: Read) -> None:
    before, after = read(), read('token = "env:TOKEN"\n\n[[', 'token = "env:OTHER"\n\n[[')
    assert before.line[0] != after.line[0]
    shown = repr([facts(one, {}) for one in (before, after)]) + repr(before) + repr(after)
    assert "hunter" not in shown


def test_what_is_unfit_for_live_is_one_line_and_allowed_in_shadow(read: Read) -> None:
    """The wrapping source asks what it wraps."""
    slow = 'type = "inner"\nroad = "radio"\ntoken'
    assert read('type = "inner"\ntoken', slow, stage="shadow").line[0].stage == "shadow"
    with pytest.raises(ConfigError) as caught:
        read('type = "inner"\ntoken', slow)
    assert str(caught.value).endswith("line.l.source.first.road: radio is slow; write wire")
    assert "\n" not in str(caught.value)


def test_the_sample_shows_tables_inside_as_tables() -> None:
    text = plugin_sample("source", "outer")
    source = tomllib.loads(text)["line"]["source"]
    assert source == {
        "type": "outer",
        "first": {"type": "inner", "token": "env:TOKEN"},
        "eye": [{"name": "front"}],
    }
    assert "# a table of what is wrapped\n[line.source.first]\n" in text
    assert "# a table for each eye\n[[line.source.eye]]\n# a name\n" in text
    assert "# sharp = 3\n" in text
    assert "aoi-bridge plugins inner --sample" in text
