"""Writing a plugin's package from the templates beside this file.

In a template ``plugname`` stands for the plugin's name, ``Plugname`` for the same as a class is named, and
``plugkind`` for its kind; each file ends in ``.tmpl``. What lies in ``common`` is of every kind.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

from bridge.errors import ConfigError
from bridge.plugin.api import Kind
from bridge.plugin.discovery import installed

_TEMPLATES = Path(__file__).parent
_NAME = re.compile(r"[a-z][a-z0-9_]{1,30}")
_TAKEN = frozenset({"plugin", "plugins", "bridge", "aoi", "test", "tests"})


def write(name: str, kind: Kind, out: Path) -> list[Path]:
    """Write the package of a new plugin into a folder of its own name below ``out``; return its files.

    Raises:
        ConfigError: the name is unfit or taken, or the folder exists or cannot be written.
    """
    _check(name)
    folder = out / f"bridge_{name}"
    if folder.exists():
        raise ConfigError(str(folder), "exists already", "choose another name, or another folder with --out")
    files = dict(_files(name, kind))
    try:
        for place, text in files.items():
            path = folder / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise ConfigError(str(folder), f"cannot be written ({exc.strerror})", "write another --out") from exc
    return [folder / place for place in sorted(files)]


def _check(name: str) -> None:
    if not _NAME.fullmatch(name) or keyword.iskeyword(name) or name.endswith("_"):
        raise ConfigError(
            name, "is no name of a plugin", "write 2 to 31 small letters, digits and _, beginning with a letter"
        )
    taken = {known for kind in get_args(Kind) for known in installed(kind)}
    if name in taken or name in _TAKEN or find_spec(f"bridge_{name}") is not None:
        raise ConfigError(name, "is taken by a plugin that is installed", "choose another name")


def _files(name: str, kind: Kind) -> Iterator[tuple[str, str]]:
    """Return place and text of every file."""
    sample = _filled((_TEMPLATES / kind / "sample.toml.tmpl").read_text(encoding="utf-8"), name, kind)
    readme = (_TEMPLATES / kind / "README.part.tmpl").read_text(encoding="utf-8").replace("plugsample", sample)
    for root in ("common", kind):
        for path in sorted((_TEMPLATES / root).rglob("*.tmpl")):
            place = str(path.relative_to(_TEMPLATES / root).with_suffix(""))
            if place in {"README.part", "sample.toml"}:
                continue
            text = path.read_text(encoding="utf-8").replace("plugreadme\n", readme)
            place = place.replace("package/", f"bridge_{name}/").replace("plugname", name)
            yield place, _filled(text, name, kind)
    yield f"bridge_{name}/sample.toml", sample


def _filled(text: str, name: str, kind: Kind) -> str:
    named = "".join(word.capitalize() for word in name.split("_"))
    for word, meaning in (
        ("plugversion", version("aoi-bridge")),
        ("plugkind", kind),
        ("plugname", name),
        ("Plugname", named),
    ):
        text = text.replace(word, meaning)
    return text
