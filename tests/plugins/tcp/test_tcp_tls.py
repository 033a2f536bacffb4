"""TLS on every road of the adapter, and strangers who never get in; with certificates made for this run."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from adapter_host import Host, decision_of, until
from conftest import Run
from plant_tls import PASSWORD, Pair, Plant
from pydantic import ValidationError

from bridge.plugin import ClientTls, ConfigError, Inspection, Unavailable, Verdict, View, counted
from bridge_tcp import TcpReporterOptions, TcpSourceOptions, open_reporter, open_source
from bridge_tcp.codec import write_part
from bridge_tcp.framing import Crlf, Framing
from bridge_tcp.len32be import Len32be
from bridge_tcp.peer import Closed, Inspector, dial_bridge, open_inspector, open_mes, serve_inspector, serve_mes

REPLY = "{part},{verdict}"


def crlf() -> Framing:
    return Crlf(65_536)


def listener(plant: Plant, *, mutual: bool = False) -> dict[str, Any]:
    return {**plant.bridge.table, **({"ca": str(plant.ca)} if mutual else {})}


async def machine(plant: Plant, pair: str = "machine") -> ssl.SSLContext:
    shown = getattr(plant, pair)
    return await asyncio.to_thread(ClientTls(ca=plant.ca, cert=shown.cert, key=shown.key).context)


async def shows(pair: Pair, ca: Path | None = None) -> ssl.SSLContext:
    """A listener of the machines' side; with an authority it wants certificates."""
    return await asyncio.to_thread(ClientTls(ca=ca, cert=pair.cert, key=pair.key).peer_context)


async def unanswered(aoi: Inspector, payload: bytes = b"P1,OK") -> bool:
    """Send a line, and say whether the connection ended without a reply."""
    try:
        await aoi.send(payload)
        await aoi.reply()
    except (Closed, ConnectionError, ssl.SSLError):
        return True
    return False


async def test_a_machine_brings_its_parts_over_tls(plant: Plant, running: Run, port: int) -> None:
    """Images of a megabyte and their replies, checked against the plant's authority."""
    host, picture = Host(), b"\xff\xd8" + bytes(range(256)) * 4096
    async with (
        running(host, tls=listener(plant), reply="{json}", framing="len32be"),
        dial_bridge("127.0.0.1", port, Len32be(4 << 20), tls=await machine(plant)) as aoi,
    ):
        for number in range(5):
            part = Inspection(part=f"P{number}", legacy=Verdict.NG, views=(View(name="1", image=picture),))
            await aoi.send(*write_part(part))
        replies = [(await aoi.reply()).header or {} for _ in range(5)]
    assert [reply["part"] for reply in replies] == [f"P{number}" for number in range(5)]
    assert [part.views[0].image for part in host.parts] == [picture] * 5


@pytest.mark.parametrize(("pair", "may"), [("machine", True), ("stranger", False)])
async def test_with_an_authority_only_its_machines_may_come(
    plant: Plant, running: Run, port: int, pair: str, *, may: bool
) -> None:
    """Mutual TLS: a machine without a certificate of the plant's hands nothing in, and that is counted."""
    host, before = Host(), counted("tls_refused")
    async with running(host, tls=listener(plant, mutual=True), reply=REPLY):
        if may:
            async with dial_bridge("127.0.0.1", port, crlf(), tls=await machine(plant, pair)) as aoi:
                await aoi.send(b"P1,OK")
                assert (await aoi.reply()).payload == b"P1,OK"
            return
        async with dial_bridge("127.0.0.1", port, crlf(), tls=await machine(plant, pair)) as aoi:
            assert await unanswered(aoi)  # in TLS 1.3 a client learns of its refusal by the first word
        await until(lambda: counted("tls_refused") == before + 1)
    assert host.parts == []


async def test_a_machine_that_speaks_plain_to_a_tls_port_is_turned_away(
    plant: Plant, running: Run, port: int
) -> None:
    """It brings no part, and the next one is served."""
    host, before = Host(), counted("tls_refused")
    async with running(host, tls=listener(plant), reply=REPLY):
        async with dial_bridge("127.0.0.1", port, crlf()) as plain:
            await plain.send_raw(b"P1,OK\r\n" * 10)
            assert await unanswered(plain)
        await until(lambda: counted("tls_refused") == before + 1)
        async with dial_bridge("127.0.0.1", port, crlf(), tls=await machine(plant)) as aoi:
            await aoi.send(b"P2,OK")
            assert (await aoi.reply()).payload == b"P2,OK"
    assert [part.part for part in host.parts] == ["P2"]


