"""The kit's rules about options: each is broken by a model that has just this mistake."""

from __future__ import annotations

import importlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from bridge.plugin import Options, SourceOptions, Trial
from bridge.plugin.discovery import Plugin
from bridge.plugin.sample import model_sample
from bridge.plugin.testkit import RULES, Finding, Outcome, Subject, prove, subjects


class Sound(SourceOptions):
    """Nothing is wrong."""

    wait_ms: float = 20
    """milliseconds between two looks"""
    rooms: tuple[str, ...] = ()
    """a list of rooms"""


class Silent(Sound):
    room: str = "hall"


class Shouting(Sound):
    room: str = "hall"
    """The room that is meant"""


class Acronym(Sound):
    room: str = "hall"
    """TCP or UDP"""


class Loose(Sound):
    model_config = ConfigDict(extra="ignore")


class Soft(Sound):
    model_config = ConfigDict(frozen=False)


class Inside(BaseModel):
    room: str = "hall"


class Outside(Sound):
    inner: Inside = Field(default_factory=Inside)
    """a table with a room"""


class Nested(Options):
    timeout: float = 5
    """a number"""


class Unitless(Sound):
    inner: Nested | None = None
    """a table"""


class Mismatch(Sound):
    limit: float = 5
    """seconds that a peer may take"""


async def _nothing() -> None: ...


@asynccontextmanager
async def open_source(options: Sound) -> AsyncIterator[object]:  # noqa: ARG001 - an opener takes them
    """Open nothing."""
    yield _nothing


def tried(rule: str, model: type[SourceOptions], table: dict[str, object] | None = None) -> Finding:
    trial = Trial(options=lambda _: table or {}, road="none")
    return prove(RULES[rule], Subject(Plugin("source", "rooms", model, open_source, ""), trial))


@pytest.mark.parametrize("rule", ["options-documented", "options-strict", "options-units", "options-checked"])
@pytest.mark.parametrize("model", [Sound, Acronym])
def test_sound_options_keep_the_rules(rule: str, model: type[Sound]) -> None:
    found = tried(rule, model, {"wait_ms": 5})
    assert found.outcome is Outcome.HOLDS, found.said


@pytest.mark.parametrize(
    ("rule", "model", "said"),
    [
        ("options-documented", Silent, "room says nothing; write a docstring below it"),
        ("options-documented", Shouting, "the docstring of room begins with 'The'"),
        ("options-strict", Loose, "the table takes keys that it does not know"),
        ("options-strict", Soft, "the table can be changed after it was checked"),
        ("options-strict", Outside, "inner takes keys that it does not know"),
        ("options-checked", Loose, "it takes the key no_such_option_as_this"),
        ("options-checked", Soft, "wait_ms can be set after the options were checked"),
        ("options-units", Unitless, "inner.timeout is a time without its unit; name it timeout_seconds"),
        ("options-units", Mismatch, "limit is in seconds and does not say so"),
    ],
)
def test_a_mistake_is_found_and_named(rule: str, model: type[Sound], said: str) -> None:
    found = tried(rule, model, {"wait_ms": 5})
    assert found.outcome is Outcome.FAILS
    assert said in found.said


@pytest.fixture
def rooms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    """A plugin in a folder of its own."""
    (tmp_path / "plugin_of_rooms.py").write_text(
        "from contextlib import asynccontextmanager\n\n\n"
        "@asynccontextmanager\nasync def open_source(options):\n    yield None\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "plugin_of_rooms", raising=False)
    opener = importlib.import_module("plugin_of_rooms").open_source
    return Subject(Plugin("source", "rooms", Sound, opener, ""))


def sampled(rooms: Subject) -> Finding:
    return prove(RULES["options-sample"], rooms)


def test_a_sample_that_is_not_there_is_missing(rooms: Subject) -> None:
    found = sampled(rooms)
    assert found.outcome is Outcome.MISSING
    assert "aoi-bridge plugins rooms --sample" in found.said


def test_a_sample_is_held_to_the_options(rooms: Subject, tmp_path: Path) -> None:
    """It is generated, so any other word in it is a drift."""
    sample, good = tmp_path / "sample.toml", model_sample("source", "rooms", Sound)
    sample.write_text(good)
    assert sampled(rooms).outcome is Outcome.HOLDS
    sample.write_text(good.replace("between two looks", "or so"))
    assert "differs from the options; write it anew" in sampled(rooms).said
    sample.write_text(good.replace("# wait_ms = 20", 'wait_ms = "soon"'))
    assert "wait_ms: Input should be a valid number" in sampled(rooms).said
    sample.write_text(good.replace('type = "rooms"', 'type = "halls"'))
    assert 'no table with type = "rooms"' in sampled(rooms).said


def test_what_needs_a_trial_is_missing_without_one() -> None:
    """Without a trial nothing is opened, and each rule says what to add."""
    found = prove(RULES["part-arrives"], Subject(Plugin("source", "rooms", Sound, open_source, "")))
    assert found.outcome is Outcome.MISSING
    assert 'add the entry point aoi_bridge.trials "source.rooms"' in found.said


def test_what_needs_a_peer_is_missing_without_one() -> None:
    found = tried("part-arrives", Sound)
    assert found.outcome is Outcome.MISSING
    assert 'aoi_bridge.peers "source.rooms"' in found.said


def test_a_rule_of_another_road_does_not_apply() -> None:
    """It is never silently skipped: it says why."""
    found = tried("port-taken", Sound)
    assert (found.outcome, found.said) == (Outcome.UNFIT, "it does not listen")


def test_every_plugin_of_ours_may_be_put_on_trial() -> None:
    """A variant has its own trial, named after it."""
    variants = [one.variant for one in subjects("source", "modbus")]
    assert variants == ["", "server"]
    assert all(one.trial and one.peer for one in subjects("source", "tcp"))
