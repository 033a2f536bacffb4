"""The control port over real HTTP: open for health, closed for status."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import core_plugins
import pytest
from core_kit import a_name, until

from bridge import control
from bridge.asking import ask
from bridge.config import Config, load
from bridge.control import open_control
from bridge.errors import ConfigError, Refused, Unavailable
from bridge.gateway import Gateway, open_gateway


def written(folder: Path, name: str, port: int = 0, judge: str = "none") -> Config:
    path = folder / "bridge.toml"
    path.write_text(
        f"""
[http]
port = {port}
[[line]]
name = "{name}"
goal = 1
judge = "j"
source = {{type = "feed", tag = "{name}", parts = 3}}
[judge.j]
type = "opinion"
trouble = "{judge}"
""",
        encoding="utf-8",
    )
    return load(path)


@pytest.fixture
async def gateway(tmp_path: Path, plugins: Path) -> AsyncIterator[Gateway]:
    del plugins
    name = a_name("line")
    config = await asyncio.to_thread(written, tmp_path, name)
    async with open_gateway(config) as opened:
        yield opened


@pytest.fixture
async def url(gateway: Gateway) -> AsyncIterator[str]:
    async with open_control(gateway) as address:
        yield address


async def get(url: str, token: str = "") -> tuple[int, str]:
    def blocking() -> tuple[int, str]:
        request = Request(url, headers={"Authorization": token} if token else {})  # noqa: S310 - our own server
        try:
            with urlopen(request, timeout=10) as answer:  # noqa: S310 - same
                return answer.status, answer.read().decode()
        except HTTPError as exc:
            return exc.code, exc.read().decode()

    return await asyncio.to_thread(blocking)


async def asked(gateway: Gateway) -> Any:
    return await asyncio.to_thread(ask, gateway.config.data, "/v1/status")


def note_of(gateway: Gateway) -> Path:
    return gateway.config.data / control.FILE


async def test_it_is_healthy_and_says_when_it_is_ready(gateway: Gateway, url: str) -> None:
    assert await get(f"{url}/healthz") == (200, '{"status": "ok"}')
    async with asyncio.timeout(10):
        await gateway.until_ready()
    assert (await get(f"{url}/readyz"))[0] == 200
    (line,) = gateway.lines.values()
    await until(lambda: line.figures()["parts"] == 3)
    line._fallbacks._in_a_row = 5
    status, text = await get(f"{url}/readyz")
    assert (status, json.loads(text)) == (
        503,
        {"ready": False, "plugins": [], "lines_in_error": [line.config.name]},
    )


async def test_metrics_are_there_for_every_line_and_plugin(gateway: Gateway, url: str) -> None:
    (name,) = gateway.lines
    await until(lambda: len(core_plugins.answered[name]) == 3)
    status, text = await get(f"{url}/metrics")
    assert status == 200
    assert f'aoi_bridge_parts_total{{line="{name}",origin="legacy",verdict="NG"}} 3.0' in text
    assert f'aoi_bridge_plugin_up{{line="{name}",plugin="source"}} 1.0' in text
    assert f'aoi_bridge_answer_ms_count{{line="{name}"}} 3.0' in text


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer wrong", "wrong", "Bearer \xe9"])
async def test_the_status_needs_the_token(gateway: Gateway, url: str, token: str) -> None:
    del gateway
    status, text = await get(f"{url}/v1/status", token)
    assert status == 401
    assert "control.json" in text


async def test_the_status_says_how_everything_does(gateway: Gateway, url: str) -> None:
    del url
    (name,) = gateway.lines
    await until(lambda: len(core_plugins.answered[name]) == 3)
    said = await asked(gateway)
    assert [(line["name"], line["parts"], line["stage"]) for line in said["lines"]] == [(name, 3, "shadow")]
    assert said["config"] == gateway.config.fingerprint
    assert (said["outbox"], said["journal"]) == ([], "")
    assert said["disk"]["free_bytes"] > 0
    assert said["disk"]["days"] is None, "unknown yet"


async def test_the_status_stands_while_the_disk_does_not(
    gateway: Gateway, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the disk in trouble people need the rest of it all the more."""
    del url
    monkeypatch.setattr(control, "DISK_SECONDS", 0.02)

    async def hangs() -> None:
        await asyncio.Event().wait()

    async def refuses() -> None:
        raise Unavailable("disk full")

    for backlog, words in ((hangs, "TimeoutError"), (refuses, "disk full")):
        monkeypatch.setattr(gateway.journal, "backlog", backlog)
        said = await asked(gateway)
        assert (said["outbox"], words in said["journal"]) == ([], True)


async def test_the_note_is_for_the_gateways_user_alone_and_goes_with_it(gateway: Gateway) -> None:
    async with open_control(gateway):
        assert stat.S_IMODE(note_of(gateway).stat().st_mode) == 0o600
        assert set(json.loads(note_of(gateway).read_text(encoding="utf-8"))) == {"url", "token", "pid"}
    assert not note_of(gateway).exists()
    assert await asked(gateway) is None


async def test_each_start_has_a_token_of_its_own(gateway: Gateway) -> None:
    tokens = set()
    for _ in range(2):
        async with open_control(gateway):
            tokens.add(json.loads(note_of(gateway).read_text(encoding="utf-8"))["token"])
    assert len(tokens) == 2


