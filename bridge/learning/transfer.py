"""A new line from an old one: a bundle takes its network along, and training goes on from there.

Beside the graph of the line a bundle holds ``weights.npz``: what the network has learnt, as plain arrays that are
hashed like every other file and never unpickled. Its manifest's recipe says how the network is built.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from bridge.errors import ConfigError
from bridge.judging.bundle import Bundle, ModelClass
from bridge.learning import networks
from bridge.learning.backend import keras
from bridge.learning.data import Dataset, Split
from bridge.learning.heads import Kind
from bridge.learning.networks import Backbone, Network, looks, stored
from bridge.learning.settings import Progress, Settings

WEIGHTS: Final = "weights.npz"
"""Its name in the bundle."""
_ANEW: Final = "train it once more with aoi-bridge train"


def files(network: Network) -> dict[str, bytes]:
    """Return what goes into a bundle so that training can go on from it."""
    return {WEIGHTS: stored.encoded(stored.arrays(network))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """How the network of a bundle is built."""

    backbone: Backbone
    head: Kind
    tta: int = 1


def built_as(made: Bundle) -> Built:
    """Return how the network of a bundle is built.

    Raises:
        ConfigError: the bundle does not hold what it takes to go on from it.
    """
    said = made.manifest.recipe.get("network")
    if WEIGHTS not in made.manifest.files or not isinstance(said, dict):
        raise ConfigError(
            f"--from {made.folder}",
            f"{made.identity} holds no weights to go on from: it was imported, or made by an older version",
            _ANEW,
        )
    try:
        return Built(backbone=Backbone(str(said["backbone"])), head=Kind(str(said["head"])), tta=_looks(said))
    except (KeyError, ValueError) as exc:
        raise ConfigError(f"--from {made.folder}", f"its network is not known here ({exc})") from exc


def _looks(said: dict[str, Any]) -> int:
    count = int(str(said.get("tta", 1)))  # bundles of earlier versions do not say it
    if count not in looks.COUNTS:
        raise ValueError(f"{count} looks")
    return count


def network(made: Bundle, seed: int = 0) -> Network:
    """Return the network of a bundle as it was trained, cut at its last block.

    Args:
        made: the bundle.
        seed: of what will be dropped when it learns on.

    Raises:
        ConfigError: the bundle does not hold what that takes.
    """
    said, outputs = built_as(made), len(made.manifest.classes)
    keras.utils.set_random_seed(seed)
    ok = made.manifest.ok_outputs
    built = networks.build(
        said.backbone, made.manifest.input, outputs, head=said.head, ok=ok, cut=True, tta=said.tta
    )
    stored.fill(built, stored.read(made.folder / WEIGHTS), str(made.folder / WEIGHTS), _ANEW)
    return networks.normalised(built, made.manifest.normalisation)


def fitting(known: tuple[ModelClass, ...], made: Bundle) -> None:
    """Hold the classes of new pictures to those of a bundle.

    Raises:
        ConfigError: there is one that the bundle's network has no output for.
    """
    new = [one.name for one in known if one not in made.manifest.classes]
    if new:
        theirs = ", ".join(one.name for one in made.manifest.classes)
        raise ConfigError(
            f"--from {made.folder}",
            f"{made.identity} does not know {', '.join(new)}; its classes are {theirs}",
            "name the folders as it does, or train anew without --from",
        )


def recipe(
    settings: Settings, dataset: Dataset, split: Split, progress: Progress, built: Network, weights: str
) -> dict[str, Any]:
    """Return all that it takes to train a network again, in JSON values.

    Args:
        settings: how it was trained.
        dataset: on which pictures.
        split: which of them were used for what.
        progress: how training went.
        built: the network.
        weights: what it began with: a hash over the file, ``imagenet``, ``none``, or a bundle's identity.
    """
    counts = {one.name: int((dataset.labels == place).sum()) for place, one in enumerate(dataset.classes)}
    return {
        "network": {"backbone": str(built.backbone), "head": str(built.head.kind), "tta": built.looks},
        "weights": {"source": str(settings.source), "sha256": weights},
        "data": {
            "digest": dataset.digest,
            "pictures": counts,
            "groups": len(set(dataset.groups)),
            **{side: len(places) for side, places in split.sides.items()},
        },
        "augmentation": settings.policy.model_dump(mode="json"),
        "copies": settings.copies,
        "phases": [asdict(one) | {"learns": str(one.learns)} for one in settings.phases],
        "batch": settings.batch,
        "balanced": settings.balanced,
        "seed": settings.seed,
        "computed_in": settings.precision,
        "epochs": {"all": progress.epoch, "best": progress.best, "seconds": round(progress.seconds, 1)},
    }
