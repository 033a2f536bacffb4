"""What stands beside the service: health of the line, pings that are welcome, reflection, who may come, TLS."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from adapter_host import Host, free_port
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_host import a_part, running
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from plant_tls import PASSWORD, Plant
from pydantic import ValidationError

from bridge.plugin import ClientTls, ConfigError, Unavailable, Verdict, counted
from bridge.plugin.host import hosted
from bridge_grpc import GrpcSourceOptions, open_source
from bridge_grpc.credentials import dialler_credentials
from bridge_grpc.desk import SERVICE
from bridge_grpc.peer import dial_bridge, open_inspector
from bridge_grpc.wire import address_of

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


@dataclass
class Line:
    """A line whose state a test sets."""

    name: str = "smt-3"
    is_ready: bool = True
    error: bool = False
    link_ok: bool = True
    shadow: bool = False

    def ready(self, recipe: str = "") -> bool:  # noqa: ARG002 - the protocol's parameter
        return self.is_ready

    def reset(self) -> None:
        self.error = False

    def bypass(self, *, wanted: bool) -> bool:
        return wanted

    def audit(self, what: str, **_: str) -> None:
        raise AssertionError(what)


def health_of(line: grpc.aio.Channel) -> Any:
    return health_pb2_grpc.HealthStub(line)  # type: ignore[no-untyped-call]


async def test_health_is_the_lines_own(tmp_path: Path) -> None:
    """Under the line's name, the service's and the server's; a change is told to whoever watches."""
    line = Line(is_ready=False)
    with hosted(line):
        opened = running(Host(), tmp_path)
        async with opened as options, dial_bridge(options.port) as aoi:
            stub = health_of(aoi.line)
            for name in ("", SERVICE, "smt-3"):
                said = await stub.Check(health_pb2.HealthCheckRequest(service=name), wait_for_ready=True)
                assert said.status == NOT_SERVING
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Check(health_pb2.HealthCheckRequest(service="smt-4"))
            assert caught.value.code() is grpc.StatusCode.NOT_FOUND
            watch = stub.Watch(health_pb2.HealthCheckRequest(service="smt-3"))
            assert (await watch.read()).status == NOT_SERVING
            line.is_ready = True
            assert (await watch.read()).status == SERVING
            assert (await stub.Check(health_pb2.HealthCheckRequest(service="smt-3"))).status == SERVING
            watch.cancel()


def frame(kind: int, payload: bytes = b"") -> bytes:
    """Return an HTTP/2 frame of the connection as a whole."""
    return len(payload).to_bytes(3, "big") + bytes([kind, 0]) + bytes(4) + payload


SETTINGS, PING, GOAWAY = 4, 6, 7


async def pinged(port: int, times: int) -> bytes:
    """Ping with nothing else to say, each time after the answer; return what the goodbye says, if one comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS) + frame(PING, bytes(8)))
    try:
        while times:
            head = await reader.readexactly(9)
            payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
            if head[3] == GOAWAY:
                return payload[8:]
            if head[3] == PING and head[4] & 1:
                times -= 1
                writer.write(frame(PING, bytes(8)))
        return b""
    finally:
        writer.close()
        await writer.wait_closed()


async def test_a_client_that_pings_while_idle_is_welcome(tmp_path: Path) -> None:
    """A server by itself wants five minutes between pings, and says too_many_pings; ours is an option."""
    async with running(Host(), tmp_path, client_ping_seconds=0.0001) as options, asyncio.timeout(20):
        assert await pinged(options.port, 20) == b""
    async with running(Host(), tmp_path, client_ping_seconds=10) as options, asyncio.timeout(20):
        assert await pinged(options.port, 20) == b"too_many_pings"


async def test_reflection_is_there_only_where_it_is_wanted(tmp_path: Path) -> None:
    async def services(port: int) -> set[str]:
        async with dial_bridge(port) as aoi:
            stub = reflection_pb2_grpc.ServerReflectionStub(aoi.line)  # type: ignore[no-untyped-call]
            asked = [reflection_pb2.ServerReflectionRequest(list_services="")]
            call: Any = stub.ServerReflectionInfo(iter(asked), wait_for_ready=True)
            return {one.name async for said in call for one in said.list_services_response.service}

    async with running(Host(), tmp_path, reflection=True) as options:
        assert {SERVICE, "grpc.health.v1.Health"} <= await services(options.port)
    async with running(Host(), tmp_path) as options:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await services(options.port)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_strangers_calls_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every one of them, health and reflection too; counted each time, logged once."""
    host, before = Host(), counted("strangers")
    async with (
        running(host, tmp_path, allow=["192.0.2.0/24"], reflection=True) as options,
        dial_bridge(options.port) as aoi,
    ):
        asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
        health = health_pb2.HealthCheckRequest()
        calls = [
            aoi.inspect(a_part()),
            aoi.upload(a_part()),
            health_of(aoi.line).Check(health),
            health_of(aoi.line).Watch(health).read(),
            reflection_pb2_grpc.ServerReflectionStub(aoi.line)  # type: ignore[no-untyped-call]
            .ServerReflectionInfo(asked)
            .read(),
        ]
        for call in calls:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
            assert caught.value.details() == "127.0.0.1 is not in allow"
    assert host.parts == []
    assert counted("strangers") == before + 5
    assert capsys.readouterr().err.count("call refused") == 1


