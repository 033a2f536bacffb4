"""Pictures of labelled parts stay, however the label names its part."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from pathlib import Path

from store_samples import decision, view

from bridge.labels import Label
from bridge.messages import Verdict
from bridge.store import Images, Labelled, Need, Retention, open_journal, open_labels
from bridge.store.labelled import REFRESH_SECONDS

AT = 1_700_000_000.0
PICTURES = [f"picture {number}".encode() * 100 for number in range(6)]


def digest(number: int) -> str:
    return hashlib.sha256(PICTURES[number]).hexdigest()


async def _filled(folder: Path) -> list[str]:
    """Commit six parts a minute apart, two presentations of each serial number; return their ids."""
    ids = []
    async with open_journal(folder) as journal:
        for number in range(6):
            made = decision(
                part=f"B-{number % 3}", event_at=AT + number * 60, views=(view("1", image=digest(number)),)
            )
            ids.append((await journal.commit(made)).id)
    return ids


def _say(folder: Path, line: str, *said: Label) -> None:
    with open_labels(folder) as book:
        book.add([replace(label, line=line, road="r") for label in said])


async def test_a_label_keeps_the_pictures_of_its_inspection(tmp_path: Path) -> None:
    """By id that one; by serial number the newest before it was said; of another line none."""
    ids, now = await _filled(tmp_path), [0.0]
    labelled = Labelled(tmp_path, lambda: now[0])
    every = [digest(number) for number in range(6)]
    assert await asyncio.to_thread(labelled, every) == []
    said = Label(verdict=Verdict.NG, who="Kim", at=AT + 100)
    line = decision().line
    await asyncio.to_thread(_say, tmp_path, line, replace(said, id=ids[5]), replace(said, part="B-1"))
    await asyncio.to_thread(_say, tmp_path, "another", replace(said, part="B-0"))
    assert await asyncio.to_thread(labelled, every) == []
    now[0] = REFRESH_SECONDS
    assert await asyncio.to_thread(labelled, every) == [digest(1), digest(5)]
    await asyncio.to_thread(_say, tmp_path, line, replace(said, at=AT + 1e6, part="B-1"))
    now[0] = 2 * REFRESH_SECONDS
    assert await asyncio.to_thread(labelled, every) == [digest(1), digest(4), digest(5)]


async def test_over_the_cap_everything_else_goes(tmp_path: Path) -> None:
    """What a person labelled exceeds the cap, if nothing else is left."""
    ids = await _filled(tmp_path)
    said = Label(verdict=Verdict.OK, who="Kim", at=AT + 1e6, id=ids[0])
    await asyncio.to_thread(_say, tmp_path, decision().line, said)
    retention = Retention(cap_bytes=0, floor_bytes=0)
    async with Images(tmp_path / "images", retention, protected=Labelled(tmp_path)) as images:
        for number, picture in enumerate(PICTURES):
            images.keep(digest(number), picture, Need.EVIDENCE)
        await images.swept()
        kept = [await asyncio.to_thread(images.path, digest(number)) for number in range(6)]
    assert [path is not None for path in kept] == [True, False, False, False, False, False]


async def test_a_journal_that_cannot_be_read_costs_no_picture_that_was_known(tmp_path: Path) -> None:
    """What was labelled before goes on counting."""
    ids, now = await _filled(tmp_path), [0.0]
    labelled = Labelled(tmp_path, lambda: now[0])
    said = Label(verdict=Verdict.OK, who="Kim", at=AT, id=ids[2])
    await asyncio.to_thread(_say, tmp_path, decision().line, said)
    assert await asyncio.to_thread(labelled, [digest(2)]) == [digest(2)]
    await asyncio.to_thread((tmp_path / "labels.db").write_bytes, b"no database" * 500)
    now[0] = REFRESH_SECONDS
    assert await asyncio.to_thread(labelled, [digest(2), digest(3)]) == [digest(2)]
