"""A part by gRPC: handed over once, answered within its call, acknowledged only when it is recorded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from adapter_host import PATIENCE_SECONDS, Host, free_port, until
from grpc_host import PICTURE, a_part, running

from aoi_bridge.inspection.v1 import inspection_pb2 as pb
from bridge.plugin import Inspection, Unavailable, Verdict, View, counted
from bridge_grpc import GrpcSourceOptions, open_source
from bridge_grpc.peer import dial_bridge, open_inspector, unrecorded, upload_messages

BIG = bytes(range(256)) * 20_000
"""Five megabytes, more than gRPC takes unless it is told so."""


async def failed(call: object) -> grpc.aio.AioRpcError:
    """Return the error of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call  # type: ignore[misc]
    return caught.value


async def test_a_part_with_its_picture_is_answered(tmp_path: Path) -> None:
    """Everything that was said arrives, and the answer names it."""
    host = Host()
    async with running(host, tmp_path) as options, dial_bridge(options.port) as aoi:
        answer = await aoi.inspect(a_part(key="k1", recipe="M10", sequence=7))
    (part,) = host.parts
    assert (part.part, part.key, part.recipe, part.views[0].image) == ("P1", "k1", "M10", PICTURE)
    assert answer.verdict == pb.VERDICT_NG
    assert (answer.recorded, answer.id, answer.sequence) == (True, f"{1:032x}", 7)


async def test_a_big_picture_comes_in_one_message_or_in_chunks(tmp_path: Path) -> None:
    """Five megabytes, byte for byte, both ways."""
    host = Host()
    async with running(host, tmp_path) as options, dial_bridge(options.port) as aoi:
        assert (await aoi.inspect(a_part(image=BIG))).recorded
        assert (await aoi.upload(a_part(image=BIG))).recorded
        assert (await aoi.upload(a_part(image=BIG[:99]), chunk_bytes=10)).recorded
    assert [part.views[0].image for part in host.parts] == [BIG, BIG, BIG[:99]]


async def test_the_callers_deadline_is_the_parts(tmp_path: Path) -> None:
    """Less the margin for the way back, and counted from the arrival of the call."""
    host = Host()
    clock = asyncio.get_running_loop().time
    async with running(host, tmp_path, margin_ms=100) as options, dial_bridge(options.port) as aoi:
        before = clock()
        await aoi.inspect(a_part("P1"), timeout_seconds=3)
        await aoi.inspect(a_part("P2"), timeout_seconds=None)
        await aoi.inspect(a_part("P3", deadline_ms=50), timeout_seconds=3)
        await aoi.upload(a_part("P4"), timeout_seconds=3)
    first, second, third, fourth = host.parts
    assert first.deadline_ms is not None
    assert first.event is not None
    assert before <= first.event <= clock()
    assert 2000 < first.deadline_ms <= 2900
    assert second.deadline_ms is None
    assert third.deadline_ms == 50
    assert fourth.deadline_ms is not None
    assert fourth.deadline_ms <= 2900


async def test_an_unrecorded_decision_is_no_acknowledgement(tmp_path: Path) -> None:
    """The call fails in a way that clients try again; the verdict lies beside the error for who must act now."""
    host = Host(recorded=False)
    async with running(host, tmp_path) as options, dial_bridge(options.port) as aoi:
        for call in (aoi.inspect, aoi.upload):
            error = await failed(call(a_part()))
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            assert "not recorded: send the part again" in (error.details() or "")
            answer = unrecorded(error)
            assert answer is not None
            assert (answer.recorded, answer.verdict) == (False, pb.VERDICT_NG)


@pytest.mark.parametrize("how", ["cancel", "disconnect", "deadline"])
async def test_a_client_that_goes_never_takes_its_part_along(tmp_path: Path, how: str) -> None:
    """The part is finished and recorded, and room is free again only then."""
    go = asyncio.Event()
    host = Host(hold=lambda _: go.wait())
    async with running(host, tmp_path, in_flight=1) as options, dial_bridge(options.port) as other:
        async with dial_bridge(options.port) as aoi:
            call = asyncio.create_task(aoi.inspect(a_part("P1"), timeout_seconds=1 if how == "deadline" else None))
            await host.until(lambda: len(host.parts) == 1)
            if how == "cancel":
                call.cancel()
            if how == "deadline":
                assert (await failed(call)).code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await asyncio.wait([call])
        assert (await failed(other.inspect(a_part("P2"), timeout_seconds=0.2))).code() is (
            grpc.StatusCode.DEADLINE_EXCEEDED
        )
        assert host.answered == []
        go.set()
        await host.until(lambda: host.answered == ["P1"])
        assert (await other.inspect(a_part("P3"))).recorded
    assert host.most == 1


