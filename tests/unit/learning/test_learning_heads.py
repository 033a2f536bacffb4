"""Heads: logits of the right shape, losses that learn, and the closed form of what each of them looks at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras")

from bridge.learning import backend, heads
from bridge.learning.backend import keras
from bridge.learning.heads import Head, Kind

pytestmark = [pytest.mark.learning, pytest.mark.timeout(120), pytest.mark.filterwarnings("default")]

FEATURES = np.maximum(np.random.default_rng(0).normal(0.2, 1, (5, 6, 4, 7)), 0).astype(np.float32)


def gradient(head: Head, label: int) -> np.ndarray:
    """The weights of one class by true differentiation, shape (batch, channels)."""
    slopes, _ = backend.gradient(
        lambda seen: (keras.ops.sum(head.model(seen, training=False)[:, label]), 0), FEATURES
    )
    return slopes.mean(axis=(1, 2))


@pytest.mark.parametrize("pool", [1, 2])
@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("kind", Kind)
def test_the_closed_form_is_the_gradient(kind: Kind, classes: int, pool: int) -> None:
    """For every head, any number of classes, and a head that shrinks its features first."""
    keras.utils.set_random_seed(1)
    head = heads.build(kind, FEATURES.shape[1:], classes, ok=(1, 3)[: classes // 2], pool=pool, units=16)
    head.standardise(lambda: [FEATURES[:3], FEATURES[3:]])
    weights = np.asarray(keras.ops.convert_to_numpy(head.channel_weights(keras.ops.convert_to_tensor(FEATURES))))
    assert weights.shape == (5, classes, 7)
    assert head.model(FEATURES).shape == (5, classes)
    for label in range(classes):
        assert np.allclose(weights[:, label], gradient(head, label), atol=1e-6)
    assert np.abs(weights).max() > 1e-3


@pytest.mark.parametrize("kind", [Kind.GAP, Kind.AVGMAX, Kind.LOCAL])
def test_to_standardise_is_to_say_the_same_in_other_units(kind: Kind) -> None:
    """Once or twice; what the last layers read has mean 0 and deviation 1 then, and what is always 0 stays 0."""
    head = heads.build(kind, FEATURES.shape[1:], 2, ok=(1,), pool=2, units=16)
    features = FEATURES * np.float32([1, 100, 0.01, 3, 1, 0, 1]) + np.float32([0, 500, 0, 0, 0, 0, 1])
    before = np.asarray(head.model(features))
    for some in (features, features[:4]):
        head.standardise(lambda some=some: [some[:3], some[3:]])
        assert np.allclose(np.asarray(head.model(features)), before, rtol=1e-3, atol=1e-3)
    layer = head.model.get_layer("standard")
    seen = np.asarray(keras.Model(head.model.input, layer.output)(features[:4]))
    seen = seen.reshape(-1, seen.shape[-1])
    assert np.allclose(seen.mean(axis=0), 0, atol=1e-3)
    assert np.allclose(np.delete(seen.std(axis=0), [2, 5, 9, 12][: len(seen[0]) // 3], axis=0), 1, atol=1e-3)
    assert np.all(seen[:, 5] == 0)


def test_what_is_standardised_is_so_in_float32() -> None:
    """In half precision a small deviation beside a large mean is lost, and its inverse beyond what can be said."""
    keras.config.set_dtype_policy("mixed_float16")
    try:
        head = heads.build(Kind.LOCAL, FEATURES.shape[1:], 2, ok=(1,))
    finally:
        keras.config.set_dtype_policy("float32")
    features = FEATURES * np.float32(1e-5) + np.float32([1, 0, 0, 0, 0, 0, 0])
    head.standardise(lambda: [features])
    layer = head.model.get_layer("standard")
    seen = np.asarray(keras.Model(head.model.input, layer.output)(features)).reshape(-1, 7)
    assert np.allclose(seen.mean(axis=0), 0, atol=0.03)
    assert np.allclose(seen[:, 1:].std(axis=0), 1, atol=1e-2)


@pytest.mark.parametrize("kind", [Kind.FC, Kind.SVM, Kind.LOCAL])
def test_a_head_learns_with_its_own_loss(kind: Kind) -> None:
    """One channel tells the classes apart; labels are places of classes, whatever the loss makes of them."""
    keras.utils.set_random_seed(2)
    rng = np.random.default_rng(3)
    labels = np.arange(60) % 3
    features = rng.uniform(0, 0.3, (60, 4, 4, 3)).astype(np.float32)
    features[np.arange(60), :, :, labels] += 0.5
    head = heads.build(kind, (4, 4, 3), 3, ok=(2,), units=16)
    head.model.compile(keras.optimizers.Adam(0.02), head.loss())
    head.model.fit(features, labels, epochs=20, batch_size=20, verbose=0)
    assert (head.model.predict(features, verbose=0).argmax(axis=1) == labels).mean() == 1


def test_margins_are_one_class_against_the_rest() -> None:
    """The loss is that of scikit-learn's linear SVM: nothing beyond a margin of 1, squared before it."""
    loss = heads.OneAgainstRest(reduction="none")
    margins = np.float32([[1.5, -2, -1], [0, -1, -1], [0.5, 0.5, -3]])
    assert np.allclose(np.asarray(loss(np.array([0, 0, 1]), margins)), [0, 1, 2.25 + 0.25])


@pytest.mark.parametrize("kind", [Kind.SVM, Kind.LOCAL])
def test_a_head_is_saved_and_read_with_its_loss(kind: Kind, tmp_path: Path) -> None:
    """An interrupted training reads back the whole model."""
    head = heads.build(kind, (4, 4, 3), 2, ok=(1,))
    head.model.compile("sgd", head.loss())
    head.model.save(tmp_path / "head.keras")
    again = keras.saving.load_model(tmp_path / "head.keras")
    picture = np.ones((1, 4, 4, 3), np.float32)
    assert np.array_equal(np.asarray(again(picture)), np.asarray(head.model(picture)))
    assert type(again.loss) is type(head.loss())


def test_one_bad_place_makes_a_part_bad_and_no_good_place_makes_it_good() -> None:
    """The worst place speaks: the same defect weighs as much on a good part as among other defects."""
    layer = heads.WorstPlace((1,))
    places = np.zeros((3, 8, 8, 2), np.float32)
    places[1, 2, 3, 0] = 12  # one bad place
    places[2] = places[1]
    places[2, 4:, :, 1] = 12  # and half of the others look good indeed
    alone, spotted, praised = np.asarray(layer(places))
    assert np.allclose(alone, 0, atol=1e-6)
    assert spotted[0] == pytest.approx(12 - np.log(64), abs=0.1)
    assert praised[0] == pytest.approx(spotted[0], abs=0.1)
    assert spotted[1] == praised[1] == 0
    with pytest.raises(ValueError, match="which classes are OK"):
        heads.build(Kind.LOCAL, (4, 4, 3), 2)
