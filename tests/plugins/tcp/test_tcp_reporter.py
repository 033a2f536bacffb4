"""A decision counts as delivered only by its own acknowledgement, from an MES that is not always well."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from adapter_host import decision_of, until

from bridge.plugin import Decision, Inspection, Refused, Unavailable, Verdict, counted
from bridge_tcp import TcpReporterOptions, open_reporter
from bridge_tcp.framing import Crlf, Frame, Framing, Kind, StxEtx
from bridge_tcp.len32be import Len32be
from bridge_tcp.peer import Document, Mes, serve_mes


def crlf() -> Framing:
    return Crlf(65_536)


@pytest.fixture
async def mes() -> AsyncIterator[Mes]:
    """An MES that takes JSON lines."""
    async with serve_mes(crlf) as running:
        yield running


def options(mes: Mes, **more: Any) -> TcpReporterOptions:
    more.setdefault("ack_timeout_seconds", 30)
    return TcpReporterOptions(name="mes", host="127.0.0.1", port=mes.port, **more)


def decision(number: int = 1) -> Decision:
    return decision_of(Inspection(part=f"P{number}", legacy=Verdict.NG), number)


def decisions(most: int) -> Sequence[Decision]:
    return [decision(number) for number in range(1, most + 1)]


@pytest.mark.parametrize(
    ("kind", "framed"), [("crlf", crlf), ("stx_etx", lambda: StxEtx(65_536)), ("len32be", lambda: Len32be(65_536))]
)
async def test_the_whole_decision_arrives_and_is_acknowledged(kind: Kind, framed: Any) -> None:
    """What the MES holds is the decision's own document, in each framing that carries JSON."""
    async with serve_mes(framed) as mes, open_reporter(options(mes, framing=kind)) as report:
        await report(decision())
        assert mes.documents == {decision().id: json.loads(json.dumps(decision().document()))}


