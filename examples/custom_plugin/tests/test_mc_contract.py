"""The bridge's contract, held by this plugin: each rule is a test."""

from bridge.plugin.testkit import contract

test_the_reporter_keeps_the_contract = contract("reporter", "mc")
