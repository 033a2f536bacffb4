"""Bugs and habits of the field as folders, replayed by the kit; ``cases/README.md`` tells what stands in one."""

from __future__ import annotations

from pathlib import Path

from bridge.plugin.testkit import replayed

test_a_case_from_the_field = replayed("tcp", Path(__file__).parent / "cases")
