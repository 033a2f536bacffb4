"""Plugins are found by entry point, and a broken one is one clear line that names it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from core_plugins import FeedOptions

from bridge.errors import ConfigError
from bridge.plugin import discovery
from bridge.plugin.discovery import find, installed
from bridge.plugin.quarantine import Quarantine

pytestmark = pytest.mark.usefixtures("plugins")


def test_a_third_partys_plugin_is_found_like_our_own() -> None:
    assert {"feed", "hotfolder", "tcp"} <= set(installed("source"))
    plugin = find("source", "feed")
    assert (plugin.options, plugin.distribution) == (FeedOptions, "core-plugins 1.2")


def test_listing_loads_nothing() -> None:
    assert "gone" in installed("source")
    assert "core_plugins_that_is_not_there" not in sys.modules


@pytest.mark.parametrize(
    ("name", "found", "write"),
    [
        ("fed", "no source of this name is installed", "did you mean feed?"),
        ("zzz", "no source of this name is installed", "write one of "),
        ("gone", "needs the Python package core_plugins_that_is_not_there, which is missing", "write pip install"),
        ("absent", "cannot be loaded (AttributeError: ", "write to its author"),
        ("untyped", "opener does not follow the contract", "a subclass of SourceOptions"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_one_line(name: str, found: str, write: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find("source", name)
    assert found in caught.value.found
    assert write in caught.value.write
    assert "\n" not in str(caught.value)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    info = tmp_path / "extra_plugin-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: extra-plugin\nVersion: 1\nProvides-Extra: kafka\n", encoding="utf-8"
    )
    (info / "entry_points.txt").write_text("[aoi_bridge.sources]\nkafka = not_here_at_all:x\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match=r"write pip install 'extra-plugin\[kafka\]'"):
        find("source", "kafka")


def test_an_opener_without_an_annotation_at_run_time_breaks_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    """An import under TYPE_CHECKING only cannot be followed."""

    def opener(options: NotThere) -> None:  # type: ignore[name-defined]  # noqa: F821 - that is the point
        del options

    class Entry:
        name, dist = "late", None

        def load(self) -> object:
            return opener

    monkeypatch.setattr(discovery, "installed", lambda _: {"late": Entry()})
    with pytest.raises(ConfigError, match="does not follow the contract"):
        find("source", "late")


class TestQuarantine:
    def test_what_was_received_is_kept_with_its_reason(self, tmp_path: Path) -> None:
        path = Quarantine(tmp_path / "q").put(b"\x02garbage", "no ETX", "10.0.0.7")
        assert path.read_bytes() == b"\x02garbage"
        assert '"reason": "no ETX"' in path.with_suffix(".json").read_text(encoding="utf-8")

    def test_it_is_bounded(self, tmp_path: Path) -> None:
        quarantine = Quarantine(tmp_path, keep=3, keep_bytes=4)
        paths = [quarantine.put(b"123456", str(n)) for n in range(5)]
        assert [path.exists() for path in paths] == [False, False, True, True, True]
        assert paths[-1].read_bytes() == b"1234"
        assert len(list(tmp_path.iterdir())) == 6

    def test_two_in_the_same_moment_are_two(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("bridge.plugin.quarantine.time.time_ns", lambda: 1)
        quarantine = Quarantine(tmp_path)
        assert quarantine.put(b"a", "x").read_bytes() == b"a"
        assert quarantine.put(b"b", "x").read_bytes() == b"b"
        assert len(list(tmp_path.glob("*.bin"))) == 2
