"""Real connections to a real source: parts at once, replies in order, and peers that misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from adapter_host import Host, until
from conftest import Run

from bridge.plugin import Inspection, Unavailable, Verdict, View, counted
from bridge_tcp import TcpSourceOptions, open_source
from bridge_tcp.codec import write_part
from bridge_tcp.framing import Crlf, Fixed, Framing, Kind, StxEtx
from bridge_tcp.len32be import Len32be
from bridge_tcp.peer import Closed, Inspector, dial_bridge, serve_inspector

REPLY = "{part},{verdict}"


def crlf() -> Framing:
    return Crlf(65_536)


def part_ids(host: Host) -> Sequence[str]:
    return [part.part for part in host.parts]


@pytest.mark.parametrize(("kind", "framing"), [("crlf", Crlf(99)), ("stx_etx", StxEtx(99)), ("fixed", Fixed(32))])
async def test_a_part_is_answered_in_its_framing(kind: Kind, framing: Framing, running: Run, port: int) -> None:
    """A text line becomes a part, and its decision comes back in the same framing."""
    host = Host()
    async with (
        running(host, framing=kind, length_bytes=32, reply=REPLY),
        dial_bridge("127.0.0.1", port, framing) as aoi,
    ):
        await aoi.send(b"P1,NG")
        assert (await aoi.reply()).payload.strip() == b"P1,NG"
    assert [(part.part, part.legacy) for part in host.parts] == [("P1", Verdict.NG)]


async def test_images_come_along(running: Run, port: int) -> None:
    """A len32be part arrives with every image and field, and is answered with the whole decision."""
    sent = Inspection(
        part="P1",
        legacy=Verdict.NG,
        key="K1",
        recipe="M10",
        views=(
            View(name="top", image=b"\xff\xd8" + bytes(70_000), legacy=Verdict.NG, defect="scratch"),
            View(name="side", image=b"x", legacy=Verdict.OK),
        ),
    )
    host = Host()
    async with (
        running(host, framing="len32be", reply="{json}"),
        dial_bridge("127.0.0.1", port, Len32be(1 << 20)) as aoi,
    ):
        await aoi.send(*write_part(sent))
        reply = (await aoi.reply()).header
    assert reply is not None
    assert (reply["key"], reply["verdict"], reply["recorded"]) == ("K1", "NG", True)
    assert [part.views for part in host.parts] == [sent.views]


async def test_replies_keep_the_order_of_arrival(running: Run, port: int) -> None:
    """A slow part holds back the replies of later ones, not their inspection."""
    slow = asyncio.Event()

    async def hold(part: Inspection) -> None:
        if part.part == "P1":
            await slow.wait()

    host = Host(hold=hold)
    async with running(host, reply=REPLY), dial_bridge("127.0.0.1", port, crlf()) as aoi:
        await aoi.send_raw(b"P1,OK\r\nP2,NG\r\nP3,OK\r\n")
        await host.until(lambda: host.answered == ["P2", "P3"])
        slow.set()
        assert [(await aoi.reply()).payload for _ in range(3)] == [b"P1,OK", b"P2,NG", b"P3,OK"]


async def test_parts_under_way_are_bounded(running: Run, port: int) -> None:
    """A machine that sends ahead is slowed on the wire, and that is counted."""
    gate = asyncio.Event()
    host, before = Host(hold=lambda _: gate.wait()), counted("full")
    async with running(host, reply=REPLY, in_flight=4), dial_bridge("127.0.0.1", port, crlf()) as aoi:
        await aoi.send_raw(b"".join(b"P%d,OK\n" % number for number in range(20)))
        await host.until(lambda: len(host.parts) == 4)
        await until(lambda: counted("full") > before)
        assert len(host.parts) == 4
        gate.set()
        assert [(await aoi.reply()).payload for _ in range(20)] == [b"P%d,OK" % at for at in range(20)]
    assert host.most == 4


@pytest.mark.parametrize("goodbye", [Inspector.drop, Inspector.half_close])
async def test_a_connection_that_ends_cancels_no_part(goodbye: object, running: Run, port: int) -> None:
    """What was handed in is finished, whatever became of the machine."""
    gate = asyncio.Event()
    host = Host(hold=lambda _: gate.wait())
    async with running(host, reply=REPLY):
        async with dial_bridge("127.0.0.1", port, crlf()) as aoi:
            await aoi.send(b"P1,OK")
            await host.until(lambda: len(host.parts) == 1)
            goodbye(aoi)  # type: ignore[operator]
        gate.set()
        await host.until(lambda: host.answered == ["P1"])


async def test_a_half_closed_machine_still_gets_its_replies(running: Run, port: int) -> None:
    """A machine that has said all may still listen."""
    host = Host(hold=lambda _: asyncio.sleep(0.01))
    async with running(host, reply=REPLY), dial_bridge("127.0.0.1", port, crlf()) as aoi:
        await aoi.send(b"P1,OK")
        aoi.half_close()
        assert (await aoi.reply()).payload == b"P1,OK"
        with pytest.raises(Closed):
            await aoi.reply()


async def test_an_unrecorded_decision_is_not_acknowledged(running: Run, port: int) -> None:
    """Silence, or a reply of its own, tells the machine that the part is not ours yet."""
    host = Host(recorded=False)
    async with running(host, reply=REPLY), dial_bridge("127.0.0.1", port, crlf()) as aoi:
        await aoi.send(b"P1,OK")
        await host.until(lambda: host.answered == ["P1"])
        host.recorded = True
        await aoi.send(b"P2,OK")
        assert (await aoi.reply()).payload == b"P2,OK"


async def test_an_unrecorded_decision_has_a_reply_of_its_own(running: Run, port: int) -> None:
    host = Host(recorded=False)
    async with (
        running(host, reply=REPLY, reply_unrecorded="{part},AGAIN"),
        dial_bridge("127.0.0.1", port, crlf()) as aoi,
    ):
        await aoi.send(b"P1,OK")
        assert (await aoi.reply()).payload == b"P1,AGAIN"


async def test_what_is_not_understood_is_quarantined_and_the_next_part_lives(running: Run, port: int) -> None:
    """A garbled line costs nothing but itself; its bytes and the reason are kept."""
    host, before = Host(), counted("unreadable")
    async with running(host, reply=REPLY) as source, dial_bridge("127.0.0.1", port, crlf()) as aoi:
        await aoi.send_raw(b"\xff\xfe garbled\r\nP1,OK\r\n")
        assert (await aoi.reply()).payload == b"P1,OK"
        await until(lambda: len(source.quarantined) == 1)
    assert source.quarantined[0].read_bytes() == b"\xff\xfe garbled"
    assert "utf-8" in source.quarantined[0].with_suffix(".json").read_text()
    assert counted("unreadable") == before + 1


async def test_garbage_between_frames_is_counted_and_quarantined(running: Run, port: int) -> None:
    host, before = Host(), counted("garbage")
    async with (
        running(host, framing="stx_etx", reply=REPLY) as source,
        dial_bridge("127.0.0.1", port, StxEtx(99)) as aoi,
    ):
        await aoi.send_raw(b"noise\x02P1,OK\x03\r\n\x02P2,OK\x03")
        assert [(await aoi.reply()).payload for _ in range(2)] == [b"P1,OK", b"P2,OK"]
        await until(lambda: len(source.quarantined) == 1)
    assert source.quarantined[0].read_bytes() == b"noise"
    assert counted("garbage") == before + 1


async def test_a_frame_without_an_end_is_given_up_after_a_while(running: Run, port: int) -> None:
    """A line without its line end is visible to whoever commissions the machine, and harms nothing after it."""
    host = Host()
    async with (
        running(host, reply=REPLY, frame_timeout_seconds=0.02) as source,
        dial_bridge("127.0.0.1", port, crlf()) as aoi,
    ):
        await aoi.send_raw(b"P1,OK")
        await until(lambda: len(source.quarantined) == 1)
        await aoi.send(b"P2,OK")
        assert (await aoi.reply()).payload == b"P2,OK"
    assert part_ids(host) == ["P2"]


async def test_fixed_records_out_of_step_close_the_connection(running: Run, port: int) -> None:
    """Nothing in the bytes tells where a record begins; a new connection does."""
    host, before = Host(), counted("desynchronised")
    strict = r"(?P<part>P\d+),(?P<verdict>OK|NG)"
    async with (
        running(host, framing="fixed", length_bytes=8, pattern=strict),
        dial_bridge("127.0.0.1", port, Fixed(8)) as aoi,
    ):
        await aoi.send_raw(b"shift" + b"P1,OK   " * 3 + b"P2,O")
        with pytest.raises(Closed):
            await aoi.reply()
    assert counted("desynchronised") == before + 1


async def test_the_deadline_counts_from_the_first_byte(running: Run, port: int) -> None:
    """A frame that came in two reads began with the first; the next one in the same read did not."""
    host = Host()
    loop = asyncio.get_running_loop()
    async with running(host, reply=REPLY), dial_bridge("127.0.0.1", port, crlf()) as aoi:
        before = loop.time()
        await aoi.send_raw(b"P1,")
        await asyncio.sleep(0.05)
        between = loop.time()
        await aoi.send_raw(b"OK\r\nP2,OK\r\n")
        await aoi.reply()
        await aoi.reply()
    first, second = (part.event or 0.0 for part in host.parts)
    assert before <= first < between <= second


async def test_time_spent_waiting_for_a_slot_counts(running: Run, port: int) -> None:
    """What may have lain on the wire while we did not read is not younger than that."""
    gate = asyncio.Event()
    loop = asyncio.get_running_loop()
    host = Host(hold=lambda _: gate.wait())
    before = counted("full")
    async with running(host, reply=REPLY, in_flight=1), dial_bridge("127.0.0.1", port, crlf()) as aoi:
        await aoi.send(b"P1,OK")
        await aoi.send(b"P2,OK")
        await until(lambda: counted("full") > before)
        await aoi.send(b"P3,OK")
        await asyncio.sleep(0.05)
        released = loop.time()
        gate.set()
        for _ in range(3):
            await aoi.reply()
    assert (host.parts[2].event or 0.0) < released - 0.03


async def test_connections_are_bounded(running: Run, port: int) -> None:
    """One machine that dials again and again shuts out nobody's memory."""
    host = Host()
    async with (
        running(host, reply=REPLY, connections_max=1),
        dial_bridge("127.0.0.1", port, crlf()) as first,
    ):
        await first.send(b"P1,OK")
        await first.reply()
        async with dial_bridge("127.0.0.1", port, crlf()) as second:
            with pytest.raises((Closed, ConnectionError)):
                await second.reply()
        await first.send(b"P2,OK")
        assert (await first.reply()).payload == b"P2,OK"
    assert part_ids(host) == ["P1", "P2"]


