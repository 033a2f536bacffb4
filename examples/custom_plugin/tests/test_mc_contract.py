"""The reporter keeps the contract of every plugin."""

from bridge.plugin.testkit import contract

test_the_reporter_keeps_the_contract = contract("reporter", "mc")
