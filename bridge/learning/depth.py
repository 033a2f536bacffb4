"""Where a bundle looked at any of its layers: its network is built again in Keras and differentiated.

Coarse layers know what they see and not quite where, fine ones the reverse; side by side they show which to trust.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bridge.errors import ConfigError
from bridge.judging import heat, preprocess
from bridge.judging.bundle import Bundle
from bridge.judging.classifier import ClassifierOptions
from bridge.judging.frames import Opinion
from bridge.judging.headers import Unreadable
from bridge.judging.hiring import workload
from bridge.judging.preprocess import Cut
from bridge.judging.registration import Aligner
from bridge.judging.softmax import softmax
from bridge.judging.spec import HeatMapOutput
from bridge.learning import cam, seeing, transfer
from bridge.learning.cam import Maps
from bridge.learning.data import Item
from bridge.learning.data.pictures import Told, silent
from bridge.learning.seeing import Seen

_BATCH = 8


def seen(model: Bundle, layer: str, items: Sequence[Item], told: Told = silent) -> list[Seen]:
    """Judge every picture and ask of each where the likeliest defect would be, at one layer; blocks.

    Raises:
        ConfigError: the bundle does not hold its network, there is no such layer, or a picture cannot be read.
    """
    looker = _Looker(model, layer)
    found: list[Seen] = []
    for at in range(0, len(items), _BATCH):
        found += looker.seen(items[at : at + _BATCH])
        told(len(found), len(items))
    return found


class _Looker:
    """A network and the way to it."""

    def __init__(self, model: Bundle, layer: str) -> None:
        self._model, self._layer = model, layer
        self._network = transfer.network(model)
        self._asked = cam.contrast(model.manifest.classes)
        load = workload(ClassifierOptions(model=str(model.folder)), model)
        self._aligners = [Aligner(Path(one.how.golden).read_bytes(), one.how, one.roi) for one in load.references]

    def seen(self, items: Sequence[Item]) -> list[Seen]:
        """Return what is seen in a batch; one that cannot be cut says why."""
        cuts = [self._cut(item) for item in items]
        whole = [(item, cut) for item, cut in zip(items, cuts, strict=True) if isinstance(cut, Cut)]
        opinions = iter(self._opinions([cut for _, cut in whole]) if whole else ())
        return [
            Seen(item=item, why=cut) if isinstance(cut, str) else seeing.told_of(self._model, item, next(opinions))
            for item, cut in zip(items, cuts, strict=True)
        ]

    def _cut(self, item: Item) -> Cut | str:
        manifest = self._model.manifest
        onto = manifest.reference(item.view)
        aligner = None if onto is None else self._aligners[onto]
        try:
            data = item.path.read_bytes()
            return preprocess.cut(data, manifest.input, manifest.region(item.view), onto=aligner)
        except OSError as exc:
            raise ConfigError(str(item.path), f"cannot be read ({exc.strerror})") from exc
        except Unreadable as exc:
            return str(exc)

    def _opinions(self, cuts: Sequence[Cut]) -> list[Opinion]:
        manifest = self._model.manifest
        shown = preprocess.normalise(np.stack([cut.picture for cut in cuts]), manifest.normalisation)
        logits = np.asarray(self._network.whole.predict_on_batch(shown), np.float64)
        rows = softmax(logits / manifest.temperature)
        bad = [place for place in range(rows.shape[1]) if place not in manifest.ok_outputs]
        explains = np.array(bad)[rows[:, bad].argmax(axis=1)]
        maps = cam.by_gradient(self._network, shown, self._asked[explains], self._layer)
        return [self._opinion(*one) for one in zip(rows, explains, maps, cuts, strict=True)]

    def _opinion(self, row: np.ndarray, explains: int, seen: Maps, cut: Cut) -> Opinion:
        manifest = self._model.manifest
        size = (manifest.input.width, manifest.input.height)
        how = manifest.heat_map or HeatMapOutput()
        return Opinion(
            score=float(row[list(manifest.ok_outputs)].sum()),
            top=int(row.argmax()),
            boxes=heat.boxes(seen, how, cut.placement, *size),
            heat=heat.packed(seen, int(explains), cut.placement, *size),
        )
