"""Models trained elsewhere: what is said of one is held against a real inference; a mistake is one clear line."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import onnx_models
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto

from bridge.cli.main import main
from bridge.errors import ConfigError
from bridge.judging import bundle
from bridge.judging.bundle import ModelClass
from bridge.judging.spec import Input
from bridge.learning import importing
from bridge.learning.importing import Wanted, outside, reading
from bridge.messages import Verdict
from bridge.simulate.factory import DEMO_BUNDLE

INTO = Input(width=16, height=16)
CLASSES = (ModelClass(name="lit", verdict=Verdict.OK), ModelClass(name="dark", verdict=Verdict.NG))
WORDS = (
    *("--classes", "lit=OK", "dark=NG", "--size", "16x16", "--normalise", "0..1"),
    *("--output", "logits", "--threshold", "0.5"),
)


def wanted(model: Path, **said: object) -> Wanted:
    normalisation = importing.normalisation("0..1", INTO)
    facts: dict[str, object] = {
        "classes": CLASSES,
        "into": INTO,
        "normalisation": normalisation,
        "output": "logits",
    }
    return Wanted(model=model, **{**facts, **said})  # type: ignore[arg-type]  # as each test says it


def grey(path: Path, level: int, size: int = 40) -> Path:
    cv2.imwrite(str(path), np.full((size, size + 3, 3), level, np.uint8))
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return onnx_models.save(onnx_models.brightness(), tmp_path / "their.onnx")


def test_a_users_onnx_becomes_a_bundle_that_runs_and_proves_itself(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Import, show and verify, each in one command, through the worker of the line."""
    monkeypatch.chdir(tmp_path)
    bad = [str(grey(tmp_path / f"bad{level}.png", level)) for level in (0, 60)]
    assert main(["bundle", "import", str(model), "--name", "lamp", *WORDS, "--golden", *bad]) == 0
    said = capsys.readouterr().out
    assert "written: lamp 1 " in said
    assert "it runs here: " in said
    made = bundle.load(tmp_path / "models" / "lamp" / "live")
    assert [one.file for one in made.manifest.golden] == ["golden-1.png", "golden-2.png"]
    assert made.manifest.recipe["form"] == "onnx"
    assert "p(OK) of one view = p(lit)" in made.manifest.score
    assert main(["bundle", "verify", "models/lamp"]) == 0
    assert "rejects known bad: 2 pictures" in capsys.readouterr().out
    assert main(["bundle", "show", "models/lamp"]) == 0
    shown = capsys.readouterr().out
    for words in (
        made.identity,
        "OK: lit; NG: dark",
        "16 x 16 rgb",
        "2 pictures of bad parts",
        "imported: their.onnx",
    ):
        assert words in shown
    assert main(["bundle", "import", str(model), "--name", "lamp", *WORDS]) == 0
    assert "carries no picture of a bad part" in capsys.readouterr().out
    assert (tmp_path / "models" / "lamp" / "live").resolve().name == "1", "a person switches to a later version"