async def test_what_has_no_room_waits_unread(tmp_path: Path) -> None:
    """Back-pressure: two under way, the rest with the client; nobody is refused."""
    go, before = asyncio.Event(), counted("full")
    host = Host(hold=lambda _: go.wait())
    async with running(host, tmp_path, in_flight=2) as options, dial_bridge(options.port) as aoi:
        calls = [asyncio.create_task(aoi.inspect(a_part(f"P{number}", BIG))) for number in range(6)]
        await until(lambda: counted("full") == before + 4 and len(host.parts) == 2)
        go.set()
        assert all(answer.recorded for answer in await asyncio.gather(*calls))
    assert host.most == 2


async def test_a_call_too_many_of_one_connection_is_to_be_sent_again(tmp_path: Path) -> None:
    """More at once than a connection may have open: each is recorded, or says that it is not acknowledged.

    How many are refused is up to the client: one that has read the server's settings by then holds them back.
    """
    calls, host = 200, Host()
    async with running(host, tmp_path, in_flight=1) as options, dial_bridge(options.port) as aoi:

        async def insist(number: int) -> None:
            for _ in range(calls):
                try:
                    assert (await aoi.inspect(a_part(f"P{number}", b"\xff\xd8", key=f"K{number}"), 30)).recorded
                except grpc.aio.AioRpcError as exc:
                    if exc.code() is not grpc.StatusCode.UNAVAILABLE:
                        raise
                    await asyncio.sleep(0.01)
                else:
                    return
            pytest.fail("it was never taken")

        await asyncio.gather(*map(insist, range(calls)))
    assert {part.key for part in host.parts} == {f"K{number}" for number in range(calls)}
    assert host.most == 1


async def test_a_caller_that_dribbles_makes_room(tmp_path: Path) -> None:
    """An upload that never ends is over after the time it may take, and the next part comes in."""
    host, before = Host(), counted("unfinished")

    async def dribble() -> AsyncIterator[bytes]:
        yield next(upload_messages(a_part()))
        await asyncio.get_running_loop().create_future()

    async with (
        running(host, tmp_path, in_flight=1, receive_timeout_seconds=0.2) as options,
        dial_bridge(options.port) as aoi,
    ):
        slow = asyncio.create_task(failed(aoi.raw_upload(dribble())))
        error = await slow
        assert (error.code(), error.details()) == (
            grpc.StatusCode.DEADLINE_EXCEEDED,
            "the part did not arrive within 0.2 s",
        )
        assert (await aoi.inspect(a_part("P2"))).recorded
    assert counted("unfinished") == before + 1
    assert [part.part for part in host.parts] == ["P2"]


GOOD = list(upload_messages(a_part(image=b"small")))
BAD_UPLOADS: dict[str, tuple[list[bytes], str]] = {
    "garbage": ([b"\xff\xff garbage"], "message is no UploadRequest"),
    "empty": ([b""], "neither an inspection nor a chunk"),
    "nothing": ([], "does not begin with its inspection"),
    "chunk first": (GOOD[1:], "does not begin with its inspection"),
    "second part": ([GOOD[0], GOOD[0]], "a second inspection follows"),
    "cut short": (GOOD[:1], "only 0 of 5 bytes came"),
    "too much": ([*GOOD, GOOD[1]], "every announced picture is whole"),
    "damaged": (list(upload_messages(a_part(image=b"small"), damaged=True)), "do not have the announced SHA-256"),
    "too big": (list(upload_messages(a_part(image=bytes(1 << 17)))), "131072 bytes, more than 65536"),
}


