"""The reporter against a real Modbus server: what is written, in which order, and what never is."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from bridge.plugin import Decision, Goal, Refused, Report, Stage, Unavailable, Verdict, counted
from bridge.plugin.host import hosted
from bridge_modbus import ModbusOptions, SimpleMap, open_reporter
from bridge_modbus.blocks import FRESH_SECONDS
from bridge_modbus.codec import (
    COMMAND_WORDS,
    STATUS_WORDS,
    CommandBlock,
    Control,
    Status,
    StatusBlock,
    VerdictCode,
    decode_status,
    encode_command,
    takes_ok,
)
from bridge_modbus.peer import open_plc
from bridge_modbus.plc_memory import Memory, serve
from bridge_modbus.words import WordOrder

STATUS_AT = 100
SOON = 15.0
"""Seconds within which anything on this machine has happened."""


@dataclass(kw_only=True)
class Plc(Memory):
    """A PLC's memory that remembers every write of the bridge, in order."""

    writes: list[tuple[int, int, list[int]]] = field(default_factory=list)
    """Function code, address and values."""
    order: WordOrder = WordOrder.ABCD
    when_written: Callable[[int, int], None] = lambda _function, _address: None

    def write(self, function: int, address: int, values: Sequence[int]) -> bool:
        self.writes.append((function, address, list(values)))
        taken = super().write(function, address, values)
        self.when_written(function, address)
        return taken

    def show(self, **command: object) -> None:
        """Let CMD show this."""
        self.put(0, encode_command(CommandBlock(**command), self.order))  # type: ignore[arg-type]

    @property
    def status(self) -> StatusBlock:
        return decode_status(self.holding[STATUS_AT : STATUS_AT + STATUS_WORDS], self.order)

    @property
    def results(self) -> list[tuple[int, int]]:
        """Return function and address of each write since ``writes`` was cleared, heartbeats left out."""
        return [(function, address) for function, address, _ in self.writes if address not in {101, 114}]

    async def until(self, what: Callable[[], object]) -> None:
        """Wait until something holds."""
        async with asyncio.timeout(SOON):
            while not what():  # noqa: ASYNC110 - the bridge's writes arrive from the network
                await asyncio.sleep(0.001)


def plc(order: WordOrder = WordOrder.ABCD) -> Plc:
    return Plc(
        holding=[0] * (STATUS_AT + STATUS_WORDS),
        coils=[False] * 16,
        bridge_holding=range(STATUS_AT, STATUS_AT + STATUS_WORDS),
        bridge_coils=range(16),
        order=order,
    )


@asynccontextmanager
async def serving(memory: Plc, **options: object) -> AsyncIterator[ModbusOptions]:
    async with serve(memory, "127.0.0.1", 0, lambda: None) as port:
        facts: dict[str, object] = {"name": "plc", "host": "127.0.0.1", "port": port}
        yield ModbusOptions.model_validate(facts | options)


@asynccontextmanager
async def reporting(memory: Plc, **options: object) -> AsyncIterator[Report]:
    async with serving(memory, **options) as ready, open_reporter(ready) as report:
        yield report


def decision(
    part: str = "S1", final: Verdict | None = Verdict.OK, within: float = 1.0, **more: object
) -> Decision:
    facts: dict[str, object] = {
        "id": "0" * 32,
        "line": "L",
        "goal": Goal.REPLACE,
        "stage": Stage.LIVE,
        "part": part,
        "final": final,
        "expires": asyncio.get_running_loop().time() + within,
    }
    return Decision(**(facts | more))  # type: ignore[arg-type]


@pytest.mark.parametrize("order", list(WordOrder))
async def test_a_result_stands_whole_when_report_returns(order: WordOrder) -> None:
    """The PLC's own rule takes the OK at that moment."""
    memory = plc(order)
    memory.show(sequence=7, serial="S1", part_id=70_000, heartbeat=5)
    async with reporting(memory, word_order=order) as report:
        assert await report(decision(number=70_001)) == "CMD_SEQ 7", "the note for the journal"
        shown = CommandBlock(sequence=7, serial="S1", part_id=70_000)
        assert takes_ok(memory.status, shown, heartbeat_fresh=True) == ""
        assert memory.status.result_id == 70_001
        assert memory.status.serial == "S1"


