"""What names and paths say: facts in a path, paths written by a Windows machine, names of images and flags.

Paths are relative to the hot folder, with ``/``; a path outside of it is absolute and comes only from
``path_prefix``. Pure: no file is touched.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from bridge_hotfolder.formats import ParseError
from bridge_hotfolder.options import HotfolderOptions

_DRIVE = re.compile(r"[A-Za-z]:")


def name_facts(path: str, options: HotfolderOptions) -> Mapping[str, str] | None:
    """Return what the named groups of ``pattern`` say of a path; None where it does not match."""
    if not options.pattern:
        return {}
    found = _compiled(options.pattern).search(path)
    if found is None:
        return None
    return {group: text.strip() for group, text in found.groupdict().items() if text and text.strip()}


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def locate(written: str, result: str, options: HotfolderOptions) -> str:
    r"""Return where the image that a result file names lies here.

    Backslashes are path separators; a prefix of ``path_prefix`` (the longest that fits, case ignored) is
    replaced by what it is here.

    Raises:
        ParseError: for a path that leads out of the hot folder, or has a drive or a server without mapping.
    """
    path = written.strip().replace("\\", "/")
    mapped = _mapped(path, options)
    if mapped is not None:
        path = mapped
    elif _DRIVE.match(path) or path.startswith("/"):
        raise ParseError(f"the image {written!r} lies outside the folder; map its beginning with path_prefix")
    elif options.image_paths == "result":
        path = posixpath.join(posixpath.dirname(result), path)
    return inside(path, written)


def inside(path: str, written: str) -> str:
    """Return a path without dots.

    Raises:
        ParseError: if it leads out of the folder, or out of a mapped one.
    """
    if "\0" in path:
        raise ParseError(f"the image {written!r} has a NUL in its name")
    steps: list[str] = []
    for step in path.split("/"):
        if step == "..":
            if not steps:
                raise ParseError(f"the image {written!r} leads out of the folder")
            steps.pop()
        elif step not in ("", "."):
            steps.append(step)
    if not steps:
        raise ParseError(f"the image {written!r} is a folder")
    return ("/" if path.startswith("/") else "") + "/".join(steps)


def _mapped(path: str, options: HotfolderOptions) -> str | None:
    for prefix in sorted(options.path_prefix, key=len, reverse=True):
        start = prefix.replace("\\", "/").rstrip("/")
        rest = path[len(start) :]
        if path[: len(start)].lower() == start.lower() and (not rest or rest.startswith("/")):
            here = options.path_prefix[prefix].replace("\\", "/").rstrip("/")
            if ".." in rest.split("/"):
                raise ParseError(f"the image {path!r} leads out of the folder")
            return f"{here}{rest}" if here else rest.lstrip("/")
    return None


@dataclass(frozen=True, slots=True)
class ImageName:
    """What the images beside a result are called: a folder, how names begin, and a pattern for all of it."""

    folder: str
    start: str
    pattern: re.Pattern[str]
    expected: Mapping[str, str]
    """View → the path it should have, whose suffix may be ``.*``; empty where views are free."""

    def view(self, name: str) -> str | None:
        """Return the view that an image of this name shows; None if it is none of this part's."""
        found = self.pattern.fullmatch(name)
        if found is None:
            return None
        return found.groupdict().get("view") or next(iter(self.expected), "1")


def image_names(result: str, part: str, options: HotfolderOptions, *, alone: bool = True) -> Iterator[ImageName]:
    """Yield what the images beside a result may be called, by the configured templates.

    Where a part is not ``alone`` in its result file, only names with the serial number can be tied to it.

    Raises:
        ParseError: if the serial number in the name would lead out of the folder.
    """
    folder, _, name = result.rpartition("/")
    stem = name.rpartition(".")[0] or name
    for template in options.templates():
        if not (part if "{part}" in template else alone):
            continue
        filled = template.replace("\\", "/").replace("{stem}", stem).replace("{part}", part)
        below, _, image = inside(posixpath.join(folder, filled), filled).rpartition("/")
        yield _image_name(below, image, options)


def _image_name(folder: str, template: str, options: HotfolderOptions) -> ImageName:
    free = "(?P<view>" + ("|".join(map(re.escape, options.views)) or r"[^/_]+?") + ")"
    parts = re.split(r"(\{view\}|\*)", template)
    seen = False
    pattern = ""
    for text in parts:
        if text == "{view}":
            pattern += "(?P=view)" if seen else free
            seen = True
        else:
            pattern += "[^/]*" if text == "*" else re.escape(text)
    names = options.views if seen else (options.views[0] if options.views else "1",)
    fixed = "*" not in template.removesuffix(".*")
    expected = {view: posixpath.join(folder, template.replace("{view}", view)) for view in names} if fixed else {}
    return ImageName(folder, parts[0], re.compile(pattern), expected)


def flag_name(path: str, options: HotfolderOptions) -> str:
    """Return the path of the done-flag that belongs to a file; empty where it needs a part that has no name."""
    folder, _, name = path.rpartition("/")
    part = (name_facts(path, options) or {}).get("part", "")
    if "{part}" in options.flag and not part:
        return ""
    stem = name.rpartition(".")[0] or name
    flag = options.flag.replace("{name}", name).replace("{stem}", stem).replace("{part}", part)
    return posixpath.join(folder, flag)


def flag_pattern(template: str) -> re.Pattern[str]:
    """Return a pattern of all names that done-flags may have, in lower case."""
    name = template.lower().replace("\\", "/").rpartition("/")[2]
    return re.compile(re.sub(r"\\\{\w+\\\}", ".*", re.escape(name)))
