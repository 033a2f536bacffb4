"""The contract as tests: each rule on each trial of a plugin."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bridge.plugin.api import Kind
from bridge.plugin.testkit.rules import Outcome, Rule, prove, rules_for
from bridge.plugin.testkit.subject import Subject, subjects


def contract(kind: Kind, name: str) -> Callable[..., None]:
    """Return a test, to be named ``test_…``, that holds an installed plugin to every rule in each of its trials.

    Raises:
        ConfigError: the plugin is not installed, or cannot be loaded.
    """
    asked = [
        pytest.param(subject, one, id=f"{subject.variant}-{one.id}".strip("-"))
        for subject in subjects(kind, name)
        for one in rules_for(kind)
    ]

    @pytest.mark.parametrize(("subject", "kept"), asked)
    @pytest.mark.timeout(0)
    def test(subject: Subject, kept: Rule) -> None:
        found = prove(kept, subject)
        if found.outcome in {Outcome.UNFIT, Outcome.MISSING}:
            pytest.skip(f"{found.outcome}: {found.said}")
        if found.outcome is Outcome.FAILS:
            pytest.fail(f"{subject.name}: {kept.says}: {found.said}", pytrace=False)

    test.__doc__ = f"The {kind} {name} keeps the contract."
    return test
