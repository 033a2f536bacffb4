"""The source in both roles over real sockets: pymodbus and mbpoll on the other side, a line of the test's own."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import AsyncModbusTcpClient

from bridge.plugin import Decision, Fetch, Goal, Inspection, Origin, Stage, Unavailable, Verdict, counted
from bridge.plugin.host import hosted
from bridge_modbus import ModbusSourceOptions, open_source
from bridge_modbus.codec import (
    STATUS_WORDS,
    CommandBlock,
    Control,
    ErrorCode,
    Status,
    StatusBlock,
    decode_status,
    encode_command,
    takes_ok,
)
from bridge_modbus.plc_memory import Memory, serve
from bridge_modbus.plc_trigger import Own, TriggeringPlc, as_client, as_server, open_inspector
from bridge_modbus.presenting import LINGER_SECONDS
from bridge_modbus.source_check import check

SOON = 20.0
"""Seconds within which anything on this machine has happened."""
E, T, A = Control.ENABLE, Control.TRIGGER, Control.RESULT_ACK
ROLES = ("client", "server")


@dataclass
class Line:
    """A line that decides what the inspector said, and remembers what it was asked."""

    is_ready: bool = True
    error: bool = False
    link_ok: bool = True
    shadow: bool = False
    within: float = 5.0
    hold: asyncio.Event | None = None
    parts: list[Inspection] = field(default_factory=list)
    stored: dict[str, Decision] = field(default_factory=dict)
    bypassed: list[bool] = field(default_factory=list)
    resets: int = 0

    async def __call__(self, part: Inspection, fetch: Fetch | None = None) -> Decision:
        del fetch
        self.parts.append(part)
        if self.hold:
            await self.hold.wait()
        assert part.key
        assert part.event is not None
        if part.key in self.stored:
            return self.stored[part.key]
        decision = Decision(
            id=f"{len(self.stored):032x}",
            line="L",
            goal=Goal.CUT_FALSE_CALLS,
            stage=Stage.LIVE,
            part=part.part,
            legacy=part.legacy,
            final=part.legacy or Verdict.NG,
            origin=Origin.LEGACY,
            number=len(self.stored) + 1,
            expires=part.event + self.within,
        )
        self.stored[part.key] = decision
        return decision

    def ready(self, recipe: str = "") -> bool:
        return self.is_ready and recipe != "closed"

    def reset(self) -> None:
        self.resets += 1
        self.error = False

    def bypass(self, *, wanted: bool) -> bool:
        self.bypassed.append(wanted)
        return wanted

    def audit(self, what: str, *, old: str = "", new: str = "", why: str = "") -> None:
        del what, old, new, why


def an_options(role: str, home: Path, **more: Any) -> ModbusSourceOptions:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    facts = {"role": role, "port": port, "home": home, "poll_ms": 5, "timeout_ms": 5000}
    return ModbusSourceOptions.model_validate(facts | more)


@asynccontextmanager
async def bridging(options: ModbusSourceOptions, line: Line) -> AsyncIterator[None]:
    """Run the source on this line."""
    with hosted(line):
        async with open_source(options) as run:
            running = asyncio.create_task(run(line))
            try:
                yield
            finally:
                running.cancel()
                await asyncio.wait([running])
                assert running.cancelled()


@asynccontextmanager
async def a_plc(options: ModbusSourceOptions) -> AsyncIterator[TriggeringPlc]:
    async with (as_server if options.role == "client" else as_client)(options) as plc:
        yield plc


@asynccontextmanager
async def facing(role: str, home: Path, line: Line, **more: Any) -> AsyncIterator[TriggeringPlc]:
    options = an_options(role, home, **more)
    async with a_plc(options) as plc, bridging(options, line):
        yield plc


async def saying(plc: TriggeringPlc, what: Callable[[StatusBlock], object]) -> StatusBlock:
    """Read STS until it says what is wanted."""
    async with asyncio.timeout(SOON):
        while not what(said := await plc.registers.said()):  # noqa: ASYNC110 - the bridge's registers
            await asyncio.sleep(0.002)
    return said


async def until(what: Callable[[], object]) -> None:
    async with asyncio.timeout(SOON):
        while not what():  # noqa: ASYNC110 - the other side's doing
            await asyncio.sleep(0.002)


def shows(*bits: Status) -> Callable[[StatusBlock], bool]:
    return lambda said: all(bit in said.status for bit in bits)


def lacks(bit: Status) -> Callable[[StatusBlock], bool]:
    return lambda said: bit not in said.status


@pytest.mark.parametrize("role", ROLES)
async def test_part_after_part_gets_its_own_verdict(role: str, tmp_path: Path) -> None:
    """The program that takes them is written apart, by the PLC's rules."""
    line = Line()
    verdicts = [Verdict.OK, Verdict.NG, Verdict.OK, None, Verdict.NG]
    async with facing(role, tmp_path, line) as plc:
        for number, legacy in enumerate(verdicts):
            part = Inspection(part=f"P{number}", legacy=legacy, recipe="7", deadline_ms=5000)
            assert await plc.play(part) is (legacy or Verdict.NG)
    assert [part.part for part in line.parts] == ["P0", "P1", "P2", "P3", "P4"]
    assert [part.legacy for part in line.parts] == verdicts
    assert [part.sequence for part in line.parts] == [1, 2, 3, 4, 5]
    assert {part.recipe for part in line.parts} == {"7"}
    assert {part.deadline_ms for part in line.parts} == {5000}


