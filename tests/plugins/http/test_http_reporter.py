"""A decision counts as delivered only by a status of success, from a service that is not always well."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import jsonschema
import pytest
from adapter_host import decision_of, until
from aiohttp import web

from bridge.plugin import ConfigError, Decision, Inspection, Refused, Unavailable, Verdict
from bridge.plugin.documents import DecisionDocument
from bridge.plugin.schemas import schema_of
from bridge.simulate.factory import free_ports
from bridge_http import HttpReporterOptions, open_reporter
from bridge_http.answers import Fate, Statuses, reason_of, wait_of
from bridge_http.mes import Mes, open_mes, serve_mes
from bridge_http.signature import key_of, sign, verify

KEY = bytes(range(32))
BIG_BYTES = 12_000_000
SECRET = "whsec_" + base64.b64encode(KEY).decode()


@pytest.fixture
async def mes() -> AsyncIterator[Mes]:
    """An MES that takes whatever comes."""
    async with serve_mes() as running:
        yield running


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MES_SECRET", SECRET)
    monkeypatch.setenv("MES_TOKEN", "open sesame")


def options(url: str, **more: Any) -> HttpReporterOptions:
    return HttpReporterOptions(name="mes", url=url, **more)


def decision(number: int = 1) -> Decision:
    return decision_of(Inspection(part=f"P{number}", legacy=Verdict.NG), number)


@dataclass
class Service:
    """Somebody else's service, which answers what a test wants."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    got: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.got.append((request.headers.copy(), await request.read()))
        return web.Response(status=self.status, headers=self.headers, text=self.text)


@asynccontextmanager
async def serving(service: Service) -> AsyncIterator[Service]:
    http = web.Server(service, access_log=None)
    server = await asyncio.get_running_loop().create_server(http, "127.0.0.1", 0)
    service.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hooks/aoi?line=1"
    try:
        yield service
    finally:
        server.close()
        await http.shutdown(0.1)


async def test_the_whole_decision_arrives(mes: Mes) -> None:
    """What the MES holds is the decision's own document, as its published schema says."""
    async with open_reporter(options(mes.url)) as report:
        await report(decision())
    (document,) = mes.documents.values()
    assert document == json.loads(json.dumps(decision().document()))
    jsonschema.validate(document, schema_of(DecisionDocument))


async def test_a_signature_is_what_the_convention_says() -> None:
    """Checked here by its own few lines, as a receiver would: HMAC-SHA256 over id.timestamp.body in base64."""
    async with (
        serving(Service()) as service,
        open_reporter(options(service.url, secret="env:MES_SECRET")) as report,
    ):
        await report(decision())
    ((headers, body),) = service.got
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body.decode()}".encode()
    mac = hmac.new(base64.b64decode(SECRET.removeprefix("whsec_")), content, hashlib.sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(mac).decode()
    assert headers["webhook-id"] == headers["Idempotency-Key"] == decision().id
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60


def test_the_published_vector_of_the_convention_holds() -> None:
    """The example of the Standard Webhooks libraries."""
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signature = sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_signature_is_of_this_body_id_and_time() -> None:
    """And of a time that is near; any of several signatures may be the good one."""
    good = sign(KEY, "id", 1000, b"body")
    assert verify(KEY, "id", "1000", b"body", f"v1a,x {good}", 1200) == ""
    for name, at, body, given, now in [
        ("other", "1000", b"body", good, 1000),
        ("id", "1001", b"body", good, 1000),
        ("id", "1000", b"body.", good, 1000),
        ("id", "1000", b"body", "", 1000),
        ("id", "1000", b"body", "v1,\udcff", 1000),
        ("id", "1000", b"body", good, 1301),
        ("id", "1e3", b"body", good, 1000),
    ]:
        assert verify(KEY, name, at, body, given, now)


async def test_a_resend_has_the_same_id_and_the_same_bytes() -> None:
    """Its time differs, and with it its signature: nothing else."""
    async with serving(Service()) as service, open_reporter(options(service.url)) as report:
        await report(decision())
        await report(decision())
    (first, one), (second, two) = service.got
    assert one == two
    assert first["webhook-id"] == second["webhook-id"]


async def test_the_token_is_shown_and_no_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment would read every decision."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with (
        serving(Service(headers={"Set-Cookie": "a=b"})) as service,
        open_reporter(options(service.url, token="env:MES_TOKEN")) as report,
    ):
        await report(decision())
        await report(decision(2))
    assert [headers["Authorization"] for headers, _ in service.got] == ["Bearer open sesame"] * 2
    assert not any("Cookie" in headers for headers, _ in service.got)


