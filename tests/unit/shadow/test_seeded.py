"""Known-bad parts that people put in on purpose: they count for the miss rate, and for nothing else."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from month_kit import month
from small_month import BEGIN, DAY, LINE, NG, OK, Told, book

from bridge.cli import main as cli
from bridge.config import load
from bridge.config.shadow import Shadow
from bridge.errors import ConfigError
from bridge.messages import Goal
from bridge.shadow import month as words
from bridge.shadow import reading, todo
from bridge.shadow.estimates import Estimate, Estimates
from bridge.shadow.month import Month
from bridge.shadow.planning import Claim, Line, needs
from bridge.shadow.readiness import readiness
from bridge.shadow.seeding import is_seeded
from bridge.store import Stratum

SEEDED = Shadow(seeded="SEED-*")
CUT = Goal.CUT_FALSE_CALLS


def process(seed: int = 3, n: int = 4000) -> tuple[Any, Any, Any]:
    """Return what inspector, model and truth say of a line's own parts."""
    random = np.random.default_rng(seed)
    truth = np.where(random.random(n) < 0.02, words.NG, words.OK)
    legacy = np.where(random.random(n) < 0.03, 3 - truth, truth)
    model = np.where(random.random(n) < 0.03, 3 - truth, truth)
    return legacy, model, truth


def two() -> tuple[Month, Month]:
    """Return a month without and with 300 seeded parts in between, of which goal 1 overrules three."""
    legacy, model, truth = process()
    drawn = (legacy != model) | (legacy == words.NG) | (np.arange(len(legacy)) % 4 == 0)
    chance = np.where((legacy != model) | (legacy == words.NG), 1.0, 0.25)
    lot = np.arange(4000) // 50
    plain = month(legacy, model, truth, chance=chance, drawn=drawn, lot=lot)
    at = np.sort(np.random.default_rng(1).integers(0, 4000, 300))
    found, said = np.full(300, words.NG), np.full(300, words.NG)
    found[:20], said[:3], said[200:203] = words.OK, words.OK, words.OK
    more = month(
        np.insert(legacy, at, found),
        np.insert(model, at, said),
        np.insert(truth, at, words.NG),
        chance=np.insert(chance, at, 1.0),
        drawn=np.insert(drawn, at, True),
        lot=np.insert(lot, at, lot[at]),
        seeded=np.insert(np.zeros(4000, bool), at, True),
    )
    return plain, more


def rates(of: Estimates, goal: Goal) -> list[Estimate]:
    return [
        *(of.false_calls(who) for who in (None, goal)),
        *(of.escapes(who) for who in (None, goal)),
        of.cut(goal),
        of.caught(goal),
        of.added_false_calls(goal),
    ]


@pytest.mark.parametrize("correlation", [0.0, 0.1])
@pytest.mark.parametrize("goal", list(Goal))
def test_no_rate_of_the_process_knows_of_seeded_parts(goal: Goal, correlation: float) -> None:
    plain, more = (Estimates(one, 0.95, correlation) for one in two())
    assert rates(plain, goal) == rates(more, goal)
    assert plain.cell(words.NG, plain.said(goal), words.OK, words.NG) == more.cell(
        words.NG, more.said(goal), words.OK, words.NG
    )


def test_the_miss_rate_counts_them_among_the_true_ng_that_the_inspector_finds() -> None:
    """280 of 300 were found, three of them overruled."""
    plain, more = (Estimates(one, 0.95, 0.1).overruled(CUT) for one in two())
    assert (more.events - plain.events, more.trials - plain.trials) == (3, 280)
    assert more.weighted == more.events
    assert more.upper < plain.upper


@pytest.mark.parametrize("correlation", [0.0, 0.1])
def test_escapes_added_are_the_miss_rate_of_all_times_the_true_ng_of_the_line(correlation: float) -> None:
    """The estimate is of the line's own parts; the bound takes what the seeded ones show of the miss rate."""
    plain, more = (Estimates(one, 0.95, correlation).added_escapes(CUT) for one in two())
    assert (plain.value, plain.events, plain.trials) == (more.value, more.events, more.trials)
    found = Estimates(two()[0], 0.99, correlation).per_part(two()[0].legacy == words.NG, words.NG)
    missed = Estimates(two()[1], 0.96, correlation).overruled(CUT)
    assert more.upper == pytest.approx(found.upper * missed.upper)
    if correlation:
        assert more.upper < plain.upper


