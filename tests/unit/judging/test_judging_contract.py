"""The kit's contract, held by the classifier with the demo's model, and by the others with their own."""

from __future__ import annotations

from bridge.plugin.testkit import contract

test_the_classifier_keeps_the_contract = contract("judge", "classifier")
test_the_detector_keeps_the_contract = contract("judge", "detector")
test_the_template_keeps_the_contract = contract("judge", "template")
test_the_anomaly_judge_keeps_the_contract = contract("judge", "anomaly")