async def test_a_connection_that_left_makes_room(running: Run, port: int) -> None:
    host = Host()
    async with running(host, reply=REPLY, connections_max=1):
        for _ in range(5):
            async with dial_bridge("127.0.0.1", port, crlf()) as aoi:
                await aoi.send(b"P,OK")
                assert (await aoi.reply()).payload == b"P,OK"
                aoi.half_close()
                with pytest.raises(Closed):
                    await aoi.reply()
            await asyncio.sleep(0.01)


async def test_an_idle_connection_is_closed_where_asked(running: Run, port: int) -> None:
    async with (
        running(Host(), idle_timeout_seconds=0.02),
        dial_bridge("127.0.0.1", port, crlf()) as aoi,
    ):
        with pytest.raises(Closed):
            await aoi.reply()


async def chatter(aoi: Inspector, data: bytes) -> None:
    """Send for ever."""
    while True:
        await aoi.send_raw(data)


async def test_a_machine_that_reads_no_replies_loses_its_connection_only(running: Run, port: int) -> None:
    """Its parts were inspected; replies pile up nowhere."""
    host, before = Host(), counted("reply_lost")
    line = b"P" * 200 + b",OK\r\n"
    async with running(
        host, reply="{part}{part}{part}{part}{part}{part}{part}{part},{verdict}", write_timeout_seconds=0.05
    ):
        async with dial_bridge("127.0.0.1", port, crlf()) as deaf:
            with pytest.raises(ConnectionError):
                await chatter(deaf, line * 100)
        await until(lambda: counted("reply_lost") > before)
        await host.until(lambda: len(host.parts) == len(host.answered))


