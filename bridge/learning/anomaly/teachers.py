"""Where a teacher comes from: distilled from a pretrained backbone, or a file of weights. Nothing is unpickled.

A file of ours is ``.npz``: ``conv1/kernel`` (rows, columns, in, out), ``conv1/bias`` and so on, and ``about``, a
line of JSON. ``.safetensors`` and other ``.npz`` are read as PyTorch leaves them too: ``0.weight`` (out, in,
rows, columns), ``0.bias``, in the order of their numbers.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bridge.durable import replace_bytes
from bridge.errors import ConfigError
from bridge.learning.anomaly import pdn
from bridge.learning.anomaly.pdn import Size
from bridge.learning.networks.trunk import Model

Arrays = Mapping[str, NDArray[np.float32]]
ABOUT: Final = "about"
_BIAS = re.compile(r"(.*?)[./]bias$")
_KERNEL = re.compile(r"(.*?)[./](weight|kernel)$")
_NUMBER = re.compile(r"\d+")
_KERNEL_RANK = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Teacher:
    """A teacher's weights."""

    size: Size
    convolutions: tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]
    """Kernel (rows, columns, in, out) and bias (out,) of each."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """Where it comes from, in JSON values."""

    def built(self, height: int, width: int) -> Model:
        """Return its network, which is never to learn."""
        model = pdn.build(self.size, height, width, name="teacher")
        model.set_weights([one for pair in self.convolutions for one in pair])
        model.trainable = False
        return model

    @property
    def digest(self) -> str:
        """SHA-256 over the weights."""
        told = hashlib.sha256()
        for pair in self.convolutions:
            for one in pair:
                told.update(np.ascontiguousarray(one).data)
        return told.hexdigest()


def write(path: Path, teacher: Teacher) -> None:
    """Write a teacher's file."""
    arrays: dict[str, Any] = {ABOUT: np.array(json.dumps(dict(teacher.about)))}
    for number, (kernel, bias) in enumerate(teacher.convolutions, 1):
        arrays |= {f"conv{number}/kernel": kernel, f"conv{number}/bias": bias}
    packed = io.BytesIO()
    np.savez(packed, **arrays)
    replace_bytes(path, packed.getvalue())


def read(path: Path) -> Teacher:
    """Read a teacher, ours or one of PyTorch's layout.

    Raises:
        ConfigError: there is no such file, it is of another format, or holds the weights of no teacher.
    """
    if not path.is_file():
        raise ConfigError("--teacher", f"there is no file {path}", "aoi-bridge teacher distil makes one")
    arrays, about = _arrays(path)
    pairs = _pairs(path, arrays)
    size = _size_of(path, pairs)
    return Teacher(size=size, convolutions=pairs, about=about or {"imported from": path.name})


def _arrays(path: Path) -> tuple[Arrays, dict[str, Any]]:
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                about = json.loads(str(file[ABOUT])) if ABOUT in file else {}
                return {name: np.asarray(file[name], np.float32) for name in file.files if name != ABOUT}, about
        if path.suffix == ".safetensors":
            return _safetensors(path), {}
    except (ValueError, OSError, KeyError, zipfile.BadZipFile) as exc:
        raise ConfigError(str(path), f"cannot be read ({exc})", "write a whole .npz or .safetensors") from exc
    raise ConfigError(
        str(path),
        "is no format that is safe to read: other formats may run code",
        "save its arrays as .npz or .safetensors where you trust it",
    )


def _safetensors(path: Path) -> Arrays:
    try:
        from safetensors import SafetensorError  # noqa: PLC0415 - only where such a file is read
        from safetensors.numpy import load_file  # noqa: PLC0415 - same
    except ImportError as exc:
        raise ConfigError(
            str(path), "safetensors is not installed", "write pip install 'aoi-bridge[train]'"
        ) from exc
    try:
        return {name: np.asarray(one, np.float32) for name, one in load_file(path).items()}
    except SafetensorError as exc:
        raise ValueError(str(exc)) from exc


def _pairs(path: Path, arrays: Arrays) -> tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]:
    """Return kernel and bias of each convolution in order, in Keras' layout."""
    found: dict[str, dict[str, NDArray[np.float32]]] = {}
    for name, array in arrays.items():
        for what, pattern in (("bias", _BIAS), ("kernel", _KERNEL)):
            if match := pattern.match(name):
                found.setdefault(match[1], {})[what] = array
    whole = {name: one for name, one in found.items() if len(one) == 2 and one["kernel"].ndim == _KERNEL_RANK}  # noqa: PLR2004
    if not whole or len(whole) != len(found):
        raise ConfigError(
            str(path), "does not hold kernel and bias of convolutions", "save a PDN teacher's weights"
        )
    if not all(np.isfinite(array).all() for one in whole.values() for array in one.values()):
        raise ConfigError(str(path), "holds weights that are no numbers", "save them again")
    ordered = sorted(whole.items(), key=lambda pair: [int(number) for number in _NUMBER.findall(pair[0])])
    torch = ordered[0][1]["kernel"].shape[1] == 3  # noqa: PLR2004 - (out, in, rows, columns); ours has 3 third
    return tuple(
        (np.transpose(one["kernel"], (2, 3, 1, 0)) if torch else one["kernel"], one["bias"]) for _, one in ordered
    )


def _size_of(path: Path, pairs: tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]) -> Size:
    shapes = [kernel.shape for kernel, _ in pairs]
    for size in Size:
        if shapes == [one.shape for one in pdn.build(size, 64, 64).weights[::2]]:
            return size
    raise ConfigError(
        str(path),
        f"has {len(shapes)} convolutions that are no PDN's, small or medium",
        "save a PDN teacher of EfficientAD",
    )
