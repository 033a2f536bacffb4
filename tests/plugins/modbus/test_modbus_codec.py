"""Register map v1: every value survives the wire, and nothing but a whole OK of this part is one."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.plugin import Decision, Failure, Goal, Judgement, Origin, Stage, Verdict, ViewDecision
from bridge_modbus.codec import (
    COMMAND_WORDS,
    STATUS_WORDS,
    CommandBlock,
    Control,
    ErrorCode,
    LegacyCode,
    SourceCode,
    Status,
    StatusBlock,
    VerdictCode,
    decode_command,
    decode_status,
    encode_command,
    encode_status,
    takes_ok,
)
from bridge_modbus.verdicts import Standing, present, showable, shows, status_of
from bridge_modbus.words import WordOrder, commissioning_words, float_words, order_of, u32_words

u16 = st.integers(0, 0xFFFF)
u32 = st.integers(0, 0xFFFFFFFF)
orders = st.sampled_from(WordOrder)
serials = st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=32)
commands = st.builds(
    CommandBlock,
    control=u16.map(Control),
    heartbeat=u16,
    sequence=u16,
    recipe=u16,
    part_id=u32,
    legacy=u16,
    deadline_ms=u16,
    serial=serials,
    echo=st.tuples(*[u16] * 5),
)
statuses = st.builds(
    StatusBlock,
    sequence_head=u16,
    heartbeat=u16,
    status=u16.map(Status),
    verdict=u16,
    part_id=u32,
    legacy=u16,
    source=u16,
    error_code=u16,
    views_total=u16,
    views_ng=u16,
    defect=u16,
    confidence=u16,
    latency_ms=u16,
    heartbeat_echo=u16,
    result_id=u32,
    model_version=u16,
    score=st.floats(width=32, allow_nan=False),
    serial=serials,
    ng_bitmap=st.integers(0, 2**256 - 1),
    sequence_tail=u16,
)
verdicts = st.none() | st.sampled_from(Verdict)
views = st.lists(
    st.builds(
        ViewDecision,
        name=st.just("1"),
        defect=st.text(max_size=6),
        final=verdicts,
        judgement=st.none() | st.builds(Judgement, score=st.none() | st.floats(allow_nan=False)),
    ),
    max_size=300,
).map(tuple)
decisions = st.builds(
    Decision,
    id=st.just("0" * 32),
    line=st.just("L"),
    goal=st.sampled_from(Goal),
    stage=st.sampled_from(Stage),
    part=st.text(max_size=40),
    legacy=verdicts,
    model=verdicts,
    final=verdicts,
    origin=st.sampled_from(Origin),
    failures=st.lists(st.sampled_from(Failure), max_size=3).map(tuple),
    degraded=st.booleans(),
    error=st.booleans(),
    views=views,
    number=st.integers(0, 2**40),
    bundle=st.text(max_size=40),
    latency_ms=st.floats(0, 1e9),
)


def decided(**changes: object) -> Decision:
    facts: dict[str, object] = {
        "id": "0" * 32,
        "line": "L",
        "goal": Goal.CUT_FALSE_CALLS,
        "stage": Stage.LIVE,
        "part": "S1",
        "final": Verdict.OK,
    }
    return Decision(**(facts | changes))  # type: ignore[arg-type]


@given(commands, orders)
def test_a_command_survives_the_wire_in_every_order(block: CommandBlock, order: WordOrder) -> None:
    words = encode_command(block, order)
    assert len(words) == COMMAND_WORDS
    assert decode_command(words, order) == block


@given(statuses, orders)
def test_a_status_survives_the_wire_in_every_order(block: StatusBlock, order: WordOrder) -> None:
    words = encode_status(block, order)
    assert len(words) == STATUS_WORDS
    assert decode_status(words, order) == block


@given(st.lists(u16, min_size=COMMAND_WORDS, max_size=COMMAND_WORDS), orders)
def test_any_registers_can_be_read_as_a_command(words: list[int], order: WordOrder) -> None:
    """A PLC may show anything; reading it never fails."""
    assert decode_command(words, order).sequence == words[2]


@given(st.lists(u16, min_size=STATUS_WORDS, max_size=STATUS_WORDS), orders)
def test_any_registers_can_be_read_as_a_status(words: list[int], order: WordOrder) -> None:
    assert decode_status(words, order).sequence_tail == words[52]


def test_offsets_are_those_that_the_field_was_told() -> None:
    """The offsets are printed in PLC programs; they never move."""
    command = encode_command(CommandBlock(sequence=7, part_id=0x00010002, legacy=2, deadline_ms=900, serial="ABC"))
    assert command[2:9] == [7, 0, 1, 2, 2, 900, 0x4142]
    assert command[9] == 0x4300
    status = encode_status(
        StatusBlock(sequence_head=7, status=Status.OK, result_id=5, score=1.0, serial="A", ng_bitmap=1 << 255)
    )
    assert (status[0], status[2], status[15:17], status[18:20]) == (7, 32, [0, 5], [0x3F80, 0])
    assert (status[20], status[51], status[52]) == (0x4100, 0x8000, 0)
    assert status[53:] == [0x1234, 0x5678, 0x3F80, 0, 0x4142]


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ("ABCD", (0x1234, 0x5678)),
        ("CDAB", (0x5678, 0x1234)),
        ("BADC", (0x3412, 0x7856)),
        ("DCBA", (0x7856, 0x3412)),
    ],
)
def test_an_order_is_named_by_where_the_bytes_stand(order: str, words: tuple[int, int]) -> None:
    assert tuple(u32_words(0x12345678, WordOrder(order))) == words


@given(orders)
def test_the_constants_tell_the_order(order: WordOrder) -> None:
    assert order_of(commissioning_words(order)) is order
    assert len({commissioning_words(one) for one in WordOrder}) == len(WordOrder)


def test_other_words_tell_no_order() -> None:
    assert order_of((0, 0, 0, 0, 0)) is None
    assert order_of((0x1234, 0x5678)) is None


@given(st.floats(allow_nan=False), orders)
def test_any_score_fits_into_single_precision(score: float, order: WordOrder) -> None:
    """A score beyond single precision becomes infinite rather than an error on a running line."""
    words = float_words(score, order)
    assert all(0 <= word <= 0xFFFF for word in words)
    if order is WordOrder.ABCD and abs(score) < 1e38:
        assert struct.pack(">HH", *words) == struct.pack(">f", score)


@pytest.mark.parametrize(
    "block",
    [
        CommandBlock(serial="x" * 33),
        CommandBlock(sequence=65_536),
        CommandBlock(part_id=-1),
        CommandBlock(echo=()),
    ],
)
def test_what_does_not_fit_is_refused_before_it_is_sent(block: CommandBlock) -> None:
    with pytest.raises(ValueError, match=r"fit|longer|registers"):
        encode_command(block)


def test_every_failure_has_a_number_of_its_own() -> None:
    numbers = [ErrorCode.of([failure]) for failure in Failure]
    assert len(set(numbers)) == len(Failure)
    assert ErrorCode.NONE not in numbers
    assert ErrorCode.of([]) is ErrorCode.NONE
    assert ErrorCode.of([Failure.JUDGE_DOWN, Failure.DEADLINE]) is ErrorCode.JUDGE_DOWN


@given(decisions, commands, orders)
def test_every_decision_can_be_told(decision: Decision, command: CommandBlock, order: WordOrder) -> None:
    """Nothing that the bridge can decide fails to fit, and no decision but an OK can be taken as one."""
    status = status_of(decision, command)
    assert len(encode_status(status, order)) == STATUS_WORDS
    taken = takes_ok(status, command, heartbeat_fresh=True) == ""
    assert taken == (decision.final is Verdict.OK and command.sequence != 0)


nearly = st.builds(
    StatusBlock,
    status=st.sampled_from([0, 1, 16, 32, 64, 128]).map(lambda bit: Status(0b110001 ^ bit)),
    verdict=st.sampled_from([1, 1, 1, 2]),
    part_id=st.sampled_from([5, 5, 5, 6]),
    sequence_head=st.sampled_from([7, 7, 7, 8]),
    sequence_tail=st.sampled_from([7, 7, 7, 8]),
)


@given(nearly, st.sampled_from([7, 7, 8, 0]), st.sampled_from([True, True, False]))
def test_an_ok_is_taken_only_if_every_rule_holds(status: StatusBlock, sequence: int, fresh: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
    """The rule is said again in one expression and compared over registers that nearly hold an OK."""
    command = CommandBlock(sequence=sequence, part_id=5)
    taken = takes_ok(status, command, fresh) == ""
    bits = Status.ONLINE | Status.RESULTS_VALID | Status.OK
    assert taken == (
        fresh
        and status.status & (bits | Status.NG) == bits
        and status.verdict == 1
        and status.sequence_head == status.sequence_tail == command.sequence != 0
        and status.part_id == command.part_id
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"status": Status.RESULTS_VALID | Status.OK}, "not online"),
        ({"status": Status.ONLINE | Status.OK}, "results not valid"),
        ({"status": Status.ONLINE | Status.RESULTS_VALID}, "OK not set"),
        ({"status": Status.ONLINE | Status.RESULTS_VALID | Status.OK | Status.NG}, "NG set"),
        ({"verdict": VerdictCode.REVIEW}, "verdict is not OK"),
        ({"sequence_head": 8}, "another sequence"),
        ({"sequence_tail": 8}, "torn write"),
        ({"part_id": 9}, "another part id"),
    ],
)
def test_a_broken_rule_says_which(change: dict[str, object], why: str) -> None:
    command = CommandBlock(sequence=7, part_id=5)
    good = status_of(decided(), command)
    assert takes_ok(good, command, heartbeat_fresh=True) == ""
    assert takes_ok(replace(good, **change), command, heartbeat_fresh=True) == why  # type: ignore[arg-type]
    assert takes_ok(good, command, heartbeat_fresh=False) == "heartbeat stale"
    assert takes_ok(good, CommandBlock(sequence=0), heartbeat_fresh=True) == "no sequence"


def test_a_result_says_what_the_decision_says() -> None:
    seen = ViewDecision(name="2", defect="17", final=Verdict.NG, judgement=Judgement(score=0.25))
    decision = decided(
        final=Verdict.NG,
        legacy=Verdict.NG,
        model=Verdict.NG,
        origin=Origin.MODEL,
        views=(ViewDecision(name="1", final=Verdict.OK, judgement=Judgement(score=0.75)), seen),
        number=2**32 + 3,
        bundle="pins 12 0123456789ab",
        latency_ms=41.6,
    )
    told = status_of(decision, CommandBlock(sequence=7, heartbeat=99, serial="S1", part_id=4))
    assert (told.verdict, told.legacy, told.source) == (VerdictCode.NG, LegacyCode.NG, SourceCode.MODEL)
    assert (told.views_total, told.views_ng, told.ng_bitmap, told.defect) == (2, 1, 2, 17)
    assert (told.score, told.confidence, told.model_version) == (0.25, 7500, 12)
    assert (told.result_id, told.latency_ms, told.heartbeat_echo) == (3, 42, 99)
    assert (told.serial, told.part_id, told.sequence_head, told.sequence_tail) == ("S1", 4, 7, 7)


def test_a_shadow_line_without_a_verdict_gives_the_plc_neither_ok_nor_ng() -> None:
    told = status_of(decided(final=None, stage=Stage.SHADOW), CommandBlock(sequence=1))
    assert told.verdict == VerdictCode.ERROR
    assert not told.status & (Status.OK | Status.NG)


def test_a_result_that_went_wrong_shows_how() -> None:
    told = status_of(decided(error=True, degraded=True, failures=(Failure.DEADLINE,)), CommandBlock(sequence=1))
    assert Status.ERROR | Status.DEGRADED | Status.TIMEOUT in told.status


def test_between_parts_status_tells_of_the_line() -> None:
    assert present(Standing(ready=True)) == Status.READY | Status.LEGACY_LINK_OK
    assert present(Standing(ready=False, error=True, link_ok=False)) == Status.ERROR | Status.DEGRADED
    assert Status.SHADOW in present(Standing(ready=True, shadow=True))


@pytest.mark.parametrize(
    ("command", "part", "by"),
    [
        (CommandBlock(serial="S1"), "S1", {"either", "serial"}),
        (CommandBlock(serial="S1   "), "S1", {"either", "serial"}),
        (CommandBlock(part_id=42), "42", {"either", "part_id"}),
        (CommandBlock(part_id=42), "042", {"either", "part_id"}),
        (CommandBlock(part_id=0), "0", set()),
        (CommandBlock(), "", set()),
        (CommandBlock(serial="S1"), "S10", set()),
        (CommandBlock(serial="\xe9"), "\xe9", set()),
        (CommandBlock(part_id=4), "\u0664", set()),
    ],
)
def test_a_part_is_known_only_by_its_whole_name(command: CommandBlock, part: str, by: set[str]) -> None:
    """A blank name is nobody's: no result is ever tied by two blanks."""
    assert {tie for tie in ("either", "serial", "part_id") if shows(command, part, tie)} == by


def test_what_the_plc_can_never_show_is_known_at_once() -> None:
    assert showable("x" * 32)
    assert not showable("x" * 33)
    assert not showable("")
    assert not showable("\xe9")
    assert showable("42", "part_id")
    assert not showable("S1", "part_id")


def test_a_name_or_a_defect_of_countless_digits_is_no_number() -> None:
    """Python refuses to read more than 4300 digits; a misread barcode must cost one part, not the connection."""
    endless = "9" * 5000
    command = CommandBlock(sequence=7, part_id=9)
    assert not shows(command, endless)
    assert not showable(endless)
    seen = ViewDecision(name="1", defect=endless, final=Verdict.NG)
    assert status_of(decided(final=Verdict.NG, views=(seen,)), command).defect == 0
