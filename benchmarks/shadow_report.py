"""The report of a shadow month over millions of parts: how long it takes, and how much memory.

    python benchmarks/shadow_report.py [--parts 2600000] [--keep FOLDER]

A journal of that many parts (a month at one a second: one view and one second record each, some 1,900 labels) is
written straight into the tables; then ``aoi-bridge shadow report`` runs as a process of its own. Target on two
cores: 10 s and 500 MB. A bare reading of one number of every part stands beside it.
"""

from __future__ import annotations

import argparse
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge.clock import ManualClock
from bridge.labels import Label
from bridge.messages import Verdict
from bridge.store import schema
from bridge.store.labels import open_labels

SECONDS, MEGABYTES = 10.0, 500.0
LINE = "smt-3"
BEGIN, DAYS = 1_790_812_800.0, 30
"""2026-10-01 00:00 UTC."""
BLOCK = 100_000
WORDS = (LINE, "M10", "M12", "cam 1", "pins 2026.1", "c0ffee", "ok", "ng", "solder", "bridge", "missing")
WORD = {text: number for number, text in enumerate(WORDS, start=1)}
LOTS = 60
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
"""

_PART = (
    "number, id, line, part, recipe, goal, stage, legacy, final, origin, degraded, error, backlog, rechecked, "
    "config, event_at, latency_ms, judge_ms, recorded_at, lot, counter"
)
_VIEW = "part, place, name, legacy, defect, image, final"
_SECOND = (
    "number, id, kind, at, model, goal_1, goal_2, goal_3, bundle, judge_ms, fallback_1, fallback_2, fallback_3, "
    "in_time, stratum, chance, drawn"
)
_SECOND_VIEW = (
    "second, place, name, legacy, defect, image, final, model, score, threshold, label, bundle, judge_ms, "
    "brightness, contrast, sharpness"
)

_LOOKS = ((120.0, 4.0), (35.0, 2.0), (600.0, 40.0))
"""Brightness, contrast and sharpness: mean and standard deviation of each."""


def main() -> int:
    """Write the journal, run the report, print what it took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", type=int, default=2_600_000)
    parser.add_argument("--keep", type=Path, help="write the journal here, or take the one that is there")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder: Path = args.keep or Path(scratch)
        if not (folder / schema.FILE).exists():
            began = time.perf_counter()
            labels = write(folder, args.parts)
            size = (folder / schema.FILE).stat().st_size / 1e6
            print(
                f"journal: {args.parts:,} parts, {labels:,} labels, {size:,.0f} MB, "
                f"written in {time.perf_counter() - began:.0f} s"
            )
        print(f"bare: one number of every part {bare(folder):.2f} s")
        return measured(folder)


def measured(folder: Path) -> int:
    """Run the report once and print what it took."""
    command = [
        sys.executable,
        "-m",
        "bridge.cli",
        "shadow",
        "report",
        LINE,
        "--config",
        str(folder / "bridge.toml"),
    ]
    began = time.perf_counter()
    subprocess.run(command, check=True)
    wall = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    memory = used.ru_maxrss / 1024
    print(f"report: {wall:.1f} s (target {SECONDS:g}), {used.ru_utime + used.ru_stime:.1f} s of processors")
    print(f"peak: {memory:.0f} MB resident (target {MEGABYTES:g})")
    return 0 if wall <= SECONDS and memory <= MEGABYTES else 1


def bare(folder: Path) -> float:
    """Return how long it takes to fetch one number of every part, a row each."""
    with closing(sqlite3.connect(folder / schema.FILE)) as journal:
        began = time.perf_counter()
        journal.execute("SELECT event_at FROM part").fetchall()
        return time.perf_counter() - began


