"""Bundles in three precisions: each with its own number, threshold and figures, and int8 only where it holds."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from bridge.judging import bundle
from bridge.judging.bundle import ModelClass, Precision
from bridge.judging.spec import Input
from bridge.learning import export, network, seen, training
from bridge.learning.data import Choice, Dataset, Look, Shares, Split, items, pictures, split
from bridge.learning.export import Made, Target
from bridge.learning.network import Network
from bridge.learning.training import Settings
from bridge.messages import Verdict

pytestmark = [
    pytest.mark.learning,
    pytest.mark.timeout(180),
    pytest.mark.filterwarnings("default"),  # TensorFlow, h5py and NNCF warn of their own affairs
]

INTO = Input(width=32, height=32)
CLASSES = (ModelClass(name="marked", verdict=Verdict.NG), ModelClass(name="plain", verdict=Verdict.OK))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Noise pictures as files, two of each part; every second part carries a bright square: that one is NG."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(5)
    for index in range(240):
        picture = rng.normal(rng.uniform(60, 140), 8, (32, 32, 3))
        if index // 2 % 2 == 0:
            x, y = rng.integers(4, 22, 2)
            picture[y : y + 6, x : x + 6] += 70
        path = folder / CLASSES[index // 2 % 2].name / f"p{index // 2}_{index % 2}.png"
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), np.clip(picture, 0, 255).astype(np.uint8))
    found = items.read(folder, Choice(parts="(?P<part>p[0-9]+)_", classes=CLASSES))
    return pictures.read(found, Look(into=INTO))


@pytest.fixture(scope="module")
def sides(dataset: Dataset) -> Split:
    return split.by_group(dataset, Shares(validation=0.3, held_out=0))


@pytest.fixture(scope="module")
def trained(dataset: Dataset, sides: Split, tmp_path_factory: pytest.TempPathFactory) -> Network:
    settings = Settings(epochs=6, batch=16, rate=5e-3, seed=3)
    net, _ = training.train(
        dataset, INTO, (sides.train, sides.validation), settings, tmp_path_factory.mktemp("work")
    )
    return network.Network(whole=net)


@pytest.fixture(scope="module")
def made(
    trained: Network, dataset: Dataset, sides: Split, tmp_path_factory: pytest.TempPathFactory
) -> dict[Precision, Made]:
    models = tmp_path_factory.mktemp("models") / "toy"
    target = Target(models=models, name="toy", look=Look(into=INTO), precisions=tuple(Precision), int8_loss=5)
    return {one.bundle.manifest.precision: one for one in export.export(trained, dataset, sides, target)}


def test_each_precision_is_a_version_of_its_own(made: dict[Precision, Made]) -> None:
    """With its own number, threshold and figures; f32 comes first and is live."""
    versions = {precision: one.bundle.manifest.version for precision, one in made.items()}
    expected = [Precision.F32, Precision.BF16, Precision.INT8]
    if Precision.BF16 not in made:  # a processor without it
        expected.remove(Precision.BF16)
    assert versions == {precision: number for number, precision in enumerate(expected, 1)}
    models = made[Precision.F32].bundle.folder.parent
    assert bundle.locate(models.parent, "toy") == models / "1"
    for one in made.values():
        assert bundle.load(one.bundle.folder).identity == one.bundle.identity
        assert one.outcome.auc > 0.9


def test_int8_lies_in_the_graph_and_says_what_it_cost(made: dict[Precision, Made]) -> None:
    plain, small = made[Precision.F32].bundle, made[Precision.INT8].bundle
    assert b"FakeQuantize" in small.model.read_bytes()
    assert b"FakeQuantize" not in plain.model.read_bytes()
    assert small.model.with_suffix(".bin").stat().st_size < 0.5 * plain.model.with_suffix(".bin").stat().st_size
    told = small.manifest.metrics
    assert told["f32_part_auc"] == plain.manifest.metrics["validation_part_auc"]
    assert told["auroc_points_lost"] <= 5  # type: ignore[operator]  # a number
    assert told["changed_decisions"] <= 5  # type: ignore[operator]  # same
    assert told["score_max_abs"] > 0  # type: ignore[operator]  # same


def test_int8_that_loses_too_much_is_refused_in_one_line_and_f32_stays(
    trained: Network, dataset: Dataset, sides: Split, tmp_path: Path
) -> None:
    """The line names both figures; a bound below zero nothing can hold."""
    lines: list[str] = []
    target = Target(
        models=tmp_path / "toy",
        name="toy",
        look=Look(into=INTO),
        precisions=(Precision.INT8,),
        int8_loss=-100.5,
    )
    found = export.export(trained, dataset, sides, target, lines.append)
    assert [one.bundle.manifest.precision for one in found] == [Precision.F32]
    assert sorted(path.name for path in target.models.iterdir()) == ["1", "live"]
    (line,) = lines
    assert "\n" not in line
    assert f"of f32 on {len(set(np.array(dataset.parts)[sides.validation]))} validation parts" in line
    assert line.endswith(f"{found[0].bundle.identity} (f32) stays")


def test_a_bundle_says_which_pictures_it_has_seen(
    made: dict[Precision, Made], dataset: Dataset, sides: Split
) -> None:
    """By hash and by group, so that a renamed copy and its neighbour are both known."""
    for one in made.values():
        told = seen.read(one.bundle.folder)
        assert len(told.train) == len(sides.train)
        assert len(told.validation) == len(sides.validation)
        assert told.hashes == {seen.digits(path) for path in dataset.files}
        assert told.groups == set(dataset.groups)
        assert json.loads((one.bundle.folder / seen.SEEN).read_text())["calibration"] == []


def test_a_saved_model_is_imported_where_neither_tensorflow_nor_keras_can_be(
    trained: Network, made: dict[Precision, Made], dataset: Dataset, tmp_path: Path
) -> None:
    """OpenVINO reads it by itself, in the core install, and scores as the bundle that training wrote."""
    trained.whole.export(tmp_path / "saved", format="tf_saved_model", verbose=False)
    program = (
        "import sys; sys.modules.update(dict.fromkeys(['tensorflow', 'keras', 'nncf', 'openvino_telemetry']));"
        "from bridge.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    words = (
        *("bundle", "import", str(tmp_path / "saved"), "--name", "toy", "--classes", "marked=NG", "plain=OK"),
        *("--size", "32x32", "--normalise", "-1..1", "--output", "logits", "--threshold", "0.5"),
        *("--out", str(tmp_path / "toy")),
    )
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    scores = [
        export.scores(model, INTO, network.NORMALISATION, Precision.F32, dataset, np.arange(20))
        for model in (tmp_path / "toy" / "1" / "model.xml", made[Precision.F32].bundle.model)
    ]
    assert np.allclose(*scores, atol=1e-5)


def test_the_network_is_left_as_it_was(trained: Network, made: dict[Precision, Made], dataset: Dataset) -> None:
    """Quantising works on a copy: f32 still says what Keras says."""
    assert made[Precision.F32].bundle.manifest.metrics["parity_max_abs"] < 1e-3  # type: ignore[operator]  # a number
    assert replace(trained) == trained
    assert dataset.bad.any()
