"""The import rules name every adapter there is, and every promised module exists."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

import bridge

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ADAPTERS = {folder.name for folder in (ROOT / "plugins").iterdir() if (folder / "__init__.py").is_file()}
LINTER: dict[str, Any] = PROJECT["tool"]["importlinter"]


def contract(name: str) -> dict[str, Any]:
    (found,) = [rule for rule in LINTER["contracts"] if rule["name"].startswith(name)]
    return dict(found)


def test_every_plugin_folder_is_under_the_rules() -> None:
    """A new adapter that a rule does not name would be free to import anything."""
    assert set(LINTER["root_packages"]) == {"bridge"} | ADAPTERS
    assert set(contract("an adapter sees")["source_modules"]) == ADAPTERS
    assert set(contract("adapters do not know")["modules"]) == ADAPTERS
    assert set(contract("bridge never imports")["forbidden_modules"]) == ADAPTERS


def test_the_plan_of_the_house_names_every_room() -> None:
    """Whoever looks for something begins there."""
    rooms = {
        path.stem
        for path in (ROOT / "bridge").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    named = set(re.findall(r"``(\w+)``", bridge.__doc__ or ""))
    assert named == rooms - {"__init__"}


def test_every_plugin_folder_is_type_checked() -> None:
    assert set(PROJECT["tool"]["mypy"]["packages"]) == {"bridge"} | ADAPTERS


def test_every_adapter_is_found_by_entry_point() -> None:
    groups = PROJECT["project"]["entry-points"]
    named = {target.partition(".")[0] for group in groups.values() for target in group.values()}
    assert named | {"bridge"} >= ADAPTERS


def test_every_entry_point_of_ours_loads() -> None:
    for group, entries in PROJECT["project"]["entry-points"].items():
        installed = {entry.name: entry for entry in entry_points(group=group)}
        for name, target in entries.items():
            assert name in installed, f"{group} {name} is not installed: run make again"
            assert installed[name].value == target
            assert installed[name].load() is not None


@pytest.mark.parametrize("adapter", sorted(ADAPTERS))
def test_every_adapter_has_the_same_files(adapter: str) -> None:
    folder = ROOT / "plugins" / adapter
    for name in ("codec.py", "peer.py", "README.md", "sample.toml", "py.typed"):
        assert (folder / name).is_file(), name
    assert (folder / "source.py").is_file() or (folder / "reporter.py").is_file()


def test_only_the_errors_of_the_tree_are_raised_on_purpose() -> None:
    from bridge.errors import BridgeError  # noqa: PLC0415 - the tree as it is at this moment

    assert {error.__name__ for error in BridgeError.__subclasses__()} == {"ConfigError", "Unavailable", "Refused"}
