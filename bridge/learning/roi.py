"""Where a model is to look: boxes as a person writes them, from a line's bridge.toml, or from a bundle.

A strict box is for a fixture that repeats itself. Where it does not, a loose box takes a margin round the part, or
each part is registered onto a golden picture before it is cut. Whatever is chosen goes into the bundle, so that
the live path cuts as training did.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError

from bridge.config.words import sentences
from bridge.errors import ConfigError
from bridge.judging import headers
from bridge.judging.bundle import ANY_VIEW, Bundle
from bridge.judging.headers import Unreadable
from bridge.judging.spec import Registration
from bridge.learning.data import Collection, Golden, Look
from bridge.messages import Box
from bridge.plugin.options import BoxOptions

Rois: TypeAlias = dict[str, Box]
"""By view, ``*`` for the others."""
Sizes: TypeAlias = Mapping[str, tuple[int, int, Path]]
"""By view: the smallest width and height of its pictures, and one that has them."""

_OF_A_VIEW: Final = re.compile(r"(?:(?P<view>.+?)=)?(?P<value>.+)", re.DOTALL)


def boxes(texts: Sequence[str], views: Iterable[str]) -> Rois:
    """Return the boxes that ``--roi`` means.

    Args:
        texts: each ``cx,cy,w,h`` in pixels, for all views, or ``VIEW=cx,cy,w,h``.
        views: those that there are.

    Raises:
        ConfigError: one is no box, or there is no such view.
    """
    return {view: box_of(text).box() for view, text in by_view("--roi", texts, views).items()}


def by_view(flag: str, texts: Sequence[str], views: Iterable[str]) -> dict[str, str]:
    """Return what is written for each view, ``*`` for those that are not named: ``VALUE`` or ``VIEW=VALUE`` each.

    Raises:
        ConfigError: there is no such view, or one is written twice.
    """
    known = sorted(set(views))
    found: dict[str, str] = {}
    for text in texts:
        match = _OF_A_VIEW.fullmatch(text)
        view = (match["view"] if match else None) or ANY_VIEW
        if view not in {*known, ANY_VIEW}:
            advice = "the set has one view, so write no view" if len(known) == 1 else _meant(view, known)
            raise ConfigError(f"{flag} {text}", f"there is no view {view!r}", advice)
        if view in found:
            raise ConfigError(f"{flag} {text}", "is written twice for the same view", "leave one out")
        found[view] = match["value"] if match else text
    return found


def box_of(text: str) -> BoxOptions:
    """Return the box that ``cx,cy,w,h`` means.

    Raises:
        ConfigError: it means none.
    """
    try:
        cx, cy, w, h = map(float, text.split(","))
        return BoxOptions(cx=cx, cy=cy, w=w, h=h)
    except ValueError:
        raise ConfigError(
            f"--roi {text}", "is no box", "write cx,cy,w,h in pixels: the middle, width and height"
        ) from None


def sizes(collection: Collection) -> Sizes:
    """Return the smallest picture of each view, by the headers alone; what cannot be read is left for later.

    Width and height are each the smallest, so that a box inside fits every picture.
    """
    found: dict[str, tuple[int, int, Path]] = {}
    for item in collection.items:
        try:
            header = headers.read(item.path.read_bytes())
        except (OSError, Unreadable):
            continue
        wide, high, path = found.get(item.view, (header.width, header.height, item.path))
        smaller = header.width < wide or header.height < high
        found[item.view] = (min(wide, header.width), min(high, header.height), item.path if smaller else path)
    return found


def fitted(rois: Mapping[str, Box], margin: float, seen: Sizes) -> Rois:
    """Return every view's box with its margin, inside every picture of the view, its edges on whole pixels.

    A margin that would leave the picture ends at its edge; a box that does so by itself is a mistake.

    Args:
        rois: as drawn on the part.
        margin: the share of width, and of height, that is added on each side.
        seen: as ``sizes`` gives it.

    Raises:
        ConfigError: a box leaves the pictures of its view.
    """
    found: Rois = {}
    for view in seen:
        if (box := rois.get(view, rois.get(ANY_VIEW))) is None:
            continue
        wide, high, path = seen[view]
        _inside(view, box, wide, high, path)
        found[view] = _loosened(box, margin, wide, high)
    same = set(found.values())
    return {ANY_VIEW: same.pop()} if len(same) == 1 and ANY_VIEW in rois and len(found) == len(seen) else found


def _inside(view: str, box: Box, wide: int, high: int, path: Path) -> None:
    left, top, right, bottom = _edges(box, 0)
    if round(left) < 0 or round(top) < 0 or round(right) > wide or round(bottom) > high:
        raise ConfigError(
            f"--roi {view}={box.cx:g},{box.cy:g},{box.w:g},{box.h:g}",
            f"leaves {path.name}, which is {wide} x {high}: it spans {left:g}, {top:g} to {right:g}, {bottom:g}",
            "draw it inside every picture of its view",
        )


def _edges(box: Box, margin: float) -> tuple[float, float, float, float]:
    half = (box.w * (0.5 + margin), box.h * (0.5 + margin))
    return box.cx - half[0], box.cy - half[1], box.cx + half[0], box.cy + half[1]


def _loosened(box: Box, margin: float, wide: int, high: int) -> Box:
    if not margin:
        return box
    left, top, right, bottom = (round(edge) for edge in _edges(box, margin))
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, wide), min(bottom, high)
    return Box(cx=(left + right) / 2, cy=(top + bottom) / 2, w=right - left, h=bottom - top)


def of_bundle(made: Bundle) -> tuple[Rois, dict[str, Golden]]:
    """Return where a bundle looks, and onto what it registers."""
    rois = {view: box.box() for view, box in made.manifest.roi.items()}
    goldens = {
        view: Golden(how=how, data=(made.folder / how.golden).read_bytes())
        for view, how in made.manifest.registration.items()
    }
    return rois, goldens


def look_of(made: Bundle) -> Look:
    """Return how a bundle cuts and sizes its pictures."""
    rois, goldens = of_bundle(made)
    return Look(into=made.manifest.input, rois=rois, goldens=goldens)


def goldens(texts: Sequence[str], views: Iterable[str], how: Registration) -> dict[str, Golden]:
    """Return the golden pictures that ``--register`` means, each named as its file will be in the bundle.

    Args:
        texts: each a file, for all views, or ``VIEW=FILE``.
        views: those that there are.
        how: what may have moved and how far; its ``golden`` is filled in here.

    Raises:
        ConfigError: there is no such view, or no such picture.
    """
    found: dict[str, Golden] = {}
    for view, text in by_view("--register", texts, views).items():
        path = Path(text)
        try:
            data = path.read_bytes()
            headers.read(data)
        except OSError as exc:
            raise ConfigError(f"--register {text}", f"cannot be read ({exc.strerror})", "write a picture") from exc
        except Unreadable as exc:
            raise ConfigError(f"--register {text}", str(exc), "write a picture of a part that lies well") from exc
        named = f"registered-{hashlib.sha256(data).hexdigest()[:12]}{path.suffix.lower()}"
        found[view] = Golden(how=replace(how, golden=named), data=data)
    return found


def bundled(look: Look) -> tuple[dict[str, object], dict[str, bytes]]:
    """Return what a manifest says of a look (``input``, ``roi``, ``registration``), and the files that go with it.

    Args:
        look: as training used it; the live path of the bundle then cuts the same.
    """
    said: dict[str, object] = {
        "input": look.into,
        "roi": {view: BoxOptions(cx=box.cx, cy=box.cy, w=box.w, h=box.h) for view, box in look.rois.items()},
        "registration": {view: golden.how for view, golden in look.goldens.items()},
    }
    return said, {golden.how.golden: golden.data for golden in look.goldens.values()}


class _Lines(BaseModel):
    """What of a bridge.toml says where to look; the rest is not looked at, for training needs none of it."""

    model_config = ConfigDict(extra="ignore")

    roi: dict[str, BoxOptions] = {}
    """a table of view name to {cx, cy, w, h}"""


def of_line(text: str) -> Rois:
    """Return where a line's parts are looked at.

    Args:
        text: ``bridge.toml:LINE``, or ``bridge.toml:LINE/RECIPE``.

    Raises:
        ConfigError: there is no such file, line or recipe, or it has no ROI.
    """
    name, _, place = text.rpartition(":")
    line, _, recipe = place.partition("/")
    table, where = _line(Path(name), line, f"--roi-of {text}")
    if recipe:
        recipes = table.get("recipe", {})
        if recipe not in recipes:
            raise ConfigError(f"--roi-of {text}", f"line {line} has no recipe {recipe!r}", _meant(recipe, recipes))
        table = table | recipes[recipe]
        where = f"{where}.recipe.{recipe}"
    try:
        rois = _Lines.model_validate(table).roi
    except ValidationError as exc:
        said = sentences(exc.errors(include_url=False), _Lines, table)[0]
        raise ConfigError(where, said) from exc
    if not rois:
        raise ConfigError(where, "has no roi", 'write roi = { "*" = { cx = …, cy = …, w = …, h = … } } there')
    return {view: box.box() for view, box in rois.items()}


def _line(path: Path, line: str, flag: str) -> tuple[dict[str, Any], str]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as exc:
        raise ConfigError(flag, f"{path} cannot be read ({exc.strerror})", "write bridge.toml:LINE") from exc
    except ValueError as exc:
        raise ConfigError(str(path), f"is not TOML: {' '.join(str(exc).split())}", "correct this place") from exc
    lines = {str(one.get("name", "")): one for one in document.get("line", ())}
    if line not in lines:
        raise ConfigError(flag, f"{path} has no line {line!r}", _meant(line, lines))
    return lines[line], f"{path}: line.{line}"


def _meant(word: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = get_close_matches(word, names, n=1)
    return f"did you mean {close[0]}?" if close else f"write one of {', '.join(names) or 'none: there are none'}"
