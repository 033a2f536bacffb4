"""The kit's contract, held by the HTTP plugins."""

from __future__ import annotations

from bridge.plugin.testkit import contract

test_the_source_keeps_the_contract = contract("source", "http")
test_the_reporter_keeps_the_contract = contract("reporter", "http")
test_the_label_road_keeps_the_contract = contract("labels", "http")