async def test_a_handshake_that_never_ends_keeps_nobody_out(plant: Plant, running: Run, port: int) -> None:
    """Many who connect and say nothing are bounded; a machine that knows TLS is served at once."""
    host, dropped = Host(), counted("connections_dropped")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(host, tls=listener(plant), reply=REPLY, connections_max=4))
        silent = [await stack.enter_async_context(dial_bridge("127.0.0.1", port, crlf())) for _ in range(12)]
        await until(lambda: counted("connections_dropped") == dropped + 4)
        await until(lambda: sum(peer.gone for peer in silent) == 4)
        aoi = await stack.enter_async_context(dial_bridge("127.0.0.1", port, crlf(), tls=await machine(plant)))
        await aoi.send(b"P1,OK")
        assert (await aoi.reply()).payload == b"P1,OK"


async def test_we_dial_a_machine_over_tls_and_check_whom_we_reached(plant: Plant, running: Run) -> None:
    """The role client; the name in the certificate may differ from the host that is dialled."""
    async with serve_inspector(crlf, tls=await shows(plant.elsewhere)) as old:
        table = {"ca": str(plant.ca), "server_name": "plc-7.plant"}
        host = Host()
        async with running(host, role="client", port=old.port, tls=table, reply=REPLY):
            aoi = await old.connection()
            await aoi.send(b"P1,NG")
            assert (await aoi.reply()).payload == b"P1,NG"
        del table["server_name"]
        options = TcpSourceOptions.model_validate({"role": "client", "port": old.port, "tls": table})
        with pytest.raises(Unavailable, match="its certificate is not believed: IP address mismatch"):
            async with open_source(options):
                pass


def reporter(port: int, **table: Any) -> TcpReporterOptions:
    return TcpReporterOptions.model_validate({"name": "mes", "host": "127.0.0.1", "port": port, "tls": table})


