"""Who may come to the control port: TLS, allow lists, other machines, and those who say nothing."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any

import pytest
from core_kit import a_name, until
from plant_tls import PASSWORD, Plant

from bridge import control
from bridge.asking import ask
from bridge.cli import check
from bridge.config import Config, Http, load
from bridge.control import open_control
from bridge.errors import ConfigError
from bridge.gateway import Gateway, open_gateway
from bridge.health import counted
from bridge.plugin import ClientTls
from bridge.plugin.door import REMEMBERED, Quiet


def written(folder: Path, http: str) -> Config:
    path, name = folder / "bridge.toml", a_name("line")
    path.write_text(
        f"""
[http]
port = 0
{http}
[[line]]
name = "{name}"
goal = 1
judge = "j"
source = {{type = "feed", tag = "{name}", parts = 1}}
[judge.j]
type = "opinion"
""",
        encoding="utf-8",
    )
    return load(path)


@asynccontextmanager
async def serving(folder: Path, http: str = "") -> AsyncIterator[tuple[Gateway, int]]:
    config = await asyncio.to_thread(written, folder, http)
    async with open_gateway(config) as gateway, open_control(gateway) as url:
        yield gateway, int(url.rpartition(":")[2])


async def asked(gateway: Gateway) -> Any:
    return await asyncio.to_thread(ask, gateway.config.data, "/v1/status")


def get(connection: HTTPConnection, path: str, token: str = "") -> int:
    with closing(connection):
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        return connection.getresponse().status


async def token_of(gateway: Gateway) -> str:
    note = await asyncio.to_thread((gateway.config.data / control.FILE).read_text, encoding="utf-8")
    return str(json.loads(note)["token"])


def table(plant: Plant, **more: str) -> str:
    facts = {**plant.bridge.table, **more}
    return "tls = { " + ", ".join(f'{key} = "{value}"' for key, value in facts.items()) + " }"


@pytest.mark.usefixtures("plugins")
async def test_the_command_line_believes_the_gateways_own_certificate(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under TLS the status comes as ever, whatever name the certificate bears; the token is still needed."""
    monkeypatch.setenv("KEY_PASSWORD", PASSWORD)
    tls = table(plant, cert=str(plant.elsewhere.cert), key=str(plant.elsewhere.key))
    async with serving(tmp_path, tls) as (gateway, port):
        assert (await asked(gateway))["config"] == gateway.config.fingerprint
        context = await asyncio.to_thread(ClientTls(ca=plant.ca).context)
        context.check_hostname = False
        secure = HTTPSConnection("127.0.0.1", port, context=context, timeout=10)
        assert await asyncio.to_thread(get, secure, "/v1/status") == 401
        plain = HTTPConnection("127.0.0.1", port, timeout=10)
        with pytest.raises(OSError, match=r".*"):
            await asyncio.to_thread(get, plain, "/v1/status", await token_of(gateway))


@pytest.mark.usefixtures("plugins")
async def test_somebody_elses_port_gets_no_token_under_tls(plant: Plant, tmp_path: Path) -> None:
    """A stale note whose port another process took: without our certificate there it hears nothing."""
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(1000))
        writer.close()

    shown = await asyncio.to_thread(ClientTls(cert=plant.machine.cert, key=plant.machine.key).peer_context)
    server = await asyncio.start_server(listen, "127.0.0.1", 0, ssl=shown)
    async with server:
        port = server.sockets[0].getsockname()[1]
        certificate = await asyncio.to_thread(plant.bridge.cert.read_text)
        note = {"url": f"https://127.0.0.1:{port}", "token": "secret", "certificate": certificate}
        await asyncio.to_thread((tmp_path / control.FILE).write_text, json.dumps(note))
        assert await asyncio.to_thread(ask, tmp_path, "/v1/status") is None
    assert heard == []


@pytest.mark.usefixtures("plugins")
async def test_a_certificate_file_that_is_missing_is_one_line(plant: Plant, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"tls\.cert .*none\.pem: cannot be read"):
        async with serving(tmp_path, table(plant, cert="none.pem")):
            pass


@pytest.mark.usefixtures("plugins")
async def test_strangers_are_dropped_before_they_are_heard(tmp_path: Path) -> None:
    before = counted("strangers")
    async with serving(tmp_path, 'allow = ["192.0.2.0/24"]') as (_, port):
        with pytest.raises(OSError, match=r".*"):
            await asyncio.to_thread(get, HTTPConnection("127.0.0.1", port, timeout=10), "/healthz")
    assert counted("strangers") == before + 1


