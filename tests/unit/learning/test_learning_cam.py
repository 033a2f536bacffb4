"""Heat maps: what goes to the line equals the gradient, in Keras and as OpenVINO runs it, at the right place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("keras")

from bridge.errors import ConfigError
from bridge.judging.bundle import ModelClass
from bridge.learning import cam, conversion, heads
from bridge.learning.backend import keras
from bridge.learning.heads import Head, Kind
from bridge.messages import Verdict

pytestmark = [pytest.mark.learning, pytest.mark.timeout(120), pytest.mark.filterwarnings("default")]

TWO = tuple(ModelClass(name=name, verdict=Verdict(verdict)) for name, verdict in (("bad", "NG"), ("good", "OK")))
FIVE = tuple(
    ModelClass(name=name, verdict=Verdict.OK if name in {"good", "fair"} else Verdict.NG)
    for name in ("bent", "fair", "good", "cut", "dirty")
)
PICTURES = np.random.default_rng(0).uniform(-1, 1, (3, 48, 32, 3)).astype(np.float32)


@dataclass
class Net:
    """As much of a network as heat maps need."""

    lower: Any
    block: Any
    head: Head
    once: Any
    looks: int = 1


def net(kind: Kind, classes: int, *, pool: int = 1, frozen: bool = True) -> Net:
    """A residual network: a way leads past its middle layer, and its last block is a model of its own."""
    keras.utils.set_random_seed(5)
    conv = keras.layers.Conv2D
    seen = keras.Input((48, 32, 3))
    first = conv(8, 3, strides=2, padding="same", activation="relu", name="first")(seen)
    lower = keras.Model(seen, first)
    between = keras.Input((24, 16, 8))
    middle = conv(8, 3, padding="same", activation="relu", name="middle")(between)
    block = keras.Model(
        between, conv(6, 3, strides=2, padding="same", activation="relu", name="final")(middle + between)
    )
    ok = (1,) if classes == len(TWO) else (1, 2)
    head = heads.build(kind, (12, 8, 6), classes, ok=ok, pool=pool, units=16)
    if not frozen:
        block, lower = keras.Model(seen, block(lower(seen))), None
    features = block(seen if lower is None else lower(seen))
    return Net(lower=lower, block=block, head=head, once=keras.Model(seen, head.model(features)))


def array(tensor: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(tensor))


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("classes", [TWO, FIVE], ids=["two", "five"])
def test_the_graph_of_the_line_shows_what_the_gradient_shows(kind: Kind, classes: tuple[ModelClass, ...]) -> None:
    """For every head and class; by way of the last layer's name it is the same, so two ways agree."""
    network = net(kind, len(classes), pool=2 if len(classes) == 5 else 1)
    shown = cam.explained(network, classes)(PICTURES, training=False)
    maps = array(shown["heat_map"])
    assert np.array_equal(array(shown["logits"]), array(network.once(PICTURES, training=False)))
    assert maps.shape == (3, 12, 8, len(classes))
    assert maps.max() > 1e-3
    for label, row in enumerate(cam.contrast(classes)):
        asked = np.repeat(row[None], 3, axis=0)
        assert np.allclose(maps[..., label], cam.by_gradient(network, PICTURES, asked), atol=1e-4 * maps.max())
        assert np.allclose(
            maps[..., label], cam.by_gradient(network, PICTURES, asked, "final"), atol=1e-4 * maps.max()
        )


@pytest.mark.parametrize("kind", Kind)
def test_openvino_shows_what_keras_differentiates(kind: Kind, tmp_path: Path) -> None:
    """In float32 within 1e-3 of the largest value, under the names that the line reads."""
    import openvino as ov  # noqa: PLC0415 - after bridge.learning.conversion has silenced it

    network = net(kind, 2, pool=2, frozen=False)
    graph = conversion.convert(cam.explained(network, TWO), tmp_path)
    answer = ov.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(PICTURES)
    assert np.allclose(answer["logits"], array(network.once(PICTURES, training=False)), atol=1e-4)
    maps = cam.by_gradient(network, PICTURES, cam.contrast(TWO)[[0, 0, 1]])
    seen = np.stack([answer["heat_map"][index, ..., label] for index, label in enumerate([0, 0, 1])])
    assert np.abs(seen - maps).max() < 1e-3 * maps.max()


