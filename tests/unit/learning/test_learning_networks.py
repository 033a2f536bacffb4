"""The backbones: as large as published, cut where the table says, and clear about weights that cannot be had."""

from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest

from bridge.errors import ConfigError
from bridge.judging.spec import Input
from bridge.learning import networks
from bridge.learning.backend import keras
from bridge.learning.networks import Backbone, cost, looks, weights
from bridge.learning.networks.trunk import Grouped, Trunk

pytestmark = [
    pytest.mark.learning,
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("default"),  # TensorFlow and h5py warn of their own affairs
]

FULL = Input(width=224, height=224)
TOP = 1000
"""Classes of ImageNet, for which sizes are published."""

PUBLISHED = {  # trainable parameters with the top layer: torchvision and timm; without it: Keras Applications
    Backbone.VGG16: (14_714_688, None),
    Backbone.RESNET50: (23_587_712, None),
    Backbone.XCEPTION: (20_861_480, None),
    Backbone.MOBILENET_V2: (2_257_984, None),
    Backbone.EFFICIENTNET_V2_B0: (5_919_312, None),
    Backbone.RESNEXT50: (None, 25_028_904),
    Backbone.SE_RESNET50: (None, 28_088_024),
    Backbone.SE_RESNEXT50: (None, 27_559_896),
}
LAST = {
    Backbone.SMALL: ((28, 28, 32), (14, 14, 64)),
    Backbone.VGG16: ((14, 14, 512), (14, 14, 512)),
    Backbone.RESNEXT50: ((14, 14, 1024), (7, 7, 2048)),
    Backbone.SE_RESNEXT50: ((14, 14, 1024), (7, 7, 2048)),
    Backbone.GOOGLENET: ((7, 7, 832), (7, 7, 1024)),
    Backbone.XCEPTION: ((14, 14, 728), (7, 7, 2048)),
    Backbone.MOBILENET_V2: ((7, 7, 160), (7, 7, 1280)),
    Backbone.MOBILENET_V2_FINE: ((14, 14, 96), (14, 14, 576)),
    Backbone.EFFICIENTNET_V2_B0: ((14, 14, 112), (7, 7, 1280)),
}


@pytest.fixture(scope="module")
def full() -> dict[Backbone, Trunk]:
    return {one: networks._trunk(one, FULL, networks.NONE) for one in {*PUBLISHED, *LAST}}


def test_each_is_as_large_as_published(full: dict[Backbone, Trunk]) -> None:
    """A missing convolution or a bias too many shows in the count, to the last digit."""
    for backbone, (bare, with_top) in PUBLISHED.items():
        model = full[backbone].model
        learnt = sum(int(np.prod(one.shape)) for one in model.trainable_variables)
        if bare is not None:
            assert model.count_params() == bare, backbone
        if with_top is not None:
            assert learnt + model.output.shape[-1] * TOP + TOP == with_top, backbone
    assert 5.9e6 < full[Backbone.GOOGLENET].model.count_params() < 6.1e6, "7.0 million with its top layer"


def test_the_last_block_is_where_the_table_says(full: dict[Backbone, Trunk]) -> None:
    for backbone, (reads, gives) in LAST.items():
        lower, block = full[backbone].cut()
        assert lower.output.shape[1:] == block.input.shape[1:] == reads, backbone
        assert block.output.shape[1:] == gives, backbone
        assert lower.count_params() + block.count_params() == full[backbone].model.count_params(), backbone


def test_the_cost_is_what_papers_count(full: dict[Backbone, Trunk]) -> None:
    """Multiply-adds at 224 x 224; VGG16 without its two wide layers, which the head replaces."""
    expected = {
        Backbone.RESNET50: (3.8e9, 4.1e9),
        Backbone.RESNEXT50: (4.2e9, 4.3e9),
        Backbone.VGG16: (15.3e9, 15.5e9),
        Backbone.MOBILENET_V2: (0.29e9, 0.32e9),
        Backbone.GOOGLENET: (1.4e9, 1.6e9),
        Backbone.XCEPTION: (4.5e9, 4.7e9),  # 8.4 at its own 299 x 299
    }
    for backbone, (low, high) in expected.items():
        assert low < cost.multiply_adds(full[backbone].model) < high, backbone


@pytest.mark.parametrize("backbone", [Backbone.SMALL, Backbone.MOBILENET_V2])
def test_cut_and_whole_are_the_same_network(backbone: Backbone) -> None:
    """What is trained on kept features is what judges pictures."""
    net = networks.build(backbone, Input(width=64, height=64), 3, cut=True)
    pictures = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 3)).astype(np.float32)
    features = net.lower(pictures, training=False)
    assert np.allclose(net.tail(features, training=False), net.whole(pictures, training=False), atol=1e-5)
    names = {one.path for one in net.tail.trainable_variables}
    assert names, "the last block learns"
    assert not net.lower.trainable_variables