def write(folder: Path, parts: int) -> int:
    """Write a month: 0.02 % bad parts, 97 % of them found, 0.03 % false calls; return how many are labelled."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bridge.toml").write_text(CONFIG, encoding="utf-8")
    rng = np.random.default_rng(7)
    labels: list[Label] = []
    with closing(sqlite3.connect(folder / schema.FILE, isolation_level=None)) as journal:
        journal.execute("PRAGMA journal_mode = WAL")
        journal.execute("PRAGMA synchronous = OFF")
        schema.migrate(journal, folder / schema.FILE)
        words = [*WORD.items(), *((f"lot {lot}", 100 + lot) for lot in range(LOTS))]
        journal.executemany("INSERT INTO word (text, number) VALUES (?, ?)", words)
        _notes(journal)
        for first in range(0, parts, BLOCK):
            journal.execute("BEGIN")
            labels += _block(journal, rng, first, min(BLOCK, parts - first), parts)
            journal.execute("COMMIT")
        journal.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with open_labels(folder, ManualClock(unix=BEGIN + (DAYS + 1) * 86_400)) as book:
        book.add(labels)
    return len(labels)


def _block(
    journal: sqlite3.Connection, rng: np.random.Generator, first: int, count: int, parts: int
) -> list[Label]:
    place = first + np.arange(count)
    at = BEGIN + place * (DAYS * 86_400 / parts)
    week = (place * DAYS // parts) // 7
    bad = rng.random(count) < 2e-4 * (1 + 2 * (place * LOTS // parts % 11 == 3))
    legacy = np.where(np.where(bad, rng.random(count) < 0.97, rng.random(count) < 3e-4), 2, 1)
    score = 1 / (1 + np.exp(-np.where(bad, -5.0, 6.5 - 0.8 * (week == 2)) - 1.3 * rng.normal(size=count)))
    model = np.where(score < 0.5, 2, 1)
    stratum = np.where(legacy != model, 1, np.where(abs(score - 0.5) < 0.05, 2, np.where(legacy == 2, 4, 5)))
    chance = np.where(stratum == 5, 400 / parts, 1.0)
    drawn = rng.random(count) < chance
    serial = np.where(rng.random(count) < 5e-3, place - rng.integers(1, 500, count), place)
    made = _Made(
        number=place + 1,
        ids=_ids(rng, at),
        at=at,
        legacy=legacy,
        model=model,
        score=score,
        stratum=stratum,
        chance=chance,
        drawn=drawn,
        serial=serial,
        lot=100 + place * LOTS // parts,
        recipe=np.where(rng.random(count) < 0.7, WORD["M10"], WORD["M12"]),
        defect=np.where(legacy == 2, WORD["solder"] + rng.integers(0, 3, count), 0),
    )
    _rows(journal, rng, made)
    return [
        Label(
            id=made.ids[row].hex(),
            verdict=Verdict.NG if bad[row] else Verdict.OK,
            who=f"person {row % 3}",
            at=float(at[row]) + 3600,
            blind=True,
            line=LINE,
            road="csv",
        )
        for row in np.flatnonzero(drawn).tolist()
    ]


class _Made:
    """Columns of a block of parts, by name."""

    def __init__(self, **columns: Any) -> None:
        self.ids: list[bytes] = columns.pop("ids")
        self._columns: dict[str, NDArray[Any]] = columns

    def __getattr__(self, name: str) -> list[Any]:
        return self._columns[name].tolist()


def _ids(rng: np.random.Generator, at: NDArray[np.float64]) -> list[bytes]:
    salt = rng.bytes(10 * len(at))
    return [
        int(1000 * one).to_bytes(6, "big") + salt[10 * row : 10 * row + 10] for row, one in enumerate(at.tolist())
    ]


def _rows(journal: sqlite3.Connection, rng: np.random.Generator, made: _Made) -> None:
    count = len(made.ids)
    one, zero, ng = [1] * count, [0] * count, [2] * count
    defect = [code or None for code in made.defect]
    salt = rng.bytes(32 * count)
    images = [salt[32 * row : 32 * row + 32] for row in range(count)]
    judge_ms = rng.gamma(9, 5, count).tolist()
    latency = rng.gamma(4, 2, count).tolist()
    later = [at + 0.01 for at in made.at]
    name, config, bundle = ([WORD[word]] * count for word in ("cam 1", "c0ffee", "pins 2026.1"))
    serials = [f"S{serial:08d}" for serial in made.serial]
    goal_2 = [max(legacy, model) for legacy, model in zip(made.legacy, made.model, strict=True)]
    goal_1 = [min(legacy, model) for legacy, model in zip(made.legacy, made.model, strict=True)]
    labels = [WORD["ok"] + model - 1 for model in made.model]
    told: Sequence[tuple[str, str, Sequence[Sequence[Any]]]] = (
        (
            "part",
            _PART,
            (
                *(made.number, made.ids, one, serials, made.recipe, one, one, made.legacy, made.legacy, one),
                *(zero, zero, zero, zero, config, made.at, latency, zero, later, made.lot),
                [number % 65_536 for number in made.number],
            ),
        ),
        ("view", _VIEW, (made.number, zero, name, made.legacy, defect, images, made.legacy)),
        (
            "second",
            _SECOND,
            (
                *(made.number, made.ids, one, later, made.model, goal_1, goal_2, made.model, bundle, judge_ms),
                *(made.legacy, ng, ng, one, made.stratum, made.chance, made.drawn),
            ),
        ),
        (
            "second_view",
            _SECOND_VIEW,
            (
                *(made.number, zero, name, made.legacy, defect, images, made.model, made.model, made.score),
                *([0.5] * count, labels, bundle, judge_ms),
                *(np.round(rng.normal(mean, width, count), 3).tolist() for mean, width in _LOOKS),
            ),
        ),
    )
    for table, columns, values in told:
        marks = ", ".join("?" * len(values))
        journal.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", zip(*values, strict=True))  # noqa: S608


def _notes(journal: sqlite3.Connection) -> None:
    """Write a pulse a minute, and a start."""
    minutes = (
        (BEGIN + 60 * minute, 1, minute % 7, 0, minute // 9000, minute % 11, 4e11 - 2e4 * minute)
        for minute in range(DAYS * 1440)
    )
    journal.executemany(
        "INSERT INTO pulse (at, line, queued, skipped, late, backlog, disk_free) VALUES (?, ?, ?, ?, ?, ?, ?)",
        minutes,
    )
    journal.execute(
        "INSERT INTO audit (at, who, line, what, old, new, why, hash) VALUES (?, '', '', ?, '', '', '', x'00')",
        (BEGIN - 60, "start"),
    )


if __name__ == "__main__":
    sys.exit(main())
