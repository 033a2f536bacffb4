from __future__ import annotations

import csv
import hashlib
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from small_month import BEGIN, DAY, LINE, NG, OK, Told, book

from bridge import pages, starting
from bridge.cli import main as cli
from bridge.config import load
from bridge.config.changes import facts as facts_of
from bridge.config.decision import decision_hashes
from bridge.shadow import approval
from bridge.shadow.report import facts as facts_of_report
from bridge.shadow.report import page
from bridge.simulate.factory import DEMO_BUNDLE
from bridge.store import Stratum
from bridge.store.sweeping import place

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
days = 3
timezone = "Europe/Berlin"
"""
PICTURE = cv2.imencode(".png", np.full((40, 60, 3), 90, np.uint8))[1].tobytes()
DIGEST = hashlib.sha256(PICTURE).hexdigest()
AUDITED = Stratum.AGREED_OK


def fill(folder: Path) -> None:
    """Write three days of which everything is known: 3 escapes, 9 false calls, 1 of the true NG overruled."""
    (folder / "bridge.toml").write_text(CONFIG, encoding="utf-8")
    file = place(folder / "images", DIGEST, "png")
    file.parent.mkdir(parents=True)
    file.write_bytes(PICTURE)
    with book(folder) as month:
        at = BEGIN + 3600.0

        def add(count: int, legacy: object, model: object, truth: object, score: float, **more: Any) -> None:
            nonlocal at
            known = {"stratum": Stratum.DISAGREED, "chance": 1.0, "drawn": True, "part": f"S{at:.0f}"} | more
            for _ in range(count):
                at += 400.0
                told = Told(at=at, legacy=legacy, model=model, scores=(score, 0.95), image=DIGEST, **known)  # type: ignore[arg-type]
                id_ = month.add(Told(**{**told.__dict__, "part": f"S{at:.0f}"}))
                if truth is not None:
                    month.label(id_, truth)  # type: ignore[arg-type]

        add(6, NG, OK, OK, 0.9, defect="bridge")
        add(1, NG, OK, NG, 0.7, defect="solder")
        add(12, NG, NG, NG, 0.1, defect="solder", stratum=Stratum.AGREED_NG)
        add(3, NG, NG, OK, 0.3, defect="bridge", stratum=Stratum.AGREED_NG)
        add(1, OK, NG, OK, 0.2)
        add(2, OK, NG, NG, 0.05)
        add(19, OK, OK, OK, 0.99, stratum=AUDITED, chance=0.05)
        add(1, OK, OK, NG, 0.99, stratum=AUDITED, chance=0.05)
        add(380, OK, OK, None, 0.99, stratum=AUDITED, chance=0.05, drawn=False, counter=5)


def report(folder: Path, out: str, *more: str) -> Path:
    where = folder / out
    assert (
        cli.main(["shadow", "report", LINE, "--config", str(folder / "bridge.toml"), "--out", str(where), *more])
        == 0
    )
    return where


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("month")
    fill(folder)
    return report(folder, "once")


@pytest.fixture(scope="module")
def facts(written: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((written / "report.json").read_text(encoding="utf-8"))
    return found


def test_a_month_without_measured_pictures_says_so(written: Path, facts: dict[str, Any]) -> None:
    assert facts["pictures"] == []
    assert "No picture was measured" in (written / "report.html").read_text(encoding="utf-8")


def counts(rate: dict[str, Any]) -> tuple[int, float, float]:
    return rate["events"], rate["weighted"], rate["trials"]


def test_the_four_numbers_are_those_of_the_month(facts: dict[str, Any]) -> None:
    """An escape that the audit found stands for twenty, for a twentieth of the agreements was looked at."""
    numbers = facts["numbers"]
    assert counts(numbers["false_calls"]["inspector"]) == (9, 9, 425)
    assert counts(numbers["false_calls"]["1"]) == (3, 3, 425)
    assert counts(numbers["escapes"]["inspector"]) == (3, pytest.approx(22), 425)
    assert counts(numbers["escapes"]["1"]) == (4, pytest.approx(23), 425)
    assert counts(numbers["escapes"]["3"]) == (2, pytest.approx(21), 425)
    for rates in numbers.values():
        assert all(0 <= one["lower"] <= one["value"] <= one["upper"] <= 1 for one in rates.values())


def test_each_goal_is_told_by_what_it_adds_and_takes(facts: dict[str, Any]) -> None:
    goals = facts["goals"]
    assert counts(goals["1"]["overruled"]) == (1, 1, 13)
    assert counts(goals["1"]["cut"]) == (6, 6, 9)
    assert counts(goals["1"]["added_escapes"]) == (1, 1, 425)
    assert counts(goals["2"]["added_false_calls"]) == (1, 1, 425)
    assert goals["2"]["caught"]["events"] == 2
    assert (goals["1"]["discordant"]["only_inspector"], goals["1"]["discordant"]["only_goal"]) == (1, 6)
    assert set(facts["verdict"]) == {"1", "2", "3"}
    assert facts["verdict"]["1"]["state"] in {"not ready", "need more"}  # 13 true NG show no miss rate of 1 %


def test_the_confusion_tells_inspector_model_and_truth(facts: dict[str, Any]) -> None:
    cells = {
        (one["inspector"], one["model"]): (one["parts"], one["good"], one["bad"]) for one in facts["confusion"]
    }
    assert cells == {
        ("OK", "OK"): (400, 19, 1),
        ("OK", "NG"): (3, 1, 2),
        ("NG", "OK"): (7, 6, 1),
        ("NG", "NG"): (15, 3, 12),
    }


def test_another_threshold_is_told_with_what_it_would_have_done(facts: dict[str, Any]) -> None:
    """At 0.8 the false calls with 0.9 are still cleared, and the bad part with 0.7 is not."""
    (curve,) = [one for one in facts["curves"] if one["goal"] == 1]
    points = {round(one["threshold"], 3): one for one in curve["points"]}
    assert (curve["threshold"], curve["labelled_good"], curve["labelled_bad"]) == (0.5, 9, 13)
    assert points[0.9]["gain"]["value"] == pytest.approx(6 / 9)
    assert points[0.9]["harm"]["events"] == 0
    assert points[0.5]["harm"]["value"] == pytest.approx(1 / 425)
    assert points[0.1]["harm"]["events"] == 13


def test_rates_are_told_by_group(facts: dict[str, Any]) -> None:
    """Groups add up to all; a defect code's false calls are its own."""
    rates = facts["rates"]
    for kind in ("recipe", "defect", "shift", "week"):
        assert sum(one["parts"] for one in rates[kind]) == 425
        assert sum(one["false_calls_inspector"]["events"] for one in rates[kind]) == 9
    codes = {one["name"]: counts(one["false_calls_inspector"]) for one in rates["defect"]}
    assert codes["bridge"] == (9, 9, 9)
    views = {one["name"]: one for one in rates["view"]}
    assert (views["cam 1"]["views"], views["cam 1"]["model_ng"]) == (425, 18)
    assert views["cam 1"]["false_calls_inspector"]["events"] == 9