@pytest.mark.parametrize(("final", "code"), [(Verdict.NG, VerdictCode.NG), (None, VerdictCode.ERROR)])
async def test_what_is_no_ok_never_reads_as_one(final: Verdict | None, code: VerdictCode) -> None:
    memory = plc()
    memory.show(sequence=7, serial="S1")
    async with reporting(memory) as report:
        await report(decision(final=final))
        assert memory.status.verdict == code
        assert Status.OK not in memory.status.status


async def test_clearing_is_written_before_anything_else() -> None:
    """Modbus outputs keep their last value: what an earlier run left valid goes first."""
    memory = plc()
    memory.holding[102] = int(Status.ONLINE | Status.RESULTS_VALID | Status.OK)
    async with reporting(memory):
        assert memory.writes[0] == (16, 102, [0])
        assert memory.status.status == Status.ONLINE | Status.READY | Status.LEGACY_LINK_OK


@dataclass
class Line:
    """How a line stands, in the test's hands."""

    error: bool = False
    link_ok: bool = True
    shadow: bool = False
    wishes: list[object] = field(default_factory=list)

    def ready(self, recipe: str = "") -> bool:
        del recipe
        return not self.error

    def reset(self) -> None:
        self.wishes.append("reset")
        self.error = False

    def bypass(self, *, wanted: bool) -> bool:
        if wanted not in self.wishes[-1:]:
            self.wishes.append(wanted)
        return wanted

    def audit(self, what: str, *, old: str = "", new: str = "", why: str = "") -> None:
        del old, why
        self.wishes.append((what, new))


async def test_the_plc_sees_how_the_line_stands_between_parts_and_may_reset_it() -> None:
    memory, line = plc(), Line()
    with hosted(line):
        async with reporting(memory, heartbeat_ms=5):
            line.error, line.link_ok, line.shadow = True, False, True
            await memory.until(lambda: memory.status.status == Status.ONLINE | DEAD | Status.SHADOW)
            memory.show(control=Control.ERROR_RESET)
            await memory.until(lambda: Status.READY in memory.status.status)
            memory.show(control=Control.ERROR_RESET | Control.BYPASS)
            await memory.until(lambda: line.wishes[-1] is True)
    assert line.wishes == [False, "reset", True]


DEAD = Status.ERROR | Status.DEGRADED


async def test_a_map_in_which_silence_is_an_ok_is_audited() -> None:
    line = Line()
    with hosted(line):
        async with reporting(plc(), map={"ng": "coil 0", "ok_by_silence": "accepted"}):
            assert line.wishes == [("ok_by_silence", "accepted")]


async def test_two_writes_make_a_result_and_the_second_makes_it_valid() -> None:
    memory = plc()
    memory.show(sequence=7, serial="S1")
    async with reporting(memory) as report:
        memory.writes.clear()
        await report(decision())
        (first, second) = [write for write in memory.writes if write[1] not in {101, 114}]
        assert first[:2] == (16, 100)
        assert len(first[2]) == STATUS_WORDS
        assert not first[2][2] & Status.RESULTS_VALID
        assert second[:2] == (16, 102)
        assert second[2][0] & Status.RESULTS_VALID


async def test_no_heartbeat_comes_between_the_two_writes() -> None:
    memory = plc()
    memory.show(sequence=7, serial="S1")
    async with reporting(memory, heartbeat_ms=1, ack_timeout_ms=1) as report:
        for _ in range(30):
            await report(decision())
    whole = [i for i, (function, address, _) in enumerate(memory.writes) if (function, address) == (16, 100)][1:]
    assert len(whole) == 30
    assert all(memory.writes[i + 1][1] == 102 for i in whole)


async def test_nothing_valid_is_written_for_a_part_that_the_plc_does_not_show() -> None:
    """The PLC shows another part until the deadline: counted, refused, and not a byte of a result sent."""
    memory = plc()
    memory.show(sequence=7, serial="S2", part_id=1)
    before = counted("part mismatch")
    async with reporting(memory) as report:
        memory.writes.clear()
        with pytest.raises(Refused, match="shows part 'S2'"):
            await report(decision(within=0.05))
        assert memory.results == []
    assert counted("part mismatch") == before + 1


async def test_a_part_that_the_plc_shows_in_time_is_told() -> None:
    memory = plc()
    memory.show(sequence=6, serial="S0")
    async with reporting(memory) as report:
        telling = asyncio.ensure_future(report(decision()))
        read = memory.requests
        await memory.until(lambda: memory.requests > read + 2)
        memory.show(sequence=7, serial="S1")
        await telling
        assert memory.status.sequence_head == memory.status.sequence_tail == 7


