"""One set of options tells both sides where they meet: what the simulator plays, the source understands."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sql_kit import DETAIL_COLUMNS, Place, SqlHost, decision_of, reading, until

from bridge.plugin import Inspection, Refused, Unavailable, Verdict, View
from bridge_sql import open_reporter
from bridge_sql.habits import AOI_HABITS, MES_HABITS
from bridge_sql.mes import open_mes
from bridge_sql.peer import open_inspector

JPEG = b"\xff\xd8picture\xff\xd9"
PART = Inspection(
    part="P1",
    legacy=Verdict.NG,
    recipe="M10",
    views=(View(name="top", image=JPEG, legacy=Verdict.NG, defect="scratch"), View(name="side", image=JPEG)),
)
WAYS: list[dict[str, Any]] = [
    {"details": DETAIL_COLUMNS, "complete": "filled"},
    {"details": DETAIL_COLUMNS, "complete": "word", "complete_column": "State", "complete_words": ["DONE"]},
    {"details": DETAIL_COLUMNS, "complete": "counted", "complete_column": "Count"},
    {"details": DETAIL_COLUMNS, "complete": "at_once"},
    {"views": {"top": "Top", "side": "Side"}, "complete": "filled", "complete_column": "EndTime"},
]


@pytest.mark.parametrize("options", WAYS, ids=lambda options: str(options["complete"]))
async def test_the_simulated_inspector_is_understood(
    place: Place, home: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    """In each way of being complete: part, verdicts and pictures arrive."""
    host = SqlHost()
    share = {"images": tmp_path / "share", "image_prefix": "D:\\AOI"}
    told = place.source(home, ok_words=["0"], ng_words=["1"], **share, **options)
    async with open_inspector(told) as play, reading(host, told):
        await play(PART)
        await play(replace(PART, part="P2", legacy=Verdict.OK))
        await host.until("P1", "P2")
    first, second = sorted(host.parts, key=lambda part: part.part)
    assert (first.legacy, second.legacy, first.recipe) == (Verdict.NG, Verdict.OK, "M10")
    assert {view.name for view in first.views} == {"top", "side"}
    assert host.images == {"top": JPEG, "side": JPEG}
    if "details" in options:
        assert {view.name: (view.legacy, view.defect) for view in first.views}["top"] == (Verdict.NG, "scratch")


@pytest.mark.parametrize("habit", sorted(set(AOI_HABITS) - {"no-barcode", "reused-serial", "code-page"}))
async def test_every_part_comes_from_a_machine_with_bad_habits(place: Place, home: Path, habit: str) -> None:
    """Late, twice, out of order, never complete: what was inspected is handed in, and no verdict is made up."""
    host = SqlHost()
    told = place.source(home, complete_timeout_seconds=1)
    number = 0.02 if habit == "slow" else AOI_HABITS[habit].number or 0
    names = [f"P{count}" for count in range(6)]
    parts = 8 if habit == "duplicate" else 6
    async with open_inspector(told) as play:
        await play(Inspection(part="before", legacy=Verdict.OK))
    async with reading(host, told):
        async with open_inspector(told, {habit: number}) as play:
            for name in names:
                await play(Inspection(part=name, legacy=Verdict.OK))
        await until(lambda: len(host.parts) >= parts - (habit == "deleted"))
        await host.until(*(set(names) - ({"P4"} if habit == "deleted" else set())))
    assert len({part.key for part in host.parts}) == len(host.parts)
    unsaid = [part.part for part in host.parts if part.legacy is None]
    assert unsaid in ([], ["P4"]) if habit == "deleted" else unsaid == ["P4"] * (habit == "never-complete")


async def test_the_simulated_mes_keeps_what_the_reporter_says(place: Place) -> None:
    """By the columns alone, and with the whole document in one of them."""
    for columns in ({"nr": "id", "part": "part", "result": "verdict"}, {"nr": "id", "doc": "json"}):
        words = {"ok_word": "1", "ng_word": "0"}
        options = place.reporter(table=f"decisions_{len(columns)}", columns=columns, create="never", **words)
        async with open_mes(options) as mes, open_reporter(options) as report:
            for _ in range(2):
                await report(decision_of(PART))
            await until(lambda mes=mes: bool(mes.documents))  # type: ignore[misc]
            assert [(document["part"], document["verdict"]) for document in mes.documents.values()] == [
                ("P1", "NG")
            ]


async def test_the_simulated_mes_can_refuse(place: Place) -> None:
    options = place.reporter(create="never")
    async with open_mes(options) as mes, open_reporter(options) as report:
        mes.refuse_all('it\'s not "ours"')
        await mes.settled()
        with pytest.raises(Refused, match='it\'s not "ours"'):
            await report(decision_of(PART))
        mes.accept_all()
        await mes.settled()
        await report(decision_of(PART))
        await until(lambda: len(mes.documents) == 1)


async def test_the_simulated_mes_can_be_of_no_use_for_a_while(place: Place) -> None:
    """Its table is locked; afterwards all is as before."""
    options = place.reporter(create="never", query_timeout_seconds=0.3)
    async with open_mes(options) as mes:
        async with open_reporter(options) as report:
            mes.die()
            await mes.settled()
            with pytest.raises(Unavailable):
                await report(decision_of(PART))
        await mes.start()
        async with open_reporter(options) as report:
            await report(decision_of(PART))
        await until(lambda: len(mes.documents) == 1)


async def test_an_mes_with_a_bad_habit_takes_every_decision_in_the_end(place: Place) -> None:
    options = place.reporter(create="never", query_timeout_seconds=0.5)
    assert set(MES_HABITS) == {"lock"}
    async with open_mes(options, {"lock": 0.2}) as mes:
        for number in range(1, 25):
            async with asyncio.timeout(20):
                while await told(options, number):  # noqa: ASYNC110 - a lock tells nobody when it ends
                    await asyncio.sleep(0.02)
        await until(lambda: len(mes.documents) == 24)


async def told(options: Any, number: int) -> bool:
    """Tell one decision; return whether it is to be told again."""
    try:
        async with open_reporter(options) as report:
            await report(decision_of(replace(PART, part=f"P{number}"), number))
    except Unavailable:
        return True
    return False
