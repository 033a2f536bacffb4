"""The kit's contract, held by the gRPC plugins."""

from __future__ import annotations

from bridge.plugin.testkit import contract

test_the_source_keeps_the_contract = contract("source", "grpc")
test_the_reporter_keeps_the_contract = contract("reporter", "grpc")