async def test_an_mes_is_told_over_mutual_tls(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """The MES takes only clients of the plant; ours shows its certificate, whose key is under a password."""
    monkeypatch.setenv("KEY_PASSWORD", PASSWORD)
    pair = {"cert": str(plant.bridge.cert), "key": str(plant.encrypted), "key_password": "env:KEY_PASSWORD"}
    async with serve_mes(crlf, tls=await shows(plant.machine, plant.ca)) as mes:
        async with open_reporter(reporter(mes.port, ca=str(plant.ca), **pair)) as report:
            await report(decision_of(Inspection(part="P1", legacy=Verdict.OK)))
        assert list(mes.documents) == [f"{1:032x}"]
        with pytest.raises(Unavailable, match=r"TLS failed|closed"):
            async with open_reporter(reporter(mes.port, ca=str(plant.ca))) as report:
                await report(decision_of(Inspection(part="P2", legacy=Verdict.OK), 2))
    assert len(mes.documents) == 1


async def test_an_mes_that_is_somebody_else_is_told_nothing(plant: Plant) -> None:
    async with serve_mes(crlf, tls=await shows(plant.stranger)) as mes:
        with pytest.raises(Unavailable, match="its certificate is not believed"):
            async with open_reporter(reporter(mes.port, ca=str(plant.ca))):
                pass
    assert not mes.arrivals


async def test_a_realtime_report_under_tls_that_nobody_answers_is_cut_off(plant: Plant) -> None:
    """What is left in the buffers of TLS cannot be seen, so the connection ends rather than deliver it late."""
    async with serve_mes(crlf, tls=await shows(plant.machine)) as mes, AsyncExitStack() as stack:
        mes.stall()
        table = {"name": "mes", "host": "127.0.0.1", "port": mes.port, "lane": "realtime"}
        tls = {"ca": str(plant.ca)}
        options = TcpReporterOptions.model_validate({**table, "ack_timeout_seconds": 0.2, "tls": tls})
        report = await stack.enter_async_context(open_reporter(options))
        with pytest.raises(Unavailable, match="did not acknowledge"):
            await report(decision_of(Inspection(part="P1", legacy=Verdict.OK)))
        with pytest.raises(Unavailable, match="closed the connection"):
            await report(decision_of(Inspection(part="P2", legacy=Verdict.OK), 2))
        with suppress(Unavailable):
            await stack.aclose()


async def test_the_simulators_speak_tls_by_the_same_table(plant: Plant, tmp_path: Path, port: int) -> None:
    """One bridge.toml tells both sides; the simulated machine and MES need nothing more."""
    tls = listener(plant, mutual=True)
    host = Host()
    for role in ("server", "client"):
        options = TcpSourceOptions.model_validate(
            {"role": role, "port": port, "tls": tls, "reply": REPLY, "home": tmp_path}
        )
        async with AsyncExitStack() as stack:
            opened = [open_source(options), open_inspector(options)]
            if role == "client":
                opened.reverse()
            sides = [await stack.enter_async_context(side) for side in opened]
            source, play = sides if role == "server" else reversed(sides)
            task = asyncio.create_task(source(host))  # type: ignore[arg-type, operator]
            await asyncio.sleep(0)
            part = Inspection(part=f"P-{role}", legacy=Verdict.NG, views=(View(name="1"),))
            assert await play(part) is Verdict.NG  # type: ignore[operator]
            task.cancel()
            await asyncio.wait([task])
    told = reporter(port, **tls)
    async with open_mes(told) as mes, open_reporter(told) as report:
        await report(decision_of(Inspection(part="P1", legacy=Verdict.OK)))
        assert len(mes.documents) == 1


async def test_a_file_that_is_missing_is_the_users_to_mend(plant: Plant, port: int, tmp_path: Path) -> None:
    table = {**plant.bridge.table, "cert": str(tmp_path / "none.pem")}
    with pytest.raises(ConfigError, match=r"tls\.cert .*none\.pem: cannot be read"):
        async with open_source(TcpSourceOptions.model_validate({"port": port, "tls": table})):
            pass


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"tls": {"ca": "ca.pem"}}, "tls: has no cert, which a listener must show; write cert and key"),
        ({"tls": {"cert": "a.pem"}}, "has cert or key alone; write both, or neither"),
        ({"role": "client", "allow": ["10.0.0.1"]}, "allow: nobody connects to the role client"),
        ({"allow": ["10.0.0.1/24"]}, "is no address and no network"),
    ],
)
def test_tables_that_cannot_work_are_mistakes(table: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TcpSourceOptions.model_validate({"port": 1, **table})


async def test_a_stranger_is_dropped_before_a_byte_is_read(
    running: Run, port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """However often it comes and whatever it sends: counted each time, logged once."""
    host, before = Host(), counted("strangers")
    async with running(host, allow=("192.0.2.0/24",), reply=REPLY):
        for _ in range(5):
            async with dial_bridge("127.0.0.1", port, crlf()) as stranger:
                assert await unanswered(stranger)
        await until(lambda: counted("strangers") == before + 5)
    assert host.parts == []
    assert capsys.readouterr().err.count("connection turned away") == 1


async def test_whoever_is_named_may_come(running: Run, port: int) -> None:
    host = Host()
    allow = ("192.0.2.7", "127.0.0.0/8")
    async with running(host, allow=allow, reply=REPLY), dial_bridge("127.0.0.1", port, crlf()) as aoi:
        await aoi.send(b"P1,OK")
        assert (await aoi.reply()).payload == b"P1,OK"


async def test_those_who_say_nothing_make_room_for_a_machine(running: Run, port: int) -> None:
    """Places taken by the silent, and by one that dribbles, go to whoever comes; a machine keeps its own."""
    host, dropped, refused = Host(), counted("connections_dropped"), counted("connections_refused")
    async with AsyncExitStack() as stack:

        async def another() -> Any:
            return await stack.enter_async_context(dial_bridge("127.0.0.1", port, crlf()))

        await stack.enter_async_context(running(host, connections_max=2, reply=REPLY))
        first = await another()
        await first.send(b"P1,OK")
        await first.reply()
        dribbler = await another()
        await dribbler.send_raw(b"P")
        second = await another()
        await second.send(b"P2,OK")
        assert (await second.reply()).payload == b"P2,OK"
        assert await unanswered(dribbler)
        assert counted("connections_dropped") == dropped + 1
        third = await another()
        assert await unanswered(third)
        assert counted("connections_refused") == refused + 1
        await first.send(b"P3,OK")
        assert (await first.reply()).payload == b"P3,OK"


async def test_a_damaged_picture_is_missing_and_counted(running: Run, port: int) -> None:
    """The part comes all the same, and so does the next one that the damaged picture had swallowed."""
    host, before = Host(), counted("image_damaged")
    part = Inspection(part="P1", legacy=Verdict.NG, views=(View(name="1", image=bytes(5000)),))
    framing = Len32be(1 << 20)
    async with running(host, framing="len32be"), dial_bridge("127.0.0.1", port, framing) as aoi:
        await aoi.send_raw(framing.encode(*write_part(part))[:-3000])
        for number in range(2, 5):
            await aoi.send(*write_part(replace(part, part=f"P{number}")))
        await host.until(lambda: len(host.parts) == 4)
    assert [part.part for part in host.parts] == ["P1", "P2", "P3", "P4"]
    assert [bool(part.views[0].image) for part in host.parts] == [False, True, True, True]
    assert counted("image_damaged") == before + 1