async def test_a_part_that_is_never_shown_does_not_delay_the_next() -> None:
    """While one waits in vain for its part, the part that does stand there is told."""
    memory = plc()
    memory.show(sequence=4, serial="S2")
    async with reporting(memory) as report:
        gone = asyncio.ensure_future(report(decision("S1", within=30)))
        await asyncio.sleep(0.03)
        async with asyncio.timeout(SOON):
            await report(decision("S2", within=30))
        assert memory.status.serial == "S2"
        assert Status.RESULTS_VALID in memory.status.status
        assert not gone.done()
        gone.cancel()


async def test_many_parts_that_are_not_shown_look_at_one_cmd() -> None:
    """After an outage dozens wait for parts that have left; reads back to back would stand before every write."""
    memory, looks, clock = plc(), 60, asyncio.get_running_loop().time
    memory.show(sequence=4, serial="S0")
    async with reporting(memory) as report:
        gone = [asyncio.ensure_future(report(decision(f"S{n + 1}", within=30))) for n in range(50)]
        first = memory.requests
        await memory.until(lambda: memory.requests > first + len(gone))  # each has looked for itself once
        began, asked = clock(), memory.requests
        await memory.until(lambda: memory.requests >= asked + looks)
        assert clock() - began > 0.8 * looks * FRESH_SECONDS
        for one in gone:
            one.cancel()


async def test_a_part_may_be_known_by_its_number() -> None:
    memory = plc()
    memory.show(sequence=7, part_id=123_456)
    async with reporting(memory) as report:
        await report(decision("123456"))
        assert memory.status.part_id == 123_456


@pytest.mark.parametrize("part", ["", "x" * 33, "\xe9"])
async def test_a_part_that_cmd_can_never_show_is_refused_at_once(part: str) -> None:
    async with reporting(plc()) as report:
        with pytest.raises(Refused, match="fits neither"):
            await report(decision(part, within=3600))


async def test_nothing_is_written_once_the_time_is_over() -> None:
    memory = plc()
    memory.show(sequence=7, serial="S1")
    async with reporting(memory) as report:
        memory.writes.clear()
        with pytest.raises(Refused, match="late"):
            await report(decision(within=-0.001))
        with pytest.raises(Refused, match="backlog"):
            await report(decision(backlog=True))
        assert memory.results == []


async def test_time_that_runs_out_between_the_writes_leaves_the_result_invalid() -> None:
    """The block arrives, its deadline passes while it is answered: the word that makes it valid is not sent."""
    memory = plc()
    memory.show(sequence=7, serial="S1")
    expired = asyncio.get_running_loop().time() + 1.0

    def hold(function: int, address: int) -> None:
        while (function, address) == (16, 100) and asyncio.get_running_loop().time() < expired:
            pass  # the PLC is busy; the bridge's loop is the same one here

    async with reporting(memory) as report:
        memory.writes.clear()
        memory.when_written = hold
        with pytest.raises(Refused, match="late"):
            await report(decision(within=expired - asyncio.get_running_loop().time()))
        assert memory.results == [(16, 100)]
        assert Status.RESULTS_VALID not in memory.status.status


async def test_an_unread_verdict_is_not_overwritten() -> None:
    """The second part waits until the PLC has acknowledged the first."""
    memory = plc()
    memory.show(sequence=7, serial="S1")
    async with reporting(memory) as report:
        await report(decision())
        second = asyncio.ensure_future(report(decision("S1", Verdict.NG)))
        read = memory.requests
        await memory.until(lambda: memory.requests > read + 3)
        assert memory.status.verdict == VerdictCode.OK
        assert Status.RESULTS_VALID in memory.status.status
        memory.show(sequence=7, serial="S1", control=Control.RESULT_ACK)
        await memory.until(lambda: Status.RESULTS_VALID not in memory.status.status)
        memory.show(sequence=8, serial="S1")
        await second
        assert memory.status.sequence_head == 8
        assert memory.status.verdict == VerdictCode.NG


async def test_a_plc_that_has_gone_on_gets_its_slot_back() -> None:
    """A new CMD_SEQ says that nobody will read the old verdict: it is withdrawn, and the next one is told."""
    memory = plc()
    memory.show(sequence=7, serial="S1")
    before = counted("not acknowledged")
    async with reporting(memory, ack_timeout_ms=60_000) as report:
        await report(decision())
        memory.show(sequence=8, serial="S2")
        await report(decision("S2", Verdict.NG, within=SOON))
        assert memory.status.sequence_head == 8
    assert counted("not acknowledged") == before + 1


