"""Real connections to a real source: parts at once, bounded, and senders that misbehave."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from adapter_host import Host, until
from http_host import JPEG, Run, answer, dialled, request, running
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.plugin import Inspection, Unavailable, Verdict, View, counted
from bridge.simulate.factory import free_ports
from bridge_http import open_source
from bridge_http.codec import UNRECORDED
from bridge_http.multipart import Field, write_form
from bridge_http.peer import open_inspector

PART = b'{"part": "P1", "verdict": "NG"}'
FORM = write_form([Field("part", b"P1"), Field("verdict", b"NG"), Field("top", JPEG, file="t.jpg")], "b0")
MEDIA = "multipart/form-data; boundary=b0"


async def curl(*words: str) -> tuple[int, Any]:
    """Run the real curl; return the status and the document."""
    process = await asyncio.create_subprocess_exec(
        "curl",
        "--silent",
        "--max-time",
        "20",
        "--write-out",
        "\n%{http_code}",
        *words,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    body, _, status = said.rpartition(b"\n")
    return int(status), json.loads(body)


async def test_curl_hands_over_a_part(run: Run, tmp_path: Path) -> None:
    """The line of the README, as it stands there."""
    (tmp_path / "top.jpg").write_bytes(JPEG)
    decider = Host()
    async with run(decider) as source:
        fields = ["-F", "part=0815", "-F", "verdict=NG", "-F", f"top=@{tmp_path / 'top.jpg'}"]
        status, said = await curl(*fields, source.url)
    assert (status, said["part"], said["verdict"], said["recorded"]) == (200, "0815", "NG", True)
    assert [part.views for part in decider.parts] == [(View(name="top", image=JPEG),)]


async def test_curl_hands_over_big_pictures_in_chunks_and_asks_first(run: Run, tmp_path: Path) -> None:
    """5 MB each: curl waits for 100 Continue, or sends without saying how much comes."""
    picture = b"\xff\xd8" + os.urandom(5_000_000) + b"\xff\xd9"
    (tmp_path / "big.jpg").write_bytes(picture)
    document = '{"part": "P", "verdict": "OK", "views": [{"name": "top", "verdict": "OK"}]}'
    fields = ["-F", f"document={document};type=application/json", "-F", f"top=@{tmp_path / 'big.jpg'}"]
    decider = Host()
    async with run(decider) as source:
        for more in ([], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"], ["--http1.0"]):
            assert (await curl(*more, *fields, source.url))[0] == 200
    assert [part.views[0].image == picture for part in decider.parts] == [True] * 4


async def test_a_document_names_pictures_on_a_share(run: Run, tmp_path: Path) -> None:
    (tmp_path / "share").mkdir()
    (tmp_path / "share" / "a.jpg").write_bytes(JPEG)
    decider = Host()
    async with run(decider, images=tmp_path / "share") as source:
        status, _ = await curl("--json", '{"part": "P", "views": [{"name": "top", "image": "a.jpg"}]}', source.url)
    assert (status, decider.images) == (200, {"top": JPEG})


async def test_a_key_is_a_header_or_in_the_document(run: Run) -> None:
    """And the two may not differ, for only one of them can find the stored decision."""
    decider = Host()
    async with run(decider) as source:
        post = ["--json", '{"key": "k1"}', source.url, "-H"]
        assert (await curl(*post, "Idempotency-Key: k1"))[1]["key"] == "k1"
        status, said = await curl(*post, "Idempotency-Key: k2")
        assert (status, said["detail"]) == (400, "Idempotency-Key is another than the document's key")
        await curl("--json", "{}", source.url, "-H", "Idempotency-Key: k3", "-H", "X-Deadline-Ms: 70")
    assert [(part.key, part.deadline_ms) for part in decider.parts] == [("k1", None), ("k3", 70)]


async def test_an_unrecorded_decision_is_no_acknowledgement(run: Run, port: int) -> None:
    async with run(Host(recorded=False)), dialled(port) as (reader, writer):
        writer.write(request(PART))
        said = await answer(reader)
    assert (said.status, said.headers["retry-after"]) == (503, "1")
    assert said.document | {"detail": UNRECORDED, "verdict": "NG", "recorded": False} == said.document


async def test_the_deadline_counts_from_the_first_byte(run: Run, port: int) -> None:
    """A slow upload is the part's own lateness."""
    decider, loop = Host(), asyncio.get_running_loop()
    async with run(decider), dialled(port) as (reader, writer):
        before = loop.time()
        writer.write(request(FORM, MEDIA)[:10])
        await writer.drain()
        await asyncio.sleep(0.05)
        after = loop.time()
        writer.write(request(FORM, MEDIA)[10:])
        assert (await answer(reader)).status == 200
        writer.write(request(PART))
        assert (await answer(reader)).status == 200
    first, second = (part.event for part in decider.parts)
    assert first is not None
    assert second is not None
    assert before <= first < after - 0.04
    assert second > after


