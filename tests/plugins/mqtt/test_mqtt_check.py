"""``aoi-bridge check`` says what a broker says, and disturbs no bridge that runs."""

from __future__ import annotations

from pathlib import Path

from mqtt_kit import (
    BASE,
    Line,
    broker,
    needs_mosquitto,
    reporter_options,
    running,
    source_options,
    subscriber,
    until,
)

from bridge.plugin import Finding, Inspection
from bridge_mqtt.check import check_reporter, check_source
from bridge_mqtt.peer import machine

pytestmark = needs_mosquitto


def outcomes(findings: list[Finding]) -> list[tuple[str, bool | None]]:
    return [(finding.what, finding.good) for finding in findings]


async def test_a_check_beside_a_running_bridge(tmp_path: Path) -> None:
    """The bridge stays connected and online, and takes the next part."""
    line = Line()
    async with broker(tmp_path) as mosquitto, subscriber(mosquitto, f"{BASE}/+/status") as heard:
        options = source_options(mosquitto, tmp_path)
        async with running(options, line) as task, machine(options) as inspector:
            source = await check_source(options)
            reporter = await check_reporter(reporter_options(mosquitto, ack_topic="mes/ack"))
            await inspector.play(Inspection(part="P1"))
            await until(lambda: bool(heard.messages))
            assert not task.done()
            assert [said["state"] for said in heard.on(f"{BASE}/inspector/status")] == ["online"]
    assert line.names == ["P1"]
    assert outcomes(source) == [("broker lets us in", True), ("may subscribe", True), ("parts come", None)]
    assert outcomes(reporter) == [("broker lets us in", True), ("may subscribe", True), ("somebody listens", None)]


async def test_a_broker_that_is_away_is_a_finding(tmp_path: Path) -> None:
    async with broker(tmp_path) as mosquitto:
        mosquitto.kill()
        (first, _) = await check_source(source_options(mosquitto, tmp_path))
    assert (first.what, first.good) == ("broker lets us in", False)
    assert "cannot be reached" in first.said