async def test_the_next_result_waits_until_the_acknowledgement_has_fallen() -> None:
    """A PLC scans every few milliseconds: without that wait it might never see ResultsValid low in between."""
    memory = plc()
    memory.show(sequence=7, serial="S1")
    async with reporting(memory) as report:
        await report(decision())
        memory.show(sequence=7, serial="S1", control=Control.RESULT_ACK)
        await memory.until(lambda: Status.RESULTS_VALID not in memory.status.status)
        memory.show(sequence=8, serial="S2", control=Control.RESULT_ACK)
        second = asyncio.ensure_future(report(decision("S2")))
        await memory.until(lambda: Status.RESULTS_VALID not in memory.status.status)
        read = memory.requests
        await memory.until(lambda: memory.requests > read + 3)
        assert memory.status.sequence_head == 7
        memory.show(sequence=8, serial="S2")
        await second
        assert memory.status.sequence_head == 8


async def test_an_acknowledgement_that_never_falls_is_counted_and_does_not_stop_the_line() -> None:
    memory = plc()
    memory.show(sequence=7, serial="S1")
    before = counted("acknowledgement stuck")
    async with reporting(memory, ack_timeout_ms=20) as report:
        await report(decision())
        memory.show(sequence=7, serial="S1", control=Control.RESULT_ACK)
        await report(decision())
    assert counted("acknowledgement stuck") == before + 1


async def test_an_acknowledged_result_is_withdrawn() -> None:
    memory = plc()
    memory.show(sequence=7, serial="S1")
    async with reporting(memory) as report:
        await report(decision())
        memory.show(sequence=7, serial="S1", control=Control.RESULT_ACK)
        await memory.until(lambda: Status.RESULTS_VALID not in memory.status.status)
        assert memory.status.status == Status.ONLINE | Status.READY | Status.LEGACY_LINK_OK


async def test_an_acknowledgement_of_the_part_before_does_not_count_again() -> None:
    """ResultAck still high from the last part is no acknowledgement of this one; it must fall first."""
    memory = plc()
    memory.show(sequence=7, serial="S1", control=Control.RESULT_ACK)
    async with reporting(memory) as report:
        await report(decision())
        read = memory.requests
        await memory.until(lambda: memory.requests > read + 2)
        assert Status.RESULTS_VALID in memory.status.status
        memory.show(sequence=7, serial="S1")
        read = memory.requests
        await memory.until(lambda: memory.requests > read + 2)
        memory.show(sequence=7, serial="S1", control=Control.RESULT_ACK)
        await memory.until(lambda: Status.RESULTS_VALID not in memory.status.status)


async def test_a_plc_that_never_acknowledges_is_counted_and_does_not_stop_the_line() -> None:
    memory = plc()
    memory.show(sequence=7, serial="S1")
    before = counted("not acknowledged")
    async with reporting(memory, ack_timeout_ms=20) as report:
        await report(decision())
        await report(decision())
    assert counted("not acknowledged") == before + 1


async def test_a_result_that_is_never_read_makes_the_next_one_late() -> None:
    memory = plc()
    memory.show(sequence=7, serial="S1")
    async with reporting(memory) as report:
        await report(decision())
        with pytest.raises(Refused, match="not acknowledged the result before"):
            await report(decision(within=0.05))


async def test_the_heartbeat_goes_up_and_echoes_the_plc() -> None:
    memory = plc()
    memory.show(heartbeat=321)
    async with reporting(memory, heartbeat_ms=5):
        first = memory.status.heartbeat
        await memory.until(lambda: memory.status.heartbeat >= first + 3)
        assert memory.status.heartbeat_echo == 321


async def test_a_clean_stop_takes_the_result_back_and_then_goes_offline() -> None:
    memory = plc()
    memory.show(sequence=7, serial="S1")
    async with reporting(memory) as report:
        await report(decision())
        memory.writes.clear()
    (cleared, offline) = [values[0] for _, address, values in memory.writes if address == 102]
    assert Status(cleared) & (Status.ONLINE | Status.RESULTS_VALID | Status.OK) == Status.ONLINE
    assert offline == 0


