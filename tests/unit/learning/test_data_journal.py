"""The bridge's own data folder as a labelled set: real journal, real pictures, labels by people."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from bridge.errors import ConfigError
from bridge.judging.spec import Input
from bridge.learning.data import Choice, Look, items, pictures
from bridge.messages import Decision, Goal, Origin, Stage, Verdict, ViewDecision
from bridge.store import Images, open_journal

DAY = 86_400.0


def encoded(level: int) -> bytes:
    return cv2.imencode(".png", np.full((24, 32), level, np.uint8))[1].tobytes()


async def keep(folder: Path, parts: Sequence[tuple[str, Verdict | None]], lost: Sequence[int] = ()) -> list[str]:
    """Record parts of two views each, a day apart; return their inspection ids."""
    ids = [f"{number:032x}" for number in range(1, len(parts) + 1)]
    async with Images(folder / "images") as images, open_journal(folder) as journal:
        for number, (part, operator) in enumerate(parts):
            shown = [encoded(10 * number + place) for place in range(2)]
            hashes = [Images.digest(data) if number in lost else await images.put(data) for data in shown]
            views = tuple(
                ViewDecision(name=name, legacy=Verdict.NG, image=image, final=Verdict.NG)
                for name, image in zip(("top", "side"), hashes, strict=True)
            )
            known = Decision(
                id=ids[number],
                line="a",
                goal=Goal.CUT_FALSE_CALLS,
                stage=Stage.SHADOW,
                part=part,
                operator=operator,
                final=Verdict.NG,
                origin=Origin.LEGACY,
                views=views,
                event_at=1_700_000_000 + number * DAY,
            )
            await journal.commit(known, [])
        await images.flush()
    return ids


def test_labels_name_inspections_or_parts_and_views(tmp_path: Path) -> None:
    """A row for a view goes before one for the part; inspections of one serial number stay together."""
    ids = asyncio.run(keep(tmp_path, [("s1", None), ("s2", None), ("s1", None), ("s4", None)]))
    table = tmp_path / "labels.csv"
    table.write_text(f"id,part,view,label\n{ids[1].upper()},,,ok\n{ids[1]},,side,dent\n,s1,,ok\n")
    found = items.read(tmp_path, Choice(labels=table))
    assert [(item.part, item.view, item.label) for item in found.items if item.part == ids[1]] == [
        (ids[1], "side", "dent"),
        (ids[1], "top", "ok"),
    ]
    assert len(found.items) == 6
    assert {item.part: item.group for item in found.items} == {ids[0]: "s1", ids[1]: "s2", ids[2]: "s1"}
    assert found.notes == ("3 parts of several views are labelled as a whole: each view takes the part's label",)
    dataset = pictures.read(found, Look(into=Input(width=8, height=8, colour="gray")))
    assert dataset.pictures[0].max() == 11
    days = items.read(tmp_path, Choice(labels=table, groups=("day",))).groups
    assert len(set(days)) == 2, "the serial number still holds its two days together"


def test_without_a_table_an_operators_verdicts_are_the_labels(tmp_path: Path) -> None:
    """What nobody decided is left out; pictures that are gone are counted, not fatal."""
    asyncio.run(
        keep(tmp_path, [("s1", Verdict.OK), ("s2", Verdict.NG), ("s3", None), ("s4", Verdict.NG)], lost=[3])
    )
    found = items.read(tmp_path)
    assert [(item.label, item.group) for item in found.items] == [("NG", "s2")] * 2 + [("OK", "s1")] * 2
    assert found.notes[0] == "2 labelled pictures are not kept any more"


def test_mistakes_are_one_line_that_says_what_to_write(tmp_path: Path) -> None:
    ids = asyncio.run(keep(tmp_path, [("s1", None), ("s2", None)], lost=[0]))
    table = tmp_path / "labels.csv"
    for text, words in (
        (None, "no part of this journal was decided by an operator; write --labels FILE.csv"),
        ("part,view\ns1,top\n", "has no column 'label'"),
        ("part,label\ns1,\n", "labels.csv:2: has no label"),
        ("id,label\n4711,ok\n", "labels.csv:2: '4711' is no inspection id"),
        ("part,label\ns9,ok\n", "names no part of"),
        (f"id,label\n{ids[0]},ok\n", "holds none of the labelled pictures"),
    ):
        if text is not None:
            table.write_text(text)
        with pytest.raises(ConfigError, match=words) as caught:
            items.read(tmp_path, Choice(labels=table if text else None))
        assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="is for a journal"):
        items.read(tmp_path / "images", Choice(labels=table))
