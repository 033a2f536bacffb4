"""The other side: a machine on both roads, on good days and on bad ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from join_host import JPEG, Host, counts, running

from bridge.plugin import Inspection, Play, Verdict, View
from bridge_join import JoinOptions
from bridge_join.peer import JOIN_HABITS, open_inspector


def a_part(number: int, views: tuple[str, ...] = ("top",)) -> Inspection:
    name = f"P{number}"
    pictures = tuple(View(name=view, image=JPEG % f"{name} {view}".encode()) for view in views)
    return Inspection(part=name, legacy=Verdict.NG, views=pictures)


@asynccontextmanager
async def machine(
    host: Host, folder: Path, habits: Mapping[str, float] | None = None, **more: Any
) -> AsyncIterator[Play]:
    """Run a join beside its own other side."""
    tcp = {"type": "tcp", "reply": "{part},{verdict},{key}"}
    async with running(host, folder, dialled=False, **more) as roads:
        table = {
            "verdicts": tcp | {"port": roads.port},
            "pictures": roads.pictures,
            "window_ms": 300,
            "home": folder / "peer",
        } | {key: more[key] for key in ("pictures_per_part",) if key in more}
        options = await asyncio.to_thread(JoinOptions.model_validate, table)
        async with open_inspector(options, habits or {}) as play:
            yield play


async def test_a_part_is_told_and_shown_and_its_answer_comes_back(tmp_path: Path) -> None:
    host = Host()
    async with machine(host, tmp_path) as play:
        for number in range(3):
            assert await play(a_part(number)) is Verdict.NG
    assert [(part.part, part.views[0].image) for part in host.parts] == [
        (f"P{number}", a_part(number).views[0].image) for number in range(3)
    ]


async def test_cameras_drop_their_pictures_one_by_one(tmp_path: Path) -> None:
    host, views = Host(), ("top", "left", "right")
    async with machine(host, tmp_path, pictures_per_part=3) as play:
        assert await play(a_part(1, views)) is Verdict.NG
    assert {view.name for view in host.parts[0].views} == set(views)


@pytest.mark.parametrize("habits", [{"pictures-first": 1}, {"pictures-behind": 0.05}])
async def test_pictures_before_or_behind_are_joined_all_the_same(
    tmp_path: Path, habits: Mapping[str, float]
) -> None:
    host = Host()
    async with machine(host, tmp_path, habits) as play:
        assert await play(a_part(1)) is Verdict.NG
    assert counts(tmp_path)("joined") == 1


@pytest.mark.parametrize(
    ("habit", "counted"),
    [
        ("pictures-lost", {"unmatched_verdicts": 1}),
        ("verdict-lost", {"unmatched_pictures": 1}),
        ("pictures-late", {"unmatched_verdicts": 1, "unmatched_pictures": 1, "late": 1}),
    ],
)
async def test_what_goes_wrong_on_one_road_is_answered_and_counted(
    tmp_path: Path, habit: str, counted: Mapping[str, float]
) -> None:
    host = Host()
    async with machine(host, tmp_path, {habit: 1}, window_ms=100) as play:
        await play(a_part(1))
        await host.until(lambda: all(counts(tmp_path)(event) == times for event, times in counted.items()))
    assert counts(tmp_path)("joined") == 0


async def test_a_serial_number_used_again_pairs_in_order_and_ties_nothing(tmp_path: Path) -> None:
    host = Host()
    async with machine(host, tmp_path, {"reused-serial": 2}) as play:
        await play(a_part(1))
        await play(a_part(2))
    assert [(part.part, part.views[0].tied) for part in host.parts] == [("P1", True), ("P1", False)]
    assert [part.views[0].image for part in host.parts] == [a_part(n).views[0].image for n in (1, 2)]


def test_every_habit_says_what_it_does() -> None:
    assert {"pictures-late", "pictures-lost", "verdict-lost", "pictures-first", "reused-serial"} <= set(
        JOIN_HABITS
    )
