"""Label roads: words and times that are never guessed, and a gateway whose parts do not notice their troubles."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import core_plugins
import pytest
from core_kit import a_line_config, a_name, plugged, until
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bridge.config import load
from bridge.config.changes import facts
from bridge.errors import ConfigError
from bridge.gateway import open_gateway
from bridge.messages import Verdict
from bridge.plugin import LabelOptions, LabelPlaces, Unreadable, as_key, csv_labels, read_label
from bridge.plugin.discovery import find
from bridge.store.labels import labels
from bridge.watched import State

NOW = 1_800_000_000.0
ID = "0198c0de" * 4
OPTIONS = LabelOptions(name="repair")


class TestWords:
    @pytest.mark.parametrize(
        ("word", "verdict"),
        [("OK", Verdict.OK), (" false call ", Verdict.OK), ("ng", Verdict.NG), ("Real Defect", Verdict.NG)],
    )
    def test_a_listed_word_is_a_label(self, word: str, verdict: Verdict) -> None:
        """In upper or lower case."""
        assert read_label({"part": "B-1", "verdict": word}, OPTIONS, NOW).verdict is verdict

    @given(st.text(max_size=20))
    def test_any_other_word_is_none(self, word: str) -> None:
        """Nothing is guessed, also not from a word that looks like one."""
        known = {said.casefold() for said in (*OPTIONS.ok_words, *OPTIONS.ng_words)}
        if word.strip().casefold() not in known:
            with pytest.raises(Unreadable):
                read_label({"part": "B-1", "verdict": word}, OPTIONS, NOW)

    def test_a_station_has_words_of_its_own(self) -> None:
        """Then those of the default mean nothing."""
        own = LabelOptions(name="repair", ok_words=("pseudo error",), ng_words=("scrap", "confirmed"))
        assert read_label({"part": "B-1", "verdict": "Scrap"}, own, NOW).verdict is Verdict.NG
        with pytest.raises(Unreadable, match="'OK' is in neither ok_words nor ng_words"):
            read_label({"part": "B-1", "verdict": "OK"}, own, NOW)

    def test_a_word_that_means_both_is_a_mistake(self) -> None:
        """It is found on a desk."""
        with pytest.raises(ValidationError, match="stands in ok_words too"):
            LabelOptions(name="repair", ok_words=("x",), ng_words=("X",))


class TestFacts:
    def test_everything_that_is_said_is_kept(self) -> None:
        """Person, defect, remark, the station's own key."""
        said = {"id": ID.upper(), "verdict": "NG", "who": " Kim ", "defect": "E12", "note": "a\n b", "key": "7"}
        label = read_label(said, OPTIONS, NOW, "other")
        assert (label.id, label.who, label.defect, label.note, label.key) == (ID, "Kim", "E12", "a b", "7")
        assert (label.at, label.blind, label.decides) == (NOW, False, False)

    def test_who_says_nothing_of_himself_is_the_station(self) -> None:
        """All of them count as one person; who is shown pictures alone judges blind."""
        blind = LabelOptions(name="audit", person="audit desk", shown="pictures")
        label = read_label({"part": "B-1", "verdict": "OK"}, blind, NOW, "k")
        assert (label.who, label.blind, label.key) == ("audit desk", True, "k")

    @pytest.mark.parametrize(
        ("lacking", "why"),
        [
            ({"part": ""}, "names neither a part nor an inspection"),
            ({"id": "B-1"}, "is no inspection id"),
            ({"verdict": ""}, "no verdict"),
            ({"part": "x" * 300}, "longer than"),
            ({"time": "yesterday"}, "not in ISO 8601"),
            ({"time": "1800000000000"}, "in the future"),
            ({"time": "2099-01-01"}, "in the future"),
        ],
    )
    def test_what_cannot_be_a_label_says_why(self, lacking: dict[str, str], why: str) -> None:
        """For whoever reads the quarantine."""
        with pytest.raises(Unreadable, match=why):
            read_label({"part": "B-1", "verdict": "OK", **lacking}, OPTIONS, NOW)

    @pytest.mark.parametrize(
        ("time", "more"),
        [
            ("2026-11-21T13:03:11Z", {}),
            ("2026-11-21 14:03:11", {"timezone": "Europe/Berlin"}),
            ("21.11.2026 14:03:11", {"timezone": "Europe/Berlin", "time_format": "%d.%m.%Y %H:%M:%S"}),
            (str(datetime(2026, 11, 21, 13, 3, 11, tzinfo=UTC).timestamp()), {}),
        ],
    )
    def test_a_time_is_read_as_the_options_say(self, time: str, more: dict[str, Any]) -> None:
        """In the zone of the plant, where none stands there."""
        label = read_label({"part": "B-1", "verdict": "OK", "time": time}, LabelOptions(name="r", **more), NOW)
        assert label.at == datetime(2026, 11, 21, 13, 3, 11, tzinfo=UTC).timestamp()

    def test_what_was_said_is_its_own_key_if_it_says_when(self) -> None:
        """Without a time the same may be said again, and means another time."""
        said = {"part": "B-1", "verdict": "OK", "time": "2026-11-21"}
        assert as_key(said) == as_key({"time": " 2026-11-21", "verdict": "OK", "part": "B-1", "note": ""})
        assert as_key(said) != as_key({**said, "verdict": "NG"})
        assert as_key({"part": "B-1", "verdict": "OK"}) is None


