"""The soft PLC over real Modbus TCP: a raw client plays a bridge that keeps to the rules, or breaks one."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.pdu import ModbusPDU

from bridge.plugin import Taken, Unavailable, Verdict
from bridge_modbus.codec import (
    COMMAND_WORDS,
    CommandBlock,
    Control,
    Status,
    StatusBlock,
    VerdictCode,
    decode_command,
    encode_status,
    order_of,
)
from bridge_modbus.options import ModbusOptions
from bridge_modbus.peer import SoftPlc, open_plc, serve_plc
from bridge_modbus.words import WordOrder

SOON = 20.0
"""Seconds in which a part surely gets its verdict; no test waits so long."""
BRIEF = 0.25
"""Seconds after which a part leaves without one: enough for a few requests on a busy machine."""
VALID = Status.RESULTS_VALID


class Bridge:
    """A bridge by hand: every write goes over the wire as it is told, right or wrong."""

    def __init__(self, client: AsyncModbusTcpClient, order: WordOrder = WordOrder.ABCD) -> None:
        self.client = client
        self.order = order
        self.beats = 0

    async def command(self) -> CommandBlock:
        return decode_command(
            (await self.client.read_holding_registers(0, count=COMMAND_WORDS)).registers, self.order
        )

    async def seeing(self, wanted: Callable[[CommandBlock], object]) -> CommandBlock:
        """Read CMD until it says what is wanted."""
        async with asyncio.timeout(SOON):
            while not wanted(command := await self.command()):  # noqa: ASYNC110 - another machine's memory
                await asyncio.sleep(0.001)
        return command

    async def part(self, name: str) -> CommandBlock:
        return await self.seeing(lambda command: command.serial == name and Control.TRIGGER in command.control)

    def result(self, command: CommandBlock, verdict: Verdict = Verdict.OK) -> StatusBlock:
        """Return the right result for a part, with one heartbeat more."""
        self.beats += 1
        ok = verdict is Verdict.OK
        return StatusBlock(
            sequence_head=command.sequence,
            sequence_tail=command.sequence,
            heartbeat=self.beats,
            status=Status.ONLINE | VALID | (Status.OK if ok else Status.NG),
            verdict=VerdictCode.OK if ok else VerdictCode.NG,
            part_id=command.part_id,
            serial=command.serial,
        )

    async def say(self, block: StatusBlock) -> None:
        """Write the whole block without ResultsValid, then STATUS alone."""
        await self.put(100, encode_status(replace(block, status=block.status & ~VALID), self.order))
        await self.put(102, [int(block.status)])

    async def withdraw(self) -> None:
        await self.put(102, [int(Status.ONLINE)])

    async def put(self, address: int, words: Sequence[int]) -> None:
        assert not (await self.client.write_registers(address, list(words))).isError()


@asynccontextmanager
async def facing(order: WordOrder = WordOrder.ABCD, **knobs: Any) -> AsyncIterator[tuple[SoftPlc, Bridge]]:
    """Open a PLC and connect a bridge to it."""
    port = free_port()
    async with serve_plc(options(port, word_order=order), **knobs) as plc, dialled(port) as client:
        yield plc, Bridge(client, order)


@asynccontextmanager
async def dialled(port: int) -> AsyncIterator[AsyncModbusTcpClient]:
    client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=10, retries=0)
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def options(port: int, **more: Any) -> ModbusOptions:
    return ModbusOptions(**{"name": "plc", "host": "127.0.0.1", "port": port} | more)


def stood(plc: SoftPlc, part: str, seconds: float = SOON) -> asyncio.Task[Taken]:
    return asyncio.create_task(plc.present(part, seconds))


async def test_an_ok_by_all_the_rules_passes() -> None:
    """The right result passes the part, and the instant is that of the write that made it whole."""
    async with facing() as (plc, bridge):
        standing = stood(plc, "4711")
        command = await bridge.part("4711")
        assert (command.sequence, command.part_id, command.deadline_ms) == (1, 4711, SOON * 1000)
        before = time.monotonic()
        await bridge.say(bridge.result(command))
        after = time.monotonic()
        taken = await standing
    assert (taken.part, taken.passed, taken.verdict, taken.why) == ("4711", True, Verdict.OK, "")
    assert taken.readable_at is not None
    assert before < taken.readable_at < after
    assert plc.taken == [taken]
    assert (plc.late, plc.wrong_part, plc.stale) == (0, 0, 0)


async def test_an_ng_ejects() -> None:
    """A valid NG is taken at once."""
    async with facing() as (plc, bridge):
        standing = stood(plc, "B-1")
        command = await bridge.part("B-1")
        assert command.part_id == 0
        await bridge.say(bridge.result(command, Verdict.NG))
        taken = await standing
    assert (taken.passed, taken.verdict, taken.why) == (False, Verdict.NG, "NG")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"status": Status.ONLINE | Status.OK}, "nothing reported"),
        ({"status": VALID | Status.OK}, "the bridge is not Online"),
        ({"heartbeat": 0}, "the bridge's heartbeat is stale"),
        ({"sequence_tail": 9}, "the result is torn: SEQ_HEAD 1, SEQ_TAIL 9"),
        ({"sequence_head": 9, "sequence_tail": 9}, "the result answers CMD_SEQ 9, not 1"),
        ({"serial": "78"}, "the result echoes SERIAL '78', not '77'"),
        ({"part_id": 78}, "the result echoes PART_ID 78, not 77"),
    ],
)
async def test_what_breaks_a_rule_is_never_taken(wrong: dict[str, Any], why: str) -> None:
    """With one rule broken the part waits, is ejected when its time is over, and the reason is told."""
    async with facing() as (plc, bridge):
        standing = stood(plc, "77", BRIEF)
        await bridge.say(replace(bridge.result(await bridge.part("77")), **wrong))
        taken = await standing
    assert (taken.passed, taken.verdict, taken.readable_at, taken.why) == (False, None, None, why)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"status": Status.ONLINE | VALID | Status.OK | Status.NG}, "no clear verdict: OK=1, NG=1, VERDICT 1"),
        ({"status": Status.ONLINE | VALID}, "no clear verdict: OK=0, NG=0, VERDICT 1"),
        ({"verdict": VerdictCode.NG}, "no clear verdict: OK=1, NG=0, VERDICT 2"),
        ({"verdict": VerdictCode.REVIEW}, "no clear verdict: OK=1, NG=0, VERDICT 3"),
    ],
)
async def test_a_result_that_contradicts_itself_ejects(wrong: dict[str, Any], why: str) -> None:
    """OK, NG and VERDICT must agree; if not, the part is ejected without waiting."""
    async with facing() as (plc, bridge):
        standing = stood(plc, "77")
        await bridge.say(replace(bridge.result(await bridge.part("77")), **wrong))
        taken = await standing
    assert (taken.passed, taken.verdict, taken.why) == (False, None, why)


async def test_a_torn_result_is_taken_when_it_is_whole() -> None:
    """ResultsValid before SEQ_TAIL says nothing yet; the result counts from the write of SEQ_TAIL."""
    async with facing() as (plc, bridge):
        standing = stood(plc, "77")
        command = await bridge.part("77")
        await bridge.say(replace(bridge.result(command), sequence_tail=0))
        torn_at = time.monotonic()
        assert not standing.done()
        await bridge.put(152, [command.sequence])
        taken = await standing
    assert taken.passed
    assert taken.readable_at is not None
    assert taken.readable_at > torn_at


async def test_a_heartbeat_that_stands_still_holds_the_part() -> None:
    """After the stale time an OK is not taken, and counted; one beat more and it is."""
    async with facing(stale_seconds=0.02) as (plc, bridge):
        standing = stood(plc, "77")
        result = bridge.result(await bridge.part("77"))
        await bridge.put(101, [result.heartbeat])
        await asyncio.sleep(0.03)
        await bridge.say(result)
        assert (plc.stale, standing.done()) == (1, False)
        await bridge.put(101, [result.heartbeat + 1])
        assert (await standing).passed
    assert plc.stale == 1


async def test_a_late_result_is_counted_and_cleared_away() -> None:
    """A result for a part that has left passes nothing; the PLC gives ResultAck, so that the slot is free."""
    async with facing() as (plc, bridge):
        standing = stood(plc, "77", BRIEF)
        result = bridge.result(await bridge.part("77"))
        taken = await standing
        assert (await bridge.command()).serial == ""
        await bridge.say(result)
        assert Control.RESULT_ACK in (await bridge.command()).control
        await bridge.withdraw()
        assert Control.RESULT_ACK not in (await bridge.command()).control
    assert (taken.passed, taken.why, plc.late, plc.wrong_part) == (False, "nothing reported", 1, 0)


async def test_a_late_result_never_passes_the_next_part() -> None:
    """A result of the part before is discarded while the next one stands, which then gets its own."""
    async with facing() as (plc, bridge):
        first = stood(plc, "1", BRIEF)
        late = bridge.result(await bridge.part("1"))
        await first
        second = stood(plc, "2")
        command = await bridge.part("2")
        await bridge.say(late)
        assert (plc.late, second.done()) == (1, False)
        assert (await bridge.command()).control == Control.ENABLE | Control.TRIGGER | Control.RESULT_ACK
        await bridge.withdraw()
        await bridge.say(bridge.result(command, Verdict.NG))
        assert (await second).verdict is Verdict.NG
    assert (plc.late, plc.wrong_part) == (1, 0)


async def test_a_result_of_a_part_never_seen_is_counted() -> None:
    """A serial that never stood here is a wrong part, told once however often it is written."""
    async with facing() as (plc, bridge):
        standing = stood(plc, "77", BRIEF)
        wrong = replace(bridge.result(await bridge.part("77")), serial="never seen")
        await bridge.say(wrong)
        await bridge.say(wrong)
        assert not (await standing).passed
    assert (plc.late, plc.wrong_part) == (0, 1)


async def test_an_acknowledged_result_makes_room_for_the_next_part() -> None:
    """ResultAck rises with the verdict and falls when ResultsValid is withdrawn; only then comes the next part."""
    async with facing() as (plc, bridge):
        for number, part in enumerate(("1", "2", "3"), 1):
            standing = stood(plc, part)
            command = await bridge.part(part)
            assert command.sequence == number
            await bridge.say(bridge.result(command))
            following = await standing
            assert following.passed
            assert (await bridge.command()).control == Control.ENABLE | Control.RESULT_ACK
            await bridge.withdraw()
            assert (await bridge.command()).control == Control.ENABLE
    assert [taken.passed for taken in plc.taken] == [True, True, True]


async def test_a_bridge_that_never_withdraws_stops_no_part() -> None:
    """ResultAck falls by itself after a while, and what still stands in STS is not taken again."""
    async with facing(ack_seconds=0.02) as (plc, bridge):
        first = stood(plc, "1")
        await bridge.say(bridge.result(await bridge.part("1")))
        assert (await first).passed
        second = stood(plc, "2", BRIEF)
        await bridge.part("2")
        await bridge.put(101, [7])
        assert not (await second).passed
    assert (plc.late, plc.wrong_part) == (0, 0)


async def test_a_verdict_outlives_its_ack() -> None:
    """A heartbeat written while an old result still stands counts nothing."""
    async with facing(ack_seconds=0.01) as (plc, bridge):
        standing = stood(plc, "1")
        await bridge.say(bridge.result(await bridge.part("1")))
        await standing
        await bridge.seeing(lambda command: Control.RESULT_ACK not in command.control)
        await bridge.put(101, [7])
    assert (plc.late, plc.wrong_part, plc.stale) == (0, 0, 0)


async def test_parts_stand_one_at_a_time() -> None:
    """A second part waits until the first has left."""
    async with facing() as (plc, bridge):
        standing = [stood(plc, "1", BRIEF), stood(plc, "2")]
        assert (await bridge.command()).serial == "1"
        await standing[0]
        await bridge.say(bridge.result(await bridge.part("2")))
        assert (await standing[1]).passed


async def test_a_part_that_is_called_off_leaves_the_station() -> None:
    """Cancelling takes the part away and leaves the station usable."""
    async with facing() as (plc, bridge):
        standing = stood(plc, "1")
        await bridge.part("1")
        standing.cancel()
        await bridge.seeing(lambda command: command.serial == "")
        following = stood(plc, "2")
        await bridge.say(bridge.result(await bridge.part("2")))
        assert (await following).passed


async def test_the_sequence_never_is_zero() -> None:
    """After 65535 comes 1."""
    async with facing() as (plc, bridge):
        plc._show(sequence=65_535)
        standing = stood(plc, "1")
        assert (await bridge.part("1")).sequence == 1
        standing.cancel()


@pytest.mark.parametrize("part", ["x" * 33, "Prüfling", "a\0b"])
async def test_a_name_that_does_not_fit_is_ejected(part: str) -> None:
    """A name that SERIAL cannot hold is never shortened: no result could be told apart."""
    async with facing() as (plc, _):
        taken = await plc.present(part, SOON)
    assert not taken.passed
    assert taken.why.startswith("the name does not fit")


async def test_without_a_part_nothing_is_reported() -> None:
    """With an empty name no part stands there, and the time passes."""
    async with facing() as (plc, bridge):
        taken = await plc.present("", 0.01)
        assert (await bridge.command()).sequence == 0
    assert (taken.passed, taken.why) == (False, "nothing reported")


@pytest.mark.parametrize("native", WordOrder)
async def test_the_echo_shows_the_order_of_the_plc(native: WordOrder) -> None:
    """Once the bridge has written the constants, CMD 24-28 hold them as this PLC lays them out itself."""
    async with facing(native=native) as (_, bridge):
        assert (await bridge.command()).echo == (0,) * 5
        await bridge.put(100, encode_status(StatusBlock()))
        assert order_of((await bridge.command()).echo) is native


@pytest.mark.parametrize("order", WordOrder)
async def test_a_part_passes_in_every_word_order(order: WordOrder) -> None:
    """PART_ID and SERIAL are understood in the order that both sides are set to."""
    async with facing(order) as (plc, bridge):
        standing = stood(plc, "305419896")
        await bridge.say(bridge.result(await bridge.part("305419896")))
        assert (await standing).passed


async def test_a_bridge_in_another_byte_order_reads_another_name() -> None:
    """Where the two sides differ, the bridge cannot find the part by its name, so it reports nothing."""
    async with facing(native=WordOrder.BADC) as (plc, bridge):
        standing = stood(plc, "1234")
        assert (await bridge.seeing(lambda command: command.serial)).serial == "2143"
        standing.cancel()


async def test_the_plc_beats() -> None:
    """HB_PLC counts up by itself."""
    async with facing() as (_, bridge):
        await bridge.seeing(lambda command: command.heartbeat == 1)


@pytest.mark.parametrize("address", [0, 28, 99, 158])
async def test_the_bridge_writes_its_own_words_only(address: int) -> None:
    """Each word has one owner: a write outside STS is refused."""
    async with facing() as (_, bridge):
        answer: ModbusPDU = await bridge.client.write_registers(address, [1])
        assert answer.isError()


async def test_a_taken_port_is_told_in_one_line() -> None:
    """A port in use is Unavailable, so a simulator can say it without a traceback."""
    port = free_port()
    async with open_plc(options(port)):
        with pytest.raises(Unavailable, match=f"^cannot listen on 127.0.0.1:{port}: Address already in use$"):
            await open_and_close(port)


async def test_a_name_that_leads_nowhere_is_told_in_one_line() -> None:
    """A host that does not resolve is Unavailable with its reason."""
    with pytest.raises(Unavailable, match=r"^cannot listen on no\.such\.host\.invalid:5020: [A-Z]"):
        async with open_plc(options(5020, host="no.such.host.invalid")):
            pass


async def test_a_port_is_free_again_after_the_plc() -> None:
    """Closing with a client still connected leaves nothing behind."""
    port = free_port()
    async with open_plc(options(port)), dialled(port):
        pass
    await open_and_close(port)


async def open_and_close(port: int) -> None:
    async with open_plc(options(port)):
        pass
