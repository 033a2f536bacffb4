"""A mistake in a join is one line that says where, also inside of the two roads."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.config import ConfigMistakes, load
from bridge.config.changes import compare, facts
from bridge.config.schema import Config

HEAD = """
data = "var"

[judge.pins]
type = "classifier"
model = "pins"

[[line]]
name = "press"
goal = 1
judge = "pins"
"""
VERDICTS = 'verdicts = {type = "tcp", port = 9100}\n'
PICTURES = 'pictures = {type = "hotfolder", path = "aoi"}\n'


def read(folder: Path, *source: str, line: str = "") -> Config:
    path = folder / "bridge.toml"
    path.write_text(f'{HEAD}{line}\n[line.source]\ntype = "join"\n{"".join(source)}', encoding="utf-8")
    return load(path)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (PICTURES, "line.press.source.verdicts: is missing; write a table with its type"),
        (
            PICTURES + 'verdicts = {type = "tcp", port = 70000}\n',
            "line.press.source.verdicts.port: 70000 is too large; write a port from 1 to 65535",
        ),
        (PICTURES + 'verdicts = {type = "tpc"}\n', "did you mean tcp?"),
        (PICTURES + "verdicts = {port = 9100}\n", 'line.press.source.verdicts.type: is missing; write type = "…"'),
        (PICTURES + 'verdicts = "tcp"\n', "line.press.source.verdicts: "),
        (
            VERDICTS + 'pictures = {type = "hotfolder", path = "aoi", home = "x"}\n',
            "line.press.source.pictures.home: no such key",
        ),
        (
            VERDICTS + 'pictures = {type = "hotfolder", path = "aoi", pol_seconds = 1}\n',
            "line.press.source.pictures.pol_seconds: no such key; did you mean poll_seconds?",
        ),
        (
            VERDICTS + PICTURES + "pictures_per_part = 8\n",
            "line.press.source.pictures.in_flight: 4 at once would never be the 8 of one part; write at least 8",
        ),
        (
            VERDICTS + 'pictures = {type = "hotfolder", path = "aoi", when_unreachable = "stop"}\n',
            "line.press.source.pictures.when_unreachable: is asked of both roads together; write",
        ),
        (VERDICTS + PICTURES + 'part_pattern = "("\n', "line.press.source.part_pattern: "),
        (VERDICTS + PICTURES + 'part_pattern = "SN.*"\n', "needs the one named group (?P<part>…)"),
        (VERDICTS + PICTURES + 'by = "time"\n', "line.press.source.by: "),
    ],
)
def test_a_mistake_is_one_line_that_names_its_place(tmp_path: Path, source: str, said: str) -> None:
    with pytest.raises(ConfigMistakes) as raised:
        read(tmp_path, source)
    assert said in str(raised.value)
    assert len(raised.value.mistakes) == 1


@pytest.mark.parametrize(
    ("window", "line", "fits"),
    [
        (500, "", True),
        (849, "deadline_ms = 900\nreserve_ms = 50", True),
        (850, "deadline_ms = 900\nreserve_ms = 50", False),
        (500, "deadline_ms = 400", False),
    ],
)
def test_a_window_that_leaves_the_judge_nothing_is_refused(
    tmp_path: Path, window: int, line: str, *, fits: bool
) -> None:
    source = f"{VERDICTS}{PICTURES}window_ms = {window}\n"
    if fits:
        assert read(tmp_path, source, line=line).line[0].source.options.holds_ms == window
        return
    with pytest.raises(ConfigMistakes) as raised:
        read(tmp_path, source, line=line)
    assert f"line.press.source: may hold a part back for {window} ms" in str(raised.value)


def test_a_join_within_a_join_holds_parts_as_long_as_the_longer(tmp_path: Path) -> None:
    inner = '{type = "join", window_ms = 700, verdicts = {type = "tcp", port = 9101}, pictures = '
    source = VERDICTS + f'pictures = {inner}{{type = "hotfolder", path = "aoi"}}}}\nwindow_ms = 100\n'
    assert read(tmp_path, source).line[0].source.options.holds_ms == 700


def test_paths_inside_a_road_are_beside_the_file(tmp_path: Path) -> None:
    config = read(tmp_path, VERDICTS, PICTURES)
    assert config.line[0].source.options.pictures.options.path == tmp_path / "aoi"


def test_a_reload_sees_what_changed_inside_a_road(tmp_path: Path) -> None:
    before = read(tmp_path, VERDICTS, PICTURES)
    after = read(tmp_path, VERDICTS.replace("9100", "9101"), PICTURES)
    (change,) = compare(facts(before, {}), facts(after, {}))
    assert (change.what, change.old, change.new) == ("source.verdicts.port", "9100", "9101")


def test_on_a_live_line_how_halves_meet_changes_only_for_a_reason(tmp_path: Path) -> None:
    live = 'stage = "live"\nlive_because = "a test"'
    before = read(tmp_path, VERDICTS, PICTURES, line=live)
    after = read(tmp_path, VERDICTS, PICTURES, 'by = "order"\n', line=live)
    (change,) = compare(facts(before, {}), facts(after, {}))
    assert (change.what, change.guarded) == ("source.by", True)


def test_a_road_that_is_unfit_for_a_live_line_is_so_when_joined(tmp_path: Path) -> None:
    """A network camera hands over pictures of parts that are gone."""
    trigger = '{type = "modbus", host = "192.168.0.10"}'
    camera = f'[{{name = "front", device = "rtsp://192.168.0.9/1"}}], trigger = {trigger}'
    pictures = f'pictures = {{type = "camera", camera = {camera}}}\n'
    assert read(tmp_path, VERDICTS, pictures).line[0].stage == "shadow"
    with pytest.raises(ConfigMistakes, match=r"line.press.source.pictures.camera\[0\].device: "):
        read(tmp_path, VERDICTS, pictures, line='stage = "live"\nlive_because = "a test"')
