"""The jig effect, small: a network that may see the jig learns the jig, and the cut to the part cures it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bridge.judging import preprocess
from bridge.judging.bundle import ANY_VIEW, ModelClass
from bridge.judging.softmax import softmax
from bridge.judging.spec import Input
from bridge.learning import cam, points, training
from bridge.learning.augmentation import NAMED
from bridge.learning.backend import keras
from bridge.learning.data import Dataset, Look, Split
from bridge.learning.settings import Phase, Settings, Share
from bridge.messages import Verdict
from bridge.simulate.bolt_jig import ROI, Jig, held, where
from bridge.simulate.bolts import TRAINING_SEEDS, Defect, bolt

pytestmark = [
    pytest.mark.learning,
    pytest.mark.timeout(180),
    pytest.mark.filterwarnings("default"),  # TensorFlow and h5py warn of their own affairs
]

TRAINED, TESTED = 36, 16
CLASSES = (ModelClass(name="ok", verdict=Verdict.OK), ModelClass(name="ng", verdict=Verdict.NG))


@dataclass(frozen=True)
class Parts:
    """Bolts in jigs: the first go with their label's jig, the last come in either."""

    encoded: tuple[bytes, ...]
    labels: NDArray[np.int64]
    usual: NDArray[np.bool_]
    """Whether the jig is the one that goes with the label in training."""


@pytest.fixture(scope="module")
def parts() -> Parts:
    """Return good bolts and wholly uncoated ones by turns."""
    labels = np.arange(TRAINED + TESTED) % 2
    usual = np.array([number < TRAINED or number // 2 % 2 == 0 for number in range(len(labels))])
    encoded = []
    for number, (label, expected) in enumerate(zip(labels.tolist(), usual.tolist(), strict=True)):
        part = bolt(TRAINING_SEEDS + number, Defect.UNCOATED if label else None, 1.0 if label else None)
        jig = Jig.SCREWED if (label == 0) == expected else Jig.SLOTTED
        encoded.append(cv2.imencode(".jpg", held(part.views["front"], jig, number))[1].tobytes())
    return Parts(tuple(encoded), labels, usual)


@dataclass(frozen=True)
class Learnt:
    """What came of a training, on the parts that were not learnt from."""

    auc: float
    usual_jig: float
    """Accuracy."""
    other_jig: float
    on_jig: float
    """The share of heat maps that are hottest on the jig."""


def learnt(parts: Parts, work: Path, *, cut: bool) -> Learnt:
    """Train on whole pictures or on the cut, the part as large either way."""
    height, width = where().shape
    box = (ROI.w, ROI.h) if cut else (width, height)
    into = Input(width=round(box[0] * 0.25), height=round(box[1] * 0.25))
    look = Look(into=into, rois={ANY_VIEW: ROI} if cut else {})
    dataset = Dataset(
        pictures=np.stack([look.picture(data, "1") for data in parts.encoded]),
        labels=parts.labels,
        groups=tuple(map(str, range(len(parts.labels)))),
        parts=tuple(map(str, range(len(parts.labels)))),
        classes=CLASSES,
        digest="",
    )
    first, last = TRAINED - 8, TRAINED
    sides = Split(
        train=np.arange(first), validation=np.arange(first, last), held_out=np.arange(last, len(parts.labels))
    )
    phase = Phase(learns=Share.ALL, epochs=8, patience=8, rate=3e-3)
    settings = Settings(phases=(phase,), policy=NAMED["fixture"], batch=8)
    make = partial(training.begun, settings, into, CLASSES)
    network, _ = training.train(make, dataset, sides, settings, work)
    seen = preprocess.normalise(dataset.pictures[last:], network.normalisation)
    out = cam.explained(network, CLASSES).predict_on_batch(seen)
    logits, maps = (np.asarray(keras.ops.convert_to_numpy(out[name])) for name in ("logits", "heat_map"))
    chance = softmax(logits.astype(np.float64))[:, 0]
    labels, usual = parts.labels[last:], parts.usual[last:]
    right = (chance < 0.5) == labels
    heats = maps[np.arange(len(maps)), ..., logits.argmax(axis=1)]
    return Learnt(
        auc=points.auc(chance, labels == 1),
        usual_jig=float(right[usual].mean()),
        other_jig=float(right[~usual].mean()),
        on_jig=0.0 if cut else float(np.mean([_on_jig(heat) for heat in heats])),
    )


def _on_jig(heat: NDArray[np.float32]) -> bool:
    large = cv2.resize(heat, where().shape[::-1], interpolation=cv2.INTER_LINEAR)
    return bool(where()[np.unravel_index(int(large.argmax()), large.shape)])


def test_the_jig_is_learnt_and_the_cut_cures_it(parts: Parts, tmp_path: Path) -> None:
    """Whole pictures: right with the usual jig only, and the map says why. The cut: right with either."""
    whole, cut = (learnt(parts, tmp_path / str(cut), cut=cut) for cut in (False, True))
    assert whole.usual_jig - whole.other_jig > 0.5
    assert whole.on_jig > 0.5
    assert cut.auc > whole.auc + 0.15
    assert abs(cut.usual_jig - cut.other_jig) < 0.4
    assert cut.other_jig > 0.7
