"""Adaptation to a new line without labels: it helps where light has changed, and undoes what does not help."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bridge.cli.main import main
from bridge.errors import ConfigError
from bridge.judging import bundle
from bridge.judging.bundle import ModelClass
from bridge.judging.spec import HeatMapOutput, Input
from bridge.learning import adaptation, adapted, metrics, networks, points, seen, training
from bridge.learning.adaptation import AdaptSettings, Old, Sight
from bridge.learning.data import Dataset
from bridge.learning.export import Sides
from bridge.learning.networks import Network
from bridge.learning.settings import ALL, Settings
from bridge.messages import Verdict

pytestmark = [
    pytest.mark.learning,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("default"),  # TensorFlow and h5py warn of their own affairs
]

CLASSES = (ModelClass(name="ok", verdict=Verdict.OK), ModelClass(name="ng", verdict=Verdict.NG))
SIDE = 32
QUICK = AdaptSettings(epochs=3, steps=20, batch=32, seed=1)


def drawn(
    count: int, seed: int, *, new: bool = False, share: float = 0.5
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return plates with grain, NG with a dark scratch; on the new line the lamp is another, on the other side."""
    rng = np.random.default_rng(seed)
    bad = rng.permutation(np.arange(count) < share * count)
    pictures = np.empty((count, SIDE, SIDE, 3), np.uint8)
    ramp = np.linspace(-1, 1, SIDE)[None, :, None] * np.ones((SIDE, 1, 1))
    for index, ill in enumerate(bad):
        plate = np.full((SIDE, SIDE, 3), 140.0) + rng.normal(0, 16, (SIDE, SIDE, 3)) + rng.uniform(-15, 15)
        if ill:
            x, y = rng.integers(6, SIDE - 10, 2)
            cv2.line(plate, (int(x), int(y)), (int(x) + 6, int(y) + 4), (105, 105, 105), 2)
        lit = (plate - 25 * ramp) * (1.5, 1.0, 0.3) if new else plate + 25 * ramp
        pictures[index] = np.clip(lit, 0, 255).astype(np.uint8)
    return pictures, bad


def dataset(pictures: NDArray[np.uint8], bad: NDArray[np.bool_]) -> Dataset:
    names = tuple(str(index) for index in range(len(bad)))
    labels = bad.astype(np.int64)
    return Dataset(pictures=pictures, labels=labels, groups=names, parts=names, classes=CLASSES, digest="drawn")


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> dict[str, NDArray[np.float32]]:
    """The weights of a network that knows the old line."""
    settings = Settings(phases=(replace(ALL, epochs=8),), seed=3)
    into, shown = Input(width=SIDE, height=SIDE), dataset(*drawn(240, 0))
    split = Sides(np.arange(200), np.arange(200, 240))
    work = tmp_path_factory.mktemp("taught")
    net, _ = training.train(lambda: training.begun(settings, into, CLASSES), shown, split, settings, work)
    return networks.stored.arrays(net)


@pytest.fixture
def network(taught: dict[str, NDArray[np.float32]]) -> Network:
    """That network, cut at its last block."""
    net = networks.build(networks.Backbone.SMALL, Input(width=SIDE, height=SIDE), 2, cut=True)
    networks.stored.fill(net, taught, "here")
    return net


def auc(net: Network, pictures: NDArray[np.uint8], bad: NDArray[np.bool_]) -> float:
    logits = net.whole.predict(pictures / np.float32(127.5) - 1, verbose=0)
    return points.auc(np.asarray(logits[:, 0] - logits[:, 1], np.float64), bad)


def old_and_new(net: Network, kept: Path) -> tuple[Old, NDArray[np.floating]]:
    pictures, bad = drawn(160, 5)
    old = Old(entries=adaptation.entries(net, pictures, kept), bad=bad)
    return old, adaptation.entries(net, drawn(160, 6, new=True)[0], kept)


def test_it_makes_up_for_another_light(network: Network, tmp_path: Path) -> None:
    """Parts of the new line that nobody labelled and it never saw are told apart better than before."""
    unseen = drawn(200, 7, new=True)
    before = auc(network, *unseen)
    old, new = old_and_new(network, tmp_path / "kept")
    went = adaptation.adapt(network, CLASSES, old, new, replace(QUICK, epochs=6), tmp_path / "work")
    assert went.best > 0
    assert went.sights[went.best].distance < went.sights[0].distance
    assert 1 - auc(network, *unseen) < 0.9 * (1 - before)


def test_the_head_is_never_touched(network: Network, tmp_path: Path) -> None:
    """Only the last block learns; what its features mean stays."""
    head = [one.copy() for one in network.head.model.get_weights()]
    old, new = old_and_new(network, tmp_path / "kept")
    adaptation.adapt(network, CLASSES, old, new, replace(QUICK, epochs=1), tmp_path / "work")
    for one, now in zip(head, network.head.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, now)


