"""Writing a whole bridge.toml: every table that there is, ready to be edited."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel

from bridge.config.schema import Bypass, Config, Http, Images, Line, Recipe
from bridge.plugin.discovery import find
from bridge.plugin.sample import plugin_table, table

_HEAD = """\
# bridge.toml: what the bridge stands beside, and what it does there.
# Live lines are yours to set; a commented line shows a default, or an example of what is not set.
# Check it with: aoi-bridge check
"""

_RECIPE = """\
# A product that this line treats differently; what its table leaves out is as the line says. If there is one
# such table, each recipe of the line needs one, though it be empty: a part of any other is never judged.
# [line.recipe.M10]
"""


def sample(
    source: str = "hotfolder", reporters: Sequence[str] = ("modbus", "tcp"), judge: str = "classifier"
) -> str:
    """Return a whole bridge.toml for one line, ready to be edited."""
    names = [_suits(find("reporter", told).options) for told in reporters]
    names = [
        f"{name}-{names[:at].count(name) + 1}" if name in names[:at] else name for at, name in enumerate(names)
    ]
    live = {"name": "line-1", "goal": 1, "judge": "pins"}
    blocks = [
        _HEAD,
        table(Config, without={"http", "images", "judge", "line"}),
        "[[line]]\n" + table(Line, live, without={"source", "reporter", "labels", "recipe", "bypass"}),
        "[line.source]\n" + plugin_table("source", source),
    ]
    blocks += [
        "[[line.reporter]]\n" + plugin_table("reporter", told, {"name": name}, "line.reporter")
        for told, name in zip(reporters, names, strict=True)
    ]
    blocks += [
        _RECIPE + _commented(table(Recipe)),
        "[judge.pins]\n" + plugin_table("judge", judge, place="judge.pins"),
        "# Which pictures are kept.\n# [images]\n" + _commented(table(Images)),
        "# A bypass that is approved beforehand; it belongs behind its line.\n# [line.bypass]\n"
        + _commented(table(Bypass)),
        "# The port for health, metrics and the command line.\n# [http]\n" + _commented(table(Http)),
    ]
    return "\n".join(blocks)


def _suits(options: type[BaseModel]) -> str:
    """Return a name for a reporter: what is told now or never is a PLC, what is told for ever is an MES."""
    return "plc" if options.model_fields["lane"].default == "realtime" else "mes"


def _commented(text: str) -> str:
    return "".join(line if line.startswith("#") else f"# {line}" for line in text.splitlines(keepends=True))
