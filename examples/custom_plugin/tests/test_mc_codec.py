"""What goes over the wire, byte for byte."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from bridge_mc.codec import accepted, result, write

from bridge.plugin import Decision, Goal, Refused, Stage, Unavailable, Verdict

DECISION = Decision(
    id="7", line="L", goal=Goal.REPLACE, stage=Stage.LIVE, part="SN0815", final=Verdict.NG, number=65_537
)


def test_a_request_is_that_of_the_manual() -> None:
    """Batch write of one word to D100, binary 3E."""
    head = "5000 00 FF FF03 00 0E00"
    assert write(100, [1]) == bytes.fromhex(f"{head} 0400 0114 0000 640000 A8 0100 0100")


def test_a_result_is_whole_and_not_valid_yet() -> None:
    assert result(DECISION) == (0, 2, 1, 1, 0x4E53, 0x3830, 0x3531, 0, 0, 0, 0, 0)


def test_no_verdict_is_no_ok() -> None:
    assert result(replace(DECISION, final=None))[1] == 0


def test_a_serial_number_without_room_is_refused() -> None:
    """Cut short, it would be another part's."""
    with pytest.raises(Refused):
        result(replace(DECISION, part="S" * 17))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("D000 00 FF FF03 00 0200 0000", None),
        ("D000 00 FF FF03 00 0B00 3140 00 FF FF03 00 0114 0000", Refused),
        ("D000 00 FF FF03 00 0200 E0CE", Unavailable),
        ("D400 00 FF FF03 00 0200 0000", ValueError),
        ("D000 00 FF FF03 00 FFFF 0000", ValueError),
        ("D000 00 FF FF03", EOFError),
    ],
)
async def test_an_answer_says_who_acts_next(answer: str, error: type[Exception] | None) -> None:
    """Accepted, refused for ever, busy just now, no answer at all, cut short."""
    reader = asyncio.StreamReader()
    reader.feed_data(bytes.fromhex(answer))
    reader.feed_eof()
    if error is None:
        return await accepted(reader)
    with pytest.raises(error):
        await accepted(reader)
    return None
