"""Real machines on real sockets and folders: recorded, found out, and replayed to the source that was proposed."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import TypeAdapter

from bridge.messages import Inspection, Verdict, View
from bridge.plugin import Unavailable
from bridge.plugin.discovery import AnySource, Plugged
from bridge.sniff import watch as watching
from bridge.sniff.capture import Capture, read
from bridge.sniff.feed import Pace
from bridge.sniff.files import stories
from bridge.sniff.proposal import Proposal, propose
from bridge.sniff.replay import Outcome, replay
from bridge.sniff.tap import Tap, tapping
from bridge.sniff.watch import watch
from bridge.sniff.wire import Ear, Marks, connect, listen
from bridge_hotfolder.peer import FolderAoi, Form, Style
from bridge_tcp import TcpSourceOptions
from bridge_tcp.framing import Crlf, Fixed, Framing, StxEtx
from bridge_tcp.peer import dial_bridge, open_inspector, serve_inspector

JPEG = b"\xff\xd8" + b"\r\n\x02\x03{" * 40 + b"\xff\xd9"
PARTS = [
    Inspection(
        part=f"SN{1000 + number * 7}",
        legacy=Verdict.NG if number % 3 == 1 else Verdict.OK,
        defect="E12" if number % 3 == 1 else "",
    )
    for number in range(12)
]


@asynccontextmanager
async def recorded(tmp_path: Path, *, answer: bytes = b"", forward: int = 0) -> AsyncIterator[tuple[int, Tap]]:
    """Listen as ``sniff record`` does; the capture is ``tmp_path / "c.jsonl"``."""
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    async with tapping(tmp_path / "c.jsonl", "tcp", "listen 127.0.0.1:9100", 10_000_000) as tap:
        ear = Ear(tap, answer, ("127.0.0.1", forward) if forward else None)
        task = asyncio.create_task(listen(ear, ("127.0.0.1", 0), (), port.set_result))
        try:
            yield await port, tap
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(true: Callable[[], object]) -> None:
    """Wait for what no event tells of."""
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - what is waited for is of many kinds
            await asyncio.sleep(0.01)


def plugged(found: Proposal, **more: object) -> Plugged:
    """Return the source that the table configures, once an engineer has pasted it."""
    table: dict[str, Any] = tomllib.loads(found.table())["line"]["source"]
    source: Plugged = TypeAdapter(AnySource).validate_python({**table, **more})
    return source


async def played(tmp_path: Path, **more: object) -> tuple[Capture, Proposal, Outcome]:
    capture = await asyncio.to_thread(read, tmp_path / "c.jsonl")
    found = await asyncio.to_thread(propose, capture)
    outcome = await replay(capture, await asyncio.to_thread(plugged, found, **more), tmp_path / "home", Pace())
    return capture, found, outcome


def told(outcome: Outcome) -> list[tuple[str, Verdict | None]]:
    return [(row.part.part, row.part.legacy) for row in outcome.rows if row.part is not None]


EXPECTED = [(part.part, part.legacy) for part in PARTS]
FRAMINGS: dict[str, Callable[[], Framing]] = {
    "crlf": lambda: Crlf(1 << 16),
    "stx_etx": lambda: StxEtx(1 << 16),
    "fixed": lambda: Fixed(40),
}


@pytest.mark.parametrize("kind", FRAMINGS)
async def test_a_machine_that_dials_is_found_out(kind: str, tmp_path: Path) -> None:
    """Recorded, proposed, replayed: every part of it comes out as the machine meant it."""
    async with recorded(tmp_path) as (port, tap), dial_bridge("127.0.0.1", port, FRAMINGS[kind]()) as machine:
        for part in PARTS:
            await machine.send(f"{part.part};{part.legacy};{part.defect or '-'}".encode())
        await until(lambda: tap.size >= 12 * 12)
    capture, found, outcome = await played(tmp_path)
    assert found.values()["framing"] == kind
    assert (found.understood, found.of, dict(found.decide)) == (12, 12, {})
    assert outcome.well, outcome
    assert told(outcome) == EXPECTED
    assert not any(event.what == "answer" for event in capture.events), "nothing was sent to the machine"


@pytest.mark.parametrize("habits", [{}, {"partial": 0.002}, {"drop": 5}, {"garbage": 4}])
async def test_bad_habits_do_not_mislead(habits: dict[str, float], tmp_path: Path) -> None:
    """Frames that dribble, connections that are cut, noise between: the framing is still found."""
    async with recorded(tmp_path) as (port, tap):
        async with open_inspector(TcpSourceOptions(port=port), habits) as play:  # type: ignore[call-arg]
            for part in PARTS:
                while True:
                    try:
                        await play(part)
                        break
                    except Unavailable:
                        continue
        await until(lambda: tap.open == 0 and tap.packets)
    _, found, outcome = await played(tmp_path)
    assert found.values()["framing"] == "crlf"
    heard = [one for one in told(outcome) if one[1]]
    assert set(heard) <= set(EXPECTED)
    assert "drop" in habits or heard == EXPECTED, "only what a cut connection took along may be missing"
    assert outcome.well is not ("garbage" in habits or "drop" in habits)


async def test_images_on_the_wire(tmp_path: Path) -> None:
    """Pictures hold every byte that other framings end with."""
    parts = [
        Inspection(part=f"P{number}", legacy=Verdict.OK, views=(View(name="top", image=JPEG),))
        for number in range(4)
    ]
    async with recorded(tmp_path) as (port, tap):
        options = TcpSourceOptions(port=port, framing="len32be")
        async with open_inspector(options, {}) as play:  # type: ignore[call-arg]
            for part in parts:
                await play(part)
        await until(lambda: tap.open == 0 and tap.packets)
    _, found, outcome = await played(tmp_path)
    assert found.values()["framing"] == "len32be"
    assert outcome.well
    assert [row.images for row in outcome.rows] == [1, 1, 1, 1]


async def test_a_machine_that_listens_is_dialled_and_replayed_as_one_that_listens(tmp_path: Path) -> None:
    """The proposal has the role client, and its replay dials this machine only."""
    async with (
        serve_inspector(FRAMINGS["crlf"]) as machine,
        tapping(tmp_path / "c.jsonl", "tcp", f"connect 127.0.0.1:{machine.port}", 10_000_000) as tap,
    ):
        away: list[str] = []
        task = asyncio.create_task(connect(Ear(tap), ("127.0.0.1", machine.port), away.append))
        link = await machine.connection()
        for part in PARTS:
            await link.send(f"{part.part},{part.legacy}".encode())
        await until(lambda: tap.size >= 12 * 9)
        link.drop()
        await machine.connection()
        assert away[:2] == ["", "it closed the connection"]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    _, found, outcome = await played(tmp_path)
    assert (found.values()["role"], found.values()["port"]) == ("client", machine.port)
    assert outcome.well, outcome
    assert told(outcome) == EXPECTED
    assert len(machine.links) == 2, "the replay did not dial the machine"


async def test_a_machine_that_waits_for_an_answer_goes_on(tmp_path: Path) -> None:
    """An answer goes out only once the message stands in the file."""
    async with (
        recorded(tmp_path, answer=b"ACK\r\n") as (port, _),
        dial_bridge("127.0.0.1", port, FRAMINGS["crlf"]()) as machine,
    ):
        for part in PARTS:
            await machine.send(f"{part.part},{part.legacy}".encode())
            assert (await machine.reply()).payload == b"ACK"
            capture = await asyncio.to_thread(read, tmp_path / "c.jsonl")
            assert part.part.encode() in b"".join(
                event.data for event in capture.events if event.what == "machine"
            )
    assert (
        sum(event.what == "answer" for event in (await asyncio.to_thread(read, tmp_path / "c.jsonl")).events) == 12
    )


async def test_between_a_machine_and_its_receiver_both_directions_pass_and_are_recorded(tmp_path: Path) -> None:
    """Byte for byte, half-closed connections too."""
    heard = bytearray()

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            heard.extend(line)
            writer.write(b"GOT " + line)
        writer.write(b"BYE\r\n")  # said after the machine has said that it is done
        writer.close()

    receiver = await asyncio.start_server(receive, "127.0.0.1", 0)
    async with receiver, recorded(tmp_path, forward=receiver.sockets[0].getsockname()[1]) as (port, tap):
        async with dial_bridge("127.0.0.1", port, FRAMINGS["crlf"]()) as machine:
            for part in PARTS:
                await machine.send(f"{part.part},{part.legacy}".encode())
                assert (await machine.reply()).payload == f"GOT {part.part},{part.legacy}".encode()
            machine.half_close()
            assert (await machine.reply()).payload == b"BYE"
        await until(lambda: tap.open == 0)
    capture, found, outcome = await played(tmp_path)
    said = {what: b"".join(e.data for e in capture.events if e.what == what) for what in ("machine", "answer")}
    assert said["machine"] == bytes(heard)
    assert said["answer"].count(b"GOT ") == 12
    assert said["answer"].endswith(b"BYE\r\n")
    assert any("answered" in note for note in found.notes)
    assert told(outcome) == EXPECTED


async def test_a_receiver_that_is_away_is_away_for_the_machine_too(tmp_path: Path) -> None:
    """The machine does then what it always does when nobody takes its parts."""
    gone = await asyncio.start_server(lambda _, __: None, "127.0.0.1", 0)
    nobody = gone.sockets[0].getsockname()[1]
    gone.close()
    await gone.wait_closed()
    async with recorded(tmp_path, forward=nobody) as (port, tap):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()
        await until(lambda: tap.open == 0)


@pytest.mark.parametrize(
    ("stream", "messages"),
    [(b"A\r\nB\r\nC\r\n", 3), (b"A\rB\r", 2), (b"\x02A\x03\r\n\x02B\x03\r\n", 2), (b"A\nB\n\n", 3)],
)
@pytest.mark.parametrize("step", [1, 2, 3, 100])
def test_messages_are_counted_however_they_are_cut(stream: bytes, messages: int, step: int) -> None:
    """Each message is answered once; before the first mark a packet counts as one."""
    marks = Marks()
    marks.ended(b"\x02\x03" if b"\x02" in stream else b"\n")
    counted = [marks.ended(stream[at : at + step]) for at in range(0, len(stream), step)]
    assert sum(counted) == messages


async def test_packets_without_marks_are_messages() -> None:
    assert [Marks().ended(b"A"), Marks().ended(b"B")] == [1, 1]


async def test_what_is_not_understood_is_told_with_its_reason(tmp_path: Path) -> None:
    """A word in no list, a line that does not match, a frame without an end."""
    async with recorded(tmp_path) as (port, tap), dial_bridge("127.0.0.1", port, FRAMINGS["crlf"]()) as machine:
        for number in range(6):
            await machine.send(f"P{number},{'OK' if number else 'REWORK'},E1".encode())
        await machine.send(b"no part at all")
        await machine.send_raw(b"P9,OK")
        await until(lambda: tap.size > 70)
    _, found, outcome = await played(tmp_path)
    assert dict(found.decide) == {"REWORK": 1}
    assert "REWORK" not in str(found.values())
    why = [row.why for row in outcome.rows if not row.understood]
    assert any("ok_words" in reason for reason in why)
    assert any("does not match" in reason for reason in why)
    assert any("no end" in reason for reason in why)
    assert (outcome.understood, outcome.missed, outcome.well) == (5, 3, False)


async def test_a_source_that_cannot_be_replayed_is_a_mistake_in_one_line(tmp_path: Path) -> None:
    async with recorded(tmp_path) as (port, tap), dial_bridge("127.0.0.1", port, FRAMINGS["crlf"]()) as machine:
        await machine.send(b"P1,OK")
        await until(lambda: tap.packets)
    capture = await asyncio.to_thread(read, tmp_path / "c.jsonl")
    table = {"type": "hotfolder", "path": str(tmp_path)}
    folder: Plugged = await asyncio.to_thread(TypeAdapter(AnySource).validate_python, table)
    with pytest.raises(Exception, match="cannot be played a capture of kind tcp"):
        await replay(capture, folder, tmp_path / "home", Pace())


STYLES: list[tuple[Style, Form, Literal["utf-8", "cp949"]]] = [
    ("renamed", "json", "utf-8"),
    ("flag", "csv", "utf-8"),
    ("footer", "ini", "utf-8"),
    ("manifest", "xml", "utf-8"),
    ("appended", "json", "utf-8"),
    ("stable", "csv", "cp949"),
    ("name", "json", "utf-8"),
]


@pytest.mark.parametrize(("style", "form", "page"), STYLES)
async def test_a_machine_that_writes_files_is_found_out(
    style: Style, form: Form, page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each way to say that a file is whole, each form; nothing in the folder is touched."""
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.01)
    folder = tmp_path / "aoi"
    folder.mkdir()
    async with tapping(tmp_path / "c.jsonl", "folder", f"folder {folder}", 10_000_000) as tap:
        looked = asyncio.Event()
        task = asyncio.create_task(watch(tap, folder, looked.set))
        await looked.wait()
        habits = {"partial": 0.03} if style == "renamed" else {}
        aoi = FolderAoi(folder, style, form=form, pause=0.05, views=2, encoding=page, habits=habits)
        for part in PARTS[:6]:
            await aoi.put(
                part=part.part,
                verdict=str(part.legacy),
                views={"top": JPEG, "left": JPEG},
                defect="납땜불량" if part.defect and page == "cp949" else part.defect,
                view_verdicts={"top": str(part.legacy), "left": "OK"},
            )
            await until(lambda: tap.packets)
        await asyncio.to_thread(_left_alone, folder)
        await until(lambda: not task.done() and _settled(folder))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    _, found, outcome = await played(tmp_path)
    rules = {"name": "stable"}
    assert found.values()["complete"] == rules.get(style, style), found.table()
    assert found.values().get("encoding", "utf-8") == page
    assert outcome.well, outcome
    assert dict(told(outcome)) == dict(EXPECTED[:6])
    assert {row.images for row in outcome.rows} == {2}


def _left_alone(folder: Path) -> None:
    assert not [path for path in folder.rglob("*") if path.suffix in {".lock", ".seen"}]


def _settled(folder: Path) -> bool:
    """Say whether what lies in the folder stands in the capture, byte for byte."""
    held = {story.path: story.data for story in stories(read(folder.parent / "c.jsonl").events)}
    return held == {
        str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
