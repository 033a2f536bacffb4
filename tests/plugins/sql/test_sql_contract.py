"""The kit's contract, held by the SQL plugins on SQLite.

A database acknowledges by its commit, shows its rows to who looks, and has no half of a connection to close: what
needs an MES with a will of its own is proved on real databases, in the tests of the reporter and of outages.
"""

from __future__ import annotations

import pytest

from bridge.plugin.testkit import Outcome, Rule, Subject, contract, prove, rules_for, subjects
from bridge_sql.trial import DECISIONS

OF_AN_MES = {
    "accepted-is-taken",
    "told-again-is-the-same",
    "lost-acknowledgement",
    "refused-is-parked",
    "troubled-peer",
    "idle-loss",
    "several-at-once",
}
RULES = [rule for rule in rules_for("reporter") if rule.id not in OF_AN_MES]

test_the_source_keeps_the_contract = contract("source", "sql")


@pytest.mark.parametrize("kept", RULES, ids=lambda kept: str(kept.id))
@pytest.mark.timeout(0)
def test_the_reporter_keeps_the_contract(kept: Rule) -> None:
    """Every rule that a table can keep."""
    [bare] = subjects("reporter", "sql")
    found = prove(kept, Subject(bare.plugin, DECISIONS, bare.peer))
    if found.outcome in {Outcome.UNFIT, Outcome.MISSING}:
        pytest.skip(f"{found.outcome}: {found.said}")
    assert found.outcome is Outcome.HOLDS, found.said


def test_no_rule_is_left_out_by_a_slip() -> None:
    assert {rule.id for rule in rules_for("reporter")} >= OF_AN_MES
