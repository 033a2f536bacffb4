"""``aoi-bridge train`` from pictures to bundles: one command, and one to go on from what it made."""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from toys import CLASSES, INTO, marked, pretrained

from bridge.cli import outlet, teaching
from bridge.cli.main import main
from bridge.errors import ConfigError
from bridge.judging import bundle, preprocess
from bridge.judging.bundle import MANIFEST
from bridge.judging.spec import HeatMapOutput
from bridge.learning import measuring, networks, seen, transfer
from bridge.learning.data import pictures
from bridge.learning.heads import Kind
from bridge.learning.networks import stored

pytestmark = [
    pytest.mark.learning,
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("default"),  # TensorFlow and h5py warn of their own affairs
]


def written(folder: Path, count: int, seed: int) -> Path:
    """Write a toy set as class folders."""
    made = marked(count, seed)
    for index, picture in enumerate(made.pictures):
        path = folder / CLASSES[made.labels[index]].name / f"g{seed}x{index}_.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), picture)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder after one training from nothing."""
    folder = tmp_path_factory.mktemp("trained")
    written(folder / "train", 80, 5)
    out = folder / "models" / "toy"
    words = f"train {folder}/train --ok plain --out {out} --size 32x32 --colour gray --epochs 2 --batch 16"
    assert main([*words.split(), "--hot", "0.7", "--most-boxes", "2"]) == 0
    return out


def test_the_names_of_the_help_are_those_there_are() -> None:
    """They stand there once more because the help must not wait for Keras."""
    assert [*networks.Backbone] == [*teaching.BACKBONES]
    assert [*Kind] == [*teaching.HEADS]


def test_the_command_trains_measures_and_cleans_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One command from folders to a live bundle and its figures in counts."""
    written(tmp_path / "train", 40, 5)
    written(tmp_path / "test", 12, 4)
    out = tmp_path / "models" / "toy"
    words = f"train {tmp_path}/train --ok plain --out {out} --size 32x32 --colour gray --epochs 1"
    assert main([*words.split(), "--test", f"{tmp_path}/test", "--groups", "(?P<group>g[0-9x]+)_"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"everything, epoch 1: loss [0-9.]+, AUC", said)
    assert "of 6 good" in said
    assert "test, mean per group" in said
    assert sorted(path.name for path in out.iterdir()) == ["1", "live"]


def test_the_recipe_says_all_of_it(models: Path) -> None:
    """Whoever signs the report can build the same judge again."""
    made = bundle.load(models / "1").manifest
    recipe = made.recipe
    assert made.metrics["training_seconds"] >= round(recipe["epochs"]["seconds"], 1)
    assert recipe["network"] == {"backbone": "small", "head": "avgmax", "tta": 1}
    assert recipe["weights"] == {"source": "none", "sha256": "none"}
    assert recipe["split"] == {
        "ok": ["plain"],
        "labels": "",
        "seed": 0,
        "validation": 0.2,
        "held_out": 0.25,
        "own": True,
        "groups": [],
        "parts": "",
        "views": "",
        "leak_allowed": False,
    }
    assert recipe["data"]["pictures"] == {"marked": 40, "plain": 40}
    assert recipe["data"]["train"] + recipe["data"]["validation"] + recipe["data"]["held-out"] == 80
    assert recipe["phases"][0] == {
        "learns": "everything",
        "epochs": 2,
        "patience": 8,
        "rate": 3e-3,
        "momentum": 0.9,
    }
    assert recipe["augmentation"]["brightness_levels"] == 36
    assert json.loads(json.dumps(recipe)) == recipe


def test_a_bundle_keeps_what_copies_of_its_training_pictures_are_known_by(models: Path) -> None:
    """And of no others."""
    made = bundle.load(models / "1")
    past = seen.read(made.folder)
    assert len(past.prints) == len(past.train)
    assert {group for _, group in past.prints} == {group for _, group in past.train}


def test_a_bundle_takes_its_network_along(models: Path) -> None:
    """Rebuilt without the old work folder it says what the line's graph says, and is cut at its last block."""
    made = bundle.load(models / "1")
    net = transfer.network(made)
    fresh = marked(20, 9)
    shown = preprocess.normalise(fresh.pictures, net.normalisation)
    powers = np.exp(np.asarray(net.whole(shown, training=False)) / made.manifest.temperature)
    assert np.allclose(powers[:, 1] / powers.sum(axis=1), measuring.scores(made, fresh.pictures), atol=1e-3)
    assert net.lower is not None


