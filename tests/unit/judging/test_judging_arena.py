from __future__ import annotations

import asyncio
import itertools
import os

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from bridge.judging.arena import ALIGN, INLINE_BYTES, NOTE, Arena, Block, Ledger

ROOM = 16 * ALIGN


class Lending(RuleBasedStateMachine):
    """Whatever is taken and given back in whatever order, lent blocks never overlap and lie inside."""

    blocks = Bundle("blocks")

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(ROOM)
        self.lent: list[Block] = []

    @rule(target=blocks, size=st.integers(1, 6 * ALIGN))
    def take(self, size: int) -> Block | None:
        block = self.ledger.take(size)
        if block:
            assert block.size >= size
            self.lent.append(block)
        else:
            assert self.largest_gap() < size
        return block

    @rule(block=consumes(blocks))
    def give_back(self, block: Block | None) -> None:
        if block:
            self.ledger.give_back(block)
            self.lent.remove(block)

    def largest_gap(self) -> int:
        edges = [0, *(edge for block in sorted(self.lent) for edge in (block.at, block.at + block.size)), ROOM]
        return max(right - left for left, right in zip(edges[::2], edges[1::2], strict=True))

    @invariant()
    def apart(self) -> None:
        ordered = sorted(self.lent)
        assert all(a.at + a.size <= b.at for a, b in itertools.pairwise(ordered))
        assert all(block.at >= 0 and block.at + block.size <= ROOM for block in ordered)
        assert self.ledger.lent == len(ordered)


TestLending = Lending.TestCase
TestLending.settings = settings(max_examples=60, stateful_step_count=30)


async def test_a_picture_lies_where_the_block_says() -> None:
    with Arena(ROOM) as arena:
        first, second = await arena.lend(b"a" * 5000), await arena.lend(b"b" * 5000)
        assert first
        assert second
        assert os.pread(arena.fd, 5000, first.at) == b"a" * 5000
        assert os.pread(arena.fd, 5000, second.at) == b"b" * 5000


async def test_a_picture_without_room_is_not_taken() -> None:
    """It then travels by the socket."""
    with Arena(ROOM) as arena:
        assert await arena.lend(bytes(ROOM + 1)) is None
        assert arena.ledger.lent == 0


async def test_a_cancelled_copy_keeps_its_block_until_it_has_ended() -> None:
    """Otherwise it could land in the block of the next part and a wrong picture would be judged."""
    with Arena(2 * INLINE_BYTES) as arena:
        lending = asyncio.create_task(arena.lend(bytes(INLINE_BYTES + 1)))
        await asyncio.sleep(0)
        lending.cancel()
        await asyncio.wait({lending})
        assert lending.cancelled()
        async with asyncio.timeout(20):
            while arena.ledger.lent:  # noqa: ASYNC110 - what ends it is a thread of the arena's own
                await asyncio.sleep(0.001)


async def test_what_the_worker_notes_is_read_here() -> None:
    """By it a death is laid at the door of the picture that caused it, not of its neighbours."""
    with Arena(ROOM) as arena:
        assert arena.in_hand() == (0, slice(0, 0))
        block = await arena.lend(b"a" * 100)
        assert block
        assert block.at >= NOTE.size
        os.pwrite(arena.fd, NOTE.pack(7, 3, 2), 0)
        assert arena.in_hand() == (7, slice(3, 5))