async def test_a_stop_by_cancellation_takes_the_result_back_too() -> None:
    memory = plc()
    memory.show(sequence=7, serial="S1")
    told = asyncio.Event()

    async def run(options: ModbusOptions) -> None:
        async with open_reporter(options) as report:
            await report(decision())
            told.set()
            await asyncio.Event().wait()

    async with serving(memory, heartbeat_ms=1) as options:
        running = asyncio.create_task(run(options))
        await asyncio.wait_for(told.wait(), SOON)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert memory.status.status == Status.OFFLINE


async def test_a_write_cut_short_ends_the_connection() -> None:
    """The host cancels at the deadline: nobody knows what the PLC has, so the next opening clears it."""
    memory = plc()
    memory.show(sequence=7, serial="S1")

    async def run(options: ModbusOptions) -> None:
        async with open_reporter(options) as report:
            telling = asyncio.ensure_future(report(decision()))

            def cut(_function: int, address: int) -> None:
                if address == STATUS_AT:
                    telling.cancel()

            memory.when_written = cut
            with pytest.raises(asyncio.CancelledError):
                await telling
            await asyncio.Event().wait()

    async with serving(memory) as options:
        with pytest.raises(Unavailable, match="cut short"):
            await run(options)
        assert memory.status.status == Status.OFFLINE
        assert not any(address == 102 and values[0] & Status.RESULTS_VALID for _, address, values in memory.writes)


async def test_nobody_there_is_unavailable() -> None:
    async with serving(plc()) as options:
        pass
    with pytest.raises(Unavailable, match="cannot be reached"):
        async with open_reporter(options):
            pytest.fail("opened")


async def test_a_port_that_takes_connections_and_says_nothing_is_unavailable() -> None:
    """A frozen PLC costs one timeout, not the minutes that a client's defaults allow."""
    taken: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _reader, writer: taken.append(writer), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    options = ModbusOptions(name="plc", host="127.0.0.1", port=port, timeout_ms=30)
    async with silent:
        with pytest.raises(Unavailable, match=r"does not answer \(writing register 102\)"):
            async with asyncio.timeout(SOON), open_reporter(options):
                pytest.fail("opened")
        for writer in taken:
            writer.close()
            await writer.wait_closed()


async def test_a_plc_that_goes_away_ends_the_reporter_while_nothing_is_reported() -> None:
    stack = AsyncExitStack()
    options = await stack.enter_async_context(serving(plc(), timeout_ms=100))

    async def run() -> None:
        async with open_reporter(options):
            await stack.aclose()
            await asyncio.Event().wait()

    with pytest.raises(Unavailable):
        await run()


async def test_registers_that_are_not_ours_are_named() -> None:
    memory = plc()
    async with serving(memory, status_address=40) as options:
        with pytest.raises(Unavailable, match=r"has no such address \(writing register 42, unit 1\)"):
            async with open_reporter(options):
                pytest.fail("opened")


OK_DONE = {"ok": "coil 0", "done": "coil 1"}


async def test_a_simple_map_sets_the_verdict_before_done() -> None:
    memory = plc()
    async with reporting(memory, map=OK_DONE) as report:
        memory.writes.clear()
        await report(decision())
        assert [write for write in memory.writes if write[2] == [1]] == [(5, 0, [1]), (5, 1, [1])]


@pytest.mark.parametrize("final", [Verdict.NG, None])
async def test_a_simple_map_says_done_without_ok(final: Verdict | None) -> None:
    memory = plc()
    async with reporting(memory, map=OK_DONE) as report:
        await report(decision(final=final))
        assert memory.coils[:2] == [False, True]


async def test_a_register_holds_the_configured_numbers() -> None:
    memory = plc()
    async with reporting(memory, map={"verdict": "register 100", "ok_value": 7, "ng_value": 9}) as report:
        await report(decision())
        assert memory.holding[100] == 7
        await report(decision(final=Verdict.NG))
        assert memory.holding[100] == 9
    assert memory.holding[100] == 0


async def test_a_stale_done_is_taken_back_before_the_next_part_and_before_its_verdict() -> None:
    memory = plc()
    async with reporting(memory, map=OK_DONE) as report:
        await report(decision())
        memory.writes.clear()
        await report(decision(final=Verdict.NG))
        assert [write[1:] for write in memory.writes] == [(1, [0]), (0, [0]), (1, [1])]


