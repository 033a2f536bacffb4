"""The contract as tests: each rule on each trial of a plugin, and each recorded stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from bridge.plugin.api import Kind
from bridge.plugin.testkit.cases import case_rules
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
    return _test(asked, f"The {kind} {name} keeps the contract.")


def replayed(name: str, cases: Path) -> Callable[..., None]:
    """Return a test, to be named ``test_…``, that replays each recorded stream below a folder to a source.

    ``bridge.plugin.testkit.cases`` tells what stands in the folder. The source is set up as by its first trial.

    Raises:
        ConfigError: the plugin is not installed, or cannot be loaded.
    """
    subject = subjects("source", name)[0]
    asked = [pytest.param(subject, one, id=one.id) for one in case_rules(cases)]
    return _test(asked, "What a machine has sent means what its case says, however the network cuts it.")


def _test(asked: Sequence[Any], promise: str) -> Callable[..., None]:
    @pytest.mark.parametrize(("subject", "kept"), asked)
    @pytest.mark.timeout(0)
    def test(subject: Subject, kept: Rule) -> None:
        found = prove(kept, subject)
        if found.outcome in {Outcome.UNFIT, Outcome.MISSING}:
            pytest.skip(f"{found.outcome}: {found.said}")
        if found.outcome is Outcome.FAILS:
            pytest.fail(f"{subject.name}: {kept.says}: {found.said}", pytrace=False)

    test.__doc__ = promise
    return test
