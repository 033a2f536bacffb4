"""The kit's contract, held by the MQTT plugins through a real broker."""

from __future__ import annotations

from mqtt_kit import needs_mosquitto

from bridge.plugin.testkit import contract

pytestmark = needs_mosquitto
test_the_source_keeps_the_contract = contract("source", "mqtt")
test_the_reporter_keeps_the_contract = contract("reporter", "mqtt")