@pytest.mark.usefixtures("plugins")
async def test_those_who_say_nothing_keep_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Silent and dribbling connections are dropped, the oldest first, when somebody wants in."""
    monkeypatch.setattr(control, "CONNECTIONS_MAX", 5)
    dropped = counted("connections_dropped")
    async with serving(tmp_path) as (gateway, port):
        slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(12)]
        for _, writer in slow[-3:]:
            writer.write(b"GET /healthz HT")
        await until(lambda: counted("connections_dropped") == dropped + 7)
        assert (await asked(gateway))["config"] == gateway.config.fingerprint
        for _, writer in slow:
            writer.close()


@pytest.mark.usefixtures("plugins")
async def test_a_request_that_is_too_long_is_refused(tmp_path: Path) -> None:
    """A body or a header beyond its bound is refused before it is held."""

    def post(port: int, token: str) -> int:
        with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
            connection.request(
                "POST", "/v1/bypass", b"x" * (control.ORDER_BYTES + 1), {"Authorization": f"Bearer {token}"}
            )
            return connection.getresponse().status

    async with serving(tmp_path) as (gateway, port):
        assert await asyncio.to_thread(post, port, await token_of(gateway)) == 413
        endless = HTTPConnection("127.0.0.1", port, timeout=10)
        assert await asyncio.to_thread(get, endless, "/healthz", "x" * 20_000) == 400


@pytest.mark.usefixtures("plugins")
async def test_garbage_is_counted_and_fills_no_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What is no address, a length below nothing, a body that never comes: refused, and not a word in the log."""
    before = counted("garbage")
    async with serving(tmp_path) as (gateway, port):
        token = await token_of(gateway)
        for said in (
            b"GET /\0 HTTP/1.1\r\n\r\n",
            b"POST /v1/reload HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            f"POST /v1/reload HTTP/1.1\r\nAuthorization: Bearer {token}\r\nContent-Length: 9\r\n\r\n{{".encode(),
        ):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            await writer.drain()
            await asyncio.to_thread(get, HTTPConnection("127.0.0.1", port, timeout=10), "/healthz")
            writer.transport.abort()
        await until(lambda: counted("garbage") == before + 3)
    assert "Traceback" not in capfd.readouterr().err


def elsewhere() -> str:
    """An address of this machine that is not loopback; dialling it stays inside."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def test_only_this_machine_may_ask_for_more_than_health(tmp_path: Path) -> None:
    """Whatever the port listens on and whoever holds the token: to another machine /v1 is closed."""
    request: Any = type("Request", (), {})()

    def of(theirs: str, ours: str) -> bool:
        names = {"peername": (theirs, 1), "sockname": (ours, 2)}
        request.transport = type("T", (), {"get_extra_info": staticmethod(names.get)})()
        return control._from_here(request)

    del tmp_path
    assert of("127.0.0.1", "127.0.0.1")
    assert of("::1", "::1")
    assert of("192.168.0.5", "192.168.0.5")
    assert of("::ffff:127.0.0.1", "::")
    assert not of("192.168.0.6", "192.168.0.5")
    assert not of("", "")


@pytest.mark.usefixtures("plugins")
async def test_another_machine_is_told_health_and_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even with the token."""
    async with serving(tmp_path) as (gateway, port):
        token = await token_of(gateway)
        monkeypatch.setattr(control, "_from_here", lambda _: False)
        for path, status in (("/v1/status", 403), ("/v1/reset", 403), ("/healthz", 200), ("/metrics", 200)):
            connection = HTTPConnection("127.0.0.1", port, timeout=10)
            assert await asyncio.to_thread(get, connection, path, token) == status


@pytest.mark.usefixtures("plugins")
async def test_a_port_that_is_open_to_the_network_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Loudly, at every start; the command line still finds its gateway, and on loopback nothing is said."""
    async with serving(tmp_path):
        assert "open to the network" not in capsys.readouterr().err
    host = await asyncio.to_thread(elsewhere) or "0.0.0.0"
    async with serving(tmp_path, f'host = "{host}"') as (gateway, _):
        assert "health and metrics are open to the network" in capsys.readouterr().err
        assert (await asked(gateway))["config"] == gateway.config.fingerprint


@pytest.mark.usefixtures("plugins")
async def test_monitors_need_a_certificate_where_the_file_says_so(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line, on this machine, does not: it holds the token."""

    def status(port: int, context: ssl.SSLContext) -> int:
        return get(HTTPSConnection("localhost", port, context=context, timeout=10), "/metrics")

    bare = await asyncio.to_thread(ClientTls(ca=plant.ca).context)
    known = await asyncio.to_thread(ClientTls(ca=plant.ca, cert=plant.machine.cert, key=plant.machine.key).context)
    async with serving(tmp_path, table(plant, client_ca=str(plant.ca))) as (gateway, port):
        assert (await asked(gateway))["config"] == gateway.config.fingerprint
        monkeypatch.setattr(control, "_from_here", lambda _: False)
        assert await asyncio.to_thread(status, port, bare) == 403
        assert await asyncio.to_thread(status, port, known) == 200
        assert await asked(gateway) is None


def test_an_address_is_named_once_a_minute() -> None:
    """And a flood of them, forged or not, is forgotten rather than kept."""
    now = [0.0]
    quiet = Quiet(clock=lambda: now[0])
    assert [quiet("a"), quiet("a"), quiet("b")] == [True, False, True]
    now[0] = 60.0
    assert [quiet("a"), quiet("a")] == [True, False]
    for number in range(10 * REMEMBERED):
        quiet(str(number))
    assert len(quiet._said) == REMEMBERED


@pytest.mark.parametrize(
    ("http", "said"),
    [
        ({}, None),
        ({"host": "::1"}, None),
        ({"host": "localhost"}, None),
        ({"host": "0.0.0.0"}, "health and metrics are open to the whole network, without TLS, on 0.0.0.0"),
        (
            {"host": "192.168.0.5", "allow": ["192.168.0.9"]},
            "health and metrics are open to 192.168.0.9, without TLS, on 192.168.0.5",
        ),
    ],
)
def test_a_check_says_whom_the_port_is_open_to(http: dict[str, Any], said: str | None) -> None:
    finding = check._control(Http.model_validate(http))
    assert (finding.said if finding else None) == said


def test_a_check_tries_the_certificate_of_the_port(plant: Plant, tmp_path: Path) -> None:
    """Without a gateway, so that a wrong file is found before the line runs."""
    good = check._control(Http.model_validate({"tls": plant.bridge.table}))
    bad = check._control(Http.model_validate({"tls": {**plant.bridge.table, "key": str(tmp_path / "none.key")}}))
    assert good is not None
    assert bad is not None
    assert (good.good, bad.good) == (True, False)
    assert "none.key: cannot be read" in bad.said