@given(st.integers(1, len(request(FORM, MEDIA)) - 1))
@settings(max_examples=15)
async def test_a_request_may_come_in_any_two_pieces(at: int) -> None:
    """Wherever the network cuts; every cut of the form itself is tried without a network."""
    decider, (port,) = Host(), free_ports(1)
    async with running(decider, Path(), port), dialled(port) as (reader, writer):
        writer.write(request(FORM, MEDIA)[:at])
        await writer.drain()
        await asyncio.sleep(0.001)
        writer.write(request(FORM, MEDIA)[at:])
        assert (await answer(reader)).status == 200
    (part,) = decider.parts
    assert (part.part, part.legacy, part.views) == ("P1", Verdict.NG, (View(name="top", image=JPEG),))


async def test_a_connection_is_used_again_and_requests_may_be_sent_ahead(run: Run, port: int) -> None:
    """Answers come in the order of the requests; what was refused costs what comes behind it nothing."""
    async with run(Host()), dialled(port) as (reader, writer):
        writer.write(request(PART) + request(b"{") + request(FORM, MEDIA))
        assert [(await answer(reader)).status for _ in range(3)] == [200, 400, 200]


async def test_what_is_not_understood_is_kept_with_its_reason(run: Run, port: int) -> None:
    """One clear line to the sender, the same in the quarantine, and it is counted."""
    before = counted("unreadable")
    async with run(Host()) as source, dialled(port) as (reader, writer):
        writer.write(request(FORM[:-9], MEDIA))
        said = await answer(reader)
        assert (said.status, said.headers["content-type"]) == (400, "application/problem+json")
        assert said.document["detail"] == "the form has no closing boundary: it was cut short"
        await until(lambda: source.reasons == [said.document["detail"]])
        (kept,) = (source.options.home / "quarantine").glob("*.bin")
        assert kept.read_bytes() == FORM[:-9]
    assert counted("unreadable") == before + 1


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request(b"x" * 2000), 413),
        (request(b"x" * 2000, MEDIA), 413),
        (request(b"{}", "text/xml"), 415),
        (request(b"{}", headers="Content-Encoding: gzip\r\n"), 415),
        (request(b"{}", "multipart/form-data"), 400),
        (request(b"{}", headers="Expect: miracles\r\n"), 417),
        (request(b"{}", headers="Origin: http://evil\r\n"), 403),
        (request(b"{}").replace(b"POST /v1/inspections", b"POST /"), 404),
        (request(b"{}").replace(b"POST", b"PUT"), 405),
        (request(b"{}").replace(b"Content-Type: application/json\r\n", b""), 415),
    ],
)
async def test_what_is_not_for_us_is_told_so_in_one_line(sent: bytes, status: int, run: Run, port: int) -> None:
    """By the head alone, and no part comes of it."""
    decider = Host()
    async with run(decider, max_request_bytes=1024), dialled(port) as (reader, writer):
        writer.write(sent)
        said = await answer(reader)
        assert (said.status, said.document["status"]) == (status, status)
        assert said.headers["content-type"] == "application/problem+json"
    assert decider.parts == []


async def test_what_is_too_large_is_told_so_before_its_body_is_sent(run: Run, port: int) -> None:
    """The head alone is enough; nothing of the body ever comes."""
    async with run(Host(), max_request_bytes=1024), dialled(port) as (reader, writer):
        writer.write(request(b"x" * 2000, headers="Expect: 100-continue\r\n")[:-2000])
        assert (await answer(reader)).status == 413