def test_the_verdict_asks_for_lots_and_chances_of_the_line_s_own_parts() -> None:
    legacy, model, truth = process(n=1000)
    lot = np.concatenate((np.arange(900) // 90, 10 + np.arange(100)))  # every seeded part in a lot of its own
    put_in = np.arange(1000) >= 900
    parts = month(legacy, model, np.where(put_in, words.NG, truth), lot=lot, seeded=put_in)
    limits = {one.name: one for one in readiness(parts, SEEDED, CUT, 30).limits}
    assert limits["lots"].measured == 10
    assert limits["parts without a chance of being drawn"].trials == 900


def test_what_the_plan_advises_is_enough() -> None:
    """Too few NG: so many known-bad parts more, spread over the lots, and the month keeps the limit."""
    shadow = Shadow(correlation=0.1)
    line = Line(parts_per_day=1000, ng=0.004, false_calls=0.02)
    claim = Claim(days=30, miss_limit=0.01, escapes=50e-6, false_calls=1e-3, confidence=0.95, correlation=0.1)
    need = needs(line, claim)[0]
    assert need.seeded is not None

    def with_seeded(count: int) -> bool:
        n = 30_000
        bad = np.arange(n) % 250 == 0
        at = np.linspace(0, n, count, endpoint=False).astype(int)
        legacy = np.insert(np.where(bad, words.NG, words.OK), at, words.NG)
        lot = np.insert(np.arange(n) * 90 // n, at, at * 90 // n)
        put_in = np.insert(np.zeros(n, bool), at, True)
        parts = month(legacy, legacy, legacy, lot=lot, seeded=put_in)
        return {one.name: one.holds for one in readiness(parts, shadow, CUT, 30).limits}["true NG overruled"]

    assert with_seeded(need.seeded + 1)
    assert not with_seeded(need.seeded // 2)


@pytest.mark.parametrize(
    ("serial", "pattern", "expected"),
    [
        ("SEED-7", "SEED-*", True),
        ("SEED-", "SEED-*", True),
        ("seed-7", "SEED-*", False),
        ("XSEED-7", "SEED-*", False),
        (b"SEED-\xed\xa0\x80", "SEED-*", True),
        ("S1X", "S?X", True),
        ("S12X", "S?X", False),
        ("", "", False),
        ("A", "", False),
        ("S-[a]", "*-{a}", False),
        ("Größe-1", "Größe-?", True),
    ],
)
def test_sqlite_and_python_say_the_same_of_a_serial_number(
    serial: str | bytes,
    pattern: str,
    expected: bool,  # noqa: FBT001 - a table
) -> None:
    assert is_seeded(serial, pattern) is expected
    if pattern:
        with closing(sqlite3.connect(":memory:")) as empty:
            assert empty.execute("SELECT CAST(? AS TEXT) GLOB ?", (serial, pattern)).fetchone() == (expected,)


@pytest.mark.parametrize("pattern", ["*", "??", " SEED-*", "SEED-[0-9]*", "SEED\n*"])
def test_nonsense_is_one_clear_line(tmp_path: Path, pattern: str) -> None:
    (tmp_path / "bridge.toml").write_text(CONFIG.replace("SEED-*", pattern.replace("\n", "\\n")), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"seeded.*is no pattern of serial numbers; write one such as") as raised:
        load(tmp_path / "bridge.toml")
    assert "\n" not in str(raised.value)


def add(filled: Any, serial: str, legacy: Any, model: Any, at: float, **more: Any) -> str:
    told = Told(
        at=BEGIN + at, legacy=legacy, model=model, scores=(0.9 if model is OK else 0.1,), part=serial, **more
    )
    return str(filled.add(told))


AGREED = {"stratum": Stratum.AGREED_OK, "chance": 0.5}


def test_the_journal_s_seeded_parts_are_known_by_their_serial_numbers(tmp_path: Path) -> None:
    """Bad without a label; OK contradicts whoever put it in; only a label that decides settles it."""
    with book(tmp_path) as filled:
        add(filled, "A1", OK, OK, 1, **AGREED)
        add(filled, "SEED-1", NG, OK, 2, stratum=Stratum.DISAGREED, chance=1.0, drawn=True)
        confirmed = add(filled, "SEED-2", NG, NG, 3)
        doubted = add(filled, "SEED-3", NG, NG, 4)
        settled = add(filled, "SEED-4", NG, NG, 5)
        add(filled, "SEED-5", OK, OK, 6, **AGREED)
        filled.add(Told(at=BEGIN + 7, legacy=NG, part="SEED-6"))
        add(filled, "SEED-2", OK, OK, 8)
        filled.label(confirmed, NG)
        filled.label(doubted, OK)
        filled.label(settled, OK, decides=True)
    found = reading.read(tmp_path, LINE, SEEDED, BEGIN, BEGIN + DAY)
    parts = found.month
    assert parts.seeded.tolist() == [False] + [True] * 6
    assert parts.truth.tolist() == [0, 2, 2, 3, 1, 2, 2]
    assert parts.stratum.tolist() == [Stratum.AGREED_OK] + [0] * 6
    assert parts.drawn.tolist() == [False, True, True, True, True, True, False]  # nobody judged the last
    assert parts.chance.tolist() == [0.5, 1, 1, 1, 1, 1, 0]
    assert [int(view.counts.sum()) for view in found.views] == [1]
    assert (len(found.own().month), len(found.own().second)) == (1, 1)
    missed = Estimates(parts, 0.95, 0.0).overruled(CUT)
    assert (missed.events, missed.trials, missed.outstanding) == (1, 2, 0)
    without = reading.read(tmp_path, LINE, Shadow(), BEGIN, BEGIN + DAY).month
    assert not without.seeded.any()
    assert without.truth.tolist() == [0, 0, 2, 1, 1, 0, 0]


def test_nobody_need_label_them(tmp_path: Path) -> None:
    """Not even those that were drawn before anybody said that they were seeded."""
    with book(tmp_path) as filled:
        for place, serial in enumerate(("A1", "SEED-1", "A2", "SEED-2")):
            add(filled, serial, NG, OK, place, stratum=Stratum.DISAGREED, chance=1.0, drawn=True)
    known = todo.work(tmp_path, LINE, 24, "SEED-*")
    assert {one.part for one in todo.todo(known)} == {"A1", "A2"}
    assert [(one.drawn, one.outstanding) for one in todo.progress(known)] == [(2, 2)]
    assert len(todo.todo(todo.work(tmp_path, LINE, 24))) == 4


CONFIG = """
data = "."
[judge.pins]
type = "classifier"
model = "pins"
[[line]]
name = "smt-3"
goal = 1
judge = "pins"
[line.source]
type = "tcp"
port = 4000
[line.shadow]
seeded = "SEED-*"
days = 2
"""


def report(folder: Path, config: str) -> Path:
    (folder / "bridge.toml").write_text(config, encoding="utf-8")
    out = folder / "out"
    assert cli.main(["shadow", "report", LINE, "--config", str(folder / "bridge.toml"), "--out", str(out)]) == 0
    return out


def filled_with(folder: Path, seeded: int) -> None:
    with book(folder) as filled:
        for place in range(60):
            bad, missed = place % 6 == 0, place % 20 == 1
            legacy, model = (NG if bad else OK), (NG if bad or missed else OK)
            kind = Stratum.DISAGREED if missed else Stratum.AGREED_NG if bad else Stratum.AGREED_OK
            told = {"stratum": kind, "chance": 1.0, "drawn": True, "defect": "gap" if bad else ""}
            id_ = add(filled, f"A{place}", legacy, model, 3600.0 * place / 2, **told)
            filled.label(id_, NG if bad else OK)
            if place < seeded:
                found = OK if place % 5 == 4 else NG
                add(filled, f"SEED-{place}", found, OK if place == 0 else NG, 1800.0 * place + 9)


def test_the_report_tells_them_apart(tmp_path: Path) -> None:
    """Ten seeded parts, two passed by the inspector, one of the others overruled: nothing else moves."""
    facts = []
    for name, seeded in (("plain", 0), ("more", 10)):
        filled_with(tmp_path / name, seeded)
        where = report(tmp_path / name, CONFIG)
        facts.append(json.loads((where / "report.json").read_text(encoding="utf-8")))
    plain, more = facts
    assert {key for key in plain if plain[key] != more[key]} == {
        *("verdict", "parts", "seeded", "goals", "worst", "provenance", "seal"),
    }
    assert {key for key in plain["parts"] if plain["parts"][key] != more["parts"][key]} == {"presentations"}
    told = more["seeded"]
    assert (told["parts"], told["found"], told["passed"], told["pattern"]) == (10, 8, 2, "SEED-*")
    assert (told["inspector_missed"]["events"], told["inspector_missed"]["trials"]) == (2, 10)
    assert {goal: one["overruled"]["events"] for goal, one in told["goals"].items()} == {"1": 1, "2": 0, "3": 1}
    assert told["goals"]["2"]["caught"]["events"] == told["goals"]["3"]["caught"]["events"] == 2
    moved = {
        key
        for goal in "123"
        for key in plain["goals"][goal]
        if plain["goals"][goal][key] != more["goals"][goal][key]
    }
    assert moved == {"overruled", "added_escapes"}
    assert (more["goals"]["1"]["overruled"]["events"], more["goals"]["1"]["overruled"]["trials"]) == (1, 18)
    page = (tmp_path / "more" / "out" / "report.html").read_text(encoding="utf-8")
    for said in ("Seeded known-bad parts", "Without the 10 seeded", "Whether seeded defects are like those"):
        assert said in page
        assert said not in (tmp_path / "plain" / "out" / "report.html").read_text(encoding="utf-8")
    with (tmp_path / "more" / "out" / "parts.csv").open(encoding="utf-8", newline="") as file:
        assert sum(row["seeded"] == "1" for row in csv.DictReader(file)) == 10