async def test_between_two_parts_the_plc_sees_the_places_cleared() -> None:
    """A PLC that scans every 10 ms would not notice done falling and rising within one."""
    memory = plc()
    async with reporting(memory, map=OK_DONE | {"rest_ms": 30}) as report:
        await report(decision())
        fell: list[float] = []
        rose: list[float] = []
        times = {0: fell, 1: rose}
        memory.when_written = lambda _function, _address: times[memory.coils[1]].append(
            asyncio.get_running_loop().time()
        )
        await report(decision("S2"))
        assert rose[0] - fell[0] >= 0.03


async def test_a_plc_that_clears_the_places_itself_is_not_made_to_wait() -> None:
    memory = plc()
    async with reporting(memory, map=OK_DONE | {"rest_ms": 1000}) as report:
        await report(decision())
        memory.coils[:2] = [False, False]
        await report(decision("S2", within=0.5))
        assert memory.coils[:2] == [True, True]


async def test_a_simple_map_is_cleared_at_start_and_on_a_clean_stop() -> None:
    memory = plc()
    memory.coils[:2] = [True, True]
    async with reporting(memory, map=OK_DONE) as report:
        assert memory.coils[:2] == [False, False]
        await report(decision())
        assert memory.coils[:2] == [True, True]
    assert memory.coils[:2] == [False, False]


@pytest.mark.parametrize(("within", "clear_after_ms"), [(0.05, 1000), (1.0, 50)])
async def test_a_simple_map_is_cleared_at_the_deadline_or_after_its_time(
    within: float, clear_after_ms: float
) -> None:
    memory = plc()
    async with reporting(memory, map=OK_DONE | {"clear_after_ms": clear_after_ms}) as report:
        began = asyncio.get_running_loop().time()
        await report(decision(within=within))
        assert memory.coils[:2] == [True, True]
        await memory.until(lambda: memory.coils[:2] == [False, False])
        assert asyncio.get_running_loop().time() - began >= 0.049


async def test_a_simple_map_is_told_nothing_late() -> None:
    memory = plc()
    async with reporting(memory, map=OK_DONE) as report:
        with pytest.raises(Refused, match="late"):
            await report(decision(within=-0.001))
        assert not any(values == [1] for _, _, values in memory.writes)


async def test_a_foreign_client_reads_what_was_reported() -> None:
    """mbpoll, which shares no code with us, sees the same registers."""
    mbpoll = shutil.which("mbpoll")
    if mbpoll is None and not os.environ.get("CI"):
        pytest.skip("mbpoll is not installed")
    assert mbpoll, "mbpoll is not installed"
    memory = plc()
    memory.show(sequence=7, serial="S1", part_id=70_000)
    async with serving(memory) as options, open_reporter(options) as report:
        await report(decision(number=70_001))
        words = await _polled(mbpoll, options.port, reference=101, count=20)
    assert words[0] == 7
    assert words[2] & Status.OK
    assert words[2] & Status.RESULTS_VALID
    assert words[3] == 1
    assert words[4] << 16 | words[5] == 70_000
    assert words[15] << 16 | words[16] == 70_001


async def _polled(mbpoll: str, port: int, reference: int, count: int) -> list[int]:
    process = await asyncio.create_subprocess_exec(
        mbpoll,
        *("-m", "tcp", "-a", "1", "-r", str(reference), "-c", str(count), "-t", "4:hex", "-1"),
        *("-p", str(port), "127.0.0.1"),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await asyncio.wait_for(process.communicate(), SOON)
    lines = [line for line in said.decode().splitlines() if line.startswith("[")]
    return [int(line.split(":")[1].strip().split()[0], 16) for line in lines]


async def test_the_soft_plc_passes_what_we_report_and_ejects_the_rest(unused_port: int) -> None:
    """The simulator's program, written apart from us, takes our results part after part."""
    options = ModbusOptions(name="plc", host="127.0.0.1", port=unused_port)
    async with open_plc(options) as station, open_reporter(options) as report:
        for number, final in enumerate([Verdict.OK, Verdict.NG, None, Verdict.OK]):
            standing = asyncio.create_task(station.present(f"P{number}", 1.0))
            await report(decision(f"P{number}", final))
            assert (await standing).passed is (final is Verdict.OK)


@pytest.fixture
def unused_port() -> int:

    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def test_the_blocks_do_not_overlap_by_default() -> None:
    options = ModbusOptions(name="plc", host="plc", map=SimpleMap(ok="coil 0"))
    assert options.command_address + COMMAND_WORDS <= options.status_address
