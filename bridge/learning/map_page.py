"""What an evaluation's page says of an anomaly judge's maps: figures by picture and by pixel, and misses."""

from __future__ import annotations

from typing import Any, Final

from bridge.learning import curves, map_evaluation
from bridge.learning.data import Item
from bridge.learning.evaluation import Evaluation, Judged
from bridge.learning.evaluation_page import SHOWN, Show, exhibit
from bridge.learning.map_evaluation import Drawing, MapEvaluation
from bridge.pages import page
from bridge.pages.page import Markup, Section


def section(one: Evaluation, found: MapEvaluation, show: Show) -> Section:
    """Return the section; the same input gives the same bytes.

    Args:
        one: what was found of parts.
        found: what was found of maps, of the same pictures.
        show: how a picture is shown, with the outline of what was drawn.
    """
    if found.pixel is None or found.drawing is None:
        none = page.prose("No defect is drawn in these pictures, so nothing is counted by pixel.")
        body = [_figures(found), none]
    else:
        curve = _curve(found.drawing, found.pixel.limit)
        body = [page.row(_figures(found), curve), *_missed(one, found.drawing, show)]
    return Section(title="Where it sees the defect", body=body)


def shown(one: Evaluation, found: MapEvaluation) -> tuple[Item, ...]:
    """Return the pictures that the section will show."""
    places = found.drawing.worst[:SHOWN] if found.drawing else []
    return tuple(one.scored.items[place] for place in places)


def _figures(found: MapEvaluation) -> Markup:
    by = {level: {name: value for one, name, value in map_evaluation.rows(found) if one == level} for level in _BY}
    names = dict.fromkeys(name for figures in by.values() for name in figures)
    rows = [(name, *(figures.get(name, "–") for figures in by.values())) for name in names]
    counted = ". ".join(line[0].upper() + line[1:] for line in map_evaluation.counted(found))
    return page.table(("", *(f"by {level}" for level in _BY)), rows, f"{counted}. {_READ}")


_BY: Final = ("image", "pixel")
_READ: Final = (
    "In brackets: 95 % intervals, from drawing groups anew. AUPRC: the area under precision and recall of what is "
    "NG. F1-max is the best of any threshold, chosen on these very pictures: what the maps allow, and no promise. "
    "PRO: each piece of a defect counts the same, however large; 1 is perfect, noise reaches half of the limit."
)


def _curve(drawing: Drawing, limit: float) -> Markup:
    def draw(axes: Any) -> None:
        curves.pro(axes, drawing.curve, limit)

    return page.svg(draw, 4.5, 3.2, "The area below, over the limit, is PRO.")


def _missed(one: Evaluation, drawing: Drawing, show: Show) -> list[Markup]:
    worst, scored = drawing.worst, one.scored
    figures = []
    for place in worst[:SHOWN]:
        item, score = scored.items[place], float(scored.scores[place])
        judged = Judged(part=item.part, item=item, score=score, bad=bool(scored.bad[place]))
        figures.append(exhibit(judged, show, f"PRO of this picture {drawing.own[place]:.3f}"))
    more = f"The worst {SHOWN} of {len(worst)}; the JSON has all." if len(worst) > SHOWN else ""
    return [
        Markup("<h3>Drawn defects, the least found first</h3>"),
        page.prose(_LOOK, *([more] if more else [])),
        page.row(*figures),
    ]


_LOOK: Final = (
    "With each picture: its map, darker the further its peak is below the limit; boxed in white, what reaches the "
    "limit (where nothing does: the strangest places); in cyan, what a person drew."
)
