"""Recorded streams: a case that says what comes out holds, and one that says anything else fails in words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import flawed_source
import pytest
from flawed_source import TRIAL, UNANSWERED, source

from bridge.plugin.testkit import Finding, Outcome, case_rules, prove

STREAM = b"P1;OK\nP2;NG\nP3;\n"
PARTS = [{"part": "P1", "legacy": "OK"}, {"part": "P2", "legacy": "NG"}, {"part": "P3", "legacy": None}]
QUICK = replace(UNANSWERED, seconds=1.0)


@pytest.fixture(autouse=True)
def _sound_again() -> Iterator[None]:
    yield
    flawed_source.FLAWS.clear()


def replayed(folder: Path, expected: list[Mapping[str, object]], options: str = "", **files: bytes) -> Finding:
    """Write one case, and replay it."""
    case = folder / "an old machine"
    case.mkdir()
    (case / "options.toml").write_text(options)
    for name, data in ({"input_bin": STREAM} | files).items():
        (case / name.replace("_", ".")).write_bytes(data)
    if expected:
        (case / "expected.jsonl").write_text("".join(json.dumps(one) + "\n" for one in expected))
    (one,) = case_rules(folder)
    return prove(one, source(QUICK))


def test_a_stream_means_what_its_case_says(tmp_path: Path) -> None:
    """Uncut, byte by byte, in pieces, and cut in two at every byte."""
    found = replayed(tmp_path, PARTS)
    assert found.outcome is Outcome.HOLDS, found.said
    assert found.said == "16 bytes cut in 18 ways"


def test_a_text_with_escapes_is_a_stream_too(tmp_path: Path) -> None:
    """Line ends of the file itself count for nothing."""
    case = tmp_path / "case"
    case.mkdir()
    (case / "options.toml").write_text("")
    (case / "input.txt").write_bytes(b"P1;OK\\n\nP2;NG\\x0a\n")
    (case / "expected.jsonl").write_text("".join(json.dumps(one) + "\n" for one in PARTS[:2]))
    assert prove(case_rules(tmp_path)[0], source(QUICK)).outcome is Outcome.HOLDS


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        (PARTS[:2], "uncut it became 3 parts instead of 2"),
        ([*PARTS, {"part": "P4"}], "uncut it became 3 parts instead of 4"),
        ([{"part": "P0"}, *PARTS[1:]], "uncut part 1 came with part = 'P1' instead of 'P0'"),
        ([*PARTS, {"garbage": "no line"}], "and nothing of 'no line'"),
        ([*PARTS, {"quarantined": "no line"}], "and nothing of 'no line'"),
    ],
)
def test_anything_else_is_said(expected: list[Mapping[str, object]], said: str, tmp_path: Path) -> None:
    found = replayed(tmp_path, expected)
    assert found.outcome is Outcome.FAILS
    assert said in found.said


def test_a_source_that_takes_a_packet_for_a_part_is_found(tmp_path: Path) -> None:
    """Uncut a single line is well understood; cut anywhere it is not."""
    flawed_source.FLAWS.add("takes a packet for a part")
    found = replayed(tmp_path, PARTS[:1], input_bin=b"P1;OK\n")
    assert found.outcome is Outcome.FAILS
    assert "byte by byte part 1 came with part" in found.said


def test_a_mistake_in_the_options_is_held_to_its_words(tmp_path: Path) -> None:
    found = replayed(tmp_path, [], "connections_max = 0", expected_err=b"greater than or equal to 1")
    assert found.outcome is Outcome.HOLDS, found.said


@pytest.mark.parametrize(
    ("options", "said"), [("connections_max = 5", "are taken, though they must be wrong"), ("x = 1", "it says")]
)
def test_a_mistake_that_is_none_is_said(options: str, said: str, tmp_path: Path) -> None:
    found = replayed(tmp_path, [], options, expected_err=b"greater than or equal to 1")
    assert found.outcome is Outcome.FAILS
    assert said in found.said


def test_a_road_that_is_no_stream_replays_nothing(tmp_path: Path) -> None:
    """It says so, rather than passing what it has not tried."""
    case = tmp_path / "case"
    case.mkdir()
    (case / "options.toml").write_text("")
    (case / "input.bin").write_bytes(STREAM)
    (case / "expected.jsonl").write_text("")
    found = prove(case_rules(tmp_path)[0], source(replace(TRIAL, stream=False)))
    assert found.outcome is Outcome.UNFIT