async def test_several_are_under_way_and_find_their_own_acknowledgement() -> None:
    """Acknowledgements in reverse order settle the right reports."""
    held: list[bytes] = []

    def answer(document: Document, _: str | None) -> Sequence[bytes]:
        status = "refused" if document["part"] == "P2" else "accepted"
        held.insert(0, json.dumps({"id": document["id"], "status": status, "reason": "late"}).encode())
        return held if len(held) == 3 else []

    async with serve_mes(crlf, answer=answer) as mes, open_reporter(options(mes, window=3)) as report:
        outcomes = await asyncio.gather(*map(report, decisions(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), Refused, type(None)]


async def test_a_refusal_carries_its_reason(mes: Mes) -> None:
    """The MES understood and will never take it: parked with what it said."""
    mes.refuse = lambda document: f"unknown part {document['part']}"
    async with open_reporter(options(mes)) as report:
        with pytest.raises(Refused, match="unknown part P1"):
            await report(decision())
    assert mes.refused == {decision().id: "unknown part P1"}


async def test_a_status_in_no_list_is_neither_taken_nor_refused() -> None:
    """Only a positive statement is an acceptance."""

    def busy(document: Document, _: str | None) -> Sequence[bytes]:
        return [json.dumps({"id": document["id"], "status": "busy", "reason": "try later"}).encode()]

    async with serve_mes(crlf, answer=busy) as mes, open_reporter(options(mes)) as report:
        with pytest.raises(Unavailable, match="try later"):
            await report(decision())


async def test_a_lost_acknowledgement_is_healed_by_sending_again(mes: Mes) -> None:
    """The same id arrives twice: resent, not duplicated."""
    mes.lose_acks = 1
    async with open_reporter(options(mes, ack_timeout_seconds=0.05)) as report:
        with pytest.raises(Unavailable, match="did not acknowledge"):
            await report(decision())
    async with open_reporter(options(mes)) as report:
        await report(decision())
    assert (mes.resent, mes.duplicated(), len(mes.documents)) == (1, 0, 1)


async def test_a_cancelled_report_leaves_the_connection_in_step(mes: Mes) -> None:
    """A late acknowledgement of a report that nobody waits for settles no other."""
    before = counted("ack_unmatched")
    async with open_reporter(options(mes)) as report:
        mes.stall()
        task = asyncio.create_task(report(decision(1)))  # type: ignore[arg-type]
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        mes.refuse = lambda document: "no" if document["part"] == "P1" else None
        mes.resume()
        await report(decision(2))
    assert counted("ack_unmatched") == before + 1
    assert list(mes.documents) == [decision(2).id]


async def test_an_mes_that_stalls_is_unavailable(mes: Mes) -> None:
    mes.stall()
    async with open_reporter(options(mes, ack_timeout_seconds=0.05)) as report:
        with pytest.raises(Unavailable, match="in time"):
            await report(decision())


async def test_an_mes_that_dies_fails_what_is_under_way(mes: Mes) -> None:
    """Whoever waits for an acknowledgement hears at once, and the opener itself ends: close me, open me again."""
    mes.stall()
    loop = asyncio.get_running_loop()
    reports: list[asyncio.Task[None]] = []

    async def use() -> None:
        async with open_reporter(options(mes, window=2)) as report:
            reports.extend(asyncio.create_task(report(each)) for each in decisions(2))  # type: ignore[arg-type]
            await asyncio.sleep(0.01)
            mes.die()
            await asyncio.Event().wait()

    died = loop.time()
    with pytest.raises(Unavailable, match="127"):
        await use()
    outcomes = await asyncio.gather(*reports, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable]
    assert loop.time() - died < 20  # not the time that an acknowledgement may take


@pytest.mark.parametrize("end", [Mes.die, Mes.half_close])
async def test_an_mes_that_goes_is_noticed_while_nothing_is_reported(mes: Mes, end: Any) -> None:
    """Health must not wait for the next part."""

    async def use() -> None:
        async with open_reporter(options(mes)) as report:
            await report(decision())
            end(mes)
            await asyncio.Event().wait()

    with pytest.raises(Unavailable):
        await use()


async def test_an_mes_that_is_away_is_unavailable(port: int) -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        async with open_reporter(TcpReporterOptions(name="mes", host="127.0.0.1", port=port)):
            pass


async def test_everything_arrives_once_an_mes_that_dies_is_back(mes: Mes) -> None:
    """At least once, and nothing under a second id: the host reopens and sends again what was not acknowledged."""
    waiting = list(decisions(30))
    mishaps: list[Callable[[], object]] = [partial(setattr, mes, "lose_acks", 1), mes.die, mes.half_close]
    while waiting:
        try:
            async with open_reporter(options(mes, ack_timeout_seconds=0.1)) as report:
                for each in list(waiting):
                    if each.number % 10 == 5 and mishaps:
                        mishaps.pop(0)()
                    await report(each)
                    waiting.remove(each)
        except Unavailable:
            mes.die()
            await until(lambda: mes.connections == 0)
            await mes.start()
    assert [document["part"] for document in mes.documents.values()] == [f"P{at}" for at in range(1, 31)]
    assert mes.duplicated() == 0
    assert mes.resent >= 1
    assert not mishaps


async def test_other_words_and_other_texts_serve_an_old_mes() -> None:
    """A template goes out, a pattern understands what comes back; a wordless match is an acceptance."""

    def read(frame: Frame) -> Document:
        name, part, verdict = frame.payload.decode("cp949").split(";")
        return {"id": name, "part": part, "verdict": verdict}

    async with (
        serve_mes(crlf, read=read, answer=lambda said, _: [f"ACK {said['id']}".encode()]) as mes,
        open_reporter(
            options(mes, template="{id};{part};{verdict}", encoding="cp949", ack_pattern="ACK (?P<id>.*)")
        ) as report,
    ):
        await report(replace(decision(), part="부품 1"))
    assert [(said["part"], said["verdict"]) for said in mes.documents.values()] == [("부품 1", "NG")]


@pytest.mark.parametrize("part", ["P1\r\nP2", "\u2603"])
async def test_what_the_framing_or_the_code_page_cannot_carry_is_refused(mes: Mes, part: str) -> None:
    """It would never be taken: parked with the reason, while the connection goes on."""
    async with open_reporter(options(mes, template="{id};{part}", encoding="cp1252")) as report:
        with pytest.raises(Refused, match="cannot be written"):
            await report(replace(decision(), part=part))


@pytest.mark.parametrize("noise", [b"hello", b"[]", b'{"id": 1}', b'{"id": "x", "status": "accepted"}'])
async def test_chatter_between_acknowledgements_is_counted_and_ignored(noise: bytes) -> None:
    """A banner, a broken line or somebody else's id settles nothing."""

    def answer(document: Document, _: str | None) -> Sequence[bytes]:
        return [noise, json.dumps({"id": document["id"], "status": "OK"}).encode()]

    before = counted("unreadable") + counted("ack_unmatched")
    async with serve_mes(crlf, answer=answer) as mes, open_reporter(options(mes)) as report:
        await report(decision())
    assert counted("unreadable") + counted("ack_unmatched") == before + 1


async def test_on_the_realtime_lane_nothing_leaves_late(mes: Mes) -> None:
    """By then another part stands there."""
    late = replace(decision(), expires=asyncio.get_running_loop().time() - 0.001)
    async with open_reporter(options(mes, lane="realtime")) as report:
        with pytest.raises(Refused, match="expired"):
            await report(late)
        await report(decision(2))
    assert list(mes.documents) == [decision(2).id]


async def test_a_thousand_acknowledgements_a_second(mes: Mes) -> None:
    """With a window of 64, MES included, in less processor time than that: a busy machine changes nothing."""
    window = asyncio.Semaphore(64)
    async with open_reporter(options(mes, window=64, ack_timeout_seconds=5)) as report:

        async def one(each: Decision) -> None:
            async with window:
                await report(each)

        started = time.process_time()
        await asyncio.gather(*map(one, decisions(2000)))
        assert time.process_time() - started < 2
    assert len(mes.documents) == 2000