@pytest.mark.parametrize("role", ROLES)
async def test_a_program_cut_off_in_mid_part_lets_go_before_the_next(role: str, tmp_path: Path) -> None:
    """A Trigger that stands for ever would keep Ready low for ever."""
    line = Line(hold=asyncio.Event())
    async with facing(role, tmp_path, line, ack_timeout_ms=200) as plc:
        playing = asyncio.create_task(plc.play(Inspection(part="P0", legacy=Verdict.OK)))
        await until(lambda: line.parts)
        playing.cancel()
        await asyncio.wait([playing])
        assert T in plc.command.control
        assert line.hold
        line.hold.set()
        assert await plc.play(Inspection(part="P1", legacy=Verdict.OK)) is Verdict.OK


@pytest.mark.parametrize("role", ROLES)
async def test_a_clean_stop_leaves_nothing_valid(role: str, tmp_path: Path) -> None:
    options = an_options(role, tmp_path)
    async with a_plc(options) as plc:
        async with bridging(options, Line()):
            await saying(plc, shows(Status.READY))
            await plc.show(sequence=1, serial="S1", legacy=1, control=E | T)
            await saying(plc, shows(Status.RESULTS_VALID, Status.OK))
        if role == "client":
            assert (await plc.registers.said()).status is Status.OFFLINE
        else:
            with pytest.raises(Unavailable):
                await plc.registers.said()


@pytest.mark.parametrize("role", ROLES)
async def test_a_clean_stop_leaves_a_plc_the_time_to_see_its_result(role: str, tmp_path: Path) -> None:
    """Taken back before the PLC's next scan, it would be a part without a result."""
    options, clock = an_options(role, tmp_path), asyncio.get_running_loop().time
    async with a_plc(options) as plc:

        async def taken_back() -> float:
            with suppress(Unavailable):
                await saying(plc, lacks(Status.RESULTS_VALID))
            return clock()

        async with bridging(options, Line()):
            await saying(plc, shows(Status.READY))
            asked = clock()
            await plc.show(sequence=1, serial="S1", legacy=1, control=E | T)
            await saying(plc, shows(Status.RESULTS_VALID))
            watching = asyncio.create_task(taken_back())
        assert await watching >= asked + LINGER_SECONDS


