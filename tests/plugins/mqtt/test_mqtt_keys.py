"""One presentation has one key, however often the broker delivers it; two that look alike have two."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path
from typing import Any

import pytest
from mqtt_kit import BOTH, Line, broker, needs_mosquitto, payload, running, source_options, until

from bridge.plugin import Inspection, Unavailable
from bridge_mqtt.arrivals import Arrival
from bridge_mqtt.deliveries import FILE, REMEMBERED, Deliveries
from bridge_mqtt.dialling import Presence
from bridge_mqtt.mailbox import Mailbox
from bridge_mqtt.peer import machine

ALIKE = payload("")


def arrival(mid: int, data: bytes = ALIKE, *, again: bool = False, qos: int = 1) -> Arrival:
    return Arrival("t", data, mid, qos, retained=False, again=again, at=0.0)


@needs_mosquitto
@BOTH
async def test_a_part_without_a_key_keeps_the_one_that_it_was_given(tmp_path: Path, protocol: str) -> None:
    """Delivered, not acknowledged because we were killed, and delivered again to who comes after us."""
    before, after = Line(hold=lambda _: asyncio.Event().wait()), Line()
    async with broker(tmp_path) as mosquitto:
        options = source_options(mosquitto, tmp_path / "home", protocol=protocol, answer_topic="")
        async with machine(options) as inspector:
            async with running(options, before):
                for _ in range(3):
                    await inspector.publish_raw(ALIKE)
                await before.until(lambda: len(before.parts) == 3)
            async with running(options, after):
                await after.until(lambda: len(after.decided) == 3)
                await inspector.publish_raw(ALIKE)
                await after.until(lambda: len(after.decided) == 4)
    assert [part.key for part in after.parts][:3] == [part.key for part in before.parts]
    assert len({part.key for part in after.parts}) == 4


@needs_mosquitto
async def test_parts_are_decided_once_though_the_broker_is_killed_under_load(tmp_path: Path) -> None:
    """With a key and an answer: sent until it is answered, decided once, whatever came twice."""
    line = Line()
    parts = [Inspection(part=f"P{number}", key=f"k{number}") for number in range(60)]
    async with broker(tmp_path) as mosquitto:
        options = source_options(mosquitto, tmp_path)

        async def keep() -> None:
            while True:
                try:
                    async with running(options, line) as task:
                        await task
                except Unavailable:
                    await asyncio.sleep(0.02)

        async def insist(inspector: Any) -> None:
            while owed := [part for part in parts if part.key not in inspector.answers]:
                try:
                    for part in owed:
                        await inspector.publish(part)
                        await asyncio.sleep(0.005)
                    async with asyncio.timeout(0.3):
                        await inspector.answer(owed[-1])
                except (Unavailable, TimeoutError):
                    await asyncio.sleep(0.02)

        keeping = asyncio.create_task(keep())
        async with machine(options) as inspector:
            insisting = asyncio.create_task(insist(inspector))
            for share in (10, 25, 40):
                await until(lambda share=share: len(line.decided) >= share or insisting.done())  # type: ignore[misc]
                mosquitto.kill()
                await mosquitto.start()
            await asyncio.wait_for(insisting, 30)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    assert {answer["id"] for answer in inspector.answers.values()} == {one.id for one in line.decided.values()}
    assert sorted(line.decided) == sorted(str(part.key) for part in parts)


@needs_mosquitto
async def test_by_content_the_same_bytes_are_the_same_part(tmp_path: Path) -> None:
    """For a machine whose messages hold a time: its own library may publish twice what it published once."""
    line = Line()
    async with broker(tmp_path) as mosquitto:
        options = source_options(mosquitto, tmp_path, without_key="content", answer_topic="")
        async with running(options, line), machine(options) as inspector:
            for at in (1, 1, 2):
                await inspector.publish_raw(payload("P1", time=at))
            await line.until(lambda: len(line.parts) == 3)
    first, second, third = [part.key for part in line.parts]
    assert first == second != third


async def test_a_number_that_is_used_again_is_another_part(tmp_path: Path) -> None:
    """Numbers wrap around; only with the DUP flag, and the same words, is it the same delivery."""
    deliveries = Deliveries(tmp_path)
    await deliveries.load()
    first = await deliveries.key(arrival(7))
    assert await deliveries.key(arrival(7, again=True)) == first
    assert await deliveries.key(arrival(7, payload("other"), again=True)) != first
    assert await deliveries.key(arrival(7)) != first
    assert await deliveries.key(arrival(0, qos=0)) != await deliveries.key(arrival(0, qos=0))


@needs_mosquitto
async def test_a_broker_that_forgot_us_means_other_parts_by_its_numbers(tmp_path: Path) -> None:
    """It counts anew, and may say DUP of what never reached us: it must not be taken for a part of before."""
    line = Line()
    async with broker(tmp_path / "one") as mosquitto:
        options = source_options(mosquitto, tmp_path / "home", answer_topic="")
        async with machine(options) as inspector, running(options, line):
            await inspector.publish_raw(ALIKE)
            await line.until(lambda: len(line.decided) == 1)
    async with broker(tmp_path / "two") as mosquitto:
        options = source_options(mosquitto, tmp_path / "home", answer_topic="")
        async with running(options, line):
            pass
        known = Deliveries(tmp_path / "home")
        await known.load()
        topic = options.topic("part")
        again = [Arrival(topic, ALIKE, mid, 1, retained=False, again=True, at=0.0) for mid in range(1, 9)]
        assert line.parts[0].key not in [await known.key(each) for each in again]


async def test_a_line_that_a_full_disk_cut_costs_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deliveries = Deliveries(tmp_path)
    await deliveries.load()
    await deliveries.key(arrival(1))
    whole = Deliveries._append

    def full(_: Deliveries, __: Any) -> None:
        with (tmp_path / FILE).open("a") as file:
            file.write("[2, ")
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr(Deliveries, "_append", full)
    await deliveries.key(arrival(2))
    monkeypatch.setattr(Deliveries, "_append", whole)
    key = await deliveries.key(arrival(3))
    after = Deliveries(tmp_path)
    await after.load()
    assert await after.key(arrival(3, again=True)) == key


async def test_the_memory_outlives_us_and_stays_small(tmp_path: Path) -> None:
    """Killed at any byte: what was written whole is known, the rest forgotten."""
    deliveries = Deliveries(tmp_path)
    await deliveries.load()
    keys = {mid: await deliveries.key(arrival(mid)) for mid in range(1, 5)}
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes()[:-10])
    after = Deliveries(tmp_path)
    await after.load()
    assert [await after.key(arrival(mid, again=True)) for mid in (1, 2, 3)] == [keys[1], keys[2], keys[3]]
    fresh = await after.key(arrival(4, again=True))
    assert fresh != keys[4]
    last = Deliveries(tmp_path)
    await last.load()
    assert await last.key(arrival(4, again=True)) == fresh


async def test_the_memory_forgets_the_oldest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is written anew before it has twice as many lines as are remembered."""
    monkeypatch.setattr("bridge_mqtt.deliveries.REMEMBERED", 8)
    deliveries = Deliveries(tmp_path)
    await deliveries.load()
    keys = {mid: await deliveries.key(arrival(mid)) for mid in range(1, 50)}
    assert len((tmp_path / FILE).read_text().splitlines()) <= 17
    after = Deliveries(tmp_path)
    await after.load()
    assert await after.key(arrival(49, again=True)) == keys[49]
    assert await after.key(arrival(1, again=True)) != keys[1]
    assert REMEMBERED > 1024  # more than may ever be under way


async def test_a_disk_that_refuses_costs_the_memory_and_no_part(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    deliveries = Deliveries(tmp_path / "home")
    await deliveries.load()
    key = await deliveries.key(arrival(1))
    assert await deliveries.key(arrival(1, again=True)) == key


async def test_what_is_delivered_again_is_never_live() -> None:
    """Its answer may have been given: nobody knows how old it is."""
    mailbox = Mailbox(Presence("status", "source"), ["t"], live=True)
    mailbox.put(arrival(1))
    mailbox.put(arrival(2, again=True))
    assert [(await mailbox.get())[1] for _ in range(2)] == [True, False]
