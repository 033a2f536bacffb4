"""Anomaly judges: what they learn, what they export, and what the line then says; real Keras, real OpenVINO."""

from __future__ import annotations

import asyncio
import re
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from bridge.cli import train_anomaly, train_detector
from bridge.cli.main import main
from bridge.errors import ConfigError
from bridge.judging import bundle, preprocess
from bridge.judging.bundle import Precision
from bridge.judging.classifier import AnomalyOptions, ClassifierOptions, open_anomaly, open_classifier
from bridge.judging.spec import Input
from bridge.learning import mapping, scoring
from bridge.learning.anomaly import (
    autoencoder,
    distilling,
    dividing,
    efficientad,
    export,
    limits,
    memory,
    network,
    patchcore,
    pdn,
    teachers,
)
from bridge.learning.anomaly.autoencoder import Decoder
from bridge.learning.anomaly.pdn import Size
from bridge.learning.anomaly.teachers import Teacher
from bridge.learning.backend import keras
from bridge.learning.data import Choice, Dataset, Look, Shares, items, pictures
from bridge.learning.levels import SYMMETRIC
from bridge.learning.networks import applications, cost
from bridge.learning.target import Target
from bridge.messages import Decision, Goal, Origin, Spot, Stage, Verdict, View, ViewDecision
from bridge.store import Images, open_journal

pytestmark = pytest.mark.learning

SIDE = 96
INTO = Input(width=SIDE, height=SIDE)


