"""Asking a peer: one question at a time, bounded, and nothing late ever leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from bridge.plugin import DialOptions, Refused, ReporterOptions, Unavailable
from bridge.plugin.testkit.line import decided
from bridge.plugin.trial import PART

PATIENCE_SECONDS = 10.0
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def peer(serve: Serve) -> AsyncIterator[DialOptions]:
    """Be a peer on a free port; yields how it is dialled."""
    tasks: list[asyncio.Task[None]] = []

    async def within(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.create_task(within(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        yield DialOptions(host="127.0.0.1", port=server.sockets[0].getsockname()[1], answer_timeout_seconds=0.2)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)


async def silence(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    while await reader.readline():
        pass


async def hang_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.readline()


async def line(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\n")


async def test_each_question_gets_its_own_answer() -> None:
    """Asked at once they wait for their turn."""
    async with peer(echo) as options, options.dialled() as there:
        asked = [f"{number}\n".encode() for number in range(20)]
        assert await asyncio.gather(*(there.ask(one, line) for one in asked)) == asked


async def test_what_is_late_is_not_sent() -> None:
    heard: list[bytes] = []

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while got := await reader.readline():
            heard.append(got)
            writer.write(got)

    async with peer(keep) as options, options.dialled() as there:
        with pytest.raises(Refused, match="too late"):
            await there.ask(b"late\n", line, expires=asyncio.get_running_loop().time())
        await there.ask(b"in time\n", line)
    assert heard == [b"in time\n"]


@pytest.mark.parametrize(
    ("serve", "said"), [(silence, "did not answer within"), (hang_up, "closed the connection")]
)
async def test_no_answer_is_unavailable_and_ends_the_connection(serve: Serve, said: str) -> None:
    """The next question is not asked on it: its answer could be the one that is still to come."""

    async def talk(options: DialOptions) -> None:
        async with options.dialled() as there:
            with pytest.raises(Unavailable, match=said):
                await there.ask(b"one\n", line)
            await there.ask(b"two\n", line)

    async with peer(serve) as options:
        with pytest.raises(Unavailable, match=said):
            await talk(options)


async def test_an_answer_that_means_nothing_is_unavailable() -> None:
    async def number(reader: asyncio.StreamReader) -> int:
        return int(await reader.readline())

    async with peer(echo) as options:
        with pytest.raises(Unavailable, match="answered what means nothing"):
            async with options.dialled() as there:
                await there.ask(b"no number\n", number)


async def test_a_refusal_leaves_the_connection_in_step() -> None:
    async def refused(reader: asyncio.StreamReader) -> None:
        raise Refused((await reader.readline()).decode())

    async with peer(echo) as options, options.dialled() as there:
        with pytest.raises(Refused, match="no"):
            await there.ask(b"no\n", refused)
        assert await there.ask(b"yes\n", line) == b"yes\n"


async def test_cut_short_it_ends_the_connection_and_passes_the_cancellation_on() -> None:
    async def talk(options: DialOptions) -> None:
        async with options.dialled() as there:
            asking = asyncio.create_task(there.ask(b"one\n", line))
            await asyncio.sleep(0)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            await asyncio.wait_for(asyncio.Event().wait(), PATIENCE_SECONDS)  # the loss ends this block

    async with peer(silence) as options:
        with pytest.raises(Unavailable, match="cut short"):
            await talk(options)


async def test_a_peer_that_goes_is_noticed_while_nothing_is_asked() -> None:
    async def go(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        return

    async with peer(go) as options:
        with pytest.raises(Unavailable, match="closed the connection"):
            async with options.dialled():
                await asyncio.wait_for(asyncio.Event().wait(), PATIENCE_SECONDS)


async def test_nobody_there_is_unavailable() -> None:
    async with peer(echo) as options:
        pass
    with pytest.raises(Unavailable, match="cannot be reached"):
        async with options.dialled():
            raise AssertionError("nobody was there")


def test_only_the_realtime_lane_expires() -> None:
    """A guaranteed decision is told whenever its MES is back; backlog is never told to a PLC."""
    decision = decided(PART, 1, None)
    realtime = ReporterOptions(name="plc", lane="realtime")
    assert ReporterOptions(name="mes").expires(decision) == float("inf")
    assert realtime.expires(decision) == decision.expires
    assert realtime.expires(replace(decision, backlog=True)) == -float("inf")
