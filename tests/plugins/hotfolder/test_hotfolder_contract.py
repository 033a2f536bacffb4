"""The kit's contract, held by the hot folder."""

from __future__ import annotations

from bridge.plugin.testkit import contract

test_the_source_keeps_the_contract = contract("source", "hotfolder")


test_the_label_road_keeps_the_contract = contract("labels", "hotfolder")
