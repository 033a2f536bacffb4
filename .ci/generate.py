"""Write what is made from the models: every plugin's sample.toml and its README's block, and the JSON Schemas.

    python .ci/generate.py

Nobody edits these by hand; tests/contract hold them fresh.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bridge.config.completion import FILE, config_schema_text
from bridge.plugin.discovery import GROUPS, Plugin, find, installed
from bridge.plugin.sample import plugin_sample
from bridge.plugin.schemas import DOCUMENTS, schema_file, schema_text

PLUGINS = Path(__file__).parents[1] / "plugins"
BLOCK = re.compile(r"(^## Configuration\n(?:(?!```).)*```toml\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
"""The sample in a README: the first block under its second heading."""


def ours() -> Iterator[tuple[Path, Plugin]]:
    """Yield every plugin that comes with the bridge, with the folder of its package."""
    for kind in GROUPS:
        for name, entry in installed(kind).items():
            if entry.dist and entry.dist.name == "aoi-bridge":
                yield PLUGINS / entry.value.partition(".")[0], find(kind, name)


def files() -> Iterator[tuple[Path, str]]:
    """Yield every file that is made, with what belongs into it."""
    plugins = list(ours())
    for folder in sorted({folder for folder, _ in plugins if folder.is_dir()}):
        samples = [plugin_sample(one.kind, one.name) for place, one in plugins if place == folder]
        sample = "\n".join(samples)
        yield folder / "sample.toml", sample
        readme = (folder / "README.md").read_text(encoding="utf-8")
        yield folder / "README.md", BLOCK.sub(partial(_embedded, sample), readme, count=1)
    for name, document in DOCUMENTS.items():
        yield schema_file(name), schema_text(document)
    yield FILE, config_schema_text(one for _, one in plugins)


def _embedded(sample: str, block: re.Match[str]) -> str:
    return block[1] + sample


def stale() -> Iterator[tuple[Path, str]]:
    """Yield the files that are not as they should be."""
    for path, text in files():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            yield path, text


def main() -> None:
    """Write what has changed, and name it."""
    for path, text in stale():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(PLUGINS.parent))


if __name__ == "__main__":
    main()