@pytest.mark.parametrize("role", ROLES)
async def test_status_follows_the_line_between_parts(role: str, tmp_path: Path) -> None:
    line = Line(shadow=True)
    async with facing(role, tmp_path, line) as plc:
        await saying(plc, shows(Status.READY, Status.SHADOW, Status.LEGACY_LINK_OK))
        line.error, line.is_ready, line.link_ok, line.shadow = True, False, False, False
        said = await saying(plc, shows(Status.ERROR))
        assert not said.status & (Status.READY | Status.SHADOW | Status.LEGACY_LINK_OK)
        line.is_ready = line.link_ok = True
        await plc.show(control=E | Control.ERROR_RESET)
        await saying(plc, shows(Status.READY))
        assert line.resets == 1


@pytest.mark.parametrize("role", ROLES)
async def test_bypass_is_asked_for_before_the_part(role: str, tmp_path: Path) -> None:
    line = Line()
    async with facing(role, tmp_path, line) as plc:
        await saying(plc, shows(Status.READY))
        assert line.bypassed == [False]
        await plc.show(sequence=1, serial="S1", legacy=1, control=E | T | Control.BYPASS)
        await saying(plc, shows(Status.RESULTS_VALID))
        assert line.bypassed == [False, True]


@pytest.mark.parametrize("role", ROLES)
async def test_ready_is_low_for_a_recipe_whose_judge_is_closed(role: str, tmp_path: Path) -> None:
    async with facing(role, tmp_path, Line(), recipes={"3": "closed", "4": "M10"}) as plc:
        await saying(plc, shows(Status.READY))
        await plc.show(recipe=3)
        await saying(plc, lacks(Status.READY))
        await plc.show(recipe=4)
        await saying(plc, shows(Status.READY))


@pytest.mark.parametrize("role", ROLES)
async def test_a_decision_after_the_deadline_is_never_written(role: str, tmp_path: Path) -> None:
    line = Line(hold=asyncio.Event())
    async with facing(role, tmp_path, line) as plc:
        await saying(plc, shows(Status.READY))
        await plc.show(sequence=1, serial="S1", legacy=1, deadline_ms=50, control=E | T)
        said = await saying(plc, shows(Status.TIMEOUT))
        assert Status.RESULTS_VALID not in said.status
        assert said.error_code == ErrorCode.DEADLINE
        assert line.hold
        line.hold.set()
        await until(lambda: line.stored)
        await saying(plc, lambda now: now.heartbeat != said.heartbeat)
        assert Status.RESULTS_VALID not in (await plc.registers.said()).status


@pytest.mark.parametrize("role", ROLES)
async def test_a_bridge_that_restarts_in_mid_part_answers_the_repeat_as_before(role: str, tmp_path: Path) -> None:
    """The trigger that stood is missed; asked for again, the part has the same key, so the journal answers."""
    line = Line(hold=asyncio.Event())
    options = an_options(role, tmp_path)
    async with a_plc(options) as plc:
        async with bridging(options, line):
            await saying(plc, shows(Status.READY))
            await plc.show(sequence=9, serial="S9", legacy=1, control=E)
            await plc.show(control=E | T)
            await until(lambda: line.parts)
        line.hold = None
        async with bridging(options, line):
            if role == "client":
                await saying(plc, shows(Status.MISSED_TRIGGER))
            await plc.show(control=E)
            await saying(plc, shows(Status.READY))
            await plc.show(control=E | T)
            await saying(plc, shows(Status.RESULTS_VALID, Status.OK))
    assert len(line.parts) == 2
    assert line.parts[0].key == line.parts[1].key


@pytest.mark.parametrize("role", ROLES)
async def test_a_rebooted_plc_that_starts_at_1_again_gets_new_verdicts(role: str, tmp_path: Path) -> None:
    line = Line()
    options = an_options(role, tmp_path)
    async with a_plc(options) as plc, bridging(options, line):
        assert await plc.play(Inspection(part="S1", legacy=Verdict.OK)) is Verdict.OK
        plc.command = CommandBlock()
        await plc.show(control=Control.IDLE)
        await saying(plc, lacks(Status.ONLINE))
        await plc.show(control=E)
        assert await plc.play(Inspection(part="S1", legacy=Verdict.NG)) is Verdict.NG
    assert [part.sequence for part in line.parts] == [1, 1]
    assert len(line.stored) == 2