def test_the_same_line_is_left_alone_where_nothing_gets_better(network: Network, tmp_path: Path) -> None:
    """Where the new line is the old one, no step is kept that makes the sight worse."""
    pictures, bad = drawn(160, 5)
    entries = adaptation.entries(network, pictures, tmp_path / "kept")
    went = adaptation.adapt(network, CLASSES, Old(entries=entries, bad=bad), entries, QUICK, tmp_path / "work")
    first = went.sights[0]
    assert went.sights[went.best].worth(first, went.expected) <= first.worth(first, went.expected)


def test_interrupted_it_goes_on_to_the_same_end(
    network: Network, taught: dict[str, NDArray[np.float32]], tmp_path: Path
) -> None:
    """Ctrl-C after the second epoch; the same call ends with the sights and weights of one that ran through."""
    old, new = old_and_new(network, tmp_path / "kept")

    def stop(_done: int, _total: int, sight: Sight | None) -> None:
        if sight is not None and sight.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        adaptation.adapt(network, CLASSES, old, new, QUICK, tmp_path / "torn", stop)
    networks.stored.fill(network, taught, "here")
    again = adaptation.adapt(network, CLASSES, old, new, QUICK, tmp_path / "torn")
    weights = network.block.get_weights()
    networks.stored.fill(network, taught, "here")
    through = adaptation.adapt(network, CLASSES, old, new, QUICK, tmp_path / "whole")
    assert again.best == through.best
    for one, other in zip(again.sights, through.sights, strict=True):
        assert one.distance == pytest.approx(other.distance, rel=1e-4)
    for torn, whole in zip(weights, network.block.get_weights(), strict=True):
        np.testing.assert_allclose(torn, whole, atol=1e-4)


def test_other_pictures_begin_anew(network: Network, tmp_path: Path) -> None:
    """A work folder of another adaptation is not gone on from."""
    old, new = old_and_new(network, tmp_path / "kept")
    adaptation.adapt(network, CLASSES, old, new, replace(QUICK, epochs=1), tmp_path / "work")
    first = json.loads((tmp_path / "work" / "progress.json").read_text())["run"]
    adaptation.adapt(network, CLASSES, old, new[:100], replace(QUICK, epochs=1), tmp_path / "work")
    assert json.loads((tmp_path / "work" / "progress.json").read_text())["run"] != first


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_expected_share_of_ng_is_that_of_the_old_pictures_it_compares_with(
    network: Network, tmp_path: Path, share: float
) -> None:
    """Old pictures are drawn as the new line is expected to be, whatever their own share."""
    old, new = old_and_new(network, tmp_path / "kept")
    duel = adaptation._Duel(network, CLASSES, old, new, replace(QUICK, ng_share=share))
    chosen = old.bad[duel._alike]
    assert chosen.mean() == pytest.approx(share, abs=0.01)
    drawn_ = old.bad[np.concatenate([duel._like_new(np.random.default_rng(at)) for at in range(100)])]
    assert drawn_.mean() == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [(10, 40, "--old holds 10"), (40, 10, "the new line holds 10"), (0, 40, "only one kind")],
)
def test_too_little_is_one_clear_line(network: Network, tmp_path: Path, old: int, new: int, said: str) -> None:
    """Too few pictures, or old ones of one kind, are refused before anything is computed."""
    pictures, bad = drawn(old or 40, 1, share=0.5 if old else 0)
    entries = adaptation.entries(network, pictures, tmp_path)
    with pytest.raises(ConfigError, match="holds") as raised:
        adaptation.adapt(
            network, CLASSES, Old(entries=entries, bad=bad), entries[:1].repeat(new, 0), QUICK, tmp_path
        )
    assert said in str(raised.value).replace(":", "")