async def test_a_port_that_is_taken_is_one_line(tmp_path: Path, plugins: Path) -> None:
    del plugins
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = await asyncio.to_thread(written, tmp_path, a_name("line"), port)
        async with open_gateway(config) as gateway:
            with pytest.raises(ConfigError) as caught:
                async with open_control(gateway):
                    pass
    said = str(caught.value)
    assert said.startswith(f"http.port: {port} on 127.0.0.1: cannot be listened on (")
    assert said.endswith("); write a free port, or 0")


@pytest.mark.parametrize(
    "note",
    [
        "",
        "no json",
        "[]",
        "{}",
        '{"url": "http://127.0.0.1:1", "token": "t"}',
        '{"url": "nonsense", "token": "t"}',
        '{"url": 7, "token": "t"}',
    ],
)
def test_a_stale_or_strange_note_is_no_gateway(tmp_path: Path, note: str) -> None:
    (tmp_path / control.FILE).write_text(note, encoding="utf-8")
    assert ask(tmp_path, "/v1/status") is None


def test_a_note_for_another_user_is_said_to_be_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else an operator reads that no gateway runs, and starts a second one."""

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)  # the suite may run as root, who may read everything
    with pytest.raises(Refused, match="for the gateway's user alone"):
        ask(tmp_path, "/v1/status")


def test_without_a_note_there_is_no_gateway(tmp_path: Path) -> None:
    assert ask(tmp_path, "/v1/status") is None


async def test_the_token_never_goes_through_a_proxy(
    gateway: Gateway, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    del url
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert (await asked(gateway))["config"] == gateway.config.fingerprint


class TestOrders:
    """What the command line orders: only with the token, bounded, and refused in one line."""

    async def posted(self, gateway: Gateway, url: str, path: str, body: bytes, *, known: bool = True) -> Any:
        def blocking() -> tuple[int, Any]:
            token = json.loads(note_of(gateway).read_text(encoding="utf-8"))["token"] if known else "wrong"
            request = Request(url + path, data=body, headers={"Authorization": f"Bearer {token}"})  # noqa: S310 - ours
            try:
                with urlopen(request, timeout=10) as answer:  # noqa: S310 - same
                    return answer.status, json.load(answer)
            except HTTPError as exc:
                return exc.code, exc.read().decode()

        return await asyncio.to_thread(blocking)

    async def test_they_need_the_token(self, gateway: Gateway, url: str) -> None:
        (name,) = gateway.lines
        body = json.dumps({"who": "ann", "line": name}).encode()
        for path in ("/v1/reset", "/v1/bypass", "/v1/outbox"):
            assert (await self.posted(gateway, url, path, body, known=False))[0] == 401
        assert await self.posted(gateway, url, "/v1/reset", body) == (200, {"was_in_error": False})

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"[]",
            b"7",
            b"\xff",
            b"[" * 100_000,
            b'{"who": ""}',
            b'{"who": "ann"}',
            b'{"who": "ann", "line": 7}',
            b'{"who": "ann", "line": "l", "more": 1}',
            b'{"who": "ann", "line": "no such line"}',
        ],
        ids=range(11),
    )
    async def test_what_is_no_order_is_refused(self, gateway: Gateway, url: str, body: bytes) -> None:
        status, text = await self.posted(gateway, url, "/v1/reset", body)
        assert status in {400, 409}
        assert json.loads(text)["error"]

    @pytest.mark.parametrize("trouble", ["refuses", "hangs"])
    async def test_a_bypass_that_cannot_be_audited_does_not_begin(
        self, gateway: Gateway, url: str, monkeypatch: pytest.MonkeyPatch, trouble: str
    ) -> None:
        """Whatever a person changes is in the audit log before it is done."""
        monkeypatch.setattr("bridge.orders.DISK_SECONDS", 0.01)

        async def audit(*_: object) -> None:
            if trouble == "refuses":
                raise Unavailable("the disk is full")
            await asyncio.Event().wait()

        monkeypatch.setattr(gateway.journal, "audit", audit)
        (name,) = gateway.lines
        body = json.dumps({"who": "ann", "line": name, "wanted": True, "because": "QA-7"}).encode()
        status, text = await self.posted(gateway, url, "/v1/bypass", body)
        assert status == 503
        assert "the disk" in json.loads(text)["error"]
        assert not gateway.lines[name].standing.bypassed.in_force

    async def test_a_long_body_is_refused_unread(self, gateway: Gateway, url: str) -> None:
        status, _ = await self.posted(gateway, url, "/v1/reset", b'"' + b"x" * control.ORDER_BYTES + b'"')
        assert status == 413

    async def test_a_reset_clears_the_error_under_the_name_of_who_asks(self, gateway: Gateway, url: str) -> None:
        (line,) = gateway.lines.values()
        await until(lambda: line.figures()["parts"] == 3)
        line._fallbacks._in_a_row = 5
        assert (await get(f"{url}/readyz"))[0] == 503
        body = json.dumps({"who": "ann", "line": line.config.name}).encode()
        assert await self.posted(gateway, url, "/v1/reset", body) == (200, {"was_in_error": True})
        assert not line.standing.error
        await until(lambda: gateway.journal.newest is not None and gateway.journal.newest.what == "error reset")
        assert gateway.journal.newest is not None
        assert gateway.journal.newest.who == "ann"