async def test_a_plc_that_goes_away_closes_the_client(tmp_path: Path) -> None:
    options = an_options("client", tmp_path, timeout_ms=200)
    async with as_server(options):
        pass
    with pytest.raises(Unavailable, match="cannot be reached"):
        async with open_source(options):
            pytest.fail("opened")

    async def run() -> None:
        async with asyncio.timeout(SOON), open_source(options) as source:
            stop.set()
            await source(Line())

    stop = asyncio.Event()
    async with as_server(options):
        running = asyncio.create_task(run())
        await stop.wait()
    with pytest.raises(Unavailable):
        await running


@pytest.mark.parametrize("habits", [{"busy": 5.0}, {"illegal": 7.0}, {"drop": 40.0}, {"slow-answer": 0.02}])
async def test_a_plc_with_bad_habits_still_gets_every_verdict(habits: dict[str, float], tmp_path: Path) -> None:
    """Requests are refused and connections cut in mid-part; the part under way goes on from where it stood."""
    line = Line()
    options = an_options("client", tmp_path, timeout_ms=1000, ack_timeout_ms=20_000)
    memory = Memory(holding=[0] * 158, bridge_holding=range(100, 158))
    plc = TriggeringPlc(options=options, registers=Own(options, memory))
    await plc.show()
    async with serve(memory, "127.0.0.1", options.port, lambda: None, habits), opened_again(options, line):
        beating = asyncio.create_task(plc.beat())
        for number in range(10):
            legacy = [Verdict.OK, Verdict.NG][number % 2]
            assert await plc.play(Inspection(part=f"P{number}", legacy=legacy)) is legacy
        beating.cancel()


@asynccontextmanager
async def opened_again(options: ModbusSourceOptions, line: Line) -> AsyncIterator[None]:
    """Run the source as the host does: what is unavailable is opened again."""

    async def keep() -> None:
        while True:
            with suppress(Unavailable):
                async with open_source(options) as run:
                    await run(line)

    running = asyncio.create_task(keep())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_a_connection_cut_in_mid_part_costs_nothing(tmp_path: Path) -> None:
    """The result that stands is withdrawn and given again, once, over the new connection."""
    line = Line(hold=asyncio.Event())
    options = an_options("client", tmp_path, timeout_ms=2000)
    memory = Memory(holding=[0] * 158, bridge_holding=range(100, 158))
    plc = TriggeringPlc(options=options, registers=Own(options, memory))
    await plc.show()
    server = AsyncExitStack()
    await server.enter_async_context(serve(memory, "127.0.0.1", options.port, lambda: None))
    async with server, bridging(options, line):
        await saying(plc, shows(Status.READY))
        await plc.show(sequence=1, serial="S1", legacy=1)
        await plc.show(control=E | T)
        await until(lambda: line.parts)
        await server.aclose()
        await server.enter_async_context(serve(memory, "127.0.0.1", options.port, lambda: None))
        assert line.hold
        line.hold.set()
        said = await saying(plc, shows(Status.RESULTS_VALID, Status.OK))
        assert said.sequence_head == 1
    assert len(line.parts) == 1


async def test_a_client_uses_one_connection_and_few_requests(tmp_path: Path) -> None:
    """For one part: the block with Busy, the block with the result, the word that makes it valid."""
    written: list[tuple[int, int]] = []

    class Watched(Memory):
        def write(self, function: int, address: int, values: Any) -> bool:
            written.append((address, len(values)))
            return super().write(function, address, values)

    memory = Watched(holding=[0] * 158, bridge_holding=range(100, 158))
    memory.put(0, encode_command(CommandBlock(control=E)))
    options = an_options("client", tmp_path, heartbeat_ms=1000)
    async with serve(memory, "127.0.0.1", options.port, lambda: None), bridging(options, Line()):
        await until(lambda: memory.holding[102] & Status.READY)
        assert written[0] == (102, 1)
        written.clear()
        memory.put(0, encode_command(CommandBlock(control=E | T, sequence=1, serial="S1", legacy=1)))
        await until(lambda: memory.holding[102] & Status.RESULTS_VALID)
        assert [write for write in written if write[0] != 101] == [(100, 58), (100, 58), (102, 1)]


