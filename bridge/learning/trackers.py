"""An experiment tracker, if one is asked for: figures of each epoch, on this machine only.

TensorBoard's files are written by its own package, without TensorFlow. Weights & Biases runs in its offline mode:
nothing leaves the machine until somebody types ``wandb sync``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

from bridge.errors import ConfigError
from bridge.learning.settings import Progress, Settings

Note: TypeAlias = Callable[[Progress], None]
"""Called after each epoch."""

_MODULES = {"tensorboard": "tensorboard.summary.writer.event_file_writer", "wandb": "wandb"}
_ALONE = {"WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"}
"""Read when it is imported: else it reports its own errors to its makers."""
_FIGURES = ("learnt_loss", "loss", "auc", "best_auc", "seconds")


@contextmanager
def opened(kind: str | None, folder: Path, name: str, settings: Settings) -> Iterator[Note]:
    """Yield what notes an epoch; nothing is noted where no tracker is asked for.

    Args:
        kind: ``tensorboard``, ``wandb``, or None.
        folder: where its files go.
        name: of the run.
        settings: told to the tracker once.

    Raises:
        ConfigError: the tracker's package is not installed.
    """
    if kind is None:
        yield lambda _progress: None
    elif kind == "tensorboard":
        with _tensorboard(folder / name) as note:
            yield note
    else:
        with _wandb(folder, name, settings) as note:
            yield note


def check(kind: str | None) -> None:
    """Refuse a tracker that is not there, before anything takes time.

    Raises:
        ConfigError: its package is not installed.
    """
    if kind is not None:
        _package(_MODULES[kind], kind)


@contextmanager
def _tensorboard(folder: Path) -> Iterator[Note]:
    writers = _package(_MODULES["tensorboard"], "tensorboard")
    events = import_module("tensorboard.compat.proto.event_pb2")
    summaries = import_module("tensorboard.compat.proto.summary_pb2")
    folder.mkdir(parents=True, exist_ok=True)
    writer = writers.EventFileWriter(str(folder))

    def note(progress: Progress) -> None:
        values = [summaries.Summary.Value(tag=name, simple_value=one) for name, one in _figures(progress).items()]
        writer.add_event(events.Event(step=progress.epoch, summary=summaries.Summary(value=values)))
        writer.flush()

    try:
        yield note
    finally:
        writer.close()


@contextmanager
def _wandb(folder: Path, name: str, settings: Settings) -> Iterator[Note]:
    wandb = _package(_MODULES["wandb"], "wandb")
    folder.mkdir(parents=True, exist_ok=True)
    how = wandb.Settings(disable_git=True, console="off", x_disable_stats=True, x_disable_meta=True)
    run = wandb.init(
        project="aoi-bridge", name=name, dir=str(folder), mode="offline", config=_plain(settings), settings=how
    )
    try:
        yield lambda progress: run.log(_figures(progress), step=progress.epoch)
    finally:
        run.finish()


def _figures(progress: Progress) -> Mapping[str, float]:
    return {name: float(getattr(progress, name)) for name in _FIGURES}


def _plain(settings: Settings) -> dict[str, Any]:
    return {name: str(one) for name, one in asdict(settings).items()}


def _package(module: str, package: str) -> Any:
    os.environ.update(_ALONE)
    try:
        return import_module(module)
    except ImportError as exc:
        raise ConfigError("--track", f"{package} is not installed", f"write pip install {package}") from exc