@pytest.mark.parametrize("count", [2, 4])
def test_all_looks_count_alike_and_their_maps_are_turned_back(count: int, tmp_path: Path) -> None:
    """A mirrored picture gets the same logits and the mirrored map, in Keras, by gradient, and in OpenVINO."""
    import openvino as ov  # noqa: PLC0415 - as above

    network = net(Kind.LOCAL, 2)
    network.looks = count
    axes = (2,) if count == 2 else (1, 2)
    model, asked = cam.explained(network, TWO), cam.contrast(TWO)[[0, 0, 1]]
    mirrored = np.flip(PICTURES, axes).copy()
    shown, other = model(PICTURES, training=False), model(mirrored, training=False)
    maps = array(shown["heat_map"])
    assert np.allclose(array(shown["logits"]), array(other["logits"]), atol=1e-6)
    assert np.allclose(maps, np.flip(array(other["heat_map"]), axes), atol=1e-6)
    assert np.abs(maps - np.flip(maps, axes)).max() > 0.1 * maps.max(), "a map is not symmetric of itself"
    once = [array(network.once(np.flip(PICTURES, ways).copy())) for ways in ((), (2,), (1,), (1, 2))[:count]]
    assert np.allclose(array(shown["logits"]), np.mean(once, axis=0), atol=1e-6)
    found = cam.by_gradient(network, PICTURES, asked)
    assert np.allclose(
        found, np.stack([maps[index, ..., label] for index, label in enumerate([0, 0, 1])]), atol=1e-5
    )
    graph = conversion.convert(model, tmp_path)
    answer = ov.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(PICTURES)
    assert np.allclose(answer["logits"], array(shown["logits"]), atol=1e-4)
    assert np.allclose(answer["heat_map"], maps, atol=1e-4)


def test_a_layer_with_a_way_round_it_has_its_own_share() -> None:
    """The gradient at a layer in a residual block is that of its branch alone: checked by differences."""
    network, asked, step = net(Kind.GAP, 2), cam.contrast(TWO)[[0, 0, 0]], 1e-3
    below = array(network.lower(PICTURES))
    branch = array(network.block.get_layer("middle")(below))

    def score(shift: np.ndarray) -> np.ndarray:
        features = network.block.get_layer("final")(branch + shift + below)
        return (array(network.head.model(features, training=False)) * asked).sum(axis=1)

    shifts = step * np.eye(8, dtype=np.float32)
    slopes = np.stack([score(one) - score(-one) for one in shifts], axis=-1) / (2 * step * 24 * 16)
    wanted = np.maximum((branch * slopes[:, None, None]).sum(axis=-1), 0)
    assert wanted.max() > 0
    found = cam.by_gradient(network, PICTURES, asked, "middle")
    assert np.allclose(found, wanted, atol=0.02 * wanted.max())


def test_a_class_is_held_against_the_other_verdict() -> None:
    """Not against its own kind: two defects that look alike do not hide each other."""
    assert cam.contrast(TWO).tolist() == [[1, -1], [-1, 1]]
    assert cam.contrast(FIVE)[0].tolist() == [1, -0.5, -0.5, 0, 0]
    assert np.allclose(cam.contrast(FIVE)[1], [-1 / 3, 1, 0, -1 / 3, -1 / 3])


@pytest.mark.parametrize("kind", [Kind.AVGMAX, Kind.LOCAL])
def test_a_mark_that_decides_is_where_the_map_peaks(kind: Kind) -> None:
    """A network that counts bright places looks at the bright place, wherever it lies."""
    network = net(kind, 2, frozen=False)
    rng = np.random.default_rng(1)
    pictures = rng.normal(0, 0.1, (200, 48, 32, 3)).astype(np.float32)
    places = rng.integers(4, [38, 22], (200, 2))
    for index, (y, x) in enumerate(places[:100]):
        pictures[index, y : y + 6, x : x + 6] += 1
    network.once.compile(keras.optimizers.Adam(0.01), network.head.loss())
    network.once.fit(pictures, np.arange(200) // 100, epochs=12, verbose=0)
    maps = array(cam.explained(network, TWO)(pictures[:100])["heat_map"])[..., 0]
    peaks = np.stack(np.unravel_index(maps.reshape(100, -1).argmax(axis=1), (12, 8)), axis=1) * 4 + 2
    assert (np.abs(peaks - (places[:100] + 3)).max(axis=1) <= 6).mean() > 0.9


def test_layers_are_named_and_a_wrong_name_says_which_there_are() -> None:
    """One line, with names to choose from."""
    network = net(Kind.GAP, 2)
    named = [name for name in cam.layers(network) if not name.startswith("add")]  # Keras numbers what has no name
    assert named == ["first", "middle", "final", "last"]
    with pytest.raises(ConfigError, match=r"no such layer.*last") as caught:
        cam.by_gradient(network, PICTURES, cam.contrast(TWO)[[0, 0, 0]], "block5")
    assert "\n" not in str(caught.value)
