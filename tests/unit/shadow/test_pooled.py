"""Several lines that decide alike, taken together for the verdict of one of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from month_kit import month
from small_month import BEGIN, NG, OK, Told, book

from bridge import starting
from bridge.cli import main as cli
from bridge.config import load
from bridge.config.shadow import Shadow
from bridge.errors import ConfigError
from bridge.messages import Goal
from bridge.shadow import approval
from bridge.shadow import month as words
from bridge.shadow.estimates import Estimates
from bridge.shadow.month import Month, pooled
from bridge.shadow.readiness import readiness
from bridge.shadow.report import pooling
from bridge.simulate.factory import DEMO_BUNDLE
from bridge.store import Stratum

CUT = Goal.CUT_FALSE_CALLS


def line(bad: int, missed: int, *, n: int = 3000, seed: int = 1) -> Month:
    """Return a line's month with so many true NG that the inspector finds, of which goal 1 overrules some."""
    truth = np.full(n, words.OK)
    at = np.random.default_rng(seed).choice(n, bad, replace=False)
    truth[at] = words.NG
    model = truth.copy()
    model[at[:missed]] = words.OK
    return month(truth, model, truth, defect=truth - 1, defects=("", "gap"))


def test_lines_become_one_month_in_order_of_time_with_lots_of_their_own() -> None:
    one, two = line(30, 0), line(40, 1, seed=2)
    both = pooled({"smt-3": one, "smt-4": two})
    assert len(both) == 6000
    assert (np.diff(both.at) >= 0).all()
    assert len(both.lots) == len(np.unique(both.lot)) == 180
    assert {name.split()[0] for name in both.lots} == {"smt-3", "smt-4"}
    assert list(both.defects) == ["", "gap"]
    assert int(((both.defect == 1) & (both.truth == words.NG)).sum()) == 70
    of_each = [[both.lots[lot].split()[0] for lot in both.lot].count(name) for name in ("smt-3", "smt-4")]
    assert of_each == [3000, 3000]
    for goal in Goal:
        assert Estimates(both, 0.95, 0.1).overruled(goal).trials == sum(
            Estimates(each, 0.95, 0.1).overruled(goal).trials for each in (one, two)
        )


def test_recipes_and_codes_go_by_their_names_whatever_their_places() -> None:
    one = month([2, 2], [2, 2], [2, 2], defect=[0, 1], defects=("bridge", "void"))
    two = month([2, 2], [2, 2], [2, 2], defect=[0, 1], defects=("void", "wire"))
    both = pooled({"a": one, "b": two})
    assert [both.defects[code] for code in both.defect] == ["bridge", "void", "void", "wire"]


def test_lines_that_make_too_few_ng_show_together_what_none_shows_alone() -> None:
    shadow = Shadow(correlation=0.0, escapes_ppm=900_000)
    lines = {f"smt-{place}": line(130, 0, seed=place) for place in range(3)}

    def holds(parts: Month) -> bool:
        return {one.name: one.holds for one in readiness(parts, shadow, CUT, 30).limits}["true NG overruled"]

    assert not any(map(holds, lines.values()))
    assert holds(pooled(lines))


def test_what_the_others_do_well_hides_no_line_that_is_beyond_a_limit() -> None:
    """30 of 300 overruled on one line, none of 6,000 on the others: together half a per cent."""
    shadow = Shadow(correlation=0.0, escapes_ppm=900_000, false_calls_cut=0.0)
    lines = {"smt-3": line(3000, 0, n=6000), "smt-4": line(300, 30), "smt-5": line(3000, 0, n=6000, seed=3)}
    together = readiness(pooled(lines), shadow, CUT, 30)
    assert together.state == "ready"
    found = pooling.agreed(together, lines, shadow, 30)
    assert found.state == "not ready"
    assert found.reasons[-1].startswith("line smt-4 alone: true NG overruled: measured 10 %")
    assert pooling.agreed(together, {"smt-3": lines["smt-3"]}, shadow, 30) is together


CONFIG = """
data = "."
[judge.pins]
type = "classifier"
model = "{bundle}"
"""
LINE = """
[[line]]
name = "{name}"
goal = 1
judge = "pins"
{more}
[line.source]
type = "tcp"
port = {port}
[line.shadow]
days = 2
{shadow}
"""
NAMES = ("smt-3", "smt-4", "smt-5")


