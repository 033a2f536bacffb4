"""The kit's contract, held by the SQL plugins on SQLite.

A database acknowledges by its commit, shows its rows to who looks, and has no half of a connection to close: what
needs an MES with a will of its own is proved on real databases, in the tests of the reporter and of outages.
"""

from __future__ import annotations

from bridge.plugin.testkit import contract, rules_for
from bridge_sql.trial import DECISIONS

test_the_source_keeps_the_contract = contract("source", "sql")
test_the_reporter_keeps_the_contract = contract("reporter", "sql")
test_the_label_road_keeps_the_contract = contract("labels", "sql")


def test_no_rule_is_left_out_by_a_slip() -> None:
    assert {rule.id for rule in rules_for("reporter")} >= set(DECISIONS.unfit)
