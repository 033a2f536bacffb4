"""One contract suite over any source, reporter, judge or label road.

A test of a plugin is two lines::

    from bridge.plugin.testkit import contract

    test_the_reporter_keeps_the_contract = contract("reporter", "mine")

Each rule is a test of its own; one that does not apply is skipped, and says why. What the kit cannot guess stands
in the plugin's ``Trial`` (``bridge.plugin.Trial``, entry point group ``aoi_bridge.trials``). ``aoi-bridge plugin
test NAME`` tries the same rules and prints them. Needs ``pip install 'aoi-bridge[kit]'``.
"""

# Each adds its rules; they are tried in this order.
# isort: off
from bridge.plugin.testkit import options_rules, opening_rules, source_rules, wire_rules  # noqa: F401
from bridge.plugin.testkit import reporter_rules, judge_rules, label_rules  # noqa: F401

# isort: on
from bridge.plugin.testkit.cases import Case, case_rules, read_case
from bridge.plugin.testkit.contract import contract, replayed
from bridge.plugin.testkit.rules import RULES, Broken, Finding, Outcome, Rule, Unfit, prove, rules_for
from bridge.plugin.testkit.subject import Subject, subjects

__all__ = [
    "RULES",
    "Broken",
    "Case",
    "Finding",
    "Outcome",
    "Rule",
    "Subject",
    "Unfit",
    "case_rules",
    "contract",
    "prove",
    "read_case",
    "replayed",
    "rules_for",
    "subjects",
]
