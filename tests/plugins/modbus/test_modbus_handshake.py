"""The handshake without a socket: every rule on its own, then any order of events against a model of the PLC."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bridge_modbus.codec import (
    STATUS_AT,
    STATUS_WORDS,
    CommandBlock,
    Control,
    ErrorCode,
    Status,
    StatusBlock,
    VerdictCode,
    decode_status,
    encode_status,
    takes_ok,
)
from bridge_modbus.effects import NEVER, Begin, Bypass, Count, Effect, Last, Reset, Write
from bridge_modbus.handshake import Handshake, State
from bridge_modbus.verdicts import Standing, echo_of

E, T, A, R, B = Control.ENABLE, Control.TRIGGER, Control.RESULT_ACK, Control.ERROR_RESET, Control.BYPASS
WELL = Standing(ready=True)
DEAF = Standing(ready=False)
_boots = count()
BROKEN = Standing(ready=False, error=True)


@dataclass
class Bench:
    """A handshake, the registers that it writes, and a PLC's CMD in the hands of the test."""

    last: Last | None = None
    line: Standing = WELL
    now: float = 100.0
    command: CommandBlock = field(default_factory=CommandBlock)
    registers: list[int] = field(default_factory=lambda: [0xFFFF] * STATUS_WORDS)
    writes: list[Write] = field(default_factory=list)
    begun: list[Begin] = field(default_factory=list)
    counts: list[str] = field(default_factory=list)
    wishes: list[object] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.machine = Handshake(
            heartbeat_seconds=0.5, ack_timeout_seconds=2.0, name_boot=lambda: f"boot{next(_boots)}", last=self.last
        )
        self.do(self.machine.open(self.line, self.now))

    @property
    def status(self) -> StatusBlock:
        return decode_status(self.registers)

    @property
    def state(self) -> State:
        return self.machine.state

    def shows(self, *bits: Status) -> bool:
        return all(bit in self.status.status for bit in bits)

    def do(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Write(block=block, first=first, count=amount):
                    self.writes.append(effect)
                    self.registers[first : first + amount] = encode_status(block)[first : first + amount]
                case Begin():
                    self.begun.append(effect)
                    self.machine.begun()
                case Count(what):
                    self.counts.append(what)
                case _:
                    self.wishes.append(effect)

    def show(self, control: Control | None = None, **changes: Any) -> None:
        """Let CMD say this, and the bridge look at it; HB_PLC counts on."""
        self.command = replace(
            self.command,
            control=self.command.control if control is None else control,
            heartbeat=(self.command.heartbeat + 1) & 0xFFFF,
            **changes,
        )
        self.look()

    def look(self) -> None:
        self.do(self.machine.seen(self.command, self.line, self.now))

    def wait(self, seconds: float, *, beating: bool = True) -> None:
        self.now += seconds
        if beating:
            self.show()
        self.do(self.machine.passed(self.line, self.now))

    def answer(self, verdict: VerdictCode = VerdictCode.OK, expires: float = NEVER, **more: Any) -> None:
        """Decide the part that was begun last."""
        begun = self.begun[-1]
        self.do(
            self.machine.decided(begun.key, result(begun.command, verdict, **more), expires, self.line, self.now)
        )

    def present(self, sequence: int = 1, serial: str = "S1", **more: Any) -> None:
        """Show a part, then trigger."""
        self.show(E, sequence=sequence, serial=serial, **more)
        self.show(E | T)

    def let_go(self) -> None:
        self.show(E | T | A)
        self.show(E)


def result(command: CommandBlock, verdict: VerdictCode = VerdictCode.OK, **more: Any) -> StatusBlock:
    bit = Status.OK if verdict is VerdictCode.OK else Status.NG
    made = replace(echo_of(command), status=Status.ONLINE | Status.RESULTS_VALID | bit, verdict=verdict)
    return replace(made, **more)


@pytest.fixture
def bench() -> Bench:
    """A bridge that is Ready for a PLC that is enabled."""
    made = Bench()
    made.show(E)
    return made


def test_what_stands_from_before_is_withdrawn_before_anything_else() -> None:
    bench = Bench()
    assert [(write.first, write.count) for write in bench.writes] == [(STATUS_AT, 1), (0, STATUS_WORDS)]
    assert bench.writes[0].block.status is Status.OFFLINE
    assert bench.state is State.OFFLINE


def test_a_part_goes_once_around(bench: Bench) -> None:
    """Ready, TriggerAck and Busy, ResultsValid, ResultAck, both low, Ready."""
    assert bench.shows(Status.ONLINE, Status.READY)
    bench.present()
    assert bench.status.status == Status.ONLINE | Status.TRIGGER_ACK | Status.BUSY | Status.LEGACY_LINK_OK
    assert (bench.status.verdict, bench.status.serial) == (VerdictCode.NONE, "S1")
    bench.answer()
    assert takes_ok(bench.status, bench.command, heartbeat_fresh=True) == ""
    assert not bench.shows(Status.BUSY)
    bench.show(E | A)
    assert bench.state is State.ACK_LOW
    assert not bench.status.status & (Status.RESULTS_VALID | Status.OK | Status.READY)
    bench.show(E)
    assert bench.shows(Status.READY)
    assert bench.counts == []


def test_a_result_takes_two_writes_and_the_second_makes_it_valid(bench: Bench) -> None:
    bench.present()
    bench.writes.clear()
    bench.answer(expires=bench.now + 1)
    block, word = bench.writes
    assert (block.first, block.count) == (0, STATUS_WORDS)
    assert not block.block.status & (Status.RESULTS_VALID | Status.OK | Status.NG)
    assert (word.first, word.count) == (STATUS_AT, 1)
    assert Status.RESULTS_VALID | Status.OK in word.block.status
    assert block.expires == word.expires == bench.now + 1


def test_a_quiet_look_writes_nothing(bench: Bench) -> None:
    bench.writes.clear()
    bench.look()
    assert bench.writes == []


def test_the_heartbeat_counts_up_and_echoes_the_plc_in_one_write(bench: Bench) -> None:
    before = bench.status.heartbeat
    bench.writes.clear()
    bench.wait(0.5)
    assert bench.status.heartbeat == before + 1
    assert bench.status.heartbeat_echo == bench.command.heartbeat
    assert len(bench.writes) == 1


@pytest.mark.parametrize("waits", [State.RUNNING, State.VALID, State.ACK_LOW])
def test_enable_low_withdraws_whatever_stands(bench: Bench, waits: State) -> None:
    bench.present()
    if waits is not State.RUNNING:
        bench.answer()
    if waits is State.ACK_LOW:
        bench.show(E | A)
    bench.show(Control.IDLE)
    assert bench.state is State.OFFLINE
    assert not bench.status.status & (Status.ONLINE | Status.RESULTS_VALID | Status.READY | Status.BUSY)
    bench.answer()
    assert not bench.shows(Status.RESULTS_VALID), "a decision that comes now is nobody's"


def test_enable_rising_forgets_the_last_sequence(bench: Bench) -> None:
    """A rebooted PLC starts at 1 again, and its parts are new ones."""
    bench.present(1)
    bench.answer()
    bench.let_go()
    bench.show(Control.IDLE)
    bench.show(E)
    bench.present(1)
    assert len(bench.begun) == 2
    assert bench.begun[0].key != bench.begun[1].key


def test_a_stale_plc_heartbeat_is_counted_once_and_forgets_the_last_sequence(bench: Bench) -> None:
    bench.present(1)
    bench.answer()
    bench.let_go()
    bench.wait(2.0, beating=False)
    bench.wait(2.0, beating=False)
    assert bench.counts == ["plc heartbeat stale"]
    bench.present(1)
    assert len({begun.key for begun in bench.begun}) == 2


def test_a_plc_that_never_said_a_word_is_not_stale() -> None:
    bench = Bench()
    bench.wait(10, beating=False)
    assert bench.counts == []


def test_an_unread_result_is_withdrawn_and_counted(bench: Bench) -> None:
    bench.present()
    bench.answer()
    bench.wait(1.9)
    assert bench.shows(Status.RESULTS_VALID)
    bench.wait(0.1)
    assert not bench.shows(Status.RESULTS_VALID)
    assert bench.shows(Status.BUFFER_OVERRUN)
    bench.show(E)
    assert bench.shows(Status.READY, Status.BUFFER_OVERRUN)
    assert bench.counts == ["not acknowledged"]


def test_a_plc_that_has_gone_on_gets_its_slot_back_at_once(bench: Bench) -> None:
    bench.present(1)
    bench.answer()
    bench.show(E, sequence=2, serial="S2")
    assert not bench.shows(Status.RESULTS_VALID)
    assert bench.shows(Status.READY)
    assert bench.counts == ["not acknowledged"]


def test_a_trigger_while_not_ready_is_missed_and_never_kept_for_later(bench: Bench) -> None:
    bench.present(1)
    bench.show(E)
    bench.show(E | T)
    assert bench.counts == ["missed trigger"]
    assert bench.shows(Status.MISSED_TRIGGER)
    bench.answer()
    bench.show(E | T | A)
    bench.show(E)
    assert len(bench.begun) == 1
    bench.present(2)
    assert len(bench.begun) == 2
    assert not bench.shows(Status.MISSED_TRIGGER)


def test_a_trigger_that_stood_before_we_came_is_missed() -> None:
    """What is found at start is backlog: nobody knows how long the part has been there."""
    bench = Bench()
    bench.show(E | T, sequence=7, serial="S7")
    assert bench.counts == ["missed trigger"]
    bench.wait(0.1)
    assert not bench.shows(Status.READY), "a trigger that stands is not to rise"
    assert bench.begun == []
    bench.show(E)
    assert bench.shows(Status.READY)
    bench.show(E | T)
    assert [begun.command.sequence for begun in bench.begun] == [7]


def test_a_part_that_the_plc_has_left_is_abandoned(bench: Bench) -> None:
    bench.present(1)
    bench.show(E, sequence=2, serial="S2")
    assert bench.counts == ["abandoned"]
    bench.answer()
    assert not bench.shows(Status.RESULTS_VALID)


def test_sequence_0_is_never_a_part(bench: Bench) -> None:
    bench.present(0)
    assert bench.begun == []
    assert bench.shows(Status.MISSED_TRIGGER)


def test_the_same_request_again_gets_the_same_answer(bench: Bench) -> None:
    bench.present(1)
    bench.answer(result_id=4711)
    first = bench.status
    bench.wait(2.0)
    bench.show(E)
    bench.show(E | T)
    assert bench.counts == ["not acknowledged", "replay"]
    assert len(bench.begun) == 1
    assert replace(bench.status, heartbeat=0, heartbeat_echo=0) == replace(first, heartbeat=0, heartbeat_echo=0)


@pytest.mark.parametrize("changed", [{"serial": "S2"}, {"part_id": 2}, {"recipe": 2}, {"legacy": 2}])
def test_a_sequence_with_another_part_is_a_conflict(bench: Bench, changed: dict[str, Any]) -> None:
    bench.present(1)
    bench.answer()
    bench.wait(2.0)
    bench.show(E, **changed)
    bench.show(E | T)
    assert bench.counts[-1] == "sequence conflict"
    assert bench.shows(Status.RESULTS_VALID, Status.NG)
    assert not bench.shows(Status.OK)
    assert bench.status.error_code == ErrorCode.SEQUENCE_CONFLICT
    assert len(bench.begun) == 1


def test_a_sequence_that_was_acknowledged_is_a_conflict(bench: Bench) -> None:
    bench.present(1)
    bench.answer()
    bench.let_go()
    bench.show(E | T)
    assert bench.counts == ["sequence conflict"]
    assert bench.status.error_code == ErrorCode.SEQUENCE_CONFLICT


def test_nothing_is_written_for_a_part_whose_time_is_over(bench: Bench) -> None:
    bench.present(1, deadline_ms=300)
    bench.wait(0.3)
    assert bench.counts == ["late"]
    assert bench.state is State.READY
    assert bench.shows(Status.TIMEOUT)
    assert bench.status.error_code == ErrorCode.DEADLINE
    bench.answer()
    assert not bench.shows(Status.RESULTS_VALID)


def test_a_bridge_that_was_not_let_run_does_not_make_a_part_younger(bench: Bench) -> None:
    """The Trigger may have risen right after the last look; by the PLC's clock the deadline is over."""
    bench.show(E, sequence=1, deadline_ms=400)
    bench.now += 0.5
    bench.show(E | T)
    assert bench.begun[-1].event == 100.0
    bench.answer()
    assert bench.counts == ["late"]
    assert not bench.shows(Status.RESULTS_VALID)


def test_an_answer_is_not_given_again_after_the_deadline_of_who_asks_again(bench: Bench) -> None:
    bench.present(1, deadline_ms=400)
    bench.answer()
    bench.wait(2.0)
    bench.show(E)
    bench.now += 0.5
    bench.show(E | T)
    assert bench.counts[-2:] == ["replay", "late"]
    assert not bench.shows(Status.RESULTS_VALID)


def test_a_trigger_that_a_slow_plc_shows_is_as_old_as_the_question_before(bench: Bench) -> None:
    bench.do(bench.machine.seen(bench.command, bench.line, bench.now + 0.3, bench.now))
    bench.now += 0.6
    bench.command = replace(bench.command, control=E | T, sequence=1, deadline_ms=500)
    bench.do(bench.machine.seen(bench.command, bench.line, bench.now, bench.now - 0.3))
    assert bench.begun[-1].event == 100.0


def test_a_server_that_ticks_knows_the_age_of_what_it_is_told(bench: Bench) -> None:
    for _ in range(50):
        bench.now += 0.05
        bench.do(bench.machine.passed(bench.line, bench.now))
    bench.present(1, deadline_ms=400)
    assert bench.begun[-1].event == bench.now


def test_after_a_stall_a_server_may_tick_before_it_hears_what_came_meanwhile(bench: Bench) -> None:
    bench.show(E, sequence=1, deadline_ms=400)
    bench.now += 0.5
    bench.do(bench.machine.passed(bench.line, bench.now))
    bench.show(E | T)
    assert bench.begun[-1].event == 100.0


def test_the_lines_own_deadline_holds_where_it_is_the_smaller(bench: Bench) -> None:
    bench.present(1, deadline_ms=3000)
    bench.answer(expires=bench.now)
    assert bench.counts == ["late"]
    assert not bench.shows(Status.RESULTS_VALID)


def test_a_result_that_could_not_be_written_in_time_is_given_up(bench: Bench) -> None:
    bench.present(1)
    bench.answer(expires=bench.now + 1)
    bench.do(bench.machine.late(bench.line, bench.now))
    assert not bench.shows(Status.RESULTS_VALID)
    assert bench.shows(Status.TIMEOUT)


def test_a_part_that_was_late_may_be_asked_for_again(bench: Bench) -> None:
    """The same key: the line answers with what it decided, and decides nothing twice."""
    bench.present(1, deadline_ms=300)
    bench.wait(0.3)
    bench.show(E)
    bench.show(E | T)
    assert bench.begun[0].key == bench.begun[1].key
    bench.answer()
    assert bench.shows(Status.RESULTS_VALID)


def test_after_our_restart_the_same_request_has_the_same_key(bench: Bench) -> None:
    bench.present(5)
    again = Bench(last=bench.machine.last)
    again.show(E)
    again.present(5)
    assert again.begun[0].key == bench.begun[0].key


def test_after_our_restart_a_part_without_a_name_is_a_new_one(bench: Bench) -> None:
    bench.present(5, serial="")
    again = Bench(last=replace(bench.machine.last, boot="before") if bench.machine.last else None)
    again.show(E)
    again.present(5, serial="")
    assert not again.begun[0].key.startswith("before")


@pytest.mark.parametrize("changed", [{"serial": "S2"}, {"recipe": 2}])
def test_a_plc_that_was_rebooted_while_we_were_away_is_in_no_conflict(
    bench: Bench, changed: dict[str, Any]
) -> None:
    bench.present(1)
    again = Bench(last=bench.machine.last)
    again.show(E)
    again.present(1, **changed)
    assert again.counts == []
    assert again.begun[0].key != bench.begun[0].key


def test_numbers_that_begin_again_are_new_parts(bench: Bench) -> None:
    """After 65535 comes 1, and parts without a name would have the keys of 65535 parts ago."""
    for sequence in (1, 65535, 1):
        bench.present(sequence, serial="")
        bench.answer()
        bench.let_go()
    assert len({begun.key for begun in bench.begun}) == 3


def test_ready_is_low_while_the_judge_of_the_recipe_is_not_open(bench: Bench) -> None:
    bench.line = DEAF
    bench.show(E, recipe=2)
    assert bench.shows(Status.ONLINE, Status.DEGRADED)
    assert not bench.shows(Status.READY)
    bench.present()
    assert bench.counts == ["missed trigger"]
    bench.line = WELL
    bench.wait(0.01)
    assert bench.begun == []
    bench.show(E)
    assert bench.shows(Status.READY)


def test_a_bridge_without_a_judge_stays_offline() -> None:
    bench = Bench(line=DEAF)
    bench.show(E)
    assert bench.state is State.OFFLINE
    assert not bench.shows(Status.ONLINE)


def test_an_error_of_the_line_drops_ready_until_it_is_reset(bench: Bench) -> None:
    bench.line = BROKEN
    bench.wait(0.01)
    assert bench.state is State.ERROR
    assert bench.shows(Status.ERROR)
    assert not bench.shows(Status.READY)
    bench.show(E | R)
    assert bench.wishes[-1] == Reset()
    bench.line = WELL
    bench.wait(0.01)
    assert bench.shows(Status.READY)
    bench.show(E | R)
    assert bench.wishes.count(Reset()) == 1, "a level is one reset"


def test_an_error_lets_the_part_under_way_have_its_answer(bench: Bench) -> None:
    bench.present()
    bench.line = BROKEN
    bench.answer(VerdictCode.NG)
    assert bench.shows(Status.RESULTS_VALID, Status.NG, Status.ERROR)
    bench.let_go()
    assert bench.state is State.ERROR


def test_the_failure_of_one_part_is_no_error(bench: Bench) -> None:
    bench.present()
    levels = Status.RESULTS_VALID | Status.NG | Status.DEGRADED | Status.TIMEOUT
    bench.answer(VerdictCode.NG, status=levels, error_code=ErrorCode.DEADLINE)
    assert bench.shows(Status.DEGRADED, Status.TIMEOUT)
    bench.let_go()
    assert bench.shows(Status.READY)
    assert not bench.shows(Status.DEGRADED)


def test_a_wish_for_a_bypass_goes_out_before_the_part_begins() -> None:
    bench = Bench()
    order: list[object] = []
    bench.show(E)
    command = replace(bench.command, control=E | T | B, sequence=1)
    order = [type(effect) for effect in bench.machine.seen(command, WELL, bench.now)]
    assert order.index(Bypass) < order.index(Begin)
    assert bench.wishes == [Bypass(wanted=False)]


def test_an_acknowledgement_that_was_high_before_is_none(bench: Bench) -> None:
    bench.show(E | A, sequence=1, serial="S1")
    bench.show(E | T | A)
    bench.answer()
    bench.look()
    assert bench.shows(Status.RESULTS_VALID)
    bench.show(E | T)
    bench.show(E | T | A)
    assert bench.state is State.ACK_LOW


def test_an_acknowledgement_that_never_falls_is_counted(bench: Bench) -> None:
    bench.present()
    bench.answer()
    bench.show(E | T | A)
    bench.wait(2.0)
    bench.wait(2.0)
    assert bench.counts == ["acknowledgement stuck"]
    assert not bench.shows(Status.READY)


def test_a_goodbye_leaves_nothing_valid(bench: Bench) -> None:
    bench.present()
    bench.answer()
    bench.do(bench.machine.close())
    assert bench.status.status is Status.OFFLINE


class AnyOrder(RuleBasedStateMachine):
    """A PLC that does anything at any time, and a line that answers whenever it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench()
        self.answers: dict[str, StatusBlock] = {}
        self.valid_for: list[tuple[str, int]] = []
        self.was = self.bench.status

    def after(self, began: int, now: float) -> None:
        """Hold every write since ``began`` to the rules."""
        shown = self.was
        for write in self.bench.writes[began:]:
            rises = Status.RESULTS_VALID in write.block.status & ~shown.status
            if rises:
                assert write.first == STATUS_AT, "the word that makes a result valid is written alone"
                assert write.count == 1
                assert now < write.expires, "nothing is written for an expired part"
                assert write.block.sequence_head == write.block.sequence_tail
            if Status.RESULTS_VALID in write.block.status:
                assert Status.READY not in write.block.status
                assert not (Status.OK in write.block.status and Status.NG in write.block.status)
            shown = write.block
        self.was = shown
        assert self.bench.status == self.bench.machine.block, "what is believed to stand is what was written"

    def step(self, *effects: Any) -> None:
        for effect in effects:
            began = len(self.bench.writes)
            effect()
            self.after(began, self.bench.now)

    @rule(
        control=st.sampled_from([Control.IDLE, E, E | T, E | T, E | A, E | T | A, E | R, E | T | B]),
        sequence=st.sampled_from([None, 0, 1, 2, 3, 65535]),
        serial=st.sampled_from(["", "S1", "S2"]),
        recipe=st.sampled_from([0, 1]),
        deadline_ms=st.sampled_from([0, 0, 300]),
    )
    def plc_writes(
        self, control: Control, sequence: int | None, serial: str, recipe: int, deadline_ms: int
    ) -> None:
        """Write a whole CMD; often only the control word changes."""
        changes: dict[str, Any] = {} if sequence is None else {"sequence": sequence, "serial": serial}
        if sequence is not None:
            changes |= {"recipe": recipe, "deadline_ms": deadline_ms}
        self.step(lambda: self.bench.show(control, **changes))

    @rule()
    def plc_does_right(self) -> None:
        """Do what a right program does next."""
        bench, control = self.bench, self.bench.command.control
        if bench.shows(Status.RESULTS_VALID):
            self.step(lambda: bench.show(E | T | A))
        elif Control.RESULT_ACK in control or Control.TRIGGER in control:
            self.step(lambda: bench.show(E))
        elif bench.shows(Status.READY):
            fresh = (bench.machine.last.asked.sequence if bench.machine.last else 0) % 65535 + 1
            self.step(lambda: bench.present(fresh, f"S{fresh}", deadline_ms=0))
            refused = bench.machine.state is not State.RUNNING
            assert not (refused and bench.line.ready), "a right program is never refused by a line that is ready"
        else:
            self.step(lambda: bench.show(E))

    @rule(line=st.sampled_from([WELL, WELL, DEAF, BROKEN, replace(WELL, shadow=True)]))
    def line_changes(self, line: Standing) -> None:
        self.bench.line = line

    @rule(seconds=st.sampled_from([0.01, 0.1, 0.5, 2.5]), beating=st.booleans())
    def time_passes(self, seconds: float, beating: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
        self.step(lambda: self.bench.wait(seconds, beating=beating))

    @precondition(lambda self: self.bench.begun)
    @rule(
        which=st.integers(0, 3),
        verdict=st.sampled_from([VerdictCode.OK, VerdictCode.NG]),
        left=st.sampled_from([NEVER, 0.2, 0.0, -1.0]),
    )
    def line_answers(self, which: int, verdict: VerdictCode, left: float) -> None:
        """Answer one of the last parts, each always the same, as the journal does."""
        begun = self.bench.begun[-1 - which % len(self.bench.begun)]
        answer = self.answers.setdefault(begun.key, result(begun.command, verdict))
        running = self.bench.machine.state is State.RUNNING
        now = self.bench.now
        self.step(
            lambda: self.bench.do(self.bench.machine.decided(begun.key, answer, now + left, self.bench.line, now))
        )
        if left <= 0 and running:
            assert not self.bench.shows(Status.RESULTS_VALID)

    @rule()
    def write_is_late(self) -> None:
        if self.bench.state is State.VALID:
            self.step(lambda: self.bench.do(self.bench.machine.late(self.bench.line, self.bench.now)))

    @rule()
    def connection_is_cut(self) -> None:
        """Whatever stands is withdrawn, and given again at the next look if it still holds."""
        self.step(lambda: self.bench.do(self.bench.machine.reconnected(self.bench.now)))
        assert not self.bench.shows(Status.RESULTS_VALID)
        self.step(self.bench.show)

    @rule()
    def we_restart(self) -> None:
        """Begin anew with nothing but the last request."""
        old = self.bench
        self.step(lambda: old.do(old.machine.close()))
        self.bench = Bench(
            last=old.machine.last,
            line=old.line,
            now=old.now,
            command=old.command,
            registers=old.registers,
            begun=old.begun,
        )
        self.was = self.bench.status

    @invariant()
    def ready_means_ready(self) -> None:
        if self.bench.shows(Status.READY):
            assert self.bench.state is State.READY

    @invariant()
    def valid_is_whole_and_of_the_part_that_was_asked(self) -> None:
        said, state = self.bench.status, self.bench.state
        assert (Status.RESULTS_VALID in said.status) == (state is State.VALID)
        assert said.sequence_head == said.sequence_tail
        if state is State.VALID:
            assert self.bench.command.sequence in {said.sequence_head, 0}
            assert Status.BUSY not in said.status

    @invariant()
    def an_ok_is_the_answer_of_exactly_that_request(self) -> None:
        """What a PLC would take as OK is a decision of the line on this sequence, serial and recipe."""
        said, command = self.bench.status, self.bench.command
        if said.serial != command.serial or takes_ok(said, command, heartbeat_fresh=True):
            return
        oks = [
            begun
            for begun in self.bench.begun
            if begun.command.sequence == said.sequence_head
            and begun.command.serial == said.serial
            and self.answers.get(begun.key, StatusBlock()).verdict == VerdictCode.OK
        ]
        assert oks

    @invariant()
    def no_key_is_used_for_two_parts(self) -> None:
        parts: dict[str, tuple[int, str, int]] = {}
        for begun in self.bench.begun:
            asked = (begun.command.sequence, begun.command.serial, begun.command.recipe)
            assert parts.setdefault(begun.key, asked) == asked


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
