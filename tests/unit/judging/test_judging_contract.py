"""The kit's contract, held by the classifier with the demo's model, and by the detector with one of its own."""

from __future__ import annotations

from bridge.plugin.testkit import contract

test_the_classifier_keeps_the_contract = contract("judge", "classifier")
test_the_detector_keeps_the_contract = contract("judge", "detector")
