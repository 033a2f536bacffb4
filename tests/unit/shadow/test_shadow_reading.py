from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from small_month import BEGIN, DAY, LINE, NG, OK, Told, book

from bridge.config.shadow import Shadow
from bridge.errors import ConfigError
from bridge.messages import Stage
from bridge.shadow import reading
from bridge.shadow.reading import Reading
from bridge.store import Stratum

HOUR = 3600.0


def read(folder: Path, shadow: Shadow | None = None, days: int = 31) -> Reading:
    return reading.read(folder, LINE, shadow or Shadow(), BEGIN, BEGIN + days * DAY)


def test_a_part_comes_back_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    """Every column holds what was written, in the month's own words."""
    with book(tmp_path) as month:
        id_ = month.add(
            Told(
                at=BEGIN + 7.25,
                legacy=NG,
                model=OK,
                scores=(0.9, 0.75, 0.6),
                marked=(NG, OK, NG),
                part="S1",
                lot="L7",
                defect="bridge",
                counter=41,
                stratum=Stratum.DISAGREED,
                chance=1.0,
                drawn=True,
                latency_ms=12.5,
            )
        )
        month.label(id_, OK)
    found = read(tmp_path)
    month_ = found.month
    assert (month_.at.tolist(), month_.number.tolist(), month_.presentations.tolist()) == (
        [BEGIN + 7.25],
        [1],
        [1],
    )
    assert (month_.legacy.tolist(), month_.model.tolist(), month_.truth.tolist()) == ([2], [1], [1])
    assert (month_.goals.tolist(), month_.fallbacks.tolist()) == ([[1, 2, 1]], [[2, 2, 2]])
    assert (month_.in_time.tolist(), month_.stratum.tolist(), month_.chance.tolist()) == ([1], [1], [1.0])
    assert month_.drawn.tolist() == [True]
    assert np.allclose(month_.lowest, [[0.6, 0.6]])
    assert np.allclose(month_.threshold, [0.5])
    assert (month_.latency_ms.tolist(), month_.judge_ms.tolist()) == ([12.5], [40.0])
    named = (month_.lots[month_.lot[0]], month_.recipes[month_.recipe[0]], month_.defects[month_.defect[0]])
    assert named == ("L7", "M10", "bridge")
    assert (found.counting.seen, found.counting.missing) == (1, 0)
    assert (found.configs, found.bundles) == ({"c0ffee": 1}, {"pins 2026.1": 1})
    assert [(view.name, int(view.counts.sum())) for view in found.views] == [
        ("cam 1", 1),
        ("cam 2", 1),
        ("cam 3", 1),
    ]


def test_each_goal_is_held_to_the_views_that_it_asks_for(tmp_path: Path) -> None:
    """Goal 1 asks for the NG views, or for all where none is marked; goal 2 for all."""
    with book(tmp_path) as month:
        month.add(Told(at=BEGIN, legacy=NG, model=NG, scores=(0.9, 0.2), marked=(NG, OK)))
        month.add(Told(at=BEGIN + 1, legacy=NG, model=NG, scores=(0.9, 0.2), marked=(None, None)))
        month.add(Told(at=BEGIN + 2, legacy=OK, model=OK, scores=(0.9, 0.7)))
        month.add(Told(at=BEGIN + 3, legacy=OK, scores=(0.9, None)))
        month.add(Told(at=BEGIN + 4, legacy=OK))
    lowest = read(tmp_path).month.lowest
    nan = np.nan
    expected = [[0.9, 0.2], [0.2, 0.2], [nan, 0.7], [nan, nan], [nan, nan]]
    assert np.allclose(lowest, expected, equal_nan=True)


def test_a_part_that_was_not_judged_has_what_the_fallback_would_have_answered(tmp_path: Path) -> None:
    """Skipped parts have no second record; a goal would have had to answer all the same."""
    with book(tmp_path) as month:
        for place, legacy in enumerate((OK, NG, None)):
            month.add(Told(at=BEGIN + place, legacy=legacy))
    month_ = read(tmp_path).month
    assert month_.goals.tolist() == month_.fallbacks.tolist() == [[1, 2, 2], [2, 2, 2], [2, 2, 2]]
    assert month_.model.tolist() == month_.stratum.tolist() == month_.in_time.tolist() == [0, 0, 0]
    accepted = reading.read(tmp_path, LINE, Shadow(), BEGIN, BEGIN + DAY, "accepted").month
    assert accepted.goals[:, 1].tolist() == [1, 2, 2]


