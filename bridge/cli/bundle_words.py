"""What is in a bundle, in words: for the person who has to decide whether it may judge."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from bridge.cli.shown import amount, plain
from bridge.judging import claim
from bridge.judging.bundle import ANY_VIEW, Bundle, Manifest
from bridge.judging.spec import Comparison, Detection, HeatMapOutput, Input, Normalisation
from bridge.learning import seen
from bridge.messages import Verdict


def words(found: Bundle) -> Iterator[tuple[str, str]]:
    """Yield what is known of a bundle whose files matched their hashes: a word, and a line that it heads."""
    for what, said in _all(found):
        yield what, plain(said)


def _all(found: Bundle) -> Iterator[tuple[str, str]]:
    one = found.manifest
    size = sum((found.folder / name).stat().st_size for name in one.files)
    yield "files", f"{len(one.files)} files, {amount(size)}, each with the SHA-256 it was made with"
    yield "made", _made(one)
    yield "classes", "; ".join(f"{verdict}: {_named(one, verdict)}" for verdict in (Verdict.OK, Verdict.NG))
    yield "input", f"{one.input.width} x {one.input.height} {one.input.colour}, {_normalised(one.normalisation)}"
    yield from _places(one)
    yield "precision", f"{one.precision}, {one.output}" + _divided(one)
    yield "score", one.score or "p(OK) of one view; the bundle does not say more"
    yield "threshold", f"{one.threshold:.6g}: a view is OK from this p(OK) on"
    yield "promise", _promise(one)
    if one.detection:
        yield "boxes", _found(one.detection, one.input)
    if one.comparison:
        yield "differs", _differs(one.comparison)
    if one.heat_map:
        yield "heat map", _boxes(one.heat_map)
    yield "golden", _golden(one)
    yield from _seen(found)
    for name, value in one.metrics.items():
        yield "measured", f"{name} = {value:.6g}" if isinstance(value, float) else f"{name} = {value}"
    for name, part in one.recipe.items():
        yield "recipe", f"{name}: {_recipe(part)}"


def _boxes(one: HeatMapOutput) -> str:
    sizes = f"of {one.smallest_share:g} to {one.largest_share:g} of the region"
    return f"of {_layer(one.layer)}, boxes from {one.peak_share:g} of its peak, {sizes}, at most {one.most_boxes}"


def _found(one: Detection, into: Input) -> str:
    counts = f"from {one.least_score:g} on, the surer of two that share more than {one.largest_overlap:g}"
    return f"as {one.layout}, {counts}, at most {one.most_boxes}; a picture lies in the input as {into.fit}"


def _differs(one: Comparison) -> str:
    counts = (
        f"from {one.least_difference:g} grey levels on, edges {one.tolerance_pixels} pixels beside their place not"
    )
    return f"{counts}; {one.allowed_area:g} pixels score 0.5, fewer than {one.least_area:g} are nothing"


def _layer(name: str) -> str:
    return f"layer {name}" if name not in {"", "last"} else "the last features"


def _made(one: Manifest) -> str:
    tools = ", ".join(f"{name} {version}" for name, version in one.tools.items())
    said = one.made_at.replace("T", " ").replace("+00:00", " UTC") or "at a time it does not say"
    return said + (f" with {tools}" if tools else "") + (f", from {one.parent}" if one.parent else "")


def _named(one: Manifest, verdict: Verdict) -> str:
    return ", ".join(kind.name for kind in one.classes if kind.verdict is verdict)


def _normalised(by: Normalisation) -> str:
    mean, std = (" ".join(f"{number:.4g}" for number in numbers) for numbers in (by.mean, by.std))
    return f"(x * {by.scale:.4g} - {mean}) / {std}"


def _places(one: Manifest) -> Iterator[tuple[str, str]]:
    for view, box in one.roi.items():
        yield "region", f"{_view(view)}: {box.w:g} x {box.h:g} around {box.cx:g}, {box.cy:g}"
    for view, how in one.registration.items():
        yield "registered", f"{_view(view)}: {how.motion} onto {how.golden}"


def _view(view: str) -> str:
    return "every view" if view == ANY_VIEW else f"view {view}"


def _divided(one: Manifest) -> str:
    return "" if one.temperature == 1 else f" divided by {one.temperature:.4g}"


def _promise(one: Manifest) -> str:
    """Return what the threshold was shown to hold, and why nobody may rely on it where that is so."""
    point, against = one.operating_point, "; ".join(claim.doubts(one, one.threshold, ()))
    if point is None:
        return f"none: {against}"
    return claim.said(point) + (f"; but {against}" if against else "")


def _golden(one: Manifest) -> str:
    bad = sum(golden.verdict is Verdict.NG for golden in one.golden)
    return f"{bad} pictures of bad parts that it must reject" if bad else "no picture of a bad part"


def _seen(found: Bundle) -> Iterator[tuple[str, str]]:
    if seen.SEEN in found.manifest.files:
        known = seen.read(found.folder)
        uses = ((len(getattr(known, use)), use) for use in ("train", "validation", "calibration"))
        told = ", ".join(f"{count} for {use}" for count, use in uses if count)
        yield "has seen", f"{told}; {len(known.groups)} groups"


def _recipe(value: Any) -> str:
    """Return a part of the recipe on one line."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_recipe(one)}" for name, one in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