async def test_a_reply_that_cannot_be_written_is_counted_and_the_rest_go_on(running: Run, port: int) -> None:
    """A part id that the machine's own code page lacks stops nobody."""
    host, before = Host(), counted("reply_unsendable")
    async with (
        running(host, framing="fixed", length_bytes=8, reply="{part},{verdict},{id}"),
        dial_bridge("127.0.0.1", port, Fixed(8)) as aoi,
    ):
        await aoi.send(b"P1,OK")
        await until(lambda: counted("reply_unsendable") == before + 1)
        await aoi.send(b"P2,OK")
        await host.until(lambda: host.answered == ["P1", "P2"])


async def test_keep_alive_lines_mean_nothing(running: Run, port: int) -> None:
    host = Host()
    async with (
        running(host, reply=REPLY, ignore="PING.*") as source,
        dial_bridge("127.0.0.1", port, crlf()) as aoi,
    ):
        await aoi.send_raw(b"PING 1\r\nP1,OK\r\n \r\n")
        await aoi.reply()
        assert part_ids(host) == ["P1"]
    assert not source.quarantined


async def test_an_image_on_the_share_is_fetched(running: Run, port: int, tmp_path: Path) -> None:
    """The part is handed in before its image is there, and the image follows."""
    share = tmp_path / "share"
    share.mkdir()
    host = Host()
    async with (
        running(host, reply=REPLY, images=share, image_prefix="D:\\AOI", image_poll_ms=1),
        dial_bridge("127.0.0.1", port, crlf()) as aoi,
    ):
        await aoi.send(b"P1,NG,D:\\AOI\\a.jpg")
        await host.until(lambda: len(host.parts) == 1)
        (share / "a.jpg").write_bytes(b"\xff\xd8image\xff\xd9")
        await aoi.reply()
    assert host.images == {"1": b"\xff\xd8image\xff\xd9"}