def test_one_that_lets_a_known_bad_part_pass_is_not_written(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bright = grey(tmp_path / "bad.png", 240)
    words = ["bundle", "import", str(model), "--name", "lamp", *WORDS, "--golden", str(bright)]
    assert main([*words, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("golden-1.png: is known to be bad and would pass: p(OK) 0.9")
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_changed_file_is_found_by_show_and_verify(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "lamp"
    assert main(["bundle", "import", str(model), "--name", "lamp", *WORDS, "--out", str(out)]) == 0
    with (out / "1" / "model.bin").open("ab") as file:
        file.write(b"!")
    capsys.readouterr()
    for action in ("show", "verify"):
        assert main(["bundle", action, str(out)]) == 2
        assert "its SHA-256 differs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        (("batch", 3, 16, 16), {}),
        (("batch", 16, 16, 3), {}),
        (("batch", 3, "h", "w"), {}),
        ((1, 3, 16, 16), {}),
        (("batch", "a", "b", "c"), {"layout": "nchw"}),
        (("batch", "a", "b", "c"), {"layout": "nhwc"}),
    ],
)
def test_either_order_of_axes_and_any_batch(
    tmp_path: Path, shape: tuple[int | str, ...], said: dict[str, str]
) -> None:
    """The batch is freed where the graph allows it, whatever the exporter wrote."""
    path = onnx_models.save(onnx_models.brightness(shape), tmp_path / "m.onnx")
    graph = importing.read(wanted(path, **said)).graph
    sizes = [str(one) for one in graph.input().get_partial_shape()]
    assert sizes[0] == "1..8"
    assert sorted(sizes[1:]) == ["16", "16", "3"]
    assert (sizes[1] == "3") == (shape[1] == 3 or said.get("layout") == "nchw")


def test_an_openvino_model_is_taken_as_it_is() -> None:
    """The model of one's own bundle, for instance, under another name or threshold."""
    demo = bundle.load(DEMO_BUNDLE)
    shown = demo.manifest
    said = Wanted(
        model=demo.model,
        classes=shown.classes,
        into=shown.input,
        normalisation=shown.normalisation,
        output="logits",
    )
    found = importing.read(said)
    assert found.facts["form"] == "ir"
    assert not found.remarks


def test_a_single_number_stands_for_the_second_class(tmp_path: Path) -> None:
    """As Keras and scikit-learn end a network for two classes; logit or probability."""
    for end, output in (("", "logits"), ("Sigmoid", "probabilities")):
        model = onnx_models.brightness(outputs=1, end=end)
        found = importing.read(wanted(onnx_models.save(model, tmp_path / "m.onnx"), output=output))
        assert found.graph.output().get_partial_shape()[1].get_length() == 2
        assert found.remarks == ("its one number is taken for dark, the second of the classes",)


def test_half_precision_and_a_further_output_are_no_hindrance(tmp_path: Path) -> None:
    half = onnx_models.save(onnx_models.brightness(kind=TensorProto.FLOAT16), tmp_path / "half.onnx")
    assert importing.read(wanted(half)).graph.input().get_element_type().get_type_name() == "f32"
    several = onnx_models.save(onnx_models.two_outputs(), tmp_path / "several.onnx")
    assert len(importing.read(wanted(several, tensor="said")).graph.outputs) == 1
    with pytest.raises(ConfigError, match="has the outputs mean, said; write --tensor"):
        importing.read(wanted(several))


def test_weights_beside_the_model_come_along(tmp_path: Path) -> None:
    path = onnx_models.save(onnx_models.with_weights_in("weights.bin"), tmp_path / "m.onnx")
    (tmp_path / "weights.bin").write_bytes(np.float32([8, -8]).tobytes())
    before = importing.read(wanted(path)).facts
    (tmp_path / "weights.bin").write_bytes(np.float32([9, -9]).tobytes())
    assert importing.read(wanted(path)).facts["sha256"] != before["sha256"]


@pytest.mark.parametrize("location", ["../secret.bin", "sub/../../secret.bin", "{absolute}", "link.bin"])
@pytest.mark.parametrize("make", [onnx_models.with_weights_in, onnx_models.hidden_in_a_branch])
def test_nothing_outside_the_models_folder_is_read(tmp_path: Path, location: str, make: object) -> None:
    """Neither by a path that climbs, nor an absolute one, nor a link, nor from deep inside the graph."""
    secret = tmp_path / "secret.bin"
    secret.write_bytes(b"12345678")
    place = location.format(absolute=secret)
    path = onnx_models.save(make(place), tmp_path / "model" / "m.onnx")  # type: ignore[operator]  # one of the two
    (path.parent / "sub").mkdir()
    (path.parent / "link.bin").symlink_to(secret)
    with pytest.raises(ConfigError, match="outside its own folder"):
        importing.read(wanted(path))


def test_mistakes_are_one_line_that_says_what_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is wrong with a model, or with what was said of it."""

    def saved(name: str, **said: object) -> Path:
        return onnx_models.save(onnx_models.brightness(**said), tmp_path / name)  # type: ignore[arg-type]

    plain = saved("plain.onnx")
    (tmp_path / "damaged.onnx").write_bytes(plain.read_bytes()[:200])
    (tmp_path / "empty.onnx").touch()
    (tmp_path / "m.pt").write_bytes(b"PK")
    (tmp_path / "m.xml").write_text("<net/>")
    (tmp_path / "folder").mkdir()
    three = (*CLASSES, ModelClass(name="odd", verdict=Verdict.NG))
    for one, words in (
        (wanted(tmp_path / "nowhere.onnx"), "is no file; write an ONNX file"),
        (wanted(tmp_path / "folder"), "holds no saved_model.pb"),
        (wanted(tmp_path / "damaged.onnx"), "is no ONNX file, or a damaged one"),
        (wanted(tmp_path / "empty.onnx"), "is no ONNX file"),
        (wanted(tmp_path / "m.pt"), "torch.onnx.export"),
        (wanted(tmp_path / "m.xml"), "needs m.bin beside it"),
        (
            wanted(plain, into=Input(width=16, height=20)),
            r"its input is \[\?, 3, 16, 16\], which does not take 16x20",
        ),
        (wanted(plain, into=Input(width=16, height=16, colour="gray")), "does not take 16x16 in gray"),
        (wanted(plain, layout="nhwc"), "does not take 16x16 in rgb"),
        (wanted(saved("any.onnx", shape=("b", "a", "b", "c"))), "write --layout nhwc or nchw"),
        (wanted(plain, classes=three), "has 2 outputs where --classes names 3"),
        (wanted(plain, tensor="scores"), "has the outputs said; write --tensor"),
        (wanted(plain, output="probabilities"), "is no probability; write --output logits"),
        (wanted(saved("soft.onnx", end="Softmax")), "adds up to 1; write --output probabilities"),
        (wanted(saved("label.onnx", end="ArgMax")), "answers with the number of a class"),
        (wanted(saved("one.onnx", flat=(1, 2))), "free batch"),
        (wanted(saved("wild.onnx", end="Log")), "not finite"),
    ):
        with pytest.raises(ConfigError, match=words) as caught:
            importing.read(one)
        assert "\n" not in str(caught.value)
    monkeypatch.setattr(reading, "LARGEST_BYTES", 100)
    with pytest.raises(ConfigError, match=r"takes 0\.0 GB; import a model of up to"):
        importing.read(wanted(plain))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("--classes", "lit", "dark=NG"), "--classes lit: is no class; write NAME=OK or NAME=NG"),
        (("--classes", "lit=OK", "dark=OK"), "there must be a class called OK and a class called NG"),
        (("--normalise", "sometimes"), "--normalise sometimes: is no normalisation; write imagenet"),
        (("--threshold", "0"), "--threshold: Input should be greater than 0"),
        (("--roi", "1,2"), "--roi 1,2: is no box"),
        (("--golden", "nowhere.png"), "--golden nowhere.png: is no file"),
        (("--name", "my lamp"), "--name: "),
    ],
)
def test_a_wrong_word_on_the_command_line_is_one_line(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: tuple[str, ...], words: str
) -> None:
    command = ["bundle", "import", str(model), "--name", "lamp", *WORDS, "--out", str(tmp_path / "out"), *change]
    assert main(command) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("size", ["16", "0x16", "16x8193"])
def test_a_size_that_no_manifest_takes_is_one_line(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bundle", "import", "lamp.onnx", "--name", "lamp", *WORDS, "--size", size])
    said = capsys.readouterr().err
    assert f"{size!r} is no size; write width x height, each from 1 to 8192" in said
    assert said.count("\n") == 1


def test_normalisations_by_name_and_number() -> None:
    """Three numbers follow the channels' order, and a value that begins with a dash is no flag."""
    bgr, gray = Input(width=1, height=1, colour="bgr"), Input(width=1, height=1, colour="gray")
    assert importing.normalisation("caffe", bgr).mean == (103.939, 116.779, 123.68)
    assert importing.normalisation("imagenet", INTO).std == (0.229, 0.224, 0.225)
    assert importing.normalisation("2,1,4", gray).std == (4,)
    assert importing.normalisation("1,1,2,3,4,5,6", INTO).mean == (1, 2, 3)
    for text, into in (
        ("imagenet", gray),
        ("1,2", INTO),
        ("0,1,1", INTO),
        ("1,0,0", INTO),
        ("1,nan,1", INTO),
        ("", INTO),
    ):
        with pytest.raises(ConfigError):
            importing.normalisation(text, into)


def test_the_scale_with_a_dash_needs_no_equals_sign(model: Path, tmp_path: Path) -> None:
    command = [
        "bundle",
        "import",
        str(model),
        "--name",
        "lamp",
        *WORDS,
        "--out",
        str(tmp_path),
        "--normalise",
        "-1..1",
    ]
    assert main(command) == 0
    assert json.loads((tmp_path / "1" / "manifest.json").read_text())["normalisation"]["mean"] == [1.0]


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_of_onnx_fail_otherwise(content: bytes) -> None:
    """Whatever a file holds, it is an ONNX file or one clear line."""
    data = memoryview(content)
    try:
        list(outside._walk(data, "model", 0))
    except (ValueError, IndexError):
        return


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_no_flipped_byte_lets_a_path_out(place: int, byte: int) -> None:
    """A spoilt model is refused or names the same file; it is never read as something worse than it is."""
    raw = bytearray(onnx_models.with_weights_in("weights.bin").SerializeToString())
    raw[place % len(raw)] = byte
    try:
        found = list(outside._walk(memoryview(bytes(raw)), "model", 0))
    except (ValueError, IndexError):
        return
    assert len(found) <= 1