async def test_whoever_is_named_may_come(tmp_path: Path) -> None:
    async with (
        running(Host(), tmp_path, allow=["192.0.2.7", "127.0.0.0/8"], reflection=True) as options,
        dial_bridge(options.port) as aoi,
    ):
        assert (await aoi.inspect(a_part())).recorded
        assert (await health_of(aoi.line).Check(health_pb2.HealthCheckRequest())).status == SERVING
        stub = reflection_pb2_grpc.ServerReflectionStub(aoi.line)  # type: ignore[no-untyped-call]
        call: Any = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        assert len((await call.read()).list_services_response.service) == 3


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:127.0.0.1:4711", "127.0.0.1"),
        ("ipv6:%5B::1%5D:4711", "::1"),
        ("ipv6:[::ffff:10.0.0.7]:1", "::ffff:10.0.0.7"),
        ("unix:", ""),
    ],
)
def test_addresses_are_read_out_of_grpcs_names(peer: str, address: str) -> None:
    assert address_of(peer) == address


def listener(plant: Plant, *, mutual: bool = False) -> dict[str, Any]:
    return {**plant.bridge.table, **({"client_ca": str(plant.ca)} if mutual else {})}


async def test_a_machine_brings_its_part_over_tls(plant: Plant, tmp_path: Path) -> None:
    """Checked against the plant's authority; plain text, and an authority that knows us not, get nowhere."""
    host = Host()
    async with running(host, tmp_path, tls=listener(plant)) as options, AsyncExitStack() as stack:

        async def attempt(tls: ClientTls | None) -> str:
            line = dial_bridge(options.port, "127.0.0.1", await dialler_credentials(tls))
            aoi = await stack.enter_async_context(line)
            try:
                return str((await aoi.inspect(a_part())).recorded)
            except grpc.aio.AioRpcError as exc:
                return exc.code().name

        assert await attempt(ClientTls(ca=plant.ca)) == "True"
        assert await attempt(ClientTls(ca=plant.strange_ca)) == "UNAVAILABLE"
        assert await attempt(None) == "UNAVAILABLE"
    assert len(host.parts) == 1


@pytest.mark.parametrize(("pair", "may"), [("machine", True), ("stranger", False), (None, False)])
async def test_with_an_authority_only_its_machines_may_come(
    plant: Plant, tmp_path: Path, pair: str | None, *, may: bool
) -> None:
    """Mutual TLS: a machine without a certificate of the plant's hands nothing in."""
    shown = getattr(plant, pair).table if pair else {}
    tls = ClientTls.model_validate({"ca": str(plant.ca), **shown})
    host = Host()
    async with (
        running(host, tmp_path, tls=listener(plant, mutual=True)) as options,
        dial_bridge(options.port, "127.0.0.1", await dialler_credentials(tls)) as aoi,
    ):
        if may:
            assert (await aoi.inspect(a_part())).recorded
            return
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await aoi.inspect(a_part())
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert host.parts == []


async def test_a_key_under_a_password_is_opened_for_grpc(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY_PASSWORD", PASSWORD)
    table = {"cert": str(plant.bridge.cert), "key": str(plant.encrypted), "key_password": "env:KEY_PASSWORD"}
    async with (
        running(Host(), tmp_path, tls=table) as options,
        dial_bridge(options.port, "127.0.0.1", await dialler_credentials(ClientTls(ca=plant.ca))) as aoi,
    ):
        assert (await aoi.inspect(a_part())).recorded


@pytest.mark.parametrize("mutual", [False, True])
async def test_the_simulated_inspector_speaks_tls_by_the_same_table(
    plant: Plant, tmp_path: Path, *, mutual: bool
) -> None:
    async with (
        running(Host(), tmp_path, tls=listener(plant, mutual=mutual)) as options,
        open_inspector(options) as play,
    ):
        assert await play(a_part()) is Verdict.NG


async def test_a_file_that_is_missing_is_the_users_to_mend(plant: Plant, tmp_path: Path) -> None:
    table = {**plant.bridge.table, "cert": str(tmp_path / "none.pem")}
    with pytest.raises(ConfigError, match=r"tls\.cert .*none\.pem: cannot be read"):
        async with open_source(GrpcSourceOptions.model_validate({"port": free_port(), "tls": table})):
            pass


async def test_who_believes_the_machines_authorities_does_not_believe_the_plants(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left out, ca means the authorities of this machine, not a list that gRPC brought along."""
    async with running(Host(), tmp_path, tls=listener(plant)) as options:
        for authorities, may in ((plant.ca, True), (plant.strange_ca, False)):
            monkeypatch.setenv("SSL_CERT_FILE", str(authorities))
            credentials = await dialler_credentials(ClientTls())
            async with dial_bridge(options.port, "127.0.0.1", credentials) as aoi:
                try:
                    assert (await aoi.inspect(a_part())).recorded is may
                except grpc.aio.AioRpcError:
                    assert not may
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    with pytest.raises(ConfigError, match=r"tls\.ca: is left out, and this machine lists no authorities"):
        await dialler_credentials(ClientTls())


@pytest.mark.parametrize("port", [0, 65536, "50051"])
def test_a_port_is_a_port(port: object) -> None:
    with pytest.raises(ValidationError):
        GrpcSourceOptions.model_validate({"port": port})


async def test_no_thread_and_no_port_stays_behind(tmp_path: Path) -> None:
    """Opened and closed ten times on the same port."""
    port = free_port()
    for _ in range(10):
        async with running(Host(), tmp_path, port=port), dial_bridge(port) as aoi:
            assert (await aoi.inspect(a_part())).recorded
    with pytest.raises(Unavailable):
        async with open_inspector(GrpcSourceOptions(port=port)) as play:
            await play(a_part())
