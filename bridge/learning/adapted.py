"""An adapted network as a bundle.

Where labelled parts of the new line are at hand, temperature, threshold and known bad pictures come from them, as
after a training. Otherwise they are the parent's: the head is the parent's, and its features are meant to be. Then
no picture of the new line is known to be bad, and no claim about a risk holds any longer; ``calibrate`` makes one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bridge.errors import ConfigError
from bridge.judging import bundle, shelf
from bridge.judging.bundle import Bundle, Manifest, Precision
from bridge.judging.spec import HeatMapOutput
from bridge.learning import cam, conversion, export, measuring, metrics, points, resemblance, roi, transfer
from bridge.learning.adaptation import Adapted, AdaptSettings
from bridge.learning.data import Dataset, Look
from bridge.learning.data.unlabelled import Unlabelled
from bridge.learning.export import Sides, Target
from bridge.learning.meaning import meaning
from bridge.learning.metrics import Rate
from bridge.learning.networks import Network
from bridge.learning.points import Outcome
from bridge.learning.seen import SEEN, Seen, short

_COMPARED = 64
_APART = 0.05
"""Shares of NG that lie no further apart are told apart by nobody who guessed one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the bundle goes, and what it comes from."""

    models: Path
    name: str
    look: Look
    """How pictures of the new line are cut."""
    parent: Bundle
    past: Seen
    """What the parent had seen."""
    used: Seen
    """What the adaptation has seen."""
    recipe: Mapping[str, Any]


def recipe(
    parent: Bundle, settings: AdaptSettings, went: Adapted, old: Dataset, new: Unlabelled
) -> dict[str, Any]:
    """Return all that it takes to adapt the parent again, in JSON values."""
    said = {
        "parent": parent.identity,
        "settings": asdict(settings),
        "expected_ng_share": went.expected,
        "old": {"digest": old.digest, "pictures": len(old.labels)},
        "new": {"digest": new.digest, "pictures": len(new.hashes)},
        "epochs": {"all": len(went.sights) - 1, "best": went.best},
        "before": asdict(went.sights[0]),
        "after": asdict(went.sights[went.best]),
    }
    return {**parent.manifest.recipe, "adaptation": said}


def used(new: Unlabelled) -> Seen:
    """Return the new pictures as trained on: though nobody labelled them, they are no evidence any longer."""
    return Seen(
        train=tuple((short(sha), group) for sha, group in zip(new.hashes, new.groups, strict=True)),
        prints=resemblance.kept(new.pictures, new.groups),
    )


def measured(model: Bundle | Network, parent: Bundle, check: Dataset) -> Outcome:
    """Return what either does on labelled parts, at the parent's temperature and threshold."""
    if isinstance(model, Bundle):
        scores = measuring.scores(model, check.pictures)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            files = conversion.save(conversion.convert(model.whole, Path(scratch)), Path(scratch))
            wiring = measuring.wiring(parent)
            rows = measuring.probabilities(files[0], wiring, Precision.F32, check.pictures)
        scores = measuring.ok(measuring.tempered(rows, parent.manifest.temperature), wiring)
    return points.outcome(*points.fuse(scores, check.bad, check.parts), parent.manifest.threshold)


def called_ng(made: Bundle, new: Unlabelled) -> Rate:
    """Return how many pictures of the new line a bundle calls NG at its own threshold."""
    scores = measuring.scores(made, new.pictures)
    return metrics.rate(int((scores < made.manifest.threshold).sum()), len(scores))


def unexpected(called: Rate, expected: float) -> bool:
    """Return whether more or fewer are called NG than chance and a rough guess at their share explain."""
    return not called.low <= expected <= called.high and abs(called.value - expected) > _APART


def write_checked(network: Network, check: Dataset, place: Place) -> Bundle:
    """Write the next version; labelled parts set temperature and threshold and give its known bad pictures."""
    target = Target(
        models=place.models,
        name=place.name,
        look=place.look,
        parent=place.parent.identity,
        seen=place.past | place.used,
        recipe=place.recipe,
        files=transfer.files(network),
        boxes=_boxes(place),
    )
    nothing = np.empty(0, np.intp)
    return export.export(network, check, Sides(nothing, np.arange(len(check.labels))), target)[0].bundle


def write(network: Network, shown: Unlabelled, place: Place) -> Bundle:
    """Write the next version with the parent's temperature and threshold; it becomes live if nothing is.

    Raises:
        ConfigError: the engine says something else than Keras.
    """
    with tempfile.TemporaryDirectory() as scratch:
        graph = conversion.convert(cam.explained(network, place.parent.manifest.classes), Path(scratch))
        files = conversion.save(graph, Path(scratch))
        some = shown.pictures[:_COMPARED]
        rows = measuring.probabilities(files[0], measuring.wiring(place.parent), Precision.F32, some)
        worst = export.disagreement(network, some, rows)
        if not worst <= export.PARITY:
            raise ConfigError("adapt", f"OpenVINO differs from Keras by up to {worst:.2g}", "nothing is written")
        return _written(network, place, files, worst, export.heat_map(graph, _boxes(place)))


def _boxes(place: Place) -> HeatMapOutput:
    """Return how the parent's heat maps become boxes: the layer is another one's, and what counts is not."""
    return place.parent.manifest.heat_map or HeatMapOutput()


def _written(
    network: Network, place: Place, files: tuple[Path, ...], worst: float, explains: HeatMapOutput | None
) -> Bundle:
    before = place.parent.manifest
    places, goldens = roi.bundled(place.look)
    facts: dict[str, Any] = {
        **before.model_dump(),
        "name": place.name,
        "version": shelf.next_version(place.models),
        "precision": Precision.F32,
        "score": meaning(before.classes, before.output, before.temperature, elsewhere=True),
        "operating_point": None,
        "golden": (),
        "parent": place.parent.identity,
        "recipe": {**place.recipe, "precision": {"kind": "f32"}},
        "metrics": {"parity_max_abs": worst, "parameters": network.whole.count_params()},
        "heat_map": explains,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        **places,
    }
    content: dict[str, bytes | Path] = {path.name: path for path in files}
    content |= {SEEN: (place.past | place.used).encoded(), **goldens, **transfer.files(network)}
    made = bundle.write(place.models / str(facts["version"]), Manifest.model_validate(facts), content)
    if not (place.models / shelf.LIVE).exists():
        shelf.put_live(made.folder)
    return made