def written(folder: Path, pictures: NDArray[np.uint8], bad: NDArray[np.bool_], *, labels: bool = True) -> Path:
    for index, (picture, ill) in enumerate(zip(pictures, bad, strict=True)):
        place = folder / ("ng" if ill else "ok") if labels else folder
        place.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place / f"{index:03d}.png"), picture[..., ::-1])
    return folder


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of the old line and pictures of both."""
    folder = tmp_path_factory.mktemp("line")
    written(folder / "old", *drawn(200, 0))
    written(folder / "new", *drawn(120, 6, new=True), labels=False)
    written(folder / "check", *drawn(80, 8, new=True))
    words = [
        "train",
        str(folder / "old"),
        "--size",
        "32x32",
        "--epochs",
        "8",
        "--out",
        str(folder / "models/pins"),
        "--hot",
        "0.7",
    ]
    assert main(words) == 0
    return folder


def words(line: Path, *more: str) -> list[str]:
    out = ["--out", str(line / "models/line2"), "--epochs", "2"]
    return ["adapt", str(line / "models/pins@live"), str(line / "new"), "--old", str(line / "old"), *out, *more]


def test_the_command_writes_a_bundle_that_knows_where_it_comes_from(
    line: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Parent, recipe, threshold and what it has seen go with it; nothing is claimed of the new line."""
    assert main(words(line)) == 0
    made, parent = bundle.load(line / "models/line2/1"), bundle.load(line / "models/pins/1")
    one = made.manifest
    assert one.parent == parent.identity
    assert one.threshold == parent.manifest.threshold
    assert (one.golden, one.operating_point) == ((), None)
    assert "how often it is right was not measured" in one.score
    assert one.heat_map == HeatMapOutput(layer="last", peak_share=0.7)
    said = one.recipe["adaptation"]
    assert isinstance(said, dict)
    assert said["new"]["pictures"] == 120  # type: ignore[call-overload, index]
    assert seen.read(made.folder).hashes > seen.read(parent.folder).hashes
    assert "calibrate" in capsys.readouterr().out
    assert not (line / "models/line2/.adapting").exists()


@pytest.mark.parametrize(
    ("called", "of", "expected", "strange"),
    [
        (85, 100, 0.43, True),  # a threshold of another light
        (4, 100, 0.43, True),
        (50, 100, 0.43, False),  # chance does that
        (10, 16, 0.43, False),
        (470, 1000, 0.43, False),  # no chance, and within what a guess at the share is worth
        (0, 400, 0.02, False),
    ],
)
def test_a_share_of_ng_that_nothing_explains_is_strange(
    called: int, of: int, expected: float, *, strange: bool
) -> None:
    """As it stands on the line: few pictures say little, and the expected share is a guess."""
    assert adapted.unexpected(metrics.rate(called, of), expected) == strange


def test_a_bundle_that_calls_too_many_ng_is_told_of(
    line: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it was made from is half NG; one that calls nearly all of it NG has an old line's threshold."""
    monkeypatch.setattr(points, "operating_point", lambda *_: 1.0)  # else the parts are told apart too well
    made = ["--check", str(line / "check"), "--out", str(tmp_path / "models"), "--keep"]
    assert main(words(line, *made)) == 0
    said = capsys.readouterr().out
    assert "warning: at that threshold it calls 100.0% of the new line's 120 pictures NG, where 5" in said
    assert "before aoi-bridge calibrate" in said


def test_with_labelled_parts_it_says_whether_it_helped(line: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before and after stand beside each other; the threshold is set on parts of the new line."""
    status = main(words(line, "--check", str(line / "check"), "--out", str(line / "models/line3"), "--keep"))
    said = capsys.readouterr().out
    assert status == 0
    assert "before" in said
    assert "after" in said
    made = bundle.load(line / "models/line3/1")
    assert made.manifest.metrics["validation_bad_parts"] == 40
    assert seen.read(made.folder).hashes >= seen.read(line / "models/pins/1").hashes


def test_where_it_got_worse_nothing_is_written(
    line: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Labels turned round make every gain a loss: one line says so, the old bundle stays the only one."""
    pictures, bad = drawn(80, 8, new=True)
    check = written(tmp_path / "check", pictures, ~bad)
    assert main(words(line, "--check", str(check), "--out", str(tmp_path / "models"))) == 1
    assert "worse" in capsys.readouterr().out
    assert not (tmp_path / "models" / "1").exists()


def test_a_torn_picture_of_the_new_line_is_counted_not_fatal(
    line: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A hot folder holds a torn file now and then."""
    new = written(tmp_path / "new", *drawn(40, 9, new=True), labels=False)
    (new / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    command = words(line, "--out", str(tmp_path / "models"), "--epochs", "1")
    command[2] = str(new)
    assert main(command) in {0, 1}
    assert "1 more could not be read" in capsys.readouterr().out


def test_labelled_parts_of_one_kind_are_one_line(
    line: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They cannot say whether it helped, nor where the threshold goes."""
    pictures, bad = drawn(20, 8, new=True)
    check = written(tmp_path / "check", pictures, np.ones_like(bad))
    assert main(words(line, "--check", str(check), "--out", str(tmp_path / "models"))) == 2
    assert "holds only bad pictures; add good ones" in capsys.readouterr().err


def test_a_size_beside_a_bundle_is_one_line(line: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The bundle has its size; two truths would be one too many."""
    assert main(words(line, "--size", "64x64")) == 2
    assert "--size" in capsys.readouterr().err
