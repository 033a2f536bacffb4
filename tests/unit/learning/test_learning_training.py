"""Training at toy scale: learns, goes on after an interruption, and exports what the line will see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toys import CLASSES, INTO, QUICK, beginning, marked, pretrained, sides_of

from bridge.errors import ConfigError
from bridge.judging import bundle
from bridge.judging.bundle import ModelClass
from bridge.learning import export, features, measuring, networks, points, training
from bridge.learning.backend import keras
from bridge.learning.data import Dataset, Look, Split
from bridge.learning.features import Kept, Pictures
from bridge.learning.networks import Backbone, Network, stored
from bridge.learning.settings import ALL, BLOCK, HEAD, Progress, Settings
from bridge.messages import Verdict

pytestmark = [
    pytest.mark.learning,
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("default"),  # TensorFlow and h5py warn of their own affairs
]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return marked(120, 1)


@pytest.fixture(scope="module")
def sides(dataset: Dataset) -> Split:
    return sides_of(dataset)


@pytest.fixture(scope="module")
def phased(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A head for two epochs, then the last block for two, on three fixed copies, from weights of a file."""
    weights = pretrained(tmp_path_factory.mktemp("weights") / "taught.weights.h5")
    phases = (replace(HEAD, epochs=2, rate=1e-2), replace(BLOCK, epochs=2, rate=1e-2))
    return replace(QUICK, source=weights, phases=phases, copies=3)


@pytest.fixture(scope="module")
def whole(
    dataset: Dataset, sides: Split, phased: Settings, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Network, Progress]:
    """The training in phases, never interrupted."""
    return training.train(beginning(phased), dataset, sides, phased, tmp_path_factory.mktemp("whole"))


def test_a_trained_network_tells_the_classes_apart_and_its_bundle_says_the_same(tmp_path: Path) -> None:
    """Keras and the engine of the line agree within 1e-4, and the bundle holds on pictures never seen."""
    dataset = marked(240, 1)
    sides, settings = sides_of(dataset), replace(QUICK, phases=(replace(ALL, epochs=8, rate=5e-3),))
    net, progress = training.train(beginning(settings), dataset, sides, settings, tmp_path / "work")
    assert progress.best_loss < 0.4
    target = export.Target(models=tmp_path / "models", name="toy", look=Look(into=INTO))
    made = export.export(net, dataset, sides, target)[0].bundle
    assert bundle.load(bundle.locate(tmp_path, "models")).identity == made.identity
    assert made.manifest.metrics["parity_max_abs"] < 1e-4  # type: ignore[operator]  # a metric may be a word elsewhere
    fresh = marked(100, 2)
    assert points.auc(measuring.scores(made, fresh.pictures), fresh.bad) > 0.95
    assert sum(path.stat().st_size for path in made.folder.iterdir()) < 1_000_000
    assert export.export(net, dataset, sides, target)[0].bundle.manifest.version == 2
    assert bundle.locate(tmp_path, "models").name == "1", "a person switches to a later version"


def interrupt_at(step: int) -> Callable[..., None]:
    """Return somebody who presses Ctrl-C at the so-manieth thing that is told."""
    heard = iter(range(1, step))

    def told(*_: object) -> None:
        if next(heard, None) is None:
            raise KeyboardInterrupt

    return told


def same(one: Network, other: Network) -> bool:
    pairs = zip(stored.arrays(one).values(), stored.arrays(other).values(), strict=True)
    return all(np.allclose(left, right, atol=1e-4) for left, right in pairs)


def test_it_goes_on_wherever_it_was_interrupted(
    dataset: Dataset, sides: Split, phased: Settings, whole: tuple[Network, Progress], tmp_path: Path
) -> None:
    """Among features, in the head's epochs, in the last block's: what comes out is what would have come out."""
    for step in (3, 45, 30, 25, 25):  # each counts from what the one before it left
        with pytest.raises(KeyboardInterrupt):
            training.train(beginning(phased), dataset, sides, phased, tmp_path, interrupt_at(step))
    resumed, progress = training.train(beginning(phased), dataset, sides, phased, tmp_path)
    assert progress.loss == pytest.approx(whole[1].loss, rel=1e-3)
    assert (progress.epoch, progress.best) == (whole[1].epoch, whole[1].best)
    assert same(resumed, whole[0])


