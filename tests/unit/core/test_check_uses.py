"""What ``check`` tells a judge of the lines that ask it: each threshold and region that one states."""

from __future__ import annotations

from pathlib import Path

from bridge.cli.check import _uses
from bridge.config import load
from bridge.judging.claim import Use
from bridge.messages import Box, Goal

EXAMPLE = Path(__file__).parents[3] / "examples" / "train_a_judge" / "bridge.toml"
RECIPES = """
[line.recipe.plain]

[line.recipe.strict]
threshold = 0.9

[line.recipe.wide]
roi = { "*" = { cx = 8, cy = 8, w = 16, h = 16 } }
"""


def test_a_recipe_is_a_use_of_its_own_where_it_states_something(tmp_path: Path) -> None:
    """The line's own judging stays among them, and nothing is told twice."""
    path = tmp_path / "bridge.toml"
    path.write_text(EXAMPLE.read_text(encoding="utf-8") + RECIPES, encoding="utf-8")
    (tmp_path / "aoi").mkdir()
    config = load(path)
    goal = Goal(1)
    assert list(_uses(config, "bolts")) == [
        Use("press-2", goal),
        Use("press-2", goal, 0.9),
        Use("press-2", goal, rois={"*": Box(cx=8, cy=8, w=16, h=16)}),
    ]
    assert list(_uses(config, "another")) == []
