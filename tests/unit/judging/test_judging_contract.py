"""The kit's contract, held by the classifier with the demo's model."""

from __future__ import annotations

from bridge.plugin.testkit import contract

test_the_classifier_keeps_the_contract = contract("judge", "classifier")
