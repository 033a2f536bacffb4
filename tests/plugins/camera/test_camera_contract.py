"""The camera source keeps the contract of every plugin."""

from __future__ import annotations

from bridge.plugin.testkit import contract

test_source = contract("source", "camera")
