"""Bundles in three precisions: each with its own number, threshold and figures, and int8 only where it holds."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import openvino as ov
import pytest

from bridge.judging import bundle, engine, preprocess
from bridge.judging.bundle import ModelClass, Precision
from bridge.judging.classifier import ClassifierOptions, Explained, opened
from bridge.judging.spec import Input
from bridge.learning import cam, export, measuring, networks, seen, training
from bridge.learning.data import Choice, Dataset, Look, Shares, Split, items, pictures, split
from bridge.learning.export import Made, Target
from bridge.learning.measuring import Wiring
from bridge.learning.networks import Network
from bridge.learning.settings import ALL, Settings
from bridge.messages import Box, Judgement, Verdict, View
from bridge.simulate.factory import DEMO_BUNDLE

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
    settings = Settings(phases=(replace(ALL, epochs=6, rate=5e-3),), batch=16, seed=3)
    work = tmp_path_factory.mktemp("work")
    return training.train(lambda: training.begun(settings, INTO, CLASSES), dataset, sides, settings, work)[0]


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


async def judged(made: Made, views: list[View]) -> list[float]:
    """Return p(OK) of views as the gateway gets it: encoded pictures in, to the worker and back."""
    async with opened(ClassifierOptions(model=str(made.bundle.folder))) as judge:
        return [one.score or 0.0 for one in await judge(views)]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp"])
def test_the_line_says_of_a_real_file_what_keras_says(
    trained: Network, made: dict[Precision, Made], suffix: str
) -> None:
    """Files of odd sizes, with a region of interest and without, small and large enough to be decoded reduced."""
    rng, one = np.random.default_rng(7), made[Precision.F32]
    views, expected = [], []
    for height, width, roi in (
        (33, 47, None),
        (201, 333, None),
        (479, 641, Box(cx=300.5, cy=201.25, w=255, h=121)),
        (97, 61, Box(cx=30, cy=40, w=21, h=19)),
    ):
        coarse = rng.integers(40, 220, (height // 9 + 2, width // 9 + 2, 3), np.uint8)
        picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        data = cv2.imencode(suffix, picture)[1].tobytes()
        views.append(View(name="1", image=data, roi=roi))
        shown = preprocess.prepare(data, INTO, trained.normalisation, roi)
        logits = np.asarray(trained.whole.predict(shown[None], verbose=0), np.float64)[0]
        powers = np.exp((logits - logits.max()) / one.bundle.manifest.temperature)
        expected.append(float(powers[1] / powers.sum()))
    assert np.abs(np.array(asyncio.run(judged(one, views))) - expected).max() < 1e-3
    assert np.ptp(expected) > 0.01, "pictures that all score alike prove nothing"


def test_temperature_is_in_the_manifest_and_not_in_the_graph(
    trained: Network, made: dict[Precision, Made], dataset: Dataset
) -> None:
    """The graph's numbers are the network's own logits; what divides them and what they mean stands beside it."""
    one = made[Precision.F32].bundle
    assert one.manifest.temperature != 1
    assert f"divided by {one.manifest.temperature:.4g}" in one.manifest.score
    shown = preprocess.normalise(dataset.pictures[:4], trained.normalisation)
    raw = ov.Core().compile_model(one.model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([shown])["logits"]
    assert np.allclose(raw, trained.whole.predict(shown, verbose=0), atol=1e-3)


def test_the_heat_map_goes_with_the_graph(trained: Network, made: dict[Precision, Made], dataset: Dataset) -> None:
    """Logits and heat map by name, equal to Keras' in f32; in int8 the map itself is not rounded."""
    plain, small = made[Precision.F32], made[Precision.INT8]
    shown = preprocess.normalise(dataset.pictures[:8], trained.normalisation)
    expected = cam.explained(trained, CLASSES).predict(shown, verbose=0)
    core = ov.Core()
    said = core.compile_model(plain.bundle.model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([shown])
    for name in ("logits", "heat_map"):
        assert np.allclose(said[name], expected[name], atol=1e-3 * np.abs(expected[name]).max())
    rounded = core.compile_model(small.bundle.model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([shown])
    assert np.corrcoef(rounded["heat_map"].ravel(), expected["heat_map"].ravel())[0, 1] > 0.95
    graph = core.read_model(small.bundle.model)
    (heat,) = (one.get_node() for one in graph.outputs if "heat_map" in one.get_names())
    assert heat.input_value(0).get_node().get_type_name() != "FakeQuantize"


def test_the_line_shows_where_it_looked(made: dict[Precision, Made], dataset: Dataset) -> None:
    """The manifest names the second output, so the worker makes boxes of it."""
    for one in made.values():
        assert one.bundle.manifest.heat_map is not None
        options = ClassifierOptions(model=str(one.bundle.folder), heat_map=Explained.ALL)

        async def judged_why(options: ClassifierOptions = options) -> list[Judgement]:
            async with opened(options) as judge:
                return await judge([View(name="1", image=path.read_bytes()) for path in dataset.files[:4]])

        assert all(said.heat_map is not None for said in asyncio.run(judged_why()))


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


def test_what_does_not_hold_is_refused_in_one_line_and_f32_stays(
    trained: Network, dataset: Dataset, sides: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """int8 that loses too much, with both figures, and a precision that the processor would only imitate."""
    lines: list[str] = []
    monkeypatch.setitem(engine._NEEDS, "bf16", "what no processor has")
    target = Target(
        models=tmp_path / "toy",
        name="toy",
        look=Look(into=INTO),
        precisions=(Precision.INT8, Precision.BF16),
        int8_loss=-100.5,  # which nothing can hold
    )
    found = export.export(trained, dataset, sides, target, lines.append)
    assert [one.bundle.manifest.precision for one in found] == [Precision.F32]
    assert sorted(path.name for path in target.models.iterdir()) == ["1", "live"]
    lacking, losing = lines
    assert lacking.startswith("bf16 is not written: ")
    assert "this processor lacks" in lacking
    assert f"of f32 on {len(set(np.array(dataset.parts)[sides.validation]))} validation parts" in losing
    for line in lines:
        assert "\n" not in line
        assert line.endswith(f"{found[0].bundle.identity} (f32) stays")


QUIET = """
import socket, sys
def refuse(*_args, **_options): raise AssertionError("the network was asked for")
socket.getaddrinfo = socket.socket.connect = refuse
import numpy as np
from bridge.learning import quantising
import openvino as ov
graph = ov.Core().read_model(sys.argv[1])
shown = np.random.default_rng(0).normal(size=(4, 210, 106, 3)).astype("f4")
quantising.quantise(graph, shown, quantising.Scope.ALL)
print(type(sys.modules["nncf.telemetry"].telemetry).__name__)
"""


def test_quantising_says_nothing_and_tells_nobody() -> None:
    """NNCF reports its use over the network where it can, though not under pytest: so in another process."""
    command = [sys.executable, "-c", QUIET, str(DEMO_BUNDLE / "model.xml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("MagicMock\n", "")


def test_a_bundle_says_which_pictures_it_has_seen(
    made: dict[Precision, Made], dataset: Dataset, sides: Split
) -> None:
    """By hash and by group, so that a renamed copy and its neighbour are both known."""
    for one in made.values():
        told = seen.read(one.bundle.folder)
        assert len(told.train) == len(sides.train)
        assert len(told.validation) == len(sides.validation)
        assert told.hashes == {hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in dataset.files}
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
    theirs, ours = bundle.load(tmp_path / "toy" / "1"), made[Precision.F32].bundle
    wiring = Wiring(into=INTO, normalisation=networks.SYMMETRIC, classes=CLASSES)
    rows = [
        measuring.probabilities(one.model, wiring, Precision.F32, dataset.pictures[:20]) for one in (theirs, ours)
    ]
    assert np.allclose(*rows, atol=1e-5)


def test_the_network_is_left_as_it_was(trained: Network, made: dict[Precision, Made], dataset: Dataset) -> None:
    """Quantising works on a copy: f32 still says what Keras says."""
    assert made[Precision.F32].bundle.manifest.metrics["parity_max_abs"] < 1e-3  # type: ignore[operator]  # a number
    assert replace(trained) == trained
    assert dataset.bad.any()