def test_a_serial_number_that_comes_again_is_one_part(tmp_path: Path) -> None:
    """The first presentation counts; a label of the last one is a label of the part."""
    with book(tmp_path) as month:
        month.add(Told(at=BEGIN, legacy=NG, model=OK, scores=(0.9,), part="A"))
        month.add(Told(at=BEGIN + HOUR, legacy=OK, model=OK, scores=(0.9,), part="B"))
        again = month.add(Told(at=BEGIN + 20 * HOUR, legacy=OK, model=OK, scores=(0.9,), part="A"))
        month.add(Told(at=BEGIN + 80 * HOUR, legacy=OK, model=OK, scores=(0.8,), part="A"))
        month.add(Told(at=BEGIN + 81 * HOUR, legacy=OK, part=""))
        month.add(Told(at=BEGIN + 81 * HOUR, legacy=OK, part=""))
        month.label(again, OK)
    found = read(tmp_path)
    assert found.month.presentations.tolist() == [2, 1, 1, 1, 1]
    assert found.month.legacy.tolist() == [2, 1, 1, 1, 1]
    assert found.month.truth.tolist() == [1, 0, 0, 0, 0]
    assert (found.presentations, len(found.month), found.second.tolist()) == (6, 5, [1, 2, 4, 0, 0])


def test_backlog_stands_where_it_happened(tmp_path: Path) -> None:
    """Rows are in order of time, and the first presentation is the earlier, whatever was recorded first."""
    with book(tmp_path) as month:
        for number, hour in enumerate((5, 1, 3)):
            month.add(Told(at=BEGIN + hour * HOUR, legacy=OK, part="A" if hour != 3 else "B", counter=number))
    found = read(tmp_path)
    assert found.month.at.tolist() == [BEGIN + HOUR, BEGIN + 3 * HOUR]
    assert (found.month.number.tolist(), found.month.presentations.tolist()) == ([2, 3], [2, 1])


def test_a_part_that_was_live_is_counted_and_left_out(tmp_path: Path) -> None:
    """Of a line whose recipes go live one after the other, those that did are no part of the others' month."""
    with book(tmp_path) as month:
        month.add(Told(at=BEGIN + 1, legacy=OK, model=OK, scores=[0.9], part="A"))
        month.add(Told(at=BEGIN + 2, legacy=NG, part="B", stage=Stage.LIVE))
        month.add(Told(at=BEGIN + 3, legacy=NG, model=OK, scores=[0.8], part="C"))
    found = read(tmp_path)
    assert (found.live, found.presentations) == (1, 3)
    assert found.month.legacy.tolist() == [1, 2]
    assert found.month.number.tolist() == [1, 3]
    assert len(found.second) == 2


def test_only_this_line_and_this_time_is_read(tmp_path: Path) -> None:
    with book(tmp_path) as month:
        month.add(Told(at=BEGIN - 1, legacy=OK, model=OK, scores=(0.9,)))
        month.add(Told(at=BEGIN, legacy=NG, model=NG, scores=(0.1,)))
        month.add(Told(at=BEGIN, legacy=OK, model=OK, scores=(0.9,), line="other"))
        month.add(Told(at=BEGIN + DAY, legacy=OK, model=OK, scores=(0.9,)))
    found = read(tmp_path, days=1)
    assert (found.month.number.tolist(), found.month.model.tolist()) == ([2], [2])
    assert reading.span(tmp_path, LINE) == (BEGIN - 1, BEGIN + DAY)
    with pytest.raises(ConfigError, match="line nobody: has no part in the journal"):
        reading.span(tmp_path, "nobody")


def test_ids_that_begin_alike_are_told_apart(tmp_path: Path) -> None:
    """Two parts of one millisecond have the same first half of an id here; each keeps its own judgement."""
    with book(tmp_path) as month:
        for score in (0.9, 0.1, 0.8):
            month.add(Told(at=BEGIN, legacy=OK, model=OK if score > 0.5 else NG, scores=(score,)))
    month_ = read(tmp_path).month
    assert month_.model.tolist() == [1, 2, 1]
    assert np.allclose(month_.lowest[:, 1], [0.9, 0.1, 0.8])