def configured(folder: Path, shadow: str = "", **more: str) -> Path:
    """Write a file of three lines; what a keyword says stands in the line of that name."""
    told = [
        LINE.format(
            name=name,
            port=4000 + place,
            more=more.get(name.replace("-", ""), ""),
            shadow=shadow if not place else more.get(f"{name.replace('-', '')}_shadow", ""),
        )
        for place, name in enumerate(NAMES)
    ]
    file = folder / "bridge.toml"
    file.write_text(CONFIG.format(bundle=DEMO_BUNDLE) + "".join(told), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("pool")
    bundle = starting.models(load(configured(folder)))["pins"]
    with book(folder) as filled:
        for place in range(90):
            bad = place % 9 == 0
            verdict = NG if bad else OK
            for shift, name in enumerate(NAMES[: 2 if place % 2 else 3]):
                told = Told(
                    at=BEGIN + 1800.0 * place + shift,
                    legacy=verdict,
                    model=OK if bad and name == "smt-4" and place < 9 else verdict,
                    scores=(0.1 if bad else 0.9,),
                    part=f"{name}-{place}",
                    stratum=Stratum.AGREED_NG if bad else Stratum.AGREED_OK,
                    chance=1.0,
                    drawn=True,
                    line=name,
                    lot=f"L{place // 10}",
                    bundle=bundle,
                )
                filled.label(filled.add(told), verdict, line=name)
    return folder


def report(file: Path, *more: str) -> dict[str, Any]:
    out = file.parent / "out"
    assert cli.main(["shadow", "report", "smt-3", "--config", str(file), "--out", str(out), *more]) == 0
    facts: dict[str, Any] = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return facts


def test_the_report_of_one_line_counts_the_parts_of_several(data: Path) -> None:
    alone = report(configured(data))
    facts = report(configured(data, 'pool = ["smt-4", "smt-5"]'))
    told = [(one["line"], one["parts"], one["true_ng"], one["found"]) for one in facts["pool"]]
    assert told == [("smt-3", 90, 10, 10), ("smt-4", 90, 10, 10), ("smt-5", 45, 5, 5)]
    assert [one["overruled"]["1"]["events"] for one in facts["pool"]] == [0, 1, 0]
    overruled = facts["goals"]["1"]["overruled"]
    assert (overruled["events"], overruled["trials"]) == (1, 25)
    assert facts["numbers"]["false_calls"]["inspector"]["trials"] == 225
    assert sum(one["parts"] for one in facts["confusion"]) == 225
    lots = {one["name"]: one["measured"] for one in facts["verdict"]["1"]["limits"]}["lots"]
    assert lots == 27
    for own in ("calendar", "health", "drift", "stability", "labels", "days", "line"):
        assert facts[own] == alone[own]
    assert (alone["pool"], sum(one["parts"] for one in alone["confusion"])) == ([], 90)
    page = (data / "out" / "report.html").read_text(encoding="utf-8")
    for said in (
        "Lines that are pooled",
        "With 90 of line smt-4 and 45 of line smt-5, pooled.",
        "(line smt-3 alone)",
    ):
        assert said in page


def test_it_can_take_that_line_live_and_no_other(data: Path) -> None:
    file = configured(data, 'pool = ["smt-4", "smt-5"]')
    hashes = report(file)["decision_hash"]
    assert hashes
    found = approval.read(data / "out")
    for name, refused in (("smt-3", False), ("smt-4", True)):
        wanted = approval.Wanted(line=name, goal=1, decision=hashes["1"], now=found.said.to, days=60)
        assert ("it is about line smt-3" in approval.against(found, wanted)) is refused


def test_lines_that_were_not_named_beforehand_take_none_live(data: Path) -> None:
    """Of many sets of lines one will look good."""
    file = configured(data, 'pool = ["smt-4"]')
    assert report(file)["decision_hash"]
    for more in (["--pool", "smt-4", "smt-5"], ["--pool"], ["--pool", "smt-5"]):
        facts = report(file, *more)
        assert facts["decision_hash"] == {}
        assert "shadow.pool said beforehand: smt-4" in facts["began"]["unbound"]
    assert report(file, "--pool", "smt-4")["decision_hash"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"smt4": "threshold = 0.4"}, "threshold is 0.4 there, and none here"),
        ({"smt4": 'clearable_codes = ["gap"]'}, 'clearable_codes is ["gap"] there, and [""] here'),
        ({"smt4_shadow": "miss_limit = 0.05"}, "shadow.miss_limit is 0.05 there, and 0.01 here"),
    ],
)
def test_lines_that_decide_otherwise_are_refused_in_one_line(
    data: Path, more: dict[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["shadow", "report", "smt-3", "--config", str(configured(data, **more)), "--pool", "smt-4"]
    assert cli.main(command) == 2
    told = capsys.readouterr().err.strip()
    assert said in told
    assert "\n" not in told
    assert cli.main([*command[:-1], "smt-3"]) == 2
    assert cli.main([*command[:-1], "smt-9"]) == 2
    told = capsys.readouterr().err
    assert "line smt-3: is the line itself" in told
    assert "line smt-9: is not there; write one of smt-3, smt-4, smt-5" in told


def test_what_is_each_line_s_own_may_differ(data: Path) -> None:
    file = configured(data, 'pool = ["smt-4"]', smt4_shadow='seeded = "X-*"')
    assert [one["line"] for one in report(file)["pool"]] == ["smt-3", "smt-4"]


def test_a_pool_of_lines_that_are_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'shadow.pool: "smt-9" is no other line; write one of smt-4, smt-5'):
        load(configured(tmp_path, 'pool = ["smt-9"]'))