@pytest.mark.parametrize("what", BAD_UPLOADS)
async def test_an_upload_that_makes_no_sense_is_refused_with_its_reason(tmp_path: Path, what: str) -> None:
    """INVALID_ARGUMENT and one clear line; no part comes of it, and the bytes are kept with their reason."""
    host, before = Host(), counted("unreadable")
    messages, said = BAD_UPLOADS[what]
    async with running(host, tmp_path, max_upload_bytes=1 << 16) as options, dial_bridge(options.port) as aoi:
        error = await failed(aoi.raw_upload(iter(messages)))
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert said in (error.details() or "")
        assert (await aoi.upload(a_part(image=b"small"))).recorded
        await until(lambda: any(path.stat().st_size for path in (tmp_path / "quarantine").glob("*.json")))
    assert [part.views[0].image for part in host.parts] == [b"small"]
    assert counted("unreadable") == before + 1
    (reason,) = (tmp_path / "quarantine").glob("*.json")
    assert said in json.loads(reason.read_text())["reason"]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (b"\xff\xff garbage", "message is no InspectRequest"),
        (b"", "message has no inspection"),
        (b"\x0a\x04\x52\x02\x32\x00", "only Upload takes pictures in chunks"),
        (b"\x0a\x03\x0a\x01\n", "part holds a control character"),
    ],
)
async def test_a_message_that_makes_no_sense_is_refused_with_its_reason(
    tmp_path: Path, message: bytes, said: str
) -> None:
    host = Host()
    async with running(host, tmp_path) as options, dial_bridge(options.port) as aoi:
        error = await failed(aoi.raw(message))
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert said in (error.details() or "")
        assert (await aoi.inspect(a_part())).recorded
    assert len(host.parts) == 1


async def test_a_message_over_the_limit_is_never_in_memory(tmp_path: Path) -> None:
    """Its size is known before its bytes: the call ends, the connection and the next part do not suffer."""
    host = Host()
    async with running(host, tmp_path, max_message_bytes=1 << 20) as options, dial_bridge(options.port) as aoi:
        error = await failed(aoi.inspect(a_part(image=bytes(1 << 20))))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (await aoi.inspect(a_part(image=bytes(1 << 19)))).recorded
    assert len(host.parts) == 1


async def test_one_connection_too_many_is_closed(tmp_path: Path) -> None:
    host = Host()
    async with (
        running(host, tmp_path, connections_max=1) as options,
        dial_bridge(options.port) as first,
        dial_bridge(options.port) as second,
    ):
        assert (await first.inspect(a_part("P1"))).recorded
        assert (await failed(second.inspect(a_part("P2")))).code() is grpc.StatusCode.UNAVAILABLE
        assert (await first.inspect(a_part("P3"))).recorded


async def test_one_that_never_says_a_word_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port scanner, or what is left of a machine that lost its power, keeps nobody out for long."""
    monkeypatch.setattr("bridge_grpc.wire.HANDSHAKE_MS", 200)
    host = Host()
    async with running(host, tmp_path, connections_max=1) as options:
        reader, writer = await asyncio.open_connection("127.0.0.1", options.port)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await reader.read(1024):
                pass  # our own greeting, and then the end
        writer.close()
        await writer.wait_closed()
        async with dial_bridge(options.port) as aoi:
            assert (await aoi.inspect(a_part())).recorded


async def test_a_picture_on_the_share_is_fetched(tmp_path: Path) -> None:
    """By reference, in the machine's own terms; without a share the view is a missing picture, and counted."""
    (tmp_path / "P1.jpg").write_bytes(PICTURE)
    part = Inspection(part="P1", legacy=Verdict.NG, views=(View(name="top", reference="D:\\AOI\\P1.jpg"),))
    host = Host()
    async with (
        running(host, tmp_path, images=tmp_path, image_prefix="D:\\AOI") as options,
        dial_bridge(options.port) as aoi,
    ):
        assert (await aoi.inspect(part)).recorded
    assert host.images == {"top": PICTURE}
    blind, before = Host(), counted("reference_unfollowed")
    async with running(blind, tmp_path) as options, dial_bridge(options.port) as aoi:
        assert (await aoi.inspect(part)).recorded
    assert blind.images == {}
    assert counted("reference_unfollowed") == before + 1


async def test_a_port_that_another_has_is_an_error_and_never_shared(tmp_path: Path) -> None:
    """Two bridges on one port would each get half of the parts."""
    async with running(Host(), tmp_path) as options:
        with pytest.raises(
            Unavailable, match=f"cannot listen on 127.0.0.1:{options.port}: Address already in use"
        ):
            async with open_source(options):
                pass
    with pytest.raises(Unavailable, match=r"cannot listen on no\.such\.host\.invalid"):
        async with open_source(GrpcSourceOptions(host="no.such.host.invalid", port=options.port)):
            pass


