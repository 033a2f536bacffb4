"""One set of options tells both sides where they meet: what the simulator plays, the source understands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from adapter_host import Host, decision_of
from conftest import Run

from bridge.plugin import ConfigError, Inspection, Unavailable, Verdict, View
from bridge_tcp import TcpReporterOptions, TcpSourceOptions, open_reporter
from bridge_tcp.peer import open_inspector, open_mes

JPEG = b"\xff\xd8picture\xff\xd9"
PART = Inspection(part="P1", legacy=Verdict.NG, defect="scratch", views=(View(name="1", image=JPEG),))
DEFAULT: str = TcpSourceOptions.model_fields["pattern"].default
NOT_JSON = "{part} {verdict}"


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"framing": "stx_etx", "reply": "<{part}={verdict}>", "encoding": "cp949"},
        {"framing": "fixed", "reply": "{part},{verdict}", "ok_words": ["GUT"], "ng_words": ["SCHLECHT"]},
        {"content": "json", "reply": "{json}"},
        {"content": "json", "reply": NOT_JSON},
        {"framing": "len32be", "reply": "{json}"},
        {"framing": "len32be"},
    ],
)
async def test_the_simulated_inspector_is_understood(values: dict[str, Any], running: Run, tmp_path: Path) -> None:
    """Every framing, with and without answers: part, verdict and picture arrive."""
    (tmp_path / "share").mkdir()
    host = Host()
    values = {"pattern": DEFAULT, "images": tmp_path / "share", "image_poll_ms": 1} | values
    async with running(host, **values) as source, open_inspector(source.options) as play:
        answer = await play(PART)
        again = await play(replace(PART, part="P2"))
        await host.until(lambda: sorted(host.answered) == ["P1", "P2"])
    assert answer is again is (Verdict.NG if values.get("reply") else None)
    assert [(part.part, part.legacy, part.defect) for part in host.parts] == [
        ("P1", Verdict.NG, "scratch"),
        ("P2", Verdict.NG, "scratch"),
    ]
    arrived = [host.parts[0].views[0].image, *host.images.values()]
    assert JPEG in arrived


async def test_an_inspector_that_finds_no_bridge_says_so_and_plays_on_later(running: Run, port: int) -> None:
    """The part is played again once the bridge is there, and again after it was restarted."""
    options = TcpSourceOptions(port=port, framing="len32be", reply="{json}")
    async with open_inspector(options) as play:
        with pytest.raises(Unavailable):
            await play(PART)
        for _ in range(2):
            host = Host()
            async with running(host, framing="len32be", reply="{json}"):
                assert await play(PART) is Verdict.NG


async def test_an_inspector_can_be_dialled(running: Run, port: int) -> None:
    host = Host()
    values: dict[str, Any] = {"role": "client", "port": port, "framing": "len32be", "reply": "{json}"}
    async with open_inspector(TcpSourceOptions(**values)) as play, running(host, **values):
        assert await play(PART) is Verdict.NG


async def test_a_pattern_that_cannot_be_simulated_is_said_in_words(running: Run) -> None:
    async with running(Host(), pattern="(?P<part>\\d+)") as source, open_inspector(source.options) as play:
        with pytest.raises(ConfigError, match="pattern: does not understand"):
            await play(PART)


@pytest.mark.parametrize("template", ["", "{id};{part};{verdict}", "{json}{id:.0}"])
async def test_the_simulated_mes_keeps_what_the_reporter_says(template: str, port: int) -> None:
    options = TcpReporterOptions(name="mes", host="127.0.0.1", port=port, template=template)
    decision = decision_of(PART)
    async with open_mes(options) as mes, open_reporter(options) as report:
        await report(decision)
        await report(decision)
    assert [document["part"] for document in mes.documents.values()] == ["P1"]
    assert (mes.resent, mes.duplicated(), list(mes.documents)) == (1, 0, [decision.id])


async def test_the_simulated_mes_says_what_it_cannot_do(port: int) -> None:
    options = TcpReporterOptions(name="mes", host="127.0.0.1", port=port, ack_pattern="(?P<id>.*)")
    with pytest.raises(ConfigError, match="JSON only"):
        async with open_mes(options):
            pass


async def test_two_mes_cannot_share_a_port(port: int) -> None:
    options = TcpReporterOptions(name="mes", host="127.0.0.1", port=port)
    async with open_mes(options):
        with pytest.raises(Unavailable, match=f"cannot listen on 127.0.0.1:{port}"):
            async with open_mes(options):
                pass
