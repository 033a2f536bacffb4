"""``aoi-bridge check`` on a broker: whether it lets us in and lets us hear, under a client id of the check's own.

Nothing is published, and no session is taken over: a bridge that runs meanwhile notices nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge.plugin import ConfigError, Finding, Unavailable
from bridge_mqtt.dialling import connected
from bridge_mqtt.options import BrokerOptions, MqttReporterOptions, MqttSourceOptions
from bridge_mqtt.session import Session


async def check_source(options: MqttSourceOptions, *, write_test: bool = False) -> list[Finding]:
    """Try the broker that parts come from; a broker that is away is a finding, not an error."""
    del write_test
    findings = await _tried(options, options.known_as("source"), options.filters())
    unseen = "the machine's own doing; see aoi-bridge status while the bridge runs"
    return [*findings, Finding("parts come", good=None, said=unseen)]


async def check_reporter(options: MqttReporterOptions, *, write_test: bool = False) -> list[Finding]:
    """Try the broker that results go to."""
    del write_test
    findings = await _tried(
        options, options.known_as(options.name), [options.ack_topic] if options.ack_topic else []
    )
    unseen = f"nothing is published by a check; the topic is {options.results()}"
    return [*findings, Finding("somebody listens", good=None, said=unseen)]


async def _tried(options: BrokerOptions, identifier: str, filters: Sequence[str]) -> list[Finding]:
    findings: list[Finding] = []
    session = Session(options, f"{identifier}:check")
    trying = "broker lets us in"
    try:
        async with connected(options, session):
            findings.append(Finding(trying, good=True, said=f"{session.peer} speaks MQTT {options.protocol}"))
            if filters:
                trying = "may subscribe"
                await session.listen(filters)
                findings.append(Finding(trying, good=True, said=", ".join(filters)))
    except (ConfigError, Unavailable) as exc:
        findings.append(Finding(trying, good=False, said=str(exc)))
    return findings