def test_it_goes_on_from_a_bundle(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A few pictures of a new line: same look and classes, the last block learns, the parent is named."""
    written(tmp_path / "new", 24, 6)
    words = f"train {tmp_path}/new --ok plain --from {models}@live --fine-epochs 1 --copies 2 --hold-out 0"
    assert main([*words.split(), "--out", str(tmp_path / "line-2"), "--largest-box", "0.5"]) == 0
    said = capsys.readouterr().out
    assert "last block and head, epoch 1" in said
    parent, made = bundle.load(models / "1"), bundle.load(tmp_path / "line-2" / "1")
    assert made.manifest.parent == parent.identity
    assert made.manifest.input == parent.manifest.input == INTO
    assert made.manifest.name == "toy"
    boxes = HeatMapOutput(layer="last", peak_share=0.7, most_boxes=2)
    assert parent.manifest.heat_map == boxes
    assert made.manifest.heat_map == replace(boxes, largest_share=0.5)
    assert seen.read(parent.folder).hashes < seen.read(made.folder).hashes
    before, after = (stored.arrays(transfer.network(one)) for one in (parent, made))
    lower = stored.arrays(transfer.network(made), (stored.LOWER,))
    assert all(np.array_equal(before[name], after[name]) for name in lower)


def test_several_looks_are_part_of_the_bundle(tmp_path: Path) -> None:
    """The line scores a mirrored picture alike, in 8 bits too; a bundle that goes on from it looks as often."""
    written(tmp_path / "old", 24, 6)
    words = "--ok plain --size 32x32 --colour gray --epochs 1 --allow-leak"
    looks = "--tta 8 --precision int8 --int8-loss 100"
    assert main(["train", f"{tmp_path}/old", *f"{words} {looks} --out {tmp_path}/models".split()]) == 0
    shown = marked(8, 9).pictures
    more = "--ok plain --fine-epochs 1 --copies 2 --allow-leak"
    assert main(["train", f"{tmp_path}/old", *more.split(), "--from", f"{tmp_path}/models@live"]) == 0
    for version, off in (("1", 1e-4), ("2", 2e-3), ("3", 1e-4)):
        made = bundle.load(tmp_path / "models" / version)
        assert made.manifest.recipe["network"]["tta"] == transfer.network(made).looks == 8
        assert made.manifest.heat_map
        scores = measuring.scores(made, shown)
        assert np.ptp(scores) > 1e-3
        for other in (shown[:, :, ::-1], shown[:, ::-1], np.swapaxes(shown, 1, 2)):
            assert np.allclose(measuring.scores(made, np.ascontiguousarray(other)), scores, atol=off)


def test_what_is_said_of_learning_on_is_done(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the last block stays the head learns for as long as it was told, and copies may be new each time.

    Pictures that the old bundle has learnt from say nothing of the new one.
    """
    words = f"train {models.parent.parent}/train --ok plain --from {models}@live --seed 1 --out {tmp_path}/on"
    words += " --fine-epochs 0 --epochs 1 --copies 0"
    assert main(words.split()) == 0
    said = capsys.readouterr().out
    assert "epoch 1 of 1 is kept" in said
    assert re.search(r"[1-9]\d* of the 16 pictures to validate on are what toy 1 \w+ learnt from", said)
    recipe = bundle.load(tmp_path / "on" / "1").manifest.recipe
    assert recipe["copies"] == 0
    assert [(one["learns"], one["epochs"]) for one in recipe["phases"]] == [("head", 1)]


def test_what_does_not_go_together_with_a_bundle_is_one_line(models: Path, tmp_path: Path) -> None:
    """Each says what to do instead."""
    written(tmp_path / "new", 8, 6)
    (tmp_path / "new" / "rusty").mkdir()
    cv2.imwrite(str(tmp_path / "new" / "rusty" / "1.png"), np.zeros((32, 32), np.uint8))
    old = tmp_path / "old"
    manifest = json.loads((models / "1" / MANIFEST).read_text())
    del manifest["recipe"], manifest["files"][transfer.WEIGHTS]
    old.mkdir()
    for name in manifest["files"]:
        (old / name).write_bytes((models / "1" / name).read_bytes())
    (old / MANIFEST).write_text(json.dumps(manifest))
    torn = written(tmp_path / "test", 8, 7) / "plain" / "torn.png"
    torn.write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    for words, expected in (
        (["--from", f"{models}@live"], "does not know rusty"),
        (["--from", f"{models}@live", "--size", "64x64"], "leave it out beside --from"),
        (["--from", f"{models}@live", "--backbone", "vgg16"], "leave it out beside --from"),
        (["--from", f"{models}@live", "--tta", "2"], "leave it out beside --from"),
        (["--size", "64x32", "--tta", "8"], "64x32 cannot be turned by a quarter; write --tta 4"),
        (["--from", f"{models}@live", "--look-of", f"{models}@live"], "--look-of: is what toy 1"),
        (["--from", str(old)], "holds no weights to go on from"),
        (["--from", f"{models}@9"], "write one of the versions 1"),
        (["--weights", "nowhere.h5"], "there is no file nowhere.h5"),
        (["--augment", "boltt"], "did you mean bolt"),
        (["--name", "../pins"], "is no name of a model"),
        (["--out", f"{tmp_path}/our pins"], "'our pins' is no name of a model; write letters, digits"),
        (["--test", f"{tmp_path}/nowhere", "--allow-leak"], "nowhere: is not there"),
        (["--test", str(torn.parents[1]), "--size", "32x32"], "torn.png: "),
        (["--out", f"{tmp_path}/new/rusty/1.png/models"], "is no folder that this user may write to"),
    ):
        parsed = _run(["train", f"{tmp_path}/new", "--ok", "plain", "--out", f"{tmp_path}/out", *words])
        assert expected in parsed
        assert "\n" not in parsed
    assert not (tmp_path / "out").exists()


def test_good_pictures_alone_teach_a_bundle_nothing(models: Path, tmp_path: Path) -> None:
    """No threshold can be set on them, and that is known before anything is trained."""
    written(tmp_path / "new", 8, 6)
    shutil.rmtree(tmp_path / "new" / "marked")
    said = _run(["train", f"{tmp_path}/new", "--from", f"{models}@live", "--out", f"{tmp_path}/out"])
    assert "holds only good pictures; add bad ones" in said


def test_two_trainings_into_one_folder_do_not_meet(tmp_path: Path) -> None:
    """The second would take the epochs of the first away."""
    written(tmp_path / "set", 8, 6)
    words = ["train", f"{tmp_path}/set", "--ok", "plain", "--out", f"{tmp_path}/pins", "--size", "32x32"]
    with outlet.held(tmp_path / "pins" / ".training"):
        said = _run([*words, "--colour", "gray", "--epochs", "1", "--allow-leak"])
    assert "another command is at work in" in said
    assert not (tmp_path / "pins" / "live").exists()


@pytest.mark.parametrize("flag", ["--method patchcore", "--memory 4000", "--false-calls 0.01", "--steps 5"])
def test_what_only_anomaly_judges_take_is_not_taken_silently(
    flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Even where the value is the one that holds anyway."""
    assert main(["train", "nowhere", *flag.split()]) == 2
    assert (
        capsys.readouterr().err
        == f"{flag.split(maxsplit=1)[0]}: means nothing to --kind classifier; leave it out\n"
    )


@pytest.mark.parametrize("said", ["nan", "-1", "inf", "101"])
def test_points_that_nothing_can_lose(said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Not even by a slip does int8 come out unmeasured."""
    with pytest.raises(SystemExit):
        main(["train", "set", "--int8-loss", said])
    assert "write a number from 0 to 100" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--backbone", "resnext50"], "Keras offers no ImageNet weights of resnext50"),
        (["--weights", "WRONG"], "does not fit small"),
        (["--track", "wandb"], "write pip install wandb"),
    ],
)
def test_what_is_missing_is_told_before_any_picture_is_read(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search for copies takes minutes; whoever starts it should not hear afterwards that it was for nothing."""
    wrong = tmp_path / "wrong.weights.h5"
    wrong.write_bytes(b"no weights")
    monkeypatch.setitem(sys.modules, "wandb", None)
    monkeypatch.setattr(pictures, "read", lambda *_: pytest.fail("pictures are read"))
    written(tmp_path / "set", 8, 6)
    words = [str(wrong) if word == "WRONG" else word for word in words]
    where = ["--ok", "plain", "--out", f"{tmp_path}/pins", "--size", "32x32"]
    assert said in _run(["train", f"{tmp_path}/set", *where, *words])


def _run(words: list[str]) -> str:
    from bridge.cli import train  # noqa: PLC0415 - the command itself, without the line that main() prints
    from bridge.cli.main import _Parser  # noqa: PLC0415 - same

    parser = _Parser()
    train.options(parser)
    with pytest.raises(ConfigError) as caught:
        train.run(parser.parse_args(words[1:]))
    return str(caught.value)


def test_weights_that_are_no_arrays_are_refused(models: Path, tmp_path: Path) -> None:
    """A pickle in disguise is not opened, and a network of another shape is not filled."""
    hidden = tmp_path / "weights.npz"
    np.savez(hidden, allow_pickle=True, evil=np.array([{"a": 1}], object))
    with pytest.raises(ConfigError, match="holds no weights"):
        stored.read(hidden)
    hidden.write_bytes(b"no zip at all")
    with pytest.raises(ConfigError, match="holds no weights"):
        stored.read(hidden)
    net = transfer.network(bundle.load(models / "1"))
    with pytest.raises(ConfigError, match="does not fit the network"):
        stored.fill(net, {"trunk.000.kernel": np.zeros((1, 2), np.float32)}, "here")


def test_a_network_that_is_built_otherwise_today_is_one_line(models: Path, tmp_path: Path) -> None:
    """A head from before heads were standardised, or looks that nobody knows; what to do stands in the line."""
    made = bundle.load(models / "1")
    arrays = stored.read(made.folder / transfer.WEIGHTS)
    kernel, bias = arrays["head.002.kernel"], arrays["head.003.bias"]
    older = {name: one for name, one in arrays.items() if not name.startswith("head.")}
    older |= {"head.000.kernel": kernel, "head.001.bias": bias}
    (tmp_path / transfer.WEIGHTS).write_bytes(stored.encoded(older))
    with pytest.raises(
        ConfigError, match=r"holds head\.000\.kernel .*; train it once more with aoi-bridge train$"
    ):
        transfer.network(replace(made, folder=tmp_path))
    recipe = made.manifest.recipe | {"network": {"backbone": "small", "head": "avgmax", "tta": 16}}
    foreign = replace(made, manifest=made.manifest.model_copy(update={"recipe": recipe}))
    with pytest.raises(ConfigError, match=r"its network is not known here \(16 looks\)"):
        transfer.network(foreign)


def test_phases_follow_from_the_weights(tmp_path: Path) -> None:
    """With weights: a head, then the last block, on ten fixed copies; from nothing: everything, varied anew."""
    from bridge.cli import train  # noqa: PLC0415 - as above
    from bridge.cli.main import _Parser  # noqa: PLC0415 - as above

    file = pretrained(tmp_path / "a.weights.h5")
    parser = _Parser()
    train.options(parser)

    def phases(*words: str) -> tuple[list[str], int, float]:
        args = parser.parse_args(["set", *words])
        settings = teaching.settings(args, args.backbone or "small", args.head or "gap", "none", args.copies)
        return [str(one.learns) for one in settings.phases], settings.copies, settings.phases[0].rate

    assert phases() == (["everything"], 0, 3e-3)
    assert phases("--weights", str(file)) == (["head", "last block and head"], 10, 5e-3)
    assert phases("--weights", str(file), "--fine-epochs", "0", "--copies", "3") == (["head"], 3, 5e-3)
    assert phases("--weights", str(file), "--head", "fc")[2] == 1e-3, "so many weights must move little"
    assert phases("--backbone", "vgg16", "--weights", "none", "--rate", "0.01") == (["everything"], 0, 0.01)