class TestCsv:
    def test_each_line_comes_with_its_number(self) -> None:
        """Whatever parts the cells, in any order of columns, blank lines left out."""
        text = '\ufeffResult;SN;who\r\nOK;B-1;"Kim; J"\r\n\r\nNG;B-2;\r\n'
        places = LabelPlaces(part="sn", verdict="RESULT").wanted()
        assert [*csv_labels(text, places)] == [
            (2, {"verdict": "OK", "part": "B-1", "who": "Kim; J"}),
            (4, {"verdict": "NG", "part": "B-2", "who": ""}),
        ]

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("", "no column verdict"),
            ("part,result\n", "no column verdict"),
            ("verdict\n", "no column part or id"),
            ("part,part,verdict\n", "stands there 2 times"),
            ('part,verdict\n"B-1,OK', "line 2 is no CSV"),
        ],
    )
    def test_what_is_no_list_of_labels_says_why(self, text: str, why: str) -> None:
        """Before anything of it is used."""
        with pytest.raises(Unreadable, match=why):
            list(csv_labels(text, LabelPlaces().wanted()))


HEAD = """
[http]
port = 0
[judge.well]
type = "opinion"
"""
LINE = """
[[line]]
name = "{name}"
goal = 1
judge = "well"
[line.source]
type = "feed"
tag = "{name}"
parts = 20
"""
ROAD = """
[[line.labels]]
type = "say"
name = "{road}"
trouble = "{trouble}"
"""


async def written(folder: Path) -> None:
    """Wait for the first label."""
    async with asyncio.timeout(10):
        while not await asyncio.to_thread(labels, folder):  # noqa: ASYNC110 - a thread of the gateway writes it
            await asyncio.sleep(0.005)


class TestGateway:
    @pytest.mark.parametrize("trouble", ["none", "away", "crashing", "stubborn"])
    async def test_a_label_road_in_trouble_changes_nothing_for_parts(
        self, tmp_path: Path, plugins: Path, trouble: str
    ) -> None:
        """Every part is answered, the gateway is ready, and it stops in time."""
        del plugins
        name, road = a_name("line"), a_name("road")
        path = tmp_path / "bridge.toml"
        text = HEAD + LINE.format(name=name) + ROAD.format(road=road, trouble=trouble)
        await asyncio.to_thread(path.write_text, text)
        config = await asyncio.to_thread(load, path)
        try:
            async with open_gateway(config) as gateway:
                await until(lambda: len(core_plugins.answered[name]) == 20)
                (watched,) = [one for one in gateway.watched if one.name == f"labels {road}"]
                await until(lambda: watched.state is not State.STARTING)
                if trouble != "away":
                    await written(config.data)
                await until(lambda: gateway.ready)
        finally:
            core_plugins.release[road].set()
        assert core_plugins.opened[road][0] == config.data / "lines" / name / "labels" / road
        said = await asyncio.to_thread(labels, config.data)
        assert [(one.line, one.road, one.part) for one in said] == (
            [] if trouble == "away" else [(name, road, "B-1")]
        )

    def test_two_roads_of_one_name_are_a_mistake(self, tmp_path: Path, plugins: Path) -> None:
        """Their labels would be kept under one name."""
        del plugins
        path = tmp_path / "bridge.toml"
        road = ROAD.format(road="repair", trouble="none")
        path.write_text(HEAD + LINE.format(name="smt-3") + road + road, encoding="utf-8")
        with pytest.raises(ConfigError, match=re.escape("line.smt-3.labels: the name repair is there 2 times")):
            load(path)

    def test_a_road_that_is_not_installed_is_named_as_one(self, plugins: Path) -> None:
        """With what there is."""
        del plugins
        with pytest.raises(ConfigError, match="no label road of this name is installed; did you mean say"):
            find("labels", "sya")

    def test_no_option_of_a_road_moves_a_verdict(self) -> None:
        """A live line takes any change of it without a reason."""
        line = a_line_config(labels=(plugged("labels", OPTIONS),))
        build: Callable[..., Any] = facts
        config = type(
            "C", (), {"line": (line,), "judge": {"pins": plugged("judge", core_plugins.OpinionOptions())}}
        )
        found = build(config, {})["l"]
        of_road = {key: fact for key, fact in found.items() if key.startswith("labels.repair.")}
        assert "labels.repair.ok_words" in of_road
        assert not any(fact.guarded for fact in of_road.values())