def test_eight_looks_know_no_orientation() -> None:
    """Every turn by a quarter and every mirror image gets one answer; what learns looks once."""
    net = networks.build(Backbone.SMALL, Input(width=64, height=64), 3, tta=8)
    picture = np.random.default_rng(0).uniform(-1, 1, (64, 64, 3)).astype(np.float32)
    turned = [np.rot90(one, quarter) for one in (picture, picture[:, ::-1]) for quarter in range(4)]
    answers = np.asarray(net.whole(np.stack(turned), training=False))
    assert np.allclose(answers, answers[0], atol=1e-5)
    once = np.asarray(net.once(np.stack(turned), training=False))
    assert np.abs(once - once[0]).max() > 1e-3
    assert np.allclose(once.mean(axis=0), answers[0], atol=1e-5)
    assert net.tail is net.once
    with pytest.raises(ConfigError, match=r"--tta 8.*64x32.*write --tta 4"):
        networks.build(Backbone.SMALL, Input(width=64, height=32), 3, tta=8)


def test_looks_are_built_without_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch and JAX would find the shape by splitting a batch that they made up, which need not be even."""
    monkeypatch.setattr(looks, "agreed", lambda *_: pytest.fail("a batch is split"))
    net = networks.build(Backbone.SMALL, Input(width=32, height=32), 3, tta=4)
    assert net.whole.output.shape == (None, 3)


def test_a_grouped_convolution_learns_and_judges_with_the_same_numbers() -> None:
    """The fast form for learning and the plain one for the line are one layer."""
    pictures = np.random.default_rng(0).normal(size=(2, 9, 8, 8)).astype(np.float32)
    for stride, padding in ((1, "same"), (2, "valid")):
        layer = Grouped(16, 3, strides=stride, padding=padding, groups=4, use_bias=False)
        learning = np.asarray(layer(pictures))
        layer.trainable = False
        assert np.allclose(learning, np.asarray(layer(pictures)), atol=1e-5)


def test_brightness_alone_moves_no_score() -> None:
    """The small network takes level and contrast out itself, so neither can become a shortcut."""
    net = networks.build(Backbone.SMALL, Input(width=32, height=32, colour="gray"), 2)
    picture = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 32, 32, 1)).astype(np.float32)
    plain, shifted = (np.asarray(net.whole(one, training=False)) for one in (picture, picture + 0.3))
    assert np.allclose(plain, shifted, atol=1e-4)
    assert net.lower is None
    assert 10_000 < net.whole.count_params() < 200_000


def test_a_file_of_weights_is_loaded(tmp_path: Path) -> None:
    """Keras' own format; what comes out is what went in, with the colours and levels it was taught with."""
    into = Input(width=32, height=32, colour="bgr")
    source = keras.applications.VGG16(weights=None, include_top=False, input_shape=(32, 32, 3))
    source.save_weights(tmp_path / "taught.weights.h5")
    net = networks.build(Backbone.VGG16, into, 2, source=tmp_path / "taught.weights.h5")
    picture = np.random.default_rng(0).uniform(-100, 100, (1, 32, 32, 3)).astype(np.float32)
    features = keras.ops.max_pool(net.block(net.lower(picture)), 2)
    assert np.allclose(features, source(picture), rtol=1e-3, atol=1e-3)
    assert net.normalisation.mean == (103.939, 116.779, 123.68)


def test_what_does_not_fit_is_one_line(tmp_path: Path) -> None:
    """Each says what to write instead."""
    rgb, bgr = Input(width=64, height=64), Input(width=64, height=64, colour="bgr")
    wrong, text = tmp_path / "wrong.weights.h5", tmp_path / "notes.txt"
    networks.build(Backbone.SMALL, rgb, 2).whole.save_weights(wrong)
    text.write_text("no weights")
    for act, words in (
        (lambda: networks.build(Backbone.VGG16, rgb, 2, source=wrong), "write bgr"),
        (lambda: networks.build(Backbone.VGG16, bgr, 2, source=wrong), "does not fit vgg16"),
        (lambda: networks.build(Backbone.RESNEXT50, rgb, 2, source=wrong), "does not fit resnext50"),
        (lambda: networks.build(Backbone.VGG16, bgr, 2, source=text), "no Keras weights"),
        (
            lambda: networks.build(Backbone.GOOGLENET, rgb, 2, source="imagenet"),
            "no ImageNet weights of googlenet",
        ),
        (lambda: networks.build(Backbone.XCEPTION, rgb, 2), "write 71x71 or more"),
        (lambda: weights.given("nowhere.h5"), "write imagenet, none, or"),
    ):
        with pytest.raises(ConfigError, match=words) as caught:
            act()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("backbone", ["vgg16", "mobilenet_v2", "efficientnet_v2_b0"])
def test_imagenet_is_keras_own_download_held_to_its_hash(
    backbone: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The road is Keras' own up to the first look-up of a host; that one fails here, and one line says so."""
    asked: list[object] = []

    def nowhere(host: object, *_: object, **__: object) -> None:
        asked.append(host)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(keras.config, "keras_home", lambda: str(tmp_path), raising=False)
    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(tmp_path))
    into = Input(width=96, height=96, colour=networks.colour(Backbone(backbone), "imagenet"))
    with pytest.raises(ConfigError, match="write --weights FILE") as caught:
        networks.build(Backbone(backbone), into, 2, source="imagenet")
    assert asked == ["storage.googleapis.com"]
    assert "\n" not in str(caught.value)
    assert "https://storage.googleapis.com/" in str(caught.value)
