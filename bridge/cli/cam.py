"""``aoi-bridge cam``: where bundles look in labelled pictures, on one page and one sheet.

Heavy imports happen in ``run``, so that the help works at once. TensorFlow is needed for ``--layers`` only.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.cli import measured, outlet, reading
from bridge.cli.numbers import count
from bridge.durable import replace_text
from bridge.errors import ConfigError

if TYPE_CHECKING:
    from bridge.judging.bundle import Bundle
    from bridge.learning.cam_page import Column, Comparison
    from bridge.learning.data import Collection
    from bridge.learning.data.pictures import Told


LAST = "last"
"""As ``bridge.learning.cam.LAST``, which imports TensorFlow."""


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    add = parser.add_argument
    add(
        "bundles", nargs="+", metavar="BUNDLE", help="models/pins@live, models/pins@3 or a folder; several compare"
    )
    reading.options(parser)
    add("--layers", nargs="+", default=[LAST], metavar="NAME", help=_LAYERS)
    add("--polygons", type=Path, metavar="FOLDER", help="defects as labelme files, named as the pictures")
    add("--most", type=count, default=24, help="how many pictures are drawn (default: 24)")
    add("--out", type=Path, default=Path("cam"), metavar="FOLDER", help="cam.html and cam.png go there (cam)")


_LAYERS = "layers to look at, by name: last is the bundle's own, others (block5_conv3) need the train extra"


def run(args: argparse.Namespace) -> int:
    """Look at every picture, write the page and the sheet, say what came out."""
    from bridge.judging import bundle, shelf  # noqa: PLC0415 - pydantic and others, which the help does not need
    from bridge.learning import cam_page, sheets  # noqa: PLC0415 - same

    outlet.folder(args.out)
    models = [bundle.load(shelf.located(text)) for text in args.bundles]
    collection = reading.read(args, models[0].manifest.classes)
    comparison = _compared(args, models, collection)
    places = cam_page.shown(comparison, args.most)
    title = f"Where {' and '.join(dict.fromkeys(one.manifest.name for one in models))} looked"
    few = cam_page.shown(comparison, min(args.most, cam_page.ON_SHEET))
    drawn = sheets.save(cam_page.sheet(comparison, few), args.out / "cam.png")
    written = args.out / "cam.html"
    replace_text(written, cam_page.render(title, comparison, places))
    _report(comparison)
    print(f"written: {written} and {drawn}")
    return 0


def _compared(args: argparse.Namespace, models: Sequence[Bundle], collection: Collection) -> Comparison:
    from bridge.learning import masks  # noqa: PLC0415 - as above
    from bridge.learning.cam_page import Comparison  # noqa: PLC0415 - same

    bad = tuple(bool(one) for one in collection.bad)
    drawn = tuple(
        masks.drawn(item, args.polygons) if ill else None for item, ill in zip(collection.items, bad, strict=True)
    )
    columns = []
    for name, model in zip(_names(models), models, strict=True):
        for layer in args.layers:
            said = " ".join([name] * (len(models) > 1) + [layer] * (len(args.layers) > 1)) or name
            with measured.bar(said) as told:
                columns.append(_column((said, layer), model, collection, told))
    return Comparison(columns=tuple(columns), bad=bad, masks=drawn)


def _names(models: Sequence[Bundle]) -> list[str]:
    """Return what each bundle is called here: its name and version, or its folders where those are not its own."""
    names = [f"{one.manifest.name} {one.manifest.version}" for one in models]
    if len(set(names)) == len(names):
        return names
    return [f"{one.folder.parent.name} {one.folder.name}" for one in models]


def _column(what: tuple[str, str], model: Bundle, collection: Collection, told: Told) -> Column:
    from bridge.learning import seeing  # noqa: PLC0415 - as above
    from bridge.learning.cam_page import Column  # noqa: PLC0415 - same

    _same_verdicts(model, collection)
    name, layer = what
    if layer == LAST:
        seen = seeing.seen(model, collection.items, told)
    else:
        from bridge.learning import depth  # noqa: PLC0415 - TensorFlow; one clear line if it is missing

        seen = depth.seen(model, layer, collection.items, told)
    return Column(name=name, note=_note(model), seen=tuple(seen))


def _same_verdicts(model: Bundle, collection: Collection) -> None:
    """Hold the bundle's classes to the set's: it may know fewer defects, but must mean the same by OK."""
    meant = {one.name: one.verdict for one in collection.classes}
    for one in model.manifest.classes:
        if meant.get(one.name, one.verdict) != one.verdict:
            raise ConfigError(
                str(model.folder),
                f"calls {one.name} {one.verdict}, and the set {meant[one.name]}",
                "compare others",
            )


def _note(model: Bundle) -> str:
    """Say what a bundle was trained with, as far as it tells."""
    shown, recipe = model.manifest.input, model.manifest.recipe
    words = [f"{shown.width} × {shown.height}", "region" if model.manifest.roi else "whole picture"]
    words += ["registered"] if model.manifest.registration else []
    network = recipe.get("network")
    facts = {**recipe, **(network if isinstance(network, dict) else {})}
    words += [f"{key} {facts[key]}" for key in ("backbone", "head", "augment") if isinstance(facts.get(key), str)]
    return ", ".join(words)


def _report(comparison: Comparison) -> None:
    from bridge.learning import cam_page  # noqa: PLC0415 - as above

    for column, (whole, *_) in cam_page.located(comparison):
        print(f"{column.name}: of {whole.pictures} pictures with a drawn defect", end=" ")
        print(f"the peak hits {whole.peak.value:.0%} (by chance {whole.peak_by_chance:.0%}),", end=" ")
        print(f"boxes touch {whole.boxes.value:.0%} (by chance {whole.boxes_by_chance:.0%})")
