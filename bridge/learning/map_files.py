"""Where a judge looked, as files that a console can show: of pictures judged now, or of what a journal kept.

Of each view there are three, named alike:

NAME.map.png   8 bits, one channel, as large as the picture: 0 is cold or was not looked at, 255 is the peak
NAME.seen.png  the picture with map and boxes, for people, at most ``overlay.LONGEST`` pixels wide or high; the map
               is darker, the further its peak is below the limit
NAME.json      verdict, score, threshold, an NG's boxes with their areas, and what the map means

``map.peak`` is the anomaly at 255 and ``map.limit`` the one from which a view is boxed, both in the model's own
unit, so that maps of one bundle can be laid on one scale: a place has grey / 255 * peak. They are null where that
is not known: a classifier's map has no scale, and a journal keeps maps by their own peak.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bridge.durable import replace_bytes, replace_text
from bridge.errors import ConfigError
from bridge.judging.bundle import Bundle
from bridge.learning import overlay, seeing
from bridge.learning.data import Item
from bridge.learning.data.found import named
from bridge.messages import Box, Decision, HeatMap, Verdict, ViewDecision
from bridge.store import Images, Reader

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
_PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """A view of which it is known where the judge looked."""

    name: str
    """Of its files."""
    item: Item
    heat: HeatMap
    drawn: HeatMap
    """The same as people are to see it."""
    boxes: tuple[Box, ...]
    facts: dict[str, Any]
    """What else its JSON says."""
    peak: float | None = None
    limit: float | None = None


def of_pictures(model: Bundle, items: Sequence[Item], where: Path) -> Iterator[Mapped | str]:
    """Judge pictures one by one and yield what comes of each, or in a line why nothing does.

    Args:
        model: with a heat map.
        items: the pictures.
        where: the folder after which they are named.

    Raises:
        ConfigError: the bundle has no heat map, or cannot run here.
    """
    if model.manifest.heat_map is None:
        raise ConfigError(str(model.folder), "has no heat map", "write a bundle that has one")
    watch = seeing.Watch(model)
    taken: set[str] = set()
    for item in items:
        (seen,) = watch.seen([item])
        if seen.heat is None:
            yield f"{item.path}: {seen.why or 'the map is no number'}"
            continue
        yield Mapped(
            name=_free(named(item.path, where), taken),
            item=item,
            heat=seen.heat,
            drawn=seeing.dimmed(seen, model.manifest.limit) or seen.heat,
            boxes=seen.boxes if seen.verdict is Verdict.NG else (),
            facts={
                "picture": str(item.path),
                "view": item.view,
                "bundle": model.identity,
                "verdict": seen.verdict,
                "score": seen.score,
                "threshold": model.manifest.threshold,
                "label": seen.label,
            },
            peak=seen.peak,
            limit=model.manifest.limit,
        )


def of_journal(folder: Path, line: str | None = None, part: str | None = None) -> Iterator[Mapped | str]:
    """Yield every judged view of which a gateway's journal knows where the judge looked, in order.

    One whose picture is not kept any more is a line that says so.

    Args:
        folder: the data folder of a gateway, which may be running.
        line: of this one alone.
        part: of this serial number or inspection id alone.

    Raises:
        ConfigError: there is no such journal.
    """
    reader, images, last = Reader(folder), Images(folder / "images"), 0
    while page := reader.decisions(line, after=last, limit=_PAGE):
        last = page[-1].number
        for decision in page:
            if part is None or part in {decision.part, decision.id}:
                yield from _of_decision(reader, images, decision)


def _of_decision(reader: Reader, images: Images, decision: Decision) -> Iterator[Mapped | str]:
    views = {view.name: view for view in decision.views if _looked(view)}
    for second in reader.seconds(decision.id):  # in shadow the judge speaks after the answer
        names = {place: view.name for place, view in enumerate(decision.views)}
        for place, view in enumerate(second.views):
            if _looked(view):
                views.setdefault(view.name or names.get(place, ""), view)
    kept = {view.name: view.image for view in decision.views}
    for name, view in views.items():
        digest = view.image or kept.get(name, "")
        path = images.path(digest)
        judged = view.judgement
        if path is None or judged is None or judged.heat_map is None:
            yield f"{decision.part or decision.id}, view {name}: its picture is not kept any more"
            continue
        yield Mapped(
            name=_UNSAFE.sub("_", f"{decision.id}-{name}"),
            item=Item(path=path, label="", part=decision.part, view=name, group=decision.part),
            heat=judged.heat_map,
            drawn=judged.heat_map,
            boxes=judged.boxes,
            facts={
                "picture": digest,
                "inspection": decision.id,
                "line": decision.line,
                "part": decision.part,
                "view": name,
                "bundle": judged.bundle,
                "verdict": judged.verdict,
                "score": judged.score,
                "threshold": judged.threshold,
                "label": judged.label,
            },
        )


def _looked(view: ViewDecision) -> bool:
    return view.judgement is not None and view.judgement.heat_map is not None


def _free(text: str, taken: set[str]) -> str:
    """Return the name of a picture's files, told from those of another by a number if need be."""
    plain = _UNSAFE.sub("_", text.rpartition(".")[0] or text)
    name, number = plain, 1
    while name.casefold() in taken:
        number += 1
        name = f"{plain}-{number}"
    taken.add(name.casefold())
    return name


def write(one: Mapped, folder: Path) -> Path:
    """Write the three files of a view; return the JSON's path.

    Raises:
        ConfigError: the picture cannot be read.
    """
    image = seeing.picture(one.item)
    height, width = image.shape[:2]
    laid = np.round(overlay.spread(one.heat, height, width) * 255).astype(np.uint8)
    for ending, drawn in (("map", laid), ("seen", overlay.drawn(image, one.drawn, one.boxes))):
        replace_bytes(folder / f"{one.name}.{ending}.png", cv2.imencode(".png", drawn)[1].tobytes())
    told = {
        **one.facts,
        "boxes": [box.document() for box in one.boxes],
        "map": {
            "file": f"{one.name}.map.png",
            "width": width,
            "height": height,
            "explains": one.heat.label,
            "rows": one.heat.rows,
            "columns": one.heat.columns,
            "corners": one.heat.corners,
            "peak": one.peak,
            "limit": one.limit,
        },
    }
    path = folder / f"{one.name}.json"
    replace_text(path, json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return path