async def test_the_bridge_dials_a_machine_that_listens(running: Run) -> None:
    """In the role client the parts come over the connection that we made; its end asks for a new one."""
    host = Host()
    async with (
        serve_inspector(crlf) as machine,
        running(host, role="client", port=machine.port, reply=REPLY) as source,
    ):
        aoi = await machine.connection()
        await aoi.send(b"P1,NG")
        assert (await aoi.reply()).payload == b"P1,NG"
        aoi.drop()
        with pytest.raises(Unavailable, match="closed the connection"):
            await source.task


async def test_a_machine_that_is_away_is_unavailable(port: int) -> None:
    options = TcpSourceOptions(role="client", port=port, content="json")
    with pytest.raises(Unavailable, match="cannot be reached"):
        async with open_source(options):
            pass


async def test_a_port_in_use_is_unavailable(running: Run, port: int) -> None:
    """Somebody else has the port: the host tries again, the user reads where."""
    async with running(Host()):
        with pytest.raises(Unavailable, match=f"cannot listen on 127.0.0.1:{port}"):
            async with open_source(TcpSourceOptions(port=port, content="json")):
                pass


async def test_stopping_the_source_takes_no_time(running: Run, port: int) -> None:
    """A clean stop with connections open and a part under way."""
    host = Host(hold=lambda _: asyncio.Event().wait())
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(host))
        aoi = await stack.enter_async_context(dial_bridge("127.0.0.1", port, crlf()))
        await aoi.send(b"P1,OK")
        await host.until(lambda: len(host.parts) == 1)
        stopped = loop.time()
    assert loop.time() - stopped < 20  # the part would take for ever
