"""How much an author writes for a reporter: what differs between the example and what ``plugin new`` has written.

Counted is code: no blank lines, comments or docstrings, which the author writes for people and not for the bridge.
"""

from __future__ import annotations

import argparse
import ast
import tempfile
from collections import Counter
from difflib import ndiff
from pathlib import Path

from harness import finish

from bridge.plugin.scaffold import write

EXAMPLE = Path(__file__).parents[1] / "examples" / "custom_plugin" / "bridge_mc"
BY_HAND = ("options.py", "codec.py", "reporter.py")
"""What makes the plugin; its peer and its tests are the other side, and are not asked for by the bridge."""


def code(source: str) -> list[str]:
    """Return the lines of code of a module, as they stand there."""
    told = set[int]()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            told.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(source.splitlines(), start=1)
    return [line for number, line in lines if number not in told and line.strip() and line.strip()[0] != "#"]


def functions(source: str) -> Counter[str]:
    """Return the functions of a module by name."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return Counter(node.name for node in ast.walk(ast.parse(source)) if isinstance(node, kinds))


def main() -> None:
    """Have the scaffold written, and compare."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    lines: dict[str, int] = {}
    methods: list[str] = []
    whole = 0
    with tempfile.TemporaryDirectory() as folder:
        write("mc", "reporter", Path(folder))
        for name in BY_HAND:
            before = next(Path(folder).rglob(f"bridge_mc/{name}")).read_text(encoding="utf-8")
            now = (EXAMPLE / name).read_text(encoding="utf-8")
            lines[name] = sum(line.startswith("+ ") for line in ndiff(code(before), code(now)))
            methods += sorted((functions(now) - functions(before)).elements())
            whole += len(code(now))
    finish(
        {
            "lines": sum(lines.values()),
            "lines_target": 40,
            "methods": len(methods),
            "methods_target": 3,
            "lines_by_file": lines,
            "methods_by_name": methods,
            "lines_with_the_scaffold": whole,
        }
    )


if __name__ == "__main__":
    main()