@pytest.mark.parametrize("odd", ["a\0b", "\ud800", "Größe 5"])
def test_serial_numbers_of_any_kind_are_compared(tmp_path: Path, odd: str) -> None:
    """A zero byte, no Unicode, or no ASCII: a block with one is read as well as any."""
    with book(tmp_path) as month:
        for place, part in enumerate(("x", odd, odd, "y")):
            month.add(Told(at=BEGIN + place, legacy=OK, part=part))
        month.label("", NG, part=odd, at=BEGIN + HOUR)
    month_ = read(tmp_path).month
    assert month_.presentations.tolist() == [1, 2, 1]
    assert month_.truth.tolist() == [0, 2, 0]


def test_what_the_source_calls_no_lot_is_a_shift_of_the_plant(tmp_path: Path) -> None:
    """The night shift began the day before, and clocks go back on 2026-10-25 in Berlin."""
    berlin = Shadow(timezone="Europe/Berlin", shifts=("06:00", "14:00", "22:00"))
    back = BEGIN + 24 * DAY
    with book(tmp_path) as month:
        for at in (BEGIN + 3 * HOUR, BEGIN + 4 * HOUR, back + 4.5 * HOUR, back + 5 * HOUR):
            month.add(Told(at=at, legacy=OK))
        month.add(Told(at=back + 6 * HOUR, legacy=OK, lot="L1"))
    month_ = read(tmp_path, berlin).month
    assert [month_.lots[lot] for lot in month_.lot] == [
        "2026-09-30 22:00",
        "2026-10-01 06:00",
        "2026-10-24 22:00",
        "2026-10-25 06:00",
        "L1",
    ]


def test_many_parts_are_read_block_by_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks change nothing, not even where a block has no row of this line."""
    with book(tmp_path) as month:
        for place in range(40):
            model = NG if place % 7 == 0 else OK
            score = 0.1 if model is NG else 0.9
            line = LINE if place < 15 or place > 30 else "other"
            month.add(
                Told(at=BEGIN + place, legacy=OK, model=model, scores=(score, 0.95), line=line, part=str(place))
            )
    whole = read(tmp_path)
    monkeypatch.setattr("bridge.shadow.columns.ROWS", 4)
    monkeypatch.setattr("bridge.shadow.columns.blocks.__defaults__", (4,))
    blocks = read(tmp_path)
    assert blocks.month.number.tolist() == whole.month.number.tolist() == [*range(1, 16), *range(32, 41)]
    assert blocks.month.model.tolist() == whole.month.model.tolist()
    assert np.array_equal(blocks.month.lowest, whole.month.lowest, equal_nan=True)
    assert [view.counts.tolist() for view in blocks.views] == [view.counts.tolist() for view in whole.views]


def test_an_empty_month_is_no_error(tmp_path: Path) -> None:
    with book(tmp_path) as month:
        month.add(Told(at=BEGIN, legacy=OK))
    found = reading.read(tmp_path, LINE, Shadow(), BEGIN + DAY, BEGIN + 2 * DAY)
    assert (len(found.month), found.presentations, list(found.month.lots)) == (0, 0, [])


def test_what_hardly_ever_changes_is_read_in_full_where_it_does(tmp_path: Path) -> None:
    """Numbers with gaps, and a threshold that changed within a block."""
    with book(tmp_path) as month:
        for place in range(6):
            line = LINE if place in {0, 3, 5} else "other"
            month.add(Told(at=BEGIN + place, legacy=OK, model=OK, scores=(0.9,), line=line))
    with closing(sqlite3.connect(tmp_path / "journal.db")) as journal:
        journal.execute("UPDATE second_view SET threshold = 0.25 WHERE second = 4")
        journal.execute("UPDATE second_view SET threshold = NULL WHERE second = 6")
        journal.commit()
    month_ = read(tmp_path).month
    assert month_.number.tolist() == [1, 4, 6]
    assert np.allclose(month_.threshold, [0.5, 0.25, np.nan], equal_nan=True)
