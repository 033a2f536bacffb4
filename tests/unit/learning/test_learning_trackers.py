"""Trackers: figures of each epoch in files on this machine, or one line that says what to install."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from bridge.errors import ConfigError
from bridge.learning import trackers
from bridge.learning.settings import Progress, Settings

pytestmark = [
    pytest.mark.learning,
    pytest.mark.filterwarnings("default"),  # TensorBoard warns of its own affairs
]


def test_tensorboard_reads_what_was_noted(tmp_path: Path) -> None:
    """Its own reader finds each epoch under its number."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: PLC0415 - heavy

    with trackers.opened("tensorboard", tmp_path, "pins-0", Settings()) as note:
        for epoch in (1, 2, 3):
            note(Progress(epoch=epoch, loss=1 / epoch, auc=0.5 + epoch / 10))
    read = EventAccumulator(str(tmp_path / "pins-0"))
    read.Reload()
    assert [(one.step, round(one.value, 4)) for one in read.Scalars("auc")] == [(1, 0.6), (2, 0.7), (3, 0.8)]
    assert read.Scalars("loss")[-1].value == pytest.approx(1 / 3)


@pytest.mark.parametrize(("kind", "module"), [("tensorboard", "tensorboard"), ("wandb", "wandb")])
def test_a_missing_one_is_one_line(
    kind: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is trained."""
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with (
        pytest.raises(ConfigError, match=f"write pip install {module}") as caught,
        trackers.opened(kind, tmp_path, "run", Settings()),
    ):
        pytest.fail("it is not there")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_without_one_nothing_is_written(tmp_path: Path) -> None:
    with trackers.opened(None, tmp_path, "run", Settings()) as note:
        note(Progress(epoch=1))
    assert not list(tmp_path.iterdir())


def test_weights_and_biases_hears_each_epoch_and_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Offline, in the folder that was named, without what it would find out about the machine."""
    logged: list[tuple[int, dict[str, float]]] = []
    begun: dict[str, object] = {}
    ended: list[bool] = []
    run = SimpleNamespace(
        log=lambda figures, step: logged.append((step, dict(figures))), finish=lambda: ended.append(True)
    )

    def init(**given: object) -> SimpleNamespace:
        begun.update(given)
        return run

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init, Settings=SimpleNamespace))

    def interrupted() -> None:
        with trackers.opened("wandb", tmp_path / "runs", "pins-0", Settings()) as note:
            for epoch in (1, 2):
                note(Progress(epoch=epoch, loss=1 / epoch, auc=0.5 + epoch / 10))
            assert not ended
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert ended == [True], "an interrupted training leaves a run that can be synced"
    assert [(step, figures["loss"], figures["auc"]) for step, figures in logged] == [(1, 1.0, 0.6), (2, 0.5, 0.7)]
    assert (begun["name"], begun["mode"], begun["dir"]) == ("pins-0", "offline", str(tmp_path / "runs"))
    assert begun["config"]["backbone"] == "small"  # type: ignore[index]  # a dictionary
    settings = begun["settings"]
    assert settings.disable_git  # type: ignore[attr-defined]  # the stand-in's
    assert settings.x_disable_meta  # type: ignore[attr-defined]  # same


def test_the_real_package_writes_a_run_on_this_machine_only(tmp_path: Path) -> None:
    """Where it is installed: it is no dependency of ours."""
    pytest.importorskip("wandb")
    with trackers.opened("wandb", tmp_path, "pins-0", Settings()) as note:
        note(Progress(epoch=1, loss=0.5, auc=0.75))
    (kept,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    assert b"best_auc" in kept.read_bytes()
