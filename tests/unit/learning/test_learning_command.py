"""``aoi-bridge train`` before anything is trained: its words, and one line where something is missing."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest

from bridge.cli import train
from bridge.cli.main import main


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    train.options(parser)
    return parser.parse_args(["set", "--ok", "good", *words])


def test_sizes_and_regions_are_written_as_people_write_them() -> None:
    """Width first, centre first, in pixels."""
    args = parse("--size", "106x210", "--roi", "150,148.5,200,180", "top=10,10,20,20")
    assert args.size == (106, 210)
    assert args.roi == ["150,148.5,200,180", "top=10,10,20,20"]


def test_several_classes_may_be_ok() -> None:
    """All others are NG."""
    assert parse("--epochs", "3").ok == ["good"]
    assert parse("--ok", "good", "scratched").ok == ["good", "scratched"]


@pytest.mark.parametrize(
    ("words", "write"),
    [
        (["--size", "128"], "width x height"),
        (["--size", "8x128"], "from 16 to 8192"),
        (["--size", "9000x128"], "from 16 to 8192"),
        (["--epochs", "0"], "a whole number from 1"),
        (["--rate", "1"], "below 1"),
        (["--escapes", "1.5"], "from 0 to 1"),
        (["--backbone", "vgg"], "vgg16"),
        (["--validation", "-0.1"], "from 0 to 1"),
        (["--hold-out", "1"], "below 1"),
    ],
)
def test_a_wrong_value_says_what_to_write(words: list[str], write: str) -> None:
    """Mistakes are found before the first picture is read."""
    with pytest.raises(argparse.ArgumentError, match=write):
        parse(*words)


def test_without_the_train_extra_one_line_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The core install carries no TensorFlow, and says how to get it."""
    for name in [
        name for name in sys.modules if name.split(".")[0] == "keras" or name.startswith("bridge.learning")
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "keras", None)
    (tmp_path / "good").mkdir()
    assert main(["train", str(tmp_path), "--ok", "good"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "pip install 'aoi-bridge[train]'" in said