async def test_a_proxy_that_is_named_is_used() -> None:
    """It is asked for the whole URL."""
    async with serving(Service()) as proxy:
        place = proxy.url.partition("/hooks")[0]
        async with open_reporter(options("http://mes.plant/hook", proxy=place)) as report:
            await report(decision())
    assert proxy.got[0][0]["Host"] == "mes.plant"


@pytest.mark.parametrize(
    ("status", "more", "outcome", "said"),
    [
        (200, {}, None, ""),
        (202, {}, None, ""),
        (409, {"taken_statuses": (409,)}, None, ""),
        (400, {}, Refused, "400 Bad Request: no such part"),
        (404, {}, Refused, "404 Not Found: no such part"),
        (422, {}, Refused, "no such part"),
        (404, {"retried_statuses": (404,)}, Unavailable, "404 Not Found"),
        (401, {}, Unavailable, "401 Unauthorized"),
        (409, {}, Unavailable, "409 Conflict"),
        (425, {}, Unavailable, "425"),
        (429, {}, Unavailable, "429 Too Many Requests"),
        (500, {}, Unavailable, "500 Internal Server Error: no such part"),
        (599, {}, Unavailable, "599"),
    ],
)
async def test_what_a_status_means(status: int, more: Any, outcome: Any, said: str) -> None:
    """Taken, never, or again; in the service's own words."""
    service = Service(status=status, text=json.dumps({"detail": "no such part"}))
    async with serving(service), open_reporter(options(service.url, **more)) as report:
        if outcome is None:
            await report(decision())
        else:
            with pytest.raises(outcome, match=said):
                await report(decision())
    assert len(service.got) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(status: int) -> None:
    """It may lead anywhere, and turn a POST into a GET; the user is told where to."""
    service = Service(status=status, headers={"Location": "https://elsewhere/hook?token=1"})
    async with serving(service), open_reporter(options(service.url)) as report:
        with pytest.raises(Unavailable, match=r"elsewhere \(https://elsewhere/hook\): redirects are not followed"):
            await report(decision())
    assert len(service.got) == 1


@pytest.mark.parametrize(("said", "seconds"), [("7", 7.0), ("", 0.0), ("soon", 0.0)])
async def test_a_busy_service_says_when_to_come_again(said: str, seconds: float) -> None:
    """The host waits so long before it opens the reporter again."""
    service = Service(status=503, headers={"Retry-After": said})
    async with serving(service), open_reporter(options(service.url)) as report:
        with pytest.raises(Unavailable) as told:
            await report(decision())
    assert told.value.after_seconds == seconds


def test_a_wait_may_be_a_date() -> None:
    assert wait_of("Thu, 01 Jan 1970 00:01:00 GMT", 20.0) == 40.0
    assert wait_of("Thu, 01 Jan 1970 00:01:00 -0000", 20.0) == 40.0
    assert wait_of("Thu, 01 Jan 1970 00:01:00 GMT", 90.0) == 0.0
    assert wait_of("9" * 99, 0.0) <= 1e9


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"title": "Bad", "detail": "no part"}', "400 Bad Request: no part"),
        (b'{"error": {"code": 3}, "message": "no\\n part"}', "400 Bad Request: no part"),
        (b'"no part"', "400 Bad Request: no part"),
        (b"no\r\n part\x00", "400 Bad Request: no part"),
        (b"<html><body>no</body></html>", "400 Bad Request"),
        (b"[1]", "400 Bad Request"),
        (b"\xff", "400 Bad Request: \ufffd"),
        (b"[" * 100_000, "400 Bad Request: " + "[" * 300),
        (b"", "400 Bad Request"),
    ],
)
def test_a_reason_is_one_line_whatever_the_body(body: bytes, reason: str) -> None:
    assert reason_of(400, body) == reason
    assert reason_of(499, b"") == "499"