@asynccontextmanager
async def dialled(port: int) -> AsyncIterator[AsyncModbusTcpClient]:
    client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=5, retries=0)
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()


async def test_a_server_says_what_came_of_a_write_before_it_answers_it(tmp_path: Path) -> None:
    """Not by a poll: the trigger's own acknowledgement finds TriggerAck standing."""
    line = Line(hold=asyncio.Event())
    options = an_options("server", tmp_path, poll_ms=500)
    async with bridging(options, line), dialled(options.port) as client:
        await client.write_registers(0, encode_command(CommandBlock(control=E)))
        await client.write_registers(0, encode_command(CommandBlock(control=E | T, sequence=1, serial="S1")))
        said = decode_status((await client.read_input_registers(0, count=STATUS_WORDS)).registers)
        assert Status.TRIGGER_ACK | Status.BUSY in said.status
        assert said.sequence_head == 1


async def test_a_server_mirrors_its_status_in_three_places(tmp_path: Path) -> None:
    options = an_options("server", tmp_path)
    async with bridging(options, Line()), dialled(options.port) as client:
        command = CommandBlock(control=E, sequence=1, serial="S1", legacy=1)
        await client.write_registers(0, encode_command(command))
        await client.write_register(0, int(E | T))
        for _ in range(1000):
            bits = (await client.read_discrete_inputs(0, count=14)).bits[:14]
            if bits[4]:
                break
        words = (await client.read_input_registers(0, count=STATUS_WORDS)).registers
        mirror = (await client.read_holding_registers(100, count=STATUS_WORDS)).registers
        assert words[2:] == mirror[2:]
        assert bits == [bool(words[2] >> bit & 1) for bit in range(14)]
        assert takes_ok(decode_status(words), command, heartbeat_fresh=True) == ""


@pytest.mark.parametrize("unit", [0, 1, 255])
async def test_nothing_but_cmd_can_be_written(tmp_path: Path, unit: int) -> None:
    """Every function that writes is refused outside of CMD, also where it only touches its edge."""
    options = an_options("server", tmp_path)
    async with bridging(options, Line()), dialled(options.port) as client:
        refused = [
            await client.write_register(102, 0xFFFF, device_id=unit),
            await client.write_registers(100, [1, 2], device_id=unit),
            await client.write_registers(28, [1, 2], device_id=unit),
            await client.write_coil(0, True, device_id=unit),  # noqa: FBT003 - pymodbus' own signature
            await client.write_coils(0, [True], device_id=unit),
            await client.mask_write_register(address=102, and_mask=0, or_mask=1, device_id=unit),
            await client.readwrite_registers(
                read_address=0, read_count=1, write_address=102, values=[9], device_id=unit
            ),
        ]
        assert all(answer.isError() for answer in refused)
        assert not (await client.mask_write_register(address=0, and_mask=0, or_mask=1, device_id=unit)).isError()
        answer = await client.readwrite_registers(
            read_address=0, read_count=1, write_address=2, values=[5], device_id=unit
        )
        assert answer.registers == [int(E)]
        assert (await client.read_holding_registers(100, count=1, device_id=unit)).registers == [0]


async def test_only_who_is_allowed_may_dial(tmp_path: Path) -> None:
    options = an_options("server", tmp_path, allow=["192.0.2.0/24"])
    async with bridging(options, Line()):
        reader, writer = await asyncio.open_connection("127.0.0.1", options.port)
        assert await asyncio.wait_for(reader.read(), SOON) == b""
        writer.close()
    options = an_options("server", tmp_path, allow=["127.0.0.0/8"])
    async with bridging(options, Line()), dialled(options.port) as client:
        assert not (await client.read_input_registers(0, count=1)).isError()