def texture(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a good surface: fine stripes under changing light."""
    across = np.sin(np.arange(SIDE) / 3 + rng.uniform(0, 6))[None, :, None]
    noise = rng.normal(0, 4, (SIDE, SIDE, 3))
    return np.clip(128 + rng.uniform(-10, 10) + 40 * across + noise, 0, 255).astype(np.uint8)


def spoilt(rng: np.random.Generator) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Return a bad one, and where its spot is."""
    x, y = (int(one) for one in rng.integers(28, SIDE - 28, 2))
    picture = texture(rng)
    cv2.circle(picture, (x, y), 8, (20, 20, 160), -1)
    return picture, (x, y)


@pytest.fixture(scope="module")
def surfaces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of 30 good and 8 bad surfaces, each a part of its own."""
    where = tmp_path_factory.mktemp("surfaces")
    rng = np.random.default_rng(5)
    for kind, count in (("good", 30), ("spot", 8)):
        (where / kind).mkdir()
        for number in range(count):
            picture = texture(rng) if kind == "good" else spoilt(rng)[0]
            cv2.imwrite(str(where / kind / f"{number:02}.png"), picture)
    return where


def read(where: Path) -> Dataset:
    return pictures.read(items.read(where, Choice(good_only=True)), Look(into=INTO))


def describes(into: Input) -> patchcore.Describer:
    """Return a describer of random convolutions: enough to tell a red spot from stripes, and no download."""
    keras.utils.set_random_seed(1)
    seen = keras.Input((into.height, into.width, 3))
    flow = keras.layers.Conv2D(16, 7, strides=4, padding="same", activation="relu", name="random_conv")(seen)
    return patchcore.Describer(model=keras.Model(seen, flow), normalisation=SYMMETRIC, colour="rgb")


@pytest.fixture(scope="module")
def made(surfaces: Path, tmp_path_factory: pytest.TempPathFactory) -> list[bundle.Bundle]:
    """Return bundles of a memory in three precisions where the processor has them."""
    dataset = read(surfaces)
    sides = dividing.divided(dataset, Shares(validation=0.3, held_out=0.2), 0)
    one = describes(INTO)
    found = patchcore.places(one, dataset.pictures[sides.train], 5_000, 0)
    spread = np.maximum(found.std(axis=0), 1e-3)
    kept = memory.coreset(found / spread, 200, 0)
    net = patchcore.assembled(one, spread, (found / spread)[kept], 0.0)
    target = Target(
        models=tmp_path_factory.mktemp("models") / "surface",
        name="surface",
        look=Look(into=INTO),
        precisions=(Precision.F32, Precision.INT8),
    )
    refused: list[str] = []
    written = export.export(net, dataset, sides, target, 0.2, refused.append)
    assert not refused
    return [one.bundle for one in written]


def judged(model: bundle.Bundle, picture: NDArray[np.uint8]) -> tuple[Verdict | None, float, tuple[object, ...]]:
    async def ask() -> tuple[Verdict | None, float, tuple[object, ...]]:
        async with open_anomaly(AnomalyOptions(model=str(model.folder), threads=1)) as judge:
            said = (await judge([View(image=cv2.imencode(".png", picture)[1].tobytes())]))[0]
            assert said.score is not None
            return said.verdict, said.score, said.boxes

    return asyncio.run(ask())


def test_the_line_calls_a_spot_strange_and_says_where(made: list[bundle.Bundle]) -> None:
    picture, (x, y) = spoilt(np.random.default_rng(77))
    for model in made:
        verdict, score, boxes = judged(model, picture)
        assert verdict is Verdict.NG
        assert score < 0.5
        (first, *_) = boxes
        assert isinstance(first, Spot)
        assert abs(first.cx - x) < first.w / 2 + 8
        assert abs(first.cy - y) < first.h / 2 + 8
        assert first.area
        assert 0 < first.area <= first.w * first.h * 1.01


def test_the_line_lets_another_good_one_pass(made: list[bundle.Bundle]) -> None:
    for model in made:
        verdict, score, boxes = judged(model, texture(np.random.default_rng(78)))
        assert verdict is Verdict.OK
        assert score > 0.5
        assert boxes == ()


def test_a_bundle_tells_what_its_limit_holds(made: list[bundle.Bundle]) -> None:
    manifest = made[0].manifest
    assert manifest.kind == manifest.output == "anomaly"
    assert manifest.threshold == 0.5
    point = manifest.operating_point
    assert point is not None
    assert point.goal == 2
    assert point.good == 9
    assert not point.holds  # nine cannot show a fifth: 0 of 14 would
    assert point.missing == 5
    assert "nearest remembered place" in manifest.score
    assert manifest.golden  # the clearly strange ones of validation


def test_a_judge_of_another_kind_refuses_it(made: list[bundle.Bundle]) -> None:
    async def ask() -> None:
        async with open_classifier(ClassifierOptions(model=str(made[0].folder))):
            pass

    with pytest.raises(ConfigError, match=r'write type = "anomaly"'):
        asyncio.run(ask())


def test_it_is_evaluated_by_pixel_where_spots_are_drawn(made: list[bundle.Bundle], tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    for kind, count in (("good", 4), ("spot", 4)):
        (tmp_path / "test" / kind).mkdir(parents=True)
        (tmp_path / "ground_truth" / kind).mkdir(parents=True)
        for number in range(count):
            picture, spot = (texture(rng), None) if kind == "good" else spoilt(rng)
            cv2.imwrite(str(tmp_path / "test" / kind / f"{number}.png"), picture)
            if spot:
                mask = cv2.circle(np.zeros((SIDE, SIDE), np.uint8), spot, 8, 255, -1)
                cv2.imwrite(str(tmp_path / "ground_truth" / kind / f"{number}_mask.png"), mask)
    known = made[0].manifest.classes
    collection = items.read(tmp_path, Choice(ok=("good",), classes=known))
    scored = scoring.score(made[0], collection)
    found = mapping.evaluated(made[0], scored, 0.5)
    assert found.image.auroc.value == 1.0
    assert found.pixel is not None
    assert found.pixel.drawn == found.pixel.regions == 4
    assert found.pixel.figures.auroc.value > 0.97
    assert found.pixel.figures.pro.value > 0.8


def test_nothing_bad_is_learnt_from(surfaces: Path) -> None:
    dataset = read(surfaces)
    for seed in range(5):
        sides = dividing.divided(dataset, Shares(validation=0.3, held_out=0.3), seed)
        assert not dataset.bad[sides.train].any()
        assert dataset.bad[sides.validation].any() or dataset.bad[sides.held_out].any()
        every = np.concatenate([sides.train, sides.validation, sides.held_out])
        assert sorted(every.tolist()) == list(range(len(dataset.labels)))


def test_a_set_in_the_layout_of_mvtec_keeps_its_sides(surfaces: Path, tmp_path: Path) -> None:
    for side, kind in (("train", "good"), ("test", "good"), ("test", "spot")):
        (tmp_path / side / kind).mkdir(parents=True)
        for path in sorted((surfaces / kind).iterdir())[:: 2 if side == "test" else 1]:
            picture = cv2.imread(str(path))
            cv2.imwrite(str(tmp_path / side / kind / path.name), picture[:, :: -1 if side == "test" else 1])
    dataset = read(tmp_path)
    sides = dividing.divided(dataset, Shares(validation=0.2, held_out=0.5), 0)
    assert len(sides.train) + len(sides.validation) == 30
    assert not dataset.bad[sides.validation].any()
    assert len(sides.held_out) == 15 + 4


def test_a_set_of_good_ones_alone_is_a_set(surfaces: Path, tmp_path: Path) -> None:
    alone = tmp_path / "parts"
    alone.mkdir()
    (alone / "anything").symlink_to(surfaces / "good")
    dataset = read(alone)
    assert not dataset.bad.any()
    sides = dividing.divided(dataset, Shares(validation=0.3, held_out=0.0), 0)
    assert len(sides.train) + len(sides.validation) == 30
    bare = read(surfaces / "good")
    assert len(bare.labels) == 30
    assert not bare.bad.any()
    with pytest.raises(ConfigError, match="leaves no class that is NG"):
        items.read(alone, Choice(ok=("anything",)))


@pytest.mark.parametrize("parts", [30, 59, 300, 473])
def test_a_limit_holds_as_often_as_it_says(parts: int) -> None:
    """Of many sets drawn at random, nearly 95 % keep the share above the limit within what was allowed."""
    rng = np.random.default_rng(parts)
    kept = 0
    found = limits.of_good(rng.exponential(size=parts), 0.05)
    for _ in range(400):
        one = limits.of_good(rng.exponential(size=parts), 0.05)
        kept += np.exp(-one.value) <= 0.05
    assert found.holds == (parts >= 59)
    if found.holds:
        assert kept >= 367  # of 400: 380 less three standard errors
        assert found.bound <= 0.05
    else:
        assert found.missing == 29


def test_more_good_parts_lower_the_limit() -> None:
    ranked = np.linspace(0, 1, 2000)
    values = [limits.of_good(ranked[:: 2000 // count], 0.05).value for count in (100, 400, 2000)]
    assert all(later < before for before, later in pairwise(values))
    with pytest.raises(ValueError, match="not finite"):
        limits.of_good(np.array([0.1, np.nan]), 0.05)


def test_a_coreset_reaches_everywhere() -> None:
    rng = np.random.default_rng(0)
    crowds = np.concatenate([rng.normal(at, 0.05, (500, 4)) for at in range(5)] + [np.full((1, 4), 9.0)])
    kept = memory.coreset(crowds.astype(np.float32), 6, 3)
    assert len(set(kept.tolist())) == 6
    assert {round(float(one)) for one in crowds[kept][:, 0]} == {0, 1, 2, 3, 4, 9}
    assert memory.coreset(crowds[:3].astype(np.float32), 10).tolist() == [0, 1, 2]


def test_farness_is_the_distance_to_the_nearest() -> None:
    rng = np.random.default_rng(0)
    remembered, spread = rng.normal(size=(7, 5)).astype(np.float32), rng.uniform(0.5, 2, 5).astype(np.float32)
    seen = rng.normal(size=(2, 3, 4, 5)).astype(np.float32)
    said = np.asarray(patchcore.Farness(remembered, spread)(seen))[..., 0]
    true = np.linalg.norm((seen / spread)[..., None, :] - remembered, axis=-1).min(axis=-1)
    np.testing.assert_allclose(said, true, rtol=1e-4, atol=1e-4)
    places = keras.Input((3, 4, 5))
    whole = keras.Model(places, patchcore.Farness(remembered, spread)(places))
    assert cost.multiply_adds(whole) == 3 * 4 * 5 * 7


def test_a_picture_is_as_strange_as_its_strangest_places() -> None:
    grid = np.arange(24, dtype=np.float32).reshape(1, 4, 6, 1) - 5
    assert np.asarray(network.Summed(0.0)(grid)).tolist() == [[18.0]]
    assert np.asarray(network.Summed(0.125)(grid)).tolist() == [[17.0]]
    assert np.asarray(network.Summed(1.0)(grid)).tolist() == [[pytest.approx(6.5)]]


@pytest.fixture(scope="module")
def teacher() -> Teacher:
    keras.utils.set_random_seed(3)
    kept = pdn.build(Size.SMALL, 64, 64).get_weights()
    return Teacher(size=Size.SMALL, convolutions=tuple(zip(kept[::2], kept[1::2], strict=True)))


def test_a_pdn_is_the_papers() -> None:
    small, medium = pdn.build(Size.SMALL, 256, 256), pdn.build(Size.MEDIUM, 256, 256)
    assert small.output.shape == medium.output.shape == (None, 56, 56, 384)
    assert small.count_params() == 2_694_144
    assert pdn.described(256) == 56


@pytest.mark.parametrize("decoder", list(Decoder))
def test_an_autoencoder_ends_where_a_teacher_does(decoder: Decoder) -> None:
    for height, width in ((256, 256), (96, 160)):
        built = autoencoder.build(decoder, height, width)
        assert built.output.shape == (None, pdn.described(height), pdn.described(width), pdn.NUMBERS)
    dropped = [one for one in built.layers if isinstance(one, keras.layers.Dropout)]
    assert bool(dropped) is (decoder is Decoder.BILINEAR)


def test_a_window_is_described_as_in_the_whole(teacher: Teacher) -> None:
    rng = np.random.default_rng(0)
    whole = rng.normal(size=(1, SIDE, SIDE, 3)).astype(np.float32)
    said = np.asarray(teacher.built(SIDE, SIDE)(whole))
    part = np.asarray(teacher.built(48, 48)(whole[:, 8:56, 20:68]))
    np.testing.assert_allclose(part, said[:, 2:6, 5:9], atol=1e-4)


def material(count: int = 6) -> efficientad.Material:
    rng = np.random.default_rng(2)
    good = np.stack([texture(rng) for _ in range(count)])
    bad = np.stack([spoilt(rng)[0] for _ in range(3)])
    validation = np.concatenate([good[3:], bad])
    return efficientad.Material(good=good[:3], validation=validation, bad=np.arange(len(validation)) >= count - 3)


def trained(
    teacher: Teacher, work: Path, steps: int, stop: int | None = None
) -> tuple[network.AnomalyNetwork, list[str]]:
    said: list[str] = []

    def told(_doing: str, done: int, _total: int) -> None:
        if done == stop:
            raise KeyboardInterrupt

    settings = efficientad.Settings(steps=steps, rate=1e-3, window=48)
    return efficientad.train(settings, INTO, teacher, material(), work, told, said.append), said


def test_efficientad_learns_goes_on_and_ends_the_same(teacher: Teacher, tmp_path: Path) -> None:
    straight, said = trained(teacher, tmp_path / "straight", 40)
    assert "step 40" in said[-1]
    assert "AUROC" in said[-1]
    with pytest.raises(KeyboardInterrupt):
        trained(teacher, tmp_path / "torn", 40, stop=27)
    resumed, said = trained(teacher, tmp_path / "torn", 40)
    assert said[0] == "goes on after step 25"
    shown = preprocess.normalise(material().validation, straight.normalisation)
    one, other = (np.asarray(net.whole.predict(shown, verbose=0)[0]) for net in (straight, resumed))
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)
    assert one[-3:].min() > one[:3].max()  # spots are stranger than all good ones of validation
    assert straight.whole.output_shape[1] == (None, SIDE // 4, SIDE // 4, 1)


def test_good_maps_are_scaled_to_a_tenth(teacher: Teacher, tmp_path: Path) -> None:
    net, _ = trained(teacher, tmp_path, 5)
    shown = preprocess.normalise(material().validation[:3], net.normalisation)
    maps = np.asarray(net.whole.predict(shown, verbose=0)[1])
    assert 0.02 < np.quantile(maps[:, 4:-4, 4:-4], 0.995) < 0.2


def test_pictures_that_cannot_be_encoded_are_refused() -> None:
    for into, what in (
        (Input(width=100, height=96), "cannot be encoded"),
        (Input(width=96, height=96, colour="bgr"), "write rgb"),
    ):
        with pytest.raises(ConfigError, match=what):
            efficientad.suits(into)


def test_a_teacher_comes_back_from_a_file_whoever_wrote_it(teacher: Teacher, tmp_path: Path) -> None:
    teachers.write(tmp_path / "ours.npz", teacher)
    torch = {}
    for place, (kernel, bias) in zip((0, 3, 6, 8), teacher.convolutions, strict=True):
        torch |= {f"{place}.weight": np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)), f"{place}.bias": bias}
    save_file(torch, tmp_path / "theirs.safetensors")
    for name in ("ours.npz", "theirs.safetensors"):
        assert teachers.read(tmp_path / name).digest == teacher.digest


def test_no_teacher_is_unpickled(tmp_path: Path) -> None:
    (tmp_path / "teacher.pth").write_bytes(b"PK")
    with pytest.raises(ConfigError, match="may run code"):
        teachers.read(tmp_path / "teacher.pth")
    np.savez(tmp_path / "evil.npz", **{"0.weight": np.array([{}], object)})
    with pytest.raises(ConfigError, match="cannot be read"):
        teachers.read(tmp_path / "evil.npz")
    np.savez(
        tmp_path / "other.npz",
        **{"0.weight": np.zeros((4, 3, 3, 3), np.float32), "0.bias": np.zeros(4, np.float32)},
    )
    with pytest.raises(ConfigError, match="no PDN's"):
        teachers.read(tmp_path / "other.npz")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of MobileNetV2's weights that nobody has trained."""
    keras.utils.set_random_seed(4)
    path = tmp_path_factory.mktemp("weights") / "random.weights.h5"
    applications.whole("mobilenet_v2", INTO, None).save_weights(path)
    return path


@pytest.mark.filterwarnings("default")  # h5py and TensorFlow warn of their own affairs
def test_the_commands_make_a_teacher_and_a_judge_of_it(
    surfaces: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    teacher = tmp_path / "teacher.npz"
    words = f"teacher distil --images {surfaces} --weights {weights} --steps 2 --out {teacher}"
    assert main(words.split()) == 0
    assert "variance explained" in capsys.readouterr().out
    assert teachers.read(teacher).about["distilled from"] == "mobilenet_v2"
    out = tmp_path / "models" / "surface"
    same = f"train {surfaces} --kind anomaly --out {out} --allow-leak --size 96x96"
    assert main([*same.split(), *f"--method efficientad --teacher {teacher} --steps 2".split()]) == 0
    assert "the limit is a guess" in capsys.readouterr().out
    assert not (out / ".training" / "efficientad.npz").exists()
    assert main([*same.split(), *f"--weights {weights} --memory 50 --tile 64x96 --overlap 32".split()]) == 0
    assert "2 tiles of 64x96" in capsys.readouterr().out
    first, second = (bundle.load(out / str(version)).manifest for version in (1, 2))
    assert first.recipe["teacher"]["sha256"] == teachers.read(teacher).digest
    assert second.recipe["network"]["memory"] == 50
    assert second.recipe["tiles"]["lefts"] == [0, 32]
    assert {first.kind, second.kind} == {"anomaly"}
    assert min(one.metrics["training_seconds"] for one in (first, second)) > 0  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--overlap 32", "without --tile"),
        ("--tile 60x64", "multiples of 32"),
        ("--tile 128x64", "larger than the picture"),
        ("--tile 64x64 --overlap 40", "leave nothing new"),
        ("--tile 64x64 --overlap 16 --method efficientad --teacher {teacher}", "that none describes"),
    ],
)
def test_tiles_that_do_not_fit_are_told_in_a_line(
    words: str, said: str, surfaces: Path, teacher: Teacher, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    teachers.write(tmp_path / "teacher.npz", teacher)
    words = words.format(teacher=tmp_path / "teacher.npz")
    flags = f"train {surfaces} --kind anomaly --out {tmp_path / 'models'} --size 96x96 {words}"
    assert main(flags.split()) == 2
    assert said in capsys.readouterr().err


def test_a_distillation_goes_on_and_ends_the_same(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distilling, "_KEPT_EVERY", 1)
    rng = np.random.default_rng(0)
    shown = rng.integers(0, 256, (10, 2 * distilling.SIDE, 2 * distilling.SIDE, 3), np.uint8)
    settings = distilling.Settings(source=weights, steps=3, batch=1)
    steps: list[int] = []

    def told(_doing: str, done: int, _total: int) -> None:
        steps.append(done)
        if steps == [1, 2]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        distilling.distil(settings, shown, tmp_path / "kept.npz", told)
    torn, _ = distilling.distil(settings, shown, tmp_path / "kept.npz", told)
    assert steps == [1, 2, 2, 3]  # what was kept last is step 1: the second was never told of as kept
    straight, _ = distilling.distil(settings, shown, tmp_path / "other.npz", lambda *_: None)
    for one, other in zip(torn.convolutions, straight.convolutions, strict=True):
        np.testing.assert_allclose(one[0], other[0], atol=1e-5)


async def kept(folder: Path) -> None:
    """Record parts that an operator called OK, each lying a little otherwise; the first shows no part at all."""
    rng = np.random.default_rng(6)
    async with Images(folder / "images") as images, open_journal(folder) as journal:
        for number in range(24):
            picture = np.full((128, 160, 3), 60, np.uint8)
            if number:
                x, y = (int(one) for one in rng.integers(-5, 6, 2))
                cv2.rectangle(picture, (40 + x, 30 + y), (120 + x, 98 + y), (200, 200, 200), -1)
                cv2.circle(picture, (64 + x, 52 + y), 9, (90, 90, 90), -1)
            picture += rng.integers(0, 12, picture.shape, np.uint8)
            image = await images.put(cv2.imencode(".png", picture)[1].tobytes())
            one = Decision(
                id=f"{number + 1:032x}",
                line="a",
                goal=Goal.REPLACE,
                stage=Stage.SHADOW,
                part=f"s{number}",
                operator=Verdict.OK,
                final=Verdict.OK,
                origin=Origin.OPERATOR,
                views=(ViewDecision(name="top", image=image, final=Verdict.OK),),
                event_at=1.7e9 + number,
            )
            await journal.commit(one, [])
        await images.flush()


@pytest.mark.timeout(180)
@pytest.mark.filterwarnings("default")  # h5py and TensorFlow warn of their own affairs
def test_it_learns_from_a_journal_and_registers_loose_parts(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be registered is left out, before copies are sought among the others."""
    asyncio.run(kept(tmp_path / "var"))
    second = next(
        path for path in items.read(tmp_path / "var", Choice(good_only=True)).items if path.group == "s1"
    )
    golden, out = tmp_path / "golden.png", tmp_path / "models" / "loose"
    golden.write_bytes(second.path.read_bytes())
    words = f"train {tmp_path}/var --kind anomaly --weights {weights} --memory 50 --size 96x96 --out {out}"
    words += f" --roi 80,64,90,76 --register {golden} --motion shift"
    status = main(words.split())
    said = capsys.readouterr()
    if status:  # all parts look alike, and the search for copies may say so
        assert "copies" in said.err
        assert main([*words.split(), "--allow-leak"]) == 0
        said = capsys.readouterr()
    assert "1 of 24 pictures is left out" in said.out
    made = bundle.load(out / "1").manifest
    assert made.registration["*"].motion == "shift"
    assert made.roi["*"].w == 90
    learnt = made.recipe["data"]
    assert isinstance(learnt, dict)
    assert learnt["train"] + learnt["validation"] + learnt["held-out"] == 23


def test_every_flag_of_train_is_of_one_kind_or_of_all(capsys: pytest.CaptureFixture[str]) -> None:
    """A new flag is either taken by every kind or named among those that mean nothing to one."""
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    said = set(re.findall(r"(?m)^  (--[a-z][a-z0-9-]*)", capsys.readouterr().out))
    common = """--ok --groups --parts --views --labels --split --validation --hold-out --seed --allow-leak --out
        --kind --name --backbone --weights --roi --roi-of --look-of --margin --register --motion
        --least-correlation --largest-shift --largest-turn --size --colour --hot --smallest-box --largest-box
        --most-boxes --precision --int8-loss"""
    own = (train_anomaly.FLAGS, train_anomaly.FOR_CLASSIFIERS, train_detector.FLAGS)
    apart = (set(common.split()), *map(set, own))
    assert set.union(*apart) == said
    assert sum(map(len, apart)) == len(said)


@pytest.mark.parametrize(
    ("flags", "what"),
    [
        ("--head gap", "--head: means nothing to --kind anomaly"),
        ("--epochs 30", "--epochs: means nothing to --kind anomaly"),
        ("--any-angle", "--any-angle: means nothing to --kind anomaly"),
        ("--from models/pins", "--from: means nothing to --kind anomaly"),
        ("--method efficientad --depth middle", "--depth: means nothing to --method efficientad"),
        ("--teacher x.npz", "--teacher: means nothing to --method patchcore"),
        ("--method efficientad", "--teacher: is missing"),
        ("--weights none", "places look alike"),
        ("--backbone small", "cannot describe places"),
    ],
)
def test_what_cannot_work_is_one_line_at_once(
    surfaces: Path, flags: str, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(surfaces), "--kind", "anomaly", *flags.split()]) == 2
    said = capsys.readouterr()
    assert what in said.err
    assert not said.out