def test_only_success_is_a_positive_statement() -> None:
    """Every other status is never taken."""
    fates = {status: Statuses()(status) for status in range(100, 600)}
    assert {status for status, fate in fates.items() if fate is Fate.TAKEN} == set(range(200, 300))
    assert {status for status, fate in fates.items() if fate is Fate.NEVER} == set(range(400, 500))


async def test_an_answer_of_any_size_costs_a_little_of_it() -> None:
    """What a service says beside its status is read up to a limit."""
    service = Service(status=200, text="x" * 5_000_000)
    async with serving(service), open_reporter(options(service.url)) as report:
        await report(decision())
        await report(decision(2))


async def test_a_lost_answer_is_healed_by_sending_again(mes: Mes) -> None:
    mes.lose(1)
    async with open_reporter(options(mes.url)) as report:
        with pytest.raises(Unavailable, match="closed the connection"):
            await report(decision())
        await report(decision())
    assert (mes.resent, mes.duplicated(), len(mes.documents)) == (1, 0, 1)


async def test_a_service_that_stalls_is_unavailable(mes: Mes) -> None:
    mes.stall()
    async with open_reporter(options(mes.url, answer_timeout_seconds=0.05)) as report:
        with pytest.raises(Unavailable, match="in time"):
            await report(decision())


async def test_a_service_that_is_away_is_unavailable() -> None:
    """Known at the opening, before the first part."""
    (port,) = free_ports(1)
    with pytest.raises(Unavailable, match=f"127.0.0.1:{port} cannot be reached: Connection refused"):
        async with open_reporter(options(f"http://127.0.0.1:{port}/")):
            pass


async def test_a_service_that_goes_is_unavailable_at_the_next_report(mes: Mes) -> None:
    async with open_reporter(options(mes.url)) as report:
        await report(decision())
        mes.die()
        with pytest.raises(Unavailable):
            await report(decision(2))
        await mes.start()
        await report(decision(2))
    assert len(mes.documents) == 2