def test_from_nothing_it_goes_on_too(dataset: Dataset, sides: Split, tmp_path: Path) -> None:
    """Pictures are varied anew in every epoch, the same way each time."""
    expected, _ = training.train(beginning(QUICK), dataset, sides, QUICK, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        training.train(beginning(QUICK), dataset, sides, QUICK, tmp_path / "torn", interrupt_at(9))
    epochs: list[int] = []

    def note(_what: str, _done: int, _total: int, progress: Progress | None) -> None:
        epochs.extend([progress.epoch] if progress else [])

    resumed, _ = training.train(beginning(QUICK), dataset, sides, QUICK, tmp_path / "torn", note)
    assert epochs == [2, 3]
    assert same(resumed, expected)


def test_other_settings_start_again(dataset: Dataset, sides: Split, tmp_path: Path) -> None:
    """The state of another training is never taken for this one's."""
    once = replace(QUICK, phases=(replace(ALL, epochs=1),))
    training.train(beginning(once), dataset, sides, once, tmp_path)
    other = replace(once, seed=4)
    _, progress = training.train(beginning(other), dataset, sides, other, tmp_path)
    assert progress.epoch == 1
    assert len(list(tmp_path.glob("state-*.npz"))) == 1


def test_only_what_should_learn_does(
    dataset: Dataset, sides: Split, phased: Settings, whole: tuple[Network, Progress], tmp_path: Path
) -> None:
    """The part below stays; the last block moves in its phase only, and its statistics never."""
    start, done = stored.arrays(beginning(phased)()), stored.arrays(whole[0])
    moved = {name for name in start if not np.array_equal(start[name], done[name])}
    block = set(stored.arrays(whole[0], (stored.BLOCK,)))
    assert whole[1].phase == 1
    assert {name for name in block if name.endswith("kernel")} <= moved
    assert not moved & set(stored.arrays(whole[0], (stored.LOWER,)))
    settled = {name for name in moved if not name.endswith(("kernel", "bias"))}
    assert settled == {"head.000.mean", "head.001.scale"}, (
        "what the head reads is standardised, normalisation stays"
    )
    alone = replace(phased, phases=phased.phases[:1])
    head_only, _ = training.train(beginning(alone), dataset, sides, alone, tmp_path)
    kept = stored.arrays(head_only)
    assert all(np.array_equal(start[name], kept[name]) for name in block)


def test_a_phase_that_spoils_it_is_not_kept(
    dataset: Dataset, sides: Split, phased: Settings, tmp_path: Path
) -> None:
    """The best epoch of all phases comes out, with the last block as it was then."""
    wild = replace(phased, phases=(phased.phases[0], replace(BLOCK, epochs=1, rate=1e6)))
    net, progress = training.train(beginning(wild), dataset, sides, wild, tmp_path)
    assert (progress.epoch, progress.phase) == (3, 1)
    assert progress.best <= 2
    start, done = (stored.arrays(one, (stored.BLOCK,)) for one in (beginning(wild)(), net))
    assert all(np.array_equal(start[name], done[name]) for name in start)


def test_patience_ends_a_phase(dataset: Dataset, sides: Split, phased: Settings, tmp_path: Path) -> None:
    """A last block that only spoils is given up."""
    spoilt = replace(BLOCK, epochs=9, patience=2, rate=1e6)
    wild = replace(phased, phases=(replace(HEAD, epochs=1), spoilt))
    _, progress = training.train(beginning(wild), dataset, sides, wild, tmp_path)
    assert progress.best <= 1 + 9 - 2
    assert progress.epoch == progress.best + 2


def test_of_epochs_that_rank_alike_the_last_is_kept_where_the_rate_falls(
    dataset: Dataset, sides: Split, phased: Settings, tmp_path: Path
) -> None:
    """A few validation parts rank an early epoch first by chance; what ranks worse beyond chance is not kept."""
    steady = replace(phased, phases=(replace(HEAD, epochs=6, rate=1e-9),))
    _, progress = training.train(beginning(steady), dataset, sides, steady, tmp_path / "steady")
    assert progress.best == progress.epoch == 6
    aucs: list[float] = []

    def told(_what: str, _done: int, _total: int, epoch: Progress | None) -> None:
        aucs.extend([epoch.auc] if epoch else [])

    wild = replace(phased, phases=(replace(HEAD, epochs=12, patience=12, rate=1.0),))
    guessed = replace(dataset, labels=np.random.default_rng(0).permutation(dataset.labels))
    _, progress = training.train(beginning(wild), guessed, sides, wild, tmp_path / "wild", told)
    good, bad = (int((guessed.labels[sides.validation] == label).sum()) for label in (1, 0))
    least = max(aucs) - points.auc_error(max(aucs), good, bad)
    assert progress.best == 1 + max(at for at, auc in enumerate(aucs) if auc >= least)
    assert progress.best_auc == aucs[progress.best - 1]
    assert min(aucs) < least, "some epochs rank worse"


def test_features_are_computed_once_for_all_trainings(
    dataset: Dataset, sides: Split, phased: Settings, tmp_path: Path
) -> None:
    """Another seed, another head, and fewer copies find what is there; more copies compute the rest."""
    head = replace(phased, phases=(replace(HEAD, epochs=1),), copies=2)
    heard: list[int] = []

    def told(what: str, _done: int, total: int, _progress: Progress | None) -> None:
        heard.extend([total] if what == "features" else [])

    runs = (
        head,
        replace(head, seed=8),
        replace(head, head=networks.heads.Kind.SVM),
        replace(head, copies=1),
        replace(head, copies=3),
    )
    steps = []
    for number, one in enumerate(runs):
        training.train(beginning(one), dataset, sides, one, tmp_path / str(number), told, tmp_path / "kept")
        steps.append(len(heard))
        heard.clear()
    assert steps[0] == -(-(2 * 90 + 30) // 16)
    assert steps[1:4] == [0, 0, 0]
    assert 0 < steps[4] < steps[0]


def test_kept_features_are_those_of_the_picture(dataset: Dataset, phased: Settings, tmp_path: Path) -> None:
    """Copy 0 is the picture as it is; a row does not depend on its neighbours, nor on interruptions."""
    net = beginning(phased)()
    shown = Pictures(dataset=dataset, normalisation=net.normalisation, policy=phased.policy)
    model = keras.Model(net.lower.input, net.lower.output)
    kept = Kept(tmp_path, model, shown, len(dataset.labels))
    wanted = features.places(np.arange(20), 2)
    with pytest.raises(KeyboardInterrupt):
        kept.fill(wanted, interrupt_at(2))
    kept.fill(wanted, lambda _done, _total: None)
    direct = np.asarray(net.lower(shown(wanted[:3]), training=False))
    assert np.allclose(kept(wanted[:3]), direct, atol=2e-3 * np.abs(direct).max())
    again = Kept(tmp_path, model, shown, len(dataset.labels))
    again.fill(wanted[::-1], lambda _done, _total: pytest.fail("all of it is there"))
    assert np.array_equal(again(wanted[::-1]), kept(wanted)[::-1])


def test_a_full_disk_is_one_line(dataset: Dataset, phased: Settings, tmp_path: Path) -> None:
    """Before the first picture is looked at, with what to write instead."""
    net = beginning(phased)()
    shown = Pictures(dataset=dataset, normalisation=net.normalisation, policy=phased.policy)
    kept = Kept(tmp_path, keras.Model(net.lower.input, net.lower.output), shown, len(dataset.labels))
    kept._shape = (1 << 20, 1 << 10, 1)
    with pytest.raises(ConfigError, match="write fewer copies") as caught:
        kept._need(10_000)
    assert "\n" not in str(caught.value)


def test_half_precision_comes_out_as_float32(dataset: Dataset, sides: Split, tmp_path: Path) -> None:
    """What is exported does not depend on how it was computed."""
    half = replace(QUICK, phases=(replace(ALL, epochs=1),), precision="mixed_bfloat16")
    net, progress = training.train(beginning(half), dataset, sides, half, tmp_path)
    assert progress.epoch == 1
    assert keras.config.dtype_policy().name == "float32"
    assert {layer.compute_dtype for layer in net.block.layers} == {"float32"}
    assert np.isfinite(training.logits(net.whole, _plain(dataset, net), features.places(np.arange(4), 1))).all()


def _plain(dataset: Dataset, net: Network) -> Pictures:
    return Pictures(dataset=dataset, normalisation=net.normalisation, policy=QUICK.policy)


def test_rare_classes_weigh_more_unless_told_not_to() -> None:
    """Each verdict counts the same however many pictures it has, and each of its classes."""
    labels = np.array([0] * 30 + [1] * 10)
    assert training._weights(labels, CLASSES, balanced=True).tolist() == pytest.approx([2 / 3, 2])
    assert training._weights(labels, CLASSES, balanced=False).tolist() == [1, 1]
    more = (*CLASSES, ModelClass(name="bent", verdict=Verdict.NG), ModelClass(name="unseen", verdict=Verdict.NG))
    weights = training._weights(np.repeat([0, 1, 2], [30, 10, 5]), more, balanced=True)
    assert (weights * [30, 10, 5, 0]).tolist() == pytest.approx([45 / 4, 45 / 2, 45 / 4, 0])
    assert training._weights(np.zeros(4, np.int64), more, balanced=True)[0] == 1


def test_a_grouped_network_learns_on_a_processor(tmp_path: Path) -> None:
    """ResNeXt's last stage and head, at a size that costs a second."""
    dataset = replace(marked(12, 3), pictures=np.repeat(marked(12, 3).pictures, 3, axis=3))
    into = replace(INTO, colour="rgb")
    settings = Settings(backbone=Backbone.RESNEXT50, phases=(replace(BLOCK, epochs=1),), copies=1, batch=8)

    start = networks.build(Backbone.RESNEXT50, into, len(CLASSES), cut=True)
    before = stored.arrays(start, (stored.BLOCK,))
    sides = Split(train=np.arange(8), validation=np.arange(8, 12), held_out=np.arange(0))
    net, progress = training.train(lambda: start, dataset, sides, settings, tmp_path)
    assert progress.epoch == 1
    after = stored.arrays(net, (stored.BLOCK,))
    grouped = [name for name in before if before[name].shape == (3, 3, 32, 1024)]
    assert len(grouped) == 3
    assert any(not np.array_equal(before[name], after[name]) for name in grouped)