@pytest.mark.parametrize(
    ("limits", "name"),
    [({"max_image_bytes": 1000}, "the field top"), ({"max_request_bytes": 2000}, "the request")],
)
async def test_what_grows_too_large_on_its_way_is_stopped(limits: Any, name: str, run: Run, port: int) -> None:
    """A client that does not say how much comes sends for ever otherwise."""
    head = (
        f"POST /v1/inspections HTTP/1.1\r\nHost: b\r\nContent-Type: {MEDIA}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    begin = FORM[: FORM.index(JPEG)]
    async with run(Host(), **limits), dialled(port) as (reader, writer):
        writer.write(head.encode() + b"%x\r\n%s\r\n" % (len(begin), begin))
        for _ in range(5):
            writer.write(b"200\r\n%s\r\n" % bytes(512))
        said = await answer(reader)
    assert (said.status, said.document["detail"].startswith(f"{name} has more than")) == (413, True)


async def test_a_form_has_only_so_many_fields(run: Run) -> None:
    async with run(Host(), fields_max=3) as source:
        fields = [word for number in range(4) for word in ("-F", f"v{number}=@/dev/null;filename=a")]
        status, said = await curl(*fields, source.url)
    assert (status, said["detail"]) == (413, "the form has more than 3 fields")


@pytest.mark.parametrize("frame", [b"zz\r\n", b"-5\r\n"])
async def test_chunks_that_are_none_are_told_so(frame: bytes, run: Run, port: int) -> None:
    head = b"POST /v1/inspections HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\n"
    async with run(Host()), dialled(port) as (reader, writer):
        writer.write(head + b"Transfer-Encoding: chunked\r\n\r\n")
        await writer.drain()
        writer.write(frame)
        assert (await answer(reader)).status == 400


async def test_what_is_no_http_is_counted_and_costs_no_log(
    run: Run, port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A log that a stranger can fill is a disk that he can fill."""
    before = counted("garbage")
    async with run(Host()):
        for noise in (b"\x16\x03\x01\x02\x00\x01\x00", b"hello\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"):
            async with dialled(port) as (reader, writer):
                writer.write(noise + b"\r\n\r\n")
                assert b" 400 " in await reader.read()
    assert counted("garbage") == before + 3
    assert "Traceback" not in capsys.readouterr().err


async def test_a_burst_waits_and_only_so_many_bodies_are_read(run: Run) -> None:
    """More than may be under way at once: all are taken in the end."""
    gate = asyncio.Event()
    decider, full = Host(hold=lambda _: gate.wait()), counted("full")
    async with run(decider, in_flight=2) as source, aiohttp.ClientSession() as session:

        async def post(number: int) -> int:
            async with session.post(source.url, json={"part": f"P{number}"}) as response:
                return response.status

        posts = [asyncio.create_task(post(number)) for number in range(6)]
        await decider.until(lambda: len(decider.parts) == 2)
        await until(lambda: counted("full") == full + 4)
        gate.set()
        assert await asyncio.gather(*posts) == [200] * 6
    assert decider.most == 2


async def test_who_finds_no_room_in_time_keeps_the_part(run: Run, port: int) -> None:
    """503 and when to come again; nothing of the body was read, and curl would try again by itself."""
    gate = asyncio.Event()
    decider = Host(hold=lambda _: gate.wait())
    async with run(decider, in_flight=1, room_timeout_seconds=0.05), dialled(port) as (first, one):
        one.write(request(PART))
        await decider.until(lambda: len(decider.parts) == 1)
        async with dialled(port) as (second, other):
            other.write(request(PART))
            said = await answer(second)
            assert (said.status, said.headers["retry-after"]) == (503, "1")
            assert "send it again" in said.document["detail"]
        gate.set()
        assert (await answer(first)).status == 200


async def test_a_client_that_goes_cancels_no_part(run: Run, port: int) -> None:
    """What was handed in is finished, and its place is free again."""
    gate = asyncio.Event()
    decider = Host(hold=lambda _: gate.wait())
    async with run(decider, in_flight=1):
        async with dialled(port) as (_, writer):
            writer.write(request(PART))
            await decider.until(lambda: len(decider.parts) == 1)
        gate.set()
        await decider.until(lambda: decider.answered == ["P1"])
        async with dialled(port) as (reader, writer):
            writer.write(request(PART))
            assert (await answer(reader)).status == 200


@pytest.mark.parametrize("cut", [0.3, 0.9])
async def test_a_client_that_goes_in_the_middle_has_handed_over_nothing(cut: float, run: Run, port: int) -> None:
    """No half picture is a part; the next client is served."""
    decider, before = Host(), counted("upload_lost")
    sent = request(FORM, MEDIA)
    async with run(decider):
        async with dialled(port) as (_, writer):
            writer.write(sent[: len(sent) - int(len(FORM) * (1 - cut)) - 1])
            await asyncio.sleep(0.02)
        await until(lambda: counted("upload_lost") == before + 1)
        async with dialled(port) as (reader, writer):
            writer.write(sent)
            assert (await answer(reader)).status == 200
    assert len(decider.parts) == 1


async def test_a_client_that_said_all_still_hears_the_answer(run: Run, port: int) -> None:
    """Some close their sending side; then ours is closed behind the answer."""
    decider = Host(hold=lambda _: asyncio.sleep(0.02))
    async with run(decider), dialled(port) as (reader, writer):
        writer.write(request(PART))
        writer.write_eof()
        assert (await answer(reader)).status == 200
        assert await reader.read() == b""


async def test_a_body_that_is_cut_by_a_goodbye_is_no_part(run: Run, port: int) -> None:
    decider = Host()
    async with run(decider), dialled(port) as (reader, writer):
        writer.write(request(PART)[:-1])
        writer.write_eof()
        with suppress(ConnectionError):
            assert b" 200 " not in await reader.read()
    assert decider.parts == []


async def test_a_slow_head_is_cut_and_a_slow_body_is_told(run: Run, port: int) -> None:
    """Whoever dribbles a byte now and then holds no place for long."""
    before = counted("slow")
    async with run(Host(), head_timeout_seconds=0.1, body_timeout_seconds=0.1):
        async with dialled(port) as (reader, writer):
            writer.write(request(PART)[:20])
            with suppress(ConnectionError):
                assert await reader.read() == b""
        async with dialled(port) as (reader, writer):
            writer.write(request(PART)[:-3])
            assert (await answer(reader)).status == 408
            assert await reader.read() == b""
    assert counted("slow") == before + 2


async def test_a_silent_connection_is_closed(run: Run, port: int) -> None:
    async with run(Host(), idle_timeout_seconds=0.05), dialled(port) as (reader, _):
        assert await reader.read() == b""


async def test_an_idle_connection_makes_room_and_a_busy_one_does_not(run: Run, port: int) -> None:
    """A port scanner keeps no machine out; one whose part is under way is never cut for another."""
    gate = asyncio.Event()
    decider = Host(hold=lambda _: gate.wait())
    dropped, refused = counted("connections_dropped"), counted("connections_refused")
    async with run(decider, connections_max=2), dialled(port) as (busy, one), dialled(port) as (idle, _):
        one.write(request(PART))
        await decider.until(lambda: len(decider.parts) == 1)
        async with dialled(port) as (reader, writer):
            writer.write(request(PART))
            await decider.until(lambda: len(decider.parts) == 2)
            with suppress(ConnectionError):
                assert await idle.read() == b""
            async with dialled(port) as (third, _):
                with suppress(ConnectionError):
                    assert await third.read() == b""
            gate.set()
            assert (await answer(reader)).status == 200
        assert (await answer(busy)).status == 200
    assert counted("connections_dropped") == dropped + 1
    assert counted("connections_refused") == refused + 1


async def test_a_token_is_needed_where_there_is_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AOI_TOKEN", "open sesame")
    before = counted("unauthorised")
    async with run(Host(), token="env:AOI_TOKEN") as source:
        assert (await curl("--json", "{}", source.url))[0] == 401
        assert (await curl("--json", "{}", source.url, "-H", "Authorization: Bearer open sesame"))[0] == 200
        assert (await curl(source.url.replace("/v1/inspections", "/healthz")))[1]["status"] == "ok"
    assert counted("unauthorised") == before + 1


async def test_only_who_is_allowed_may_connect(run: Run, port: int) -> None:
    """Turned away before a byte is read."""
    async with run(Host(), allow=["192.0.2.1"]), dialled(port) as (reader, _):
        with suppress(ConnectionError):
            assert await reader.read() == b""


async def test_a_source_that_closes_answers_what_is_under_way(run: Run, port: int) -> None:
    """And closes at once whoever is idle."""
    gate = asyncio.Event()
    decider = Host(hold=lambda _: gate.wait())
    async with run(decider) as source, dialled(port) as (idle, _), dialled(port) as (reader, writer):
        writer.write(request(PART))
        await decider.until(lambda: len(decider.parts) == 1)
        source.task.cancel()
        assert await idle.read() == b""
        gate.set()
        assert (await answer(reader)).status == 200


async def test_a_port_that_another_has_is_unavailable(run: Run) -> None:
    async with run(Host()) as source:
        with pytest.raises(Unavailable, match=f"cannot listen on 127.0.0.1:{source.options.port}"):
            async with open_source(source.options):
                pass


@pytest.mark.parametrize("habit", [{}, {"partial": 0.001}, {"drop": 1.0}, {"garbage": 1.0}])
@pytest.mark.parametrize("road", ["form", "share"])
async def test_the_simulated_inspector_is_understood(
    habit: dict[str, float],
    road: str,
    run: Run,
    tmp_path: Path,
) -> None:
    """As a form or by a share, and on its bad days."""
    (tmp_path / "share").mkdir()
    decider = Host()
    more = {"images": tmp_path / "share"} if road == "share" else {}
    part = Inspection(part="P1", legacy=Verdict.NG, key="k", views=(View(name="top", image=JPEG),))
    async with run(decider, **more) as source, open_inspector(source.options, habit) as play:
        if "drop" in habit:
            with pytest.raises(Unavailable):
                await play(part)
            return
        assert await play(part) is Verdict.NG
    assert (decider.parts[-1].part, decider.parts[-1].key) == ("P1", "k")
    assert (decider.images or {"top": decider.parts[-1].views[0].image}) == {"top": JPEG}
