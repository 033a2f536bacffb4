"""Heat maps of a trained bundle: the line and Keras' gradient agree on real files, at any layer."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("keras")

from bridge.cli.main import main
from bridge.errors import ConfigError
from bridge.judging import bundle
from bridge.judging.bundle import Bundle
from bridge.learning import cam, depth, overlay, seeing
from bridge.learning.data import Choice, Item, items

pytestmark = [pytest.mark.learning, pytest.mark.timeout(180), pytest.mark.filterwarnings("default")]


def drawn(folder: Path, count: int, seed: int) -> None:
    """Plates on a jig; every second one has a dark notch somewhere."""
    rng = np.random.default_rng(seed)
    for index in range(count):
        image = rng.normal(150, 6, (72, 96, 3))
        image[:, :14] = 40  # the jig, outside of the region
        label = "notched" if index % 2 else "ok"
        mask = np.zeros((72, 96), np.uint8)
        if index % 2:
            x, y = rng.integers((24, 8), (78, 54))
            image[y : y + 8, x : x + 8] -= 80
            mask[y : y + 8, x : x + 8] = 255
        for path, picture in (
            (folder / label / f"{index:03d}.png", image),
            (folder / "ground_truth" / label / f"{index:03d}_mask.png", mask),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), np.clip(picture, 0, 255).astype(np.uint8))
    for path in (folder / "ground_truth" / "ok").iterdir():
        path.unlink()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Path]:
    """A bundle as the command writes it, with the head that judges places."""
    home = tmp_path_factory.mktemp("depth")
    drawn(home / "set", 80, 0)
    words = ["--size", "64x48", "--roi", "56,36,76,70", "--backbone", "small", "--head", "local", "--epochs", "4"]
    assert main(["train", str(home / "set"), *words, "--out", str(home / "plates")]) == 0
    return bundle.load(home / "plates/1"), home / "set"


def some(model: Bundle, where: Path) -> tuple[Item, ...]:
    return items.read(where, Choice(classes=model.manifest.classes)).items[:24]


def test_the_line_shows_what_keras_differentiates_on_real_files(trained: tuple[Bundle, Path]) -> None:
    """From the file to p(OK), map and boxes: the line's decoder, engine and closed form, and Keras' gradient."""
    model, where = trained
    line = seeing.seen(model, some(model, where))
    keras = depth.seen(model, cam.LAST, some(model, where))
    for one, other in zip(line, keras, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-3)
        assert (one.label, one.verdict) == (other.label, other.verdict)
        assert one.heat is not None
        assert other.heat is not None
        assert one.heat.corners == other.heat.corners
        assert np.abs(overlay.grid(one.heat) - overlay.grid(other.heat)).max() <= 0.01
        assert len(one.boxes) == len(other.boxes)


def test_finer_layers_are_drawn_beside_the_last(
    trained: tuple[Bundle, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One command; each layer is a column with its own figures."""
    model, where = trained
    from bridge.learning import transfer  # noqa: PLC0415 - after keras is known to be there

    finer = next(name for name in cam.layers(transfer.network(model)) if name.endswith("relu"))
    words = [str(model.folder), str(where), "--layers", "last", finer, "--out", str(tmp_path), "--most", "6"]
    assert main(["cam", *words]) == 0
    said = capsys.readouterr().out
    assert "last: of 40 pictures with a drawn defect" in said
    assert f"{finer}: of 40 pictures with a drawn defect" in said
    assert (tmp_path / "cam.html").is_file()
    rows = depth.seen(model, finer, some(model, where))
    assert rows[0].heat is not None
    assert rows[0].heat.rows > seeing.seen(model, some(model, where))[0].heat.rows  # type: ignore[union-attr]  # asked


def test_a_layer_that_is_not_there_is_one_line(trained: tuple[Bundle, Path]) -> None:
    """With names to choose from."""
    model, where = trained
    with pytest.raises(ConfigError, match=r"block5_conv3.*no such layer.*write for instance"):
        depth.seen(model, "block5_conv3", some(model, where))