async def test_a_source_that_never_ran_gives_its_port_back(tmp_path: Path) -> None:
    """As ``aoi-bridge check`` opens and closes it while the gateway is about to start."""
    port = free_port()
    for _ in range(3):
        async with open_source(GrpcSourceOptions(home=tmp_path, port=port)):
            pass
    async with running(Host(), tmp_path, port=port), dial_bridge(port) as aoi:
        assert (await aoi.inspect(a_part())).recorded


async def test_calls_before_the_start_are_answered_after_it(tmp_path: Path) -> None:
    """The port is bound when the source opens; who calls meanwhile is not turned away."""
    options = GrpcSourceOptions(home=tmp_path, port=free_port())
    host = Host()
    async with open_source(options) as source, dial_bridge(options.port) as aoi:
        call = asyncio.create_task(aoi.inspect(a_part()))
        await asyncio.sleep(0)
        task = asyncio.create_task(source(host))
        assert (await call).recorded
        task.cancel()
        await asyncio.wait([task])


async def test_a_stop_while_it_starts_leaves_grpc_well(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A reload may come at any moment; a start of gRPC that is cut short ends in an error of its own."""
    for turns in range(8):
        async with open_source(GrpcSourceOptions(home=tmp_path, port=free_port())) as source:
            task = asyncio.create_task(source(Host()))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
    assert [record.getMessage() for record in caplog.records if record.name.startswith("grpc")] == []


async def test_a_stop_answers_what_is_under_way_and_takes_no_more(tmp_path: Path) -> None:
    """A part that is decided while the source closes is still told to its machine."""
    go = asyncio.Event()
    host = Host(hold=lambda _: go.wait())
    options = GrpcSourceOptions(home=tmp_path, port=free_port())
    async with dial_bridge(options.port) as aoi, open_source(options) as source:
        task = asyncio.create_task(source(host))
        call = asyncio.create_task(aoi.inspect(a_part("P1")))
        await host.until(lambda: len(host.parts) == 1)
        task.cancel()
        await asyncio.wait([task], timeout=0.1)  # its goodbye has begun, and waits for the call
        assert (await failed(aoi.inspect(a_part("late")))).code() is grpc.StatusCode.UNAVAILABLE
        go.set()
        assert (await call).recorded
        await asyncio.wait([task])
    assert [part.part for part in host.parts] == ["P1"]


async def test_a_source_that_is_stopped_lets_nobody_wait(tmp_path: Path) -> None:
    """A part that is never decided holds up a stop for no longer than a goodbye."""
    host = Host(hold=lambda _: asyncio.get_running_loop().create_future())
    async with dial_bridge(port := free_port()) as aoi, asyncio.timeout(5):
        options = GrpcSourceOptions(home=tmp_path, port=port)
        async with open_source(options) as source:
            task = asyncio.create_task(source(host))
            call = asyncio.create_task(aoi.inspect(a_part("P1"), timeout_seconds=None))
            await host.until(lambda: len(host.parts) == 1)
            task.cancel()
            await asyncio.wait([task])
        assert (await failed(call)).code() is not grpc.StatusCode.OK


async def test_the_simulated_inspector_plays_by_the_same_options(tmp_path: Path) -> None:
    """Small parts in one message, big ones in chunks, on a share by reference; each answer is awaited."""
    host, folder = Host(), tmp_path / "share"
    folder.mkdir()
    async with running(host, tmp_path) as options, open_inspector(options) as play:
        assert await play(a_part("P1")) is Verdict.NG
        assert await play(a_part("P2", BIG)) is Verdict.NG
    assert [part.views[0].image for part in host.parts] == [PICTURE, BIG]
    shared = Host()
    async with running(shared, tmp_path, images=folder) as options, open_inspector(options) as play:
        assert await play(a_part("P3")) is Verdict.NG
    assert shared.images == {"top": PICTURE}
    with pytest.raises(Unavailable, match="the bridge did not take part P4: connection refused"):
        async with open_inspector(options) as play:
            await play(a_part("P4"))


async def test_an_inspector_with_bad_habits_still_gets_its_parts_in(tmp_path: Path) -> None:
    """Garbage, damage and calls that are given up cost nothing but themselves."""
    host = Host()
    habits = {"garbage": 2.0, "damage": 2.0, "give-up": 3.0}
    async with running(host, tmp_path) as options, open_inspector(options, habits) as play:
        for number in range(6):
            assert await play(a_part(f"P{number}", BIG if number % 2 else PICTURE)) is Verdict.NG
    assert [part.part for part in host.parts] == [f"P{number}" for number in range(6)]
