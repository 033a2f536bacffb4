"""A decision counts as delivered only by what the MES says of it, from an MES that is not always well."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import grpc
import pytest
from adapter_host import PATIENCE_SECONDS, decision_of, free_port, until
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from plant_tls import PASSWORD, Plant

from aoi_bridge.inspection.v1 import report_service_pb2 as pb
from bridge.plugin import Decision, Inspection, Refused, Report, ServerTls, Unavailable, Verdict
from bridge_grpc import GrpcReporterOptions, open_reporter
from bridge_grpc.credentials import listener_credentials
from bridge_grpc.listener import bound
from bridge_grpc.mes import Mes, open_mes, serve_mes
from bridge_grpc.reporter import KEY_METADATA, SERVICE


def decision(number: int = 1, **more: Any) -> Decision:
    return decision_of(Inspection(part=f"P{number}", legacy=Verdict.NG), number, recorded=True, **more)


def options(port: int, **more: Any) -> GrpcReporterOptions:
    table = {"name": "mes", "host": "127.0.0.1", "port": port, "ack_timeout_seconds": 5, **more}
    return GrpcReporterOptions.model_validate(table)


@pytest.fixture
async def mes() -> AsyncIterator[Mes]:
    """An MES that is well."""
    async with serve_mes() as one:
        yield one


async def test_an_accepted_decision_is_delivered(mes: Mes) -> None:
    """The MES holds the document that every road carries."""
    async with open_reporter(options(mes.port)) as report:
        await report(decision(1))
        await report(decision(2))
    assert mes.documents == {decision(n).id: decision(n).document() for n in (1, 2)}


async def test_the_inspection_id_is_the_idempotency_key() -> None:
    """It stands in the metadata too, for a proxy or a log; and the call has a deadline."""
    seen: list[tuple[str, float]] = []

    async def take(_: pb.ReportRequest, context: Any) -> pb.ReportResponse:
        seen.append((dict(context.invocation_metadata())[KEY_METADATA], context.time_remaining()))
        return pb.ReportResponse(outcome=pb.OUTCOME_ACCEPTED)

    async with answering(take) as port, open_reporter(options(port, ack_timeout_seconds=2)) as report:
        await report(decision(7))
    ((key, remaining),) = seen
    assert key == decision(7).id
    assert 0 < remaining <= 2.1


@asynccontextmanager
async def answering(take: Callable[..., Any], status: Any = None) -> AsyncIterator[int]:
    """Serve reports with a function, and health where a status is given."""
    async with bound("127.0.0.1", 0, None, [], goodbye_seconds=None) as (server, port):
        handler = grpc.unary_unary_rpc_method_handler(
            take, pb.ReportRequest.FromString, pb.ReportResponse.SerializeToString
        )
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, {"Report": handler})])
        if status is not None:
            servicer = health.aio.HealthServicer()
            await servicer.set(SERVICE, status)
            health_pb2_grpc.add_HealthServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
        await server.start()
        yield port


async def test_a_refusal_has_its_reason(mes: Mes) -> None:
    mes.refuse_all("part is unknown")
    async with open_reporter(options(mes.port)) as report:
        with pytest.raises(Refused, match="part is unknown"):
            await report(decision(1))
        mes.accept_all()
        await report(decision(2))
    assert list(mes.documents) == [decision(2).id]


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, Refused, "no such article"),
        (grpc.StatusCode.INTERNAL, Unavailable, "INTERNAL no such article"),
        (grpc.StatusCode.FAILED_PRECONDITION, Unavailable, "FAILED_PRECONDITION"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Unavailable, "RESOURCE_EXHAUSTED"),
        (grpc.StatusCode.UNIMPLEMENTED, Unavailable, "UNIMPLEMENTED"),
    ],
)
async def test_a_status_means_what_the_protocol_says(
    code: grpc.StatusCode, error: type[Exception], said: str
) -> None:
    """Only an invalid argument is for ever; every other is told again."""

    async def take(_: pb.ReportRequest, context: Any) -> pb.ReportResponse:
        return await context.abort(code, "no such article")  # type: ignore[no-any-return]

    async with answering(take) as port, open_reporter(options(port)) as report:
        with pytest.raises(error, match=said):
            await report(decision())


async def test_a_lost_acknowledgement_is_told_again_under_the_same_id(mes: Mes) -> None:
    mes.lose(1)
    async with open_reporter(options(mes.port, ack_timeout_seconds=0.2)) as report:
        with pytest.raises(Unavailable, match="did not acknowledge"):
            await report(decision(1))
        await report(decision(1))
    assert (len(mes.documents), mes.resent) == (1, 1)


async def test_several_are_under_way_at_once(mes: Mes) -> None:
    """Two hundred, on one connection, each answered for itself."""
    async with open_reporter(options(mes.port, window=64)) as report:
        await asyncio.gather(*(report(decision(number)) for number in range(200)))
    assert len(mes.documents) == 200
    assert len(mes.peers) == 1


async def test_a_deaf_connection_is_given_up(mes: Mes) -> None:
    """Everything is read and nothing answered; the next connection is heard again."""
    async with open_reporter(options(mes.port, ack_timeout_seconds=0.2)) as report:
        await report(decision(1))
        mes.half_close()
        with pytest.raises(Unavailable, match="did not acknowledge"):
            await report(decision(2))
    async with open_reporter(options(mes.port)) as report:
        await report(decision(2))
    assert len(mes.documents) == 2


async def test_nobody_there_is_said_at_once() -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:\d+: connection refused"):
        async with open_reporter(options(free_port())):
            pass
    with pytest.raises(Unavailable, match="its name is not known"):
        async with open_reporter(options(1, host="no.such.host.invalid")):
            pass


async def test_one_who_listens_and_says_nothing_is_not_waited_for() -> None:
    """A port that takes connections and is no gRPC."""
    links: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: links.append(writer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        with pytest.raises(Unavailable, match=r"does not answer within 0\.2 s"):
            async with open_reporter(options(port, dial_timeout_seconds=0.2)):
                pass
    finally:
        server.close()
        for link in links:
            link.close()
            await link.wait_closed()


async def noticed(table: GrpcReporterOptions, then: Callable[[Report], Awaitable[object]]) -> None:
    """Do something to an MES while it is told nothing more, until the host hears of it."""
    async with asyncio.timeout(PATIENCE_SECONDS), open_reporter(table) as report:
        await then(report)
        await asyncio.get_running_loop().create_future()


async def test_an_mes_that_dies_while_idle_is_noticed(mes: Mes) -> None:
    """Nothing is being told, and still the host hears of it at once."""

    async def told_once(report: Report) -> None:
        await report(decision(1))
        mes.die()

    with pytest.raises(Unavailable, match="closed the connection"):
        await noticed(options(mes.port), told_once)
    await mes.start()
    async with open_reporter(options(mes.port)) as report:
        await report(decision(2))
    assert len(mes.documents) == 2


async def test_an_mes_that_hangs_while_idle_is_noticed() -> None:
    """It is asked from time to time; a program that stands still gives no answer."""
    going = asyncio.Event()
    going.set()

    class Hanging(health_pb2_grpc.HealthServicer):
        async def Check(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802 - gRPC's names
            await going.wait()
            return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)

    async def hang(_: Report) -> None:
        going.clear()

    async with bound("127.0.0.1", 0, None, [], goodbye_seconds=None) as (server, port):
        health_pb2_grpc.add_HealthServicer_to_server(Hanging(), server)  # type: ignore[no-untyped-call]
        await server.start()
        quick = options(port, probe_seconds=0.1, ack_timeout_seconds=0.2)
        with pytest.raises(Unavailable, match=r"does not answer within 0\.2 s"):
            await noticed(quick, hang)


async def test_an_mes_that_knows_no_health_is_well_while_it_answers(mes: Mes) -> None:
    """UNIMPLEMENTED is a sign of life; ten probes disturb nobody."""
    async with open_reporter(options(mes.port, probe_seconds=0.02)) as report:
        for number in range(10):
            await report(decision(number))
            await asyncio.sleep(0.03)
    assert len(mes.documents) == 10


async def test_an_mes_that_says_it_is_not_serving_is_not_told() -> None:
    async def take(*_: Any) -> pb.ReportResponse:
        raise AssertionError

    async with answering(take, health_pb2.HealthCheckResponse.NOT_SERVING) as port:
        with pytest.raises(Unavailable, match="says that it is not serving"):
            async with open_reporter(options(port)):
                pass


async def test_an_mes_that_renews_its_connections_goes_on() -> None:
    """A polite goodbye (GOAWAY, as load balancers send it every while) interrupts nothing."""
    taken: list[str] = []

    async def take(request: pb.ReportRequest, _: Any) -> pb.ReportResponse:
        taken.append(request.decision.id)
        return pb.ReportResponse(outcome=pb.OUTCOME_ACCEPTED)

    handler = grpc.unary_unary_rpc_method_handler(
        take, pb.ReportRequest.FromString, pb.ReportResponse.SerializeToString
    )
    short = [("grpc.max_connection_age_ms", 100), ("grpc.max_connection_age_grace_ms", 1000)]
    async with bound("127.0.0.1", 0, None, list(short), goodbye_seconds=None) as (server, port):
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, {"Report": handler})])
        await server.start()
        async with open_reporter(options(port)) as report:
            for number in range(100):
                await report(decision(number))
                await asyncio.sleep(0.01)
    assert len(set(taken)) == 100


async def test_nothing_is_told_after_it_expired(mes: Mes) -> None:
    """By then another part stands there."""
    clock = asyncio.get_running_loop().time
    async with open_reporter(options(mes.port, lane="realtime")) as report:
        with pytest.raises(Refused, match="expired before it was sent"):
            await report(decision(1, expires=clock() - 0.001))
        await report(decision(2, expires=clock() + 5))
    assert list(mes.documents) == [decision(2).id]


@pytest.mark.parametrize("how", ["expired", "cancelled"])
async def test_a_realtime_report_without_an_answer_leaves_nothing_behind(mes: Mes, how: str) -> None:
    """The connection goes, and with it whatever had not left; an MES that wakes up is told nothing late."""
    clock = asyncio.get_running_loop().time

    async def unanswered(report: Report) -> None:
        error: type[Exception] = Unavailable if how == "expired" else TimeoutError
        with pytest.raises(error):
            async with asyncio.timeout(None if how == "expired" else 0.1):
                await report(decision(1, expires=clock() + (0.1 if how == "expired" else 60)))

    mes.stall()
    with pytest.raises(Unavailable, match="left a realtime report unanswered"):
        await noticed(options(mes.port, lane="realtime"), unanswered)
    await until(lambda: mes.calls == 0)
    mes.resume()
    async with open_reporter(options(mes.port, lane="realtime")) as report:
        await report(decision(2))
    assert list(mes.documents) == [decision(2).id]


async def test_a_guaranteed_report_that_is_cancelled_leaves_the_connection_in_step(mes: Mes) -> None:
    async with open_reporter(options(mes.port)) as report:
        mes.stall()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await report(decision(1))
        await until(lambda: mes.calls == 0)
        mes.resume()
        await report(decision(2))
    assert list(mes.documents) == [decision(2).id]


async def test_a_decision_too_large_for_grpc_is_parked(mes: Mes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge_grpc.reporter.LIMIT_BYTES", 100)
    async with open_reporter(options(mes.port)) as report:
        with pytest.raises(Refused, match="bytes, more than 100"):
            await report(replace(decision(), recipe="x" * 100))


async def test_an_mes_with_bad_habits_gets_everything_once() -> None:
    """Refusals apart: lost acknowledgements, deafness and deaths only cost time."""
    table = options(free_port(), ack_timeout_seconds=0.2)
    waiting = [decision(number) for number in range(25)]
    async with open_mes(table, {"ack-lost": 4.0, "half-close": 6.0, "die": 0.1, "stall": 0.1}) as mes:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while waiting:
                try:
                    async with open_reporter(table) as report:
                        while waiting:
                            await report(waiting[0])
                            waiting.pop(0)
                except Unavailable:
                    await asyncio.sleep(0.01)
    assert [document["part"] for document in mes.documents.values()] == [f"P{n}" for n in range(25)]
    assert mes.resent
    assert mes.duplicated() == 0


async def test_an_mes_is_told_over_mutual_tls(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """The MES takes only clients of the plant; ours shows its certificate, whose key is under a password."""
    monkeypatch.setenv("KEY_PASSWORD", PASSWORD)
    pair = {"cert": str(plant.bridge.cert), "key": str(plant.encrypted), "key_password": "env:KEY_PASSWORD"}
    shown = await listener_credentials(_server(plant, "machine", mutual=True))
    async with serve_mes(credentials=shown) as mes:
        async with open_reporter(options(mes.port, tls={"ca": str(plant.ca), **pair})) as report:
            await report(decision(1))
        with pytest.raises(Unavailable):
            async with open_reporter(options(mes.port, tls={"ca": str(plant.ca)})) as report:
                await report(decision(2))
        with pytest.raises(Unavailable):
            async with open_reporter(options(mes.port)) as report:
                await report(decision(2))
    assert list(mes.documents) == [decision(1).id]


@pytest.mark.parametrize(
    ("pair", "server_name", "said"),
    [
        ("machine", None, ""),
        ("elsewhere", "plc-7.plant", ""),
        ("elsewhere", None, "its certificate is for another name; write server_name"),
        ("stranger", None, "its certificate is not believed"),
        ("expired", None, "its certificate is not believed"),
    ],
)
async def test_whom_we_reached_is_checked(plant: Plant, pair: str, server_name: str | None, said: str) -> None:
    """The name in the certificate may differ from the host that is dialled."""
    tls = {"ca": str(plant.ca), **({"server_name": server_name} if server_name else {})}
    async with (
        serve_mes(credentials=await listener_credentials(_server(plant, pair))) as mes,
        AsyncExitStack() as at,
    ):
        opening = open_reporter(options(mes.port, tls=tls))
        if said:
            with pytest.raises(Unavailable, match=said):
                await at.enter_async_context(opening)
            return
        report = await at.enter_async_context(opening)
        await report(decision())


def _server(plant: Plant, pair: str, *, mutual: bool = False) -> ServerTls:
    shown = getattr(plant, pair)
    return ServerTls(cert=shown.cert, key=shown.key, client_ca=plant.ca if mutual else None)


async def test_the_simulated_mes_speaks_tls_by_the_same_table(plant: Plant) -> None:
    table = options(free_port(), tls={"ca": str(plant.ca), **plant.bridge.table})
    async with open_mes(table) as mes, open_reporter(table) as report:
        await report(decision())
        assert len(mes.documents) == 1


async def test_the_mes_comes_back_where_it_was(mes: Mes) -> None:
    """With all that it kept; twenty times."""
    port = mes.port
    for number in range(20):
        mes.die()
        await mes.start()
        async with open_reporter(options(port)) as report:
            await report(decision(number))
    assert mes.port == port
    assert (len(mes.documents), mes.resent) == (20, 0)