async def test_a_port_that_is_taken_is_said_in_words(tmp_path: Path) -> None:
    options = an_options("server", tmp_path)
    async with bridging(options, Line()):
        with pytest.raises(Unavailable, match="cannot listen"):
            async with open_source(options):
                pytest.fail("opened")
        [finding] = await check(options)
        assert finding.good is False


@pytest.mark.parametrize("role", ROLES)
async def test_check_finds_the_other_side(role: str, tmp_path: Path) -> None:
    options = an_options(role, tmp_path)
    async with open_inspector(options):
        findings = await check(options)
    assert not [finding for finding in findings if finding.good is False]


async def test_a_disk_that_keeps_nothing_costs_no_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said once, for the log may lie on the same disk."""
    (tmp_path / "file").write_text("")
    async with facing("server", tmp_path / "file", Line()) as plc:
        for serial in ("S1", "S2", "S3"):
            assert await plc.play(Inspection(part=serial, legacy=Verdict.OK)) is Verdict.OK
    assert capsys.readouterr().err.count("cannot be kept") == 1


async def test_garbage_is_no_last_request(tmp_path: Path) -> None:
    (tmp_path / "last-request.json").write_text('{"boot": 1')
    async with facing("server", tmp_path, Line()) as plc:
        assert await plc.play(Inspection(part="S1", legacy=Verdict.OK)) is Verdict.OK


async def test_a_line_that_fails_is_an_ng(tmp_path: Path) -> None:
    class Broken(Line):
        async def __call__(self, part: Inspection, fetch: Fetch | None = None) -> Decision:
            del part, fetch
            raise ZeroDivisionError("a bug of ours")

    before = counted("late")
    async with facing("server", tmp_path, Broken()) as plc:
        assert await plc.play(Inspection(part="S1", legacy=Verdict.OK)) is Verdict.NG
    assert counted("late") == before


async def test_a_foreign_client_triggers_and_reads_the_result(tmp_path: Path) -> None:
    """mbpoll, which shares no code with us, goes once around and is refused outside of CMD."""
    mbpoll = shutil.which("mbpoll")
    if mbpoll is None and not os.environ.get("CI"):
        pytest.skip("mbpoll is not installed")
    assert mbpoll, "mbpoll is not installed"
    options = an_options("server", tmp_path, ack_timeout_ms=60_000)

    async def poll(*words: str) -> list[int]:
        process = await asyncio.create_subprocess_exec(
            mbpoll, "-m", "tcp", "-a", "1", "-1", "-p", str(options.port), *words, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await asyncio.wait_for(process.communicate(), SOON)
        rows = [row for row in said.decode().splitlines() if row.startswith("[")]
        return [int(row.split(":")[1].split()[0], 16) for row in rows] if process.returncode == 0 else []

    async def said(wanted: Status) -> list[int]:
        async with asyncio.timeout(SOON):
            while True:
                words = await poll("-t", "3:hex", "-r", "1", "-c", "16", "127.0.0.1")
                if words and words[2] & wanted:
                    return words

    async with bridging(options, Line()):
        await poll("-t", "4", "-r", "1", "127.0.0.1", "1")
        await said(Status.READY)
        await poll("-t", "4", "-r", "3", "127.0.0.1", "7", "0", "0", "4711", "1")
        await poll("-t", "4", "-r", "1", "127.0.0.1", "3")
        words = await said(Status.RESULTS_VALID)
        assert (words[0], words[3], words[5]) == (7, 1, 4711)
        assert words[2] & Status.OK
        assert await poll("-t", "4:hex", "-r", "101", "-c", "1", "127.0.0.1") == [7], "the mirror"
        assert await poll("-t", "4", "-r", "103", "127.0.0.1", "0") == [], "STS is not to be written"
        assert (await said(Status.RESULTS_VALID))[2] & Status.OK
        await poll("-t", "4", "-r", "1", "127.0.0.1", "5")
        async with asyncio.timeout(SOON):
            while (await said(Status.ONLINE))[2] & Status.RESULTS_VALID:
                pass
        await poll("-t", "4", "-r", "1", "127.0.0.1", "1")
        await said(Status.READY)
