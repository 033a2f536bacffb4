"""The rules of a PLC, without a wire: whatever is changed in a right result, it no longer passes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.plugin import Verdict
from bridge_modbus.codec import STATUS_WORDS, CommandBlock, Status, StatusBlock, VerdictCode, decode_status
from bridge_modbus.plc_rules import Ruling, part_id, presentable, rule

SHOWN = CommandBlock(sequence=7, part_id=4711, serial="4711")
RIGHT = StatusBlock(
    sequence_head=7,
    sequence_tail=7,
    status=Status.ONLINE | Status.RESULTS_VALID | Status.OK,
    verdict=VerdictCode.OK,
    part_id=4711,
    serial="4711",
)
WORDS = st.integers(0, 0xFFFF)


def passes(said: StatusBlock, *, fresh: bool = True) -> bool:
    ruled = rule(said, SHOWN, fresh=fresh)
    return ruled.ruling is Ruling.TAKE and ruled.verdict is Verdict.OK and not ruled.why


def test_the_right_result_passes() -> None:
    """All rules hold."""
    assert passes(RIGHT)


@given(st.sets(st.sampled_from([Status.DEGRADED, Status.TIMEOUT, Status.LEGACY_LINK_OK, Status.READY])))
def test_other_bits_change_nothing(bits: set[Status]) -> None:
    """An answer of a fallback is an answer: only the bits named in the rules count."""
    status = RIGHT.status
    for bit in bits:
        status |= bit
    assert passes(replace(RIGHT, status=status))


@given(
    changed=st.one_of(
        WORDS.filter(lambda word: word != 7).map(lambda word: replace(RIGHT, sequence_head=word)),
        WORDS.filter(lambda word: word != 7).map(lambda word: replace(RIGHT, sequence_tail=word)),
        WORDS.filter(lambda word: word != 7).map(
            lambda word: replace(RIGHT, sequence_head=word, sequence_tail=word)
        ),
        WORDS.filter(lambda word: word != 1).map(lambda word: replace(RIGHT, verdict=word)),
        st.integers(0, 2**32 - 1).filter(lambda n: n != 4711).map(lambda n: replace(RIGHT, part_id=n)),
        st.text(max_size=32).filter(lambda text: text != "4711").map(lambda text: replace(RIGHT, serial=text)),
        st.sampled_from([Status.ONLINE, Status.RESULTS_VALID, Status.OK, Status.NG]).map(
            lambda bit: replace(RIGHT, status=RIGHT.status ^ bit)
        ),
    )
)
def test_one_wrong_thing_is_enough(changed: StatusBlock) -> None:
    """No result with one rule broken passes."""
    assert not passes(changed)


def test_a_stale_heartbeat_is_enough() -> None:
    """The right result of a bridge that may be dead waits, and says so."""
    assert rule(RIGHT, SHOWN, fresh=False).ruling is Ruling.STALE


@given(st.lists(WORDS, min_size=STATUS_WORDS, max_size=STATUS_WORDS))
def test_noise_never_passes(words: list[int]) -> None:
    """Registers full of anything can be ruled upon, and pass nothing."""
    assert not passes(decode_status(words))


@pytest.mark.parametrize(
    ("part", "number"),
    [
        ("4711", 4711),
        ("0", 0),
        ("007", 0),
        ("A1", 0),
        ("4294967295", 2**32 - 1),
        ("4294967296", 0),
        ("٣", 0),
        ("9" * 5000, 0),
    ],
)
def test_a_plain_number_is_a_part_id(part: str, number: int) -> None:
    """A number that reads back as the same name is given as PART_ID as well."""
    assert part_id(part) == number


@given(st.text())
def test_only_what_fits_serial_is_presentable(part: str) -> None:
    """Presentable names are 1 to 32 printable ASCII characters."""
    assert presentable(part) == (1 <= len(part) <= 32 and all(" " <= letter <= "~" for letter in part))