async def test_what_is_no_http_is_unavailable() -> None:
    async def noise(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.plant ESMTP\r\n")
        writer.close()

    server = await asyncio.start_server(noise, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, open_reporter(options(url)) as report:
        with pytest.raises(Unavailable):
            await report(decision())


async def test_several_are_under_way_at_once(mes: Mes) -> None:
    mes.stall()
    async with open_reporter(options(mes.url, window=4)) as report:
        reports = [asyncio.ensure_future(report(decision(number))) for number in range(1, 5)]
        await until(lambda: len(mes.open) == 4)
        mes.resume()
        await asyncio.gather(*reports)
    assert len(mes.documents) == 4


async def test_on_the_realtime_lane_nothing_leaves_late() -> None:
    """By then another part stands there."""
    late = replace(decision(), expires=asyncio.get_running_loop().time() - 0.001)
    async with serving(Service()) as service, open_reporter(options(service.url, lane="realtime")) as report:
        with pytest.raises(Refused, match="expired"):
            await report(late)
        await report(replace(decision(2), expires=asyncio.get_running_loop().time() + 10))
    assert [json.loads(body)["part"] for _, body in service.got] == ["P2"]


async def _speaks(reader: asyncio.StreamReader) -> bool:
    try:
        return bool(await reader.read(1))
    except ConnectionError:
        return False


@pytest.mark.parametrize("cancelled", [False, True])
async def test_on_the_realtime_lane_nothing_is_left_in_a_buffer(cancelled: bool) -> None:  # noqa: FBT001 - a parameter
    """A peer that reads only after the decision's time gets a reset, and never the end of the request.

    The decision is larger than what both systems buffer, so part of it still waits with us when its time is over.
    """
    loop, accepted = asyncio.get_running_loop(), asyncio.Event()
    came: list[bytes] = []
    over = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await _speaks(reader):  # it only looked whether we are there
            writer.close()
            return
        accepted.set()
        await over.wait()
        try:
            while data := await reader.read(1 << 20):
                came.append(data)
        except ConnectionError:
            came.append(b"reset")
        writer.close()

    server = await asyncio.start_server(slow, "127.0.0.1", 0, limit=1024)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, open_reporter(options(url, lane="realtime", answer_timeout_seconds=60)) as report:
        big = replace(decision(), bundle="b" * BIG_BYTES, expires=loop.time() + 1)
        task = asyncio.ensure_future(report(big))
        async with asyncio.timeout(20):
            await accepted.wait()
        if cancelled:
            await asyncio.sleep(0.05)
            task.cancel()
        outcome = (await asyncio.gather(task, return_exceptions=True))[0]
        assert isinstance(outcome, asyncio.CancelledError if cancelled else Refused)
        over.set()
        await until(lambda: bool(came) and came[-1] == b"reset")
    assert sum(map(len, came)) < BIG_BYTES


async def test_the_simulated_mes_believes_only_who_knows_the_secret() -> None:
    """One set of options tells both sides; another secret or token is found out."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}/hook"
    right = options(url, secret="env:MES_SECRET", token="env:MES_TOKEN")
    async with open_mes(right) as mes:
        for wrong in (options(url, token="env:MES_TOKEN"), options(url, secret="env:MES_SECRET")):
            async with open_reporter(wrong) as report:
                with pytest.raises(Unavailable, match="401"):
                    await report(decision())
        async with open_reporter(right) as report:
            await report(decision())
    assert (mes.forged, len(mes.documents)) == (2, 1)


async def test_two_mes_cannot_share_a_port(mes: Mes) -> None:
    with pytest.raises(Unavailable, match="cannot listen on"):
        async with open_mes(options(mes.url)):
            pass


async def test_the_simulated_mes_needs_a_certificate_for_https() -> None:
    with pytest.raises(ConfigError, match="certificate"):
        async with open_mes(options("https://127.0.0.1:1/")):
            pass


@pytest.mark.parametrize("habit", ["refuse", "busy", "stall", "half-close", "ack-lost", "die"])
async def test_everything_arrives_once_from_a_service_with_bad_habits(habit: str) -> None:
    """At least once, nothing under a second id; what is refused is refused for good."""
    (port,) = free_ports(1)
    told = options(f"http://127.0.0.1:{port}/hook", secret="env:MES_SECRET", answer_timeout_seconds=0.2)
    refused = 0
    async with open_mes(told, {habit: {"stall": 0.3, "die": 0.1}.get(habit, 3)}) as mes:
        waiting = [decision(number) for number in range(1, 24)]
        async with asyncio.timeout(20):
            while waiting:
                try:
                    async with open_reporter(told) as report:
                        while waiting:
                            await report(waiting[0])
                            waiting.pop(0)
                except Unavailable:
                    await asyncio.sleep(0.02)
                except Refused:
                    refused += 1
                    waiting.pop(0)
    assert len(mes.documents) == 23 - refused
    assert mes.duplicated() == 0
    assert (refused > 0) == (habit == "refuse")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://mes/",
        "mes/hook",
        "http://",
        "http://user:pass@mes/",
        "http://mes:99999/",
        "http://mes:0/",
        "http://m es/",
        "http://mes/#x",
        "http://[::1/",
        "http://müs/",
    ],
)
def test_what_is_no_url_is_told(url: str) -> None:
    """And a password in one is never shown again."""
    with pytest.raises(ValueError, match="url") as told:
        options(url)
    assert "URL" in str(told.value) or "leave" in str(told.value)


def test_a_secret_that_signs_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """In words, and without the secret itself."""
    for secret in ("whsec_***", base64.b64encode(b"short").decode(), base64.b64encode(bytes(65)).decode()):
        monkeypatch.setenv("MES_SECRET", secret)
        with pytest.raises(ValueError, match=r"is no base64|bytes, not from 16 to 64"):
            options("http://mes/", secret="env:MES_SECRET")
    assert key_of(SECRET) == key_of(SECRET.removeprefix("whsec_")) == KEY


def test_tls_for_plain_http_is_told() -> None:
    with pytest.raises(ValueError, match="does nothing for an http URL"):
        options("http://mes/", tls={})
