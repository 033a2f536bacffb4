"""From a model's files to a graph: the right frontend, and nothing read that is not the model's own."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from bridge.errors import ConfigError
from bridge.learning.importing import boxes, fitting, outside, trial
from bridge.learning.importing.wanted import Graph, Imported, Wanted

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # else the import looks up a host and sends
import openvino as ov  # noqa: E402 - after the line above
from openvino.frontend import FrontEndManager  # noqa: E402 - same

LARGEST_BYTES: Final = 2_000_000_000
"""Of a model with all its files; a larger one judges no part within a cycle."""
_TORCH = "in PyTorch, write torch.onnx.export(…, 'model.onnx') with a free batch"
_KERAS = "in Keras, write model.export('FOLDER') and import FOLDER"
_OTHERS = {".pt": _TORCH, ".pth": _TORCH, ".keras": _KERAS, ".h5": _KERAS, ".hdf5": _KERAS}


def read(wanted: Wanted) -> Imported:
    """Read and try a model; blocks for seconds.

    Raises:
        ConfigError: it cannot be read, is not what the user says, or cannot run in batches.
    """
    files, form = _files(wanted.model)
    graph, remarks = _fitted(_converted(wanted.model, form), wanted)
    told = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            told.update(hashlib.file_digest(file, "sha256").digest())
    facts = {"imported": wanted.model.name, "form": form, "sha256": told.hexdigest()}
    return Imported(graph=graph, facts=facts, remarks=remarks)


def _fitted(graph: Graph, wanted: Wanted) -> tuple[Graph, tuple[str, ...]]:
    if wanted.detection is not None:
        return boxes.fit(graph, wanted, wanted.detection)
    graph, remarks = fitting.fit(graph, wanted)
    return graph, (*remarks, *trial.hold(graph, wanted))


def _files(model: Path) -> tuple[list[Path], str]:
    """Return all files of a model, and the name of the frontend that reads it.

    Raises:
        ConfigError: no known form, a file that is not the model's own, or too large.
    """
    if model.is_dir():
        files, form = _saved_model(model), "tf"
    elif not model.is_file():
        raise ConfigError(str(model), "is no file", "write an ONNX file, a SavedModel folder or an OpenVINO .xml")
    elif model.suffix.lower() == ".onnx":
        files, form = [model], "onnx"
    elif model.suffix.lower() == ".xml":
        files, form = [model, model.with_suffix(".bin")], "ir"
        if not files[1].is_file():
            raise ConfigError(str(model), f"needs {files[1].name} beside it", "copy both")
    else:
        write = _OTHERS.get(model.suffix.lower(), "export it as ONNX")
        raise ConfigError(str(model), "is neither .onnx, .xml nor a SavedModel folder", write)
    _hold_to_size(model, files)
    if form == "onnx":
        files += outside.check(model)
        _hold_to_size(model, files)
    return files, form


def _saved_model(folder: Path) -> list[Path]:
    if not (folder / "saved_model.pb").is_file():
        raise ConfigError(str(folder), "holds no saved_model.pb", "write the folder that model.export() wrote")
    files = sorted(path for path in folder.rglob("*") if not path.is_dir())
    for path in files:
        if path.is_symlink() or not path.is_file():
            raise ConfigError(str(path), "is no plain file", "copy the whole folder without links")
    return files


def _hold_to_size(model: Path, files: Iterable[Path]) -> None:
    size = sum(path.stat().st_size for path in files)
    if size > LARGEST_BYTES:
        write = f"import a model of up to {LARGEST_BYTES / 1e9:.0f} GB"
        raise ConfigError(str(model), f"takes {size / 1e9:.1f} GB", write)


def _converted(model: Path, form: str) -> Graph:
    """Let the one frontend of this form read it, so that no other guesses at it."""
    try:
        frontend = FrontEndManager().load_by_framework(form)
        return frontend.convert(frontend.load(str(model)))
    except (RuntimeError, UnicodeDecodeError) as exc:
        lines = [line for line in str(exc).splitlines() if line.strip()]
        said = " ".join(lines[-1].split()) if lines else type(exc).__name__
        version = ov.__version__.split("-")[0]
        raise ConfigError(str(model), f"cannot be read by OpenVINO {version} ({said[:200]})") from exc
