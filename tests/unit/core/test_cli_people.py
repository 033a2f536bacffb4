"""What people order on a command line: parked deliveries, a bypass, a reset; and what status tells them."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from core_kit import a_decision, a_name

from bridge.asking import ask
from bridge.cli import status as status_module
from bridge.cli.main import main
from bridge.cli.shown import ago, amount, plain
from bridge.config import load
from bridge.messages import Decision
from bridge.store import Reader, open_journal

PATIENCE = 30.0
LINE = a_name("line")


def written(folder: Path, goal: int = 1, bypass: str = 'bypass = {minutes = 20, because = "QA-7"}') -> Path:
    path = folder / "bridge.toml"
    path.write_text(
        f"""
http = {{port = 0}}
[[line]]
name = "{LINE}"
goal = {goal}
topology = "inline"
judge = "j"
{bypass}
source = {{type = "feed", tag = "s", parts = 3}}
reporter = [{{type = "tell", name = "mes", tag = "m"}}]
[judge.j]
type = "opinion"
""",
        encoding="utf-8",
    )
    return path


def parked(path: Path, reporter: str = "mes", amount: int = 2) -> list[Decision]:
    """Leave parked deliveries in a data folder on which no gateway runs."""
    data = load(path).data

    async def park() -> list[Decision]:
        async with open_journal(data) as journal:
            kept = [await journal.commit(a_decision(LINE, n), [reporter]) for n in range(amount)]
            for decision in kept:
                await journal.park(LINE, reporter, decision.number, "unknown\nserial")
            return kept

    return asyncio.run(park())


def said(capsys: pytest.CaptureFixture[str]) -> tuple[str, list[str]]:
    captured = capsys.readouterr()
    return captured.out, captured.err.splitlines()


@pytest.fixture
def gateway(tmp_path: Path, plugins: Path) -> Iterator[Path]:
    """Run a gateway with two parked deliveries; yield its file."""
    path = written(tmp_path)
    parked(path)
    paths = f"{plugins}:{Path(__file__).parent}"
    process = subprocess.Popen(
        [sys.executable, "-m", "bridge.cli", "run", "--config", str(path)],
        env={"PATH": "", "PYTHONPATH": paths},
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: (ask(load(path).data, "/v1/status") or {}).get("ready"))
        yield path
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)


def until(true: Any) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.usefixtures("plugins")
class TestOutboxWithoutAGateway:
    def test_parked_deliveries_are_listed_with_part_and_reason(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = written(tmp_path)
        kept = parked(path)
        assert main(["outbox", "--config", str(path)]) == 0
        out = said(capsys)[0]
        assert f"{LINE} mes: 0 waiting; 2 parked\n" in out
        assert kept[0].id in out
        assert "  p1\n" in out
        assert "unknown serial" in out
        assert main(["outbox", "list", "--json", "--config", str(path)]) == 0
        (row,) = json.loads(said(capsys)[0])["reporters"]
        assert (row["queued"], row["parked"], row["configured"]) == (0, 2, True)
        assert [delivery["id"] for delivery in row["deliveries"]] == [decision.id for decision in kept]

    def test_nothing_owed_is_said_so(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = written(tmp_path)
        parked(path, amount=0)
        assert main(["outbox", "--config", str(path)]) == 0
        assert said(capsys)[0] == "Nothing waits and nothing is parked.\n"
        assert main(["outbox", "--line", "smt-33", "--config", str(path)]) == 0
        assert said(capsys)[0] == "Nothing waits and nothing is parked there.\n"

    def test_a_drop_with_standard_input_closed_asks_nobody(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "stdin", None)
        assert main(["outbox", "drop", "--all", "--because", "x", "--config", str(written(tmp_path))]) == 2
        assert said(capsys)[1] == ["outbox drop: would ask, and nobody is there; write --yes"]

    def test_they_are_tried_again_or_dropped_and_the_audit_log_knows(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = written(tmp_path)
        kept = parked(path, amount=3)
        assert main(["outbox", "retry", kept[0].id, "--config", str(path)]) == 0
        drop = ["outbox", "drop", "--all", "--yes", "--because", "test parts", "--config", str(path)]
        assert main(drop) == 0
        assert said(capsys)[0] == f"{LINE} mes: 1 back in the outbox\n{LINE} mes: 2 dropped\n"
        reader = Reader(load(path).data)
        assert reader.outbox() == {(LINE, "mes"): (1, 0)}
        assert [(r.outcome, r.said) for r in reader.reports(kept[2].id)] == [("dropped", "test parts")]
        entries = [(entry.what, entry.line, entry.old, entry.new, entry.why) for entry in reader.audit()]
        assert entries == [
            ("outbox retry", LINE, "1 parked for mes", kept[0].id, ""),
            ("outbox drop", LINE, "2 parked for mes", "all of them", "test parts"),
        ]
        assert all(entry.who for entry in reader.audit())
        assert main(drop) == 2
        assert said(capsys)[1] == ["aoi-bridge: none of these is parked; aoi-bridge outbox lists what is"]

    def test_what_a_removed_reporter_left_is_listed_and_can_only_be_dropped(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = written(tmp_path)
        parked(path, reporter="old-mes")
        assert main(["outbox", "--config", str(path)]) == 0
        assert "(not in bridge.toml any more)" in said(capsys)[0]
        assert main(["outbox", "retry", "--all", "--config", str(path)]) == 1
        assert "2 left parked, for bridge.toml has no such reporter" in said(capsys)[0]
        words = ["outbox", "drop", "--all", "--yes", "--because", "gone", "--reporter", "old-mes"]
        assert main([*words, "--config", str(path)]) == 0

    @pytest.mark.parametrize(
        ("words", "line"),
        [
            (["retry"], "outbox retry: needs to know which; write ids, or --all, and not both"),
            (["retry", "--all", "ab"], "outbox retry: needs to know which; write ids, or --all, and not both"),
            (["retry", "ab"], "ab: is no inspection id; write the 32 digits that aoi-bridge outbox shows"),
            (["drop", "--all"], 'outbox drop: needs a reason for the audit log; write --because "…"'),
            (["drop", "--all", "--because", "x"], "outbox drop: would ask, and nobody is there; write --yes"),
        ],
    )
    def test_a_mistake_is_one_line(
        self, tmp_path: Path, words: list[str], line: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = written(tmp_path)
        assert main(["outbox", *words, "--config", str(path)]) == 2
        assert said(capsys) == ("", [line])


class TestWithAGateway:
    def test_parked_deliveries_are_told_again_while_it_runs(
        self, gateway: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """In the same process that delivers, without a restart."""
        reader = Reader(load(gateway).data)
        assert reader.outbox()[LINE, "mes"][1] == 2
        assert main(["outbox", "retry", "--all", "--config", str(gateway)]) == 0
        assert said(capsys)[0] == f"{LINE} mes: 2 back in the outbox\n"
        until(lambda: not any(any(owed) for owed in reader.outbox().values()))

    def test_a_bypass_is_asked_for_and_taken_back_with_reasons(
        self, gateway: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        words = ["--config", str(gateway), "--because"]
        assert main(["bypass", LINE, "on", *words, "lens broken"]) == 0
        assert f"{LINE}: bypass in force until " in said(capsys)[0]
        assert main(["status", "--config", str(gateway)]) == 0
        assert "BYPASS" in said(capsys)[0]
        assert main(["bypass", LINE, "off", *words, "lens changed"]) == 0
        assert said(capsys)[0] == f"{LINE}: no bypass is in force\n"
        reader = Reader(load(gateway).data)
        until(lambda: len([e for e in reader.audit() if e.what == "bypass"]) == 2)
        whys = [(entry.why, entry.who) for entry in reader.audit() if entry.what == "bypass"]
        assert [why for why, _ in whys] == ["QA-7; lens broken", "taken back; lens changed"]
        assert all(who for _, who in whys)

    def test_orders_about_a_line_that_is_not_there_are_one_line(
        self, gateway: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for words in (["reset", "zzz"], ["bypass", "zzz", "off"]):
            assert main([*words, "--config", str(gateway)]) == 2
            line = f"aoi-bridge: zzz: no line of this gateway has this name; write one of {LINE}"
            assert said(capsys)[1] == [line]
        assert main(["reset", LINE, "--config", str(gateway)]) == 0
        assert said(capsys)[0] == f"{LINE}: was not in error\n"

    def test_a_file_that_is_being_edited_does_not_keep_an_operator_from_a_bypass(
        self, gateway: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        gateway.write_text(gateway.read_text(encoding="utf-8").replace("goal = 1", "goal = 9"), encoding="utf-8")
        assert main(["bypass", LINE, "on", "--because", "now", "--config", str(gateway)]) == 0
        said(capsys)
        gateway.write_text('data = "var"\nhttp = {port = 0}\n[[line]]\nname = = \n', encoding="utf-8")
        assert main(["bypass", LINE, "off", "--config", str(gateway)]) == 0
        assert main(["status", "--config", str(gateway)]) == 0
        assert "The file has changed since" in said(capsys)[0]
        assert main(["reload", "--config", str(gateway)]) == 2
        (line,) = said(capsys)[1]
        assert "is not TOML" in line

    def test_a_reason_that_is_too_long_is_one_line(
        self, gateway: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["bypass", LINE, "on", "--because", "é" * 1001, "--config", str(gateway)]) == 2
        assert said(capsys)[1] == ["aoi-bridge: because: is too long; write at most 1000 characters"]


def test_orders_without_a_gateway_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bridge.toml"
    path.write_text("", encoding="utf-8")
    for words in (["reset", "l"], ["bypass", "l", "off"]):
        assert main([*words, "--config", str(path)]) == 2
        line = f"aoi-bridge: no gateway runs with {path}; start it with aoi-bridge run --config {path}"
        assert said(capsys)[1] == [line]
    assert main(["bypass", "l", "on", "--config", str(path)]) == 2
    assert said(capsys)[1] == ['bypass on: needs a reason for the audit log; write --because "…"']


class TestStatus:
    def test_the_days_are_told_once_they_are_known(self) -> None:
        disk = {"free_bytes": 23e9, "bytes_per_part": None, "parts_per_day": None, "days": None}
        assert (
            status_module.held(disk) == "How long the disk holds while an MES is away is unknown yet (23 GB free)."
        )
        disk |= {"bytes_per_part": 1400.0, "parts_per_day": 12000.0, "days": 1365.08}
        assert status_module.held(disk) == (
            "While an MES is away, the disk holds for 1,365.1 days (at 12,000 parts a day of 1.4 kB, 23 GB free)."
        )
        assert "more than ten years" in status_module.held(disk | {"days": 1e6})
        assert "THE DISK IS FULL (0 B free)" in status_module.held(disk | {"free_bytes": 0})

    def test_it_fits_into_eighty_columns(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        line = {"name": "smt-3", "goal": 1, "stage": "live", "topology": "inline", "parts": 1234567}
        line |= {"degraded": 12, "slowed": 3.0, "error": True, "bypass_seconds": 1100.0, "judges": ["pins"]}
        judge = {"line": "", "name": "judge pins", "state": "starting", "since": 0, "opened": 0, "error": ""}
        plugin = {"line": "smt-3", "name": "mes", "state": "down", "since": time.time() - 4000, "opened": 17}
        plugin |= {"error": "no route to\nhost " * 5}
        said_by_it = {
            "ready": False,
            "started": time.time() - 100_000,
            "config": "ac8770c16dd3",
            "lines": [line],
            "plugins": [plugin, judge],
            "outbox": [{"line": "smt-3", "reporter": "mes", "queued": 123456, "parked": 2}],
            "disk": None,
            "images": dict.fromkeys(
                ("files", "bytes", "cap_bytes", "dropped", "removed_over_cap", "removed_below_floor"), 1e9
            ),
            "journal": "the disk is full",
            "audit": {"entries": 3, "hash": "ab"},
        }
        status_module._show(said_by_it, changed=True)
        out = said(capsys)[0]
        tables = out[: out.index("Parked is what")]
        assert all(len(row) <= 80 for row in tables.splitlines())
        for word in (
            "NOT READY",
            "1.2 d",
            "1,234,567",
            "ERROR",
            "starting",
            "BYPASS",
            "mes down",
            "1.1 h",
            "17 ×",
            "123,456",
        ):
            assert word in out


def test_times_amounts_and_foreign_texts_are_short_and_plain() -> None:
    assert [ago(s) for s in (-1, 12.4, 300, 12_600, 181_440)] == ["0 s", "12 s", "5 min", "3.5 h", "2.1 d"]
    assert [amount(a) for a in (512, 1400, 23e9, 5e15)] == ["512 B", "1.4 kB", "23 GB", "5000 TB"]
    assert plain("a\x1b[2J\nb\udcff é") == "a\\x1b[2J b\\udcff é"
