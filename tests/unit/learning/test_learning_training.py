"""Training at toy scale: learns, goes on after an interruption, and exports what the line will see."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bridge.cli.main import main
from bridge.errors import ConfigError
from bridge.judging import bundle
from bridge.judging.bundle import ModelClass
from bridge.judging.spec import Input
from bridge.learning import export, measuring, network, points, training
from bridge.learning.data import Dataset, Indices, Look, Shares, split
from bridge.learning.network import Backbone
from bridge.learning.training import Settings
from bridge.messages import Verdict

pytestmark = [
    pytest.mark.learning,
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("default"),  # TensorFlow and h5py warn of their own affairs
]

INTO = Input(width=32, height=32, colour="gray")
QUICK = Settings(epochs=3, batch=16, rate=5e-3, seed=3)


def marked(count: int, seed: int) -> Dataset:
    """Noise pictures of every brightness; every second one carries a bright square somewhere: that one is NG."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % 2
    pictures = rng.normal(rng.uniform(60, 140, (count, 1, 1, 1)), 8, (count, 32, 32, 1))
    for index in np.flatnonzero(labels == 0):
        x, y = rng.integers(4, 22, 2)
        pictures[index, y : y + 6, x : x + 6] += 90
    names = tuple(str(index) for index in range(count))
    return Dataset(
        pictures=np.clip(pictures, 0, 255).astype(np.uint8),
        labels=labels,
        groups=names,
        parts=names,
        classes=(ModelClass(name="marked", verdict=Verdict.NG), ModelClass(name="plain", verdict=Verdict.OK)),
        digest="0" * 64,
    )


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return marked(240, 1)


@pytest.fixture(scope="module")
def sides(dataset: Dataset) -> tuple[Indices, Indices]:
    sides = split.by_group(dataset, Shares(validation=0.25, held_out=0))
    return sides.train, sides.validation


def test_a_trained_network_tells_the_classes_apart_and_its_bundle_says_the_same(
    dataset: Dataset, sides: tuple[Indices, Indices], tmp_path: Path
) -> None:
    """Keras and the engine of the line agree within 1e-4, and the bundle holds on pictures never seen."""
    net, progress = training.train(dataset, INTO, sides, replace(QUICK, epochs=8), tmp_path / "work")
    assert progress.best_loss < 0.4
    target = export.Target(models=tmp_path / "models", name="toy", look=Look(into=INTO))
    trained = network.Network(whole=net)
    made = export.export(trained, dataset, export.Sides(*sides), target)[0].bundle
    assert bundle.load(bundle.locate(tmp_path, "models")).identity == made.identity
    assert made.manifest.metrics["parity_max_abs"] < 1e-4  # type: ignore[operator]  # a metric may be a word elsewhere
    fresh = marked(100, 2)
    scores = measuring.scores(made, fresh.pictures)
    assert points.auc(scores, fresh.bad) > 0.95
    assert sum(path.stat().st_size for path in made.folder.iterdir()) < 1_000_000
    assert export.export(trained, dataset, export.Sides(*sides), target)[0].bundle.manifest.version == 2
    assert bundle.locate(tmp_path, "models").name == "1", "a person switches to a later version"


def test_an_interrupted_training_goes_on_where_it_was(
    dataset: Dataset, sides: tuple[Indices, Indices], tmp_path: Path
) -> None:
    """Ctrl-C costs the epoch under way; what comes out is what would have come out."""

    def interrupt(done: int, total: int, _progress: training.Progress | None) -> None:
        if done > 0.5 * total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training.train(dataset, INTO, sides, QUICK, tmp_path / "a", interrupt)
    epochs: list[int] = []

    def note(_done: int, _total: int, progress: training.Progress | None) -> None:
        epochs.extend([progress.epoch] if progress else [])

    resumed, progress = training.train(dataset, INTO, sides, QUICK, tmp_path / "a", note)
    whole, expected = training.train(dataset, INTO, sides, QUICK, tmp_path / "b")
    assert epochs == [2, 3]
    assert progress.loss == pytest.approx(expected.loss, rel=1e-3)
    for one, other in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        assert np.allclose(one, other, atol=1e-4)


def test_other_settings_start_again(dataset: Dataset, sides: tuple[Indices, Indices], tmp_path: Path) -> None:
    """The state of another training is never taken for this one's."""
    once = replace(QUICK, epochs=1)
    training.train(dataset, INTO, sides, once, tmp_path)
    _, progress = training.train(dataset, INTO, sides, replace(once, seed=4), tmp_path)
    assert progress.epoch == 1
    assert sum(path.suffix == ".keras" for path in tmp_path.iterdir()) == 1


def test_brightness_alone_moves_no_score() -> None:
    """The network takes level and contrast out itself, so neither can become a shortcut."""
    net = network.build(Backbone.SMALL, INTO, 2)
    picture = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 32, 32, 1)).astype(np.float32)
    plain, shifted = (np.asarray(net(one, training=False)) for one in (picture, picture + 0.3))
    assert np.allclose(plain, shifted, atol=1e-4)
    assert 10_000 < net.count_params() < 200_000


def test_a_backbone_needs_its_weights_and_its_colours(tmp_path: Path) -> None:
    """Nothing is downloaded behind the user's back."""
    colour = Input(width=32, height=32)
    with pytest.raises(ConfigError, match="--weights"):
        network.build(Backbone.MOBILENET_V2, colour, 2, tmp_path / "missing.h5")
    with pytest.raises(ConfigError, match="write rgb"):
        network.build(Backbone.MOBILENET_V2, INTO, 2)


def test_the_command_trains_measures_and_cleans_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One command from folders to a live bundle and its figures in counts."""
    import cv2  # noqa: PLC0415 - only this test writes pictures

    for part, count in (("train", 40), ("test", 12)):
        made = marked(count, len(part))
        for index, picture in enumerate(made.pictures):
            path = tmp_path / part / made.classes[made.labels[index]].name / f"g{index}_.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), picture)
    out = tmp_path / "models" / "toy"
    words = f"train {tmp_path}/train --ok plain --out {out} --size 32x32 --colour gray --epochs 1"
    assert main([*words.split(), "--test", f"{tmp_path}/test", "--groups", "(?P<group>g[0-9]+)_"]) == 0
    said = capsys.readouterr().out
    assert "test: " in said
    assert "of 6 good" in said
    assert "test, mean per group" in said
    assert sorted(path.name for path in out.iterdir()) == ["1", "live"]