def test_days_are_those_of_the_plant(facts: dict[str, Any]) -> None:
    assert (facts["days"]["first"], facts["days"]["last"]) == ("2026-10-01", "2026-10-03")
    assert sum(day["parts"] for day in facts["calendar"]) == 425
    assert sum(day["disagreements"] for day in facts["calendar"]) == 10
    assert facts["stability"][-1]["false_calls_inspector"]["events"] == 9
    assert facts["labels"]["labels"] == facts["labels"]["drawn_labelled"] == 45


def test_the_page_shows_it_and_asks_the_network_for_nothing(written: Path) -> None:
    page = (written / "report.html").read_text(encoding="utf-8")
    for heading in ("The verdict", "Limits, goal by goal", "Where it goes wrong", "Calendar", "Method", "Labels"):
        assert f"<h2>{heading}</h2>" in page
    assert "9 / 425" in page
    assert "data:image/png;base64," in page or "data:image/jpeg;base64," in page  # the picture of a disagreement
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "nan" not in page.lower().replace("nance", "")


def test_the_table_lists_what_is_of_interest(written: Path) -> None:
    """Everything but the agreements on OK that nobody looked at."""
    with (written / "parts.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 45
    assert [row["truth"] for row in rows if row["inspector"] == "NG" and row["model"] == "OK"] == ["OK"] * 6 + [
        "NG"
    ]


def test_the_same_journal_gives_the_same_bytes(written: Path) -> None:
    again = report(written.parent, "twice")
    for name in ("report.html", "report.json", "parts.csv"):
        assert (again / name).read_bytes() == (written / name).read_bytes()


def test_going_live_can_read_it(written: Path) -> None:
    """It is about no decision hash here: the model is not there."""
    said = approval.read(written).said
    assert (said.line, said.to, said.verdict["2"].state) == (LINE, BEGIN + 3 * DAY - 7200, said.verdict["2"].state)


def audited(folder: Path, at: float, what: str, new: str) -> None:
    with closing(sqlite3.connect(folder / "journal.db")) as journal:
        columns = "INSERT INTO audit (at, who, line, what, old, new, why, hash)"
        journal.execute(f"{columns} VALUES (?, '', ?, ?, '', ?, '', x'00')", (at, LINE, what, new))
        journal.commit()


def test_a_month_is_about_one_decision(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was judged before a change of verdicts is left out, and told; mixed it takes no line live."""
    file = tmp_path / "bridge.toml"
    file.write_text(CONFIG.replace('model = "pins"', f'model = "{DEMO_BUNDLE}"'), encoding="utf-8")
    config = load(file)
    models = starting.models(config)
    with book(tmp_path) as month:
        for day in range(3):
            month.add(Told(at=BEGIN + day * DAY, legacy=OK, model=OK, scores=(0.9,), bundle=models["pins"]))
    hashes = decision_hashes(facts_of(config, models)[LINE])

    def said(*more: str) -> tuple[dict[str, str], int]:
        facts = json.loads((report(tmp_path, "out", *more) / "report.json").read_text(encoding="utf-8"))
        return facts["decision_hash"], facts["parts"]["distinct"]

    assert said() == (hashes, 3)
    audited(tmp_path, BEGIN + 60, "source.port", "4001")
    assert said() == (hashes, 3), "where parts come from moves no verdict"
    audited(tmp_path, BEGIN + 60, "threshold", "0.4")
    capsys.readouterr()
    assert said() == (hashes, 2)
    assert "threshold was changed from nothing to 0.4; what came before is left out" in capsys.readouterr().out
    assert said("--from", "2026-10-01") == ({}, 3)
    assert "are in it, when threshold was changed" in (tmp_path / "out" / "report.html").read_text(
        encoding="utf-8"
    )
    assert "parts of before 2026-10-01 02:02 are in it, when threshold was changed" in capsys.readouterr().out
    assert said("--from", "2026-10-03") == ({}, 1), "the first day is not chosen afterwards"
    audited(tmp_path, BEGIN + 2 * DAY + 60, "shadow.miss_limit", "0.05")
    assert cli.main(["shadow", "report", LINE, "--config", str(file)]) == 2
    assert "shadow.miss_limit was changed from nothing to 0.05; wait for parts" in capsys.readouterr().err


def test_only_the_days_that_were_asked_for(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = report(written.parent, "one", "--from", "2026-10-01", "--to", "2026-10-01", "--all-parts")
    facts = json.loads((one / "report.json").read_text(encoding="utf-8"))
    assert facts["days"]["count"] == 1
    with (one / "parts.csv").open(encoding="utf-8") as file:
        assert len(file.readlines()) == 1 + facts["parts"]["distinct"]
    later = json.loads((report(written.parent, "later", "--to", "2027-01-01") / "report.json").read_text("utf-8"))
    assert later["days"]["count"] == 3, "days that have not come are no part of a look"
    wrong = ["shadow", "report", LINE, "--config", str(written.parent / "bridge.toml")]
    assert cli.main([*wrong, "--from", "1st"]) == 2
    assert cli.main([*wrong, "--from", "9999-12-31"]) == 2
    assert cli.main([*wrong, "--from", "2027-01-01"]) == 2
    assert cli.main(["shadow", "report", "smt-9", *wrong[3:]]) == 2
    said = capsys.readouterr().err
    assert "--from: 1st is no day; write 2026-10-01" in said
    assert "--from: 9999-12-31 is no day" in said
    assert "has no part of its shadow in this time" in said
    assert "line smt-9: is not there; write one of smt-3" in said


def test_words_of_machines_are_shown_and_never_obeyed(tmp_path: Path) -> None:
    """Bytes that are no Unicode, and what a browser would run."""
    fill(tmp_path)
    evil = "<script>alert(1)</script>"
    with book(tmp_path / "odd") as month:
        for number in range(8):
            words = {"part": f"\udcff{evil}{number}", "recipe": f"\udcfe{evil}", "defect": f"\udcfd{evil}{number}"}
            seen = {"stratum": Stratum.DISAGREED, "chance": 1.0, "drawn": True, "scores": (0.1,)}
            id_ = month.add(Told(at=BEGIN + number, legacy=NG, model=OK, lot="\udcfc", **words, **seen))  # type: ignore[arg-type]
            month.label(id_, OK if number % 2 else NG)
    where = report(tmp_path, "odd-report", "--data", str(tmp_path / "odd"), "--all-parts")
    page = (where / "report.html").read_text("utf-8")
    assert evil not in page
    assert "\\udcff&lt;script&gt;" in page
    assert approval.read(where).said.line == LINE
    with (where / "parts.csv").open(encoding="utf-8") as file:
        assert {row["recipe"] for row in csv.DictReader(file)} == {f"\\udcfe{evil}"}


def test_a_report_that_is_broken_off_leaves_the_old_one(
    written: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All three files of it, and no half of a new one."""
    where = report(written.parent, "broken")
    before = {one.name: one.read_bytes() for one in where.iterdir()}

    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(page, "page_of", interrupted)
    again = ["shadow", "report", LINE, "--config", str(written.parent / "bridge.toml"), "--out", str(where)]
    assert cli.main([*again, "--all-parts"]) == 130
    assert {one.name: one.read_bytes() for one in where.iterdir()} == before
    monkeypatch.setattr(facts_of_report, "encoded", interrupted)
    monkeypatch.setattr(page, "page_of", lambda *_: "a page")
    assert cli.main([*again, "--all-parts"]) == 130
    assert {one.name: one.read_bytes() for one in where.iterdir()} == before
    assert cli.main([*again[:-1], "/proc/nowhere"]) == 2
    assert "--out /proc/nowhere: " in capsys.readouterr().err


def test_a_missing_extra_is_one_line(
    written: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.delitem(sys.modules, "bridge.pages.page")
    monkeypatch.delattr(pages, "page")
    assert cli.main(["shadow", "report", LINE, "--config", str(written.parent / "bridge.toml")]) == 2
    assert "pip install 'aoi-bridge[report]'" in capsys.readouterr().err
