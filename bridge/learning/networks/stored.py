"""What a network has learnt, in a file without pickle: NumPy arrays by place and name, held to their shapes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError
from bridge.learning.backend import keras
from bridge.learning.networks import Network

Arrays: TypeAlias = Mapping[str, NDArray[Any]]

LOWER: Final = "lower"
BLOCK: Final = "block"
HEAD: Final = "head"
EVERYTHING: Final = (LOWER, BLOCK, HEAD)


def arrays(network: Network, parts: tuple[str, ...] = EVERYTHING) -> dict[str, NDArray[Any]]:
    """Return the weights of these parts of a network."""
    return {name: array(one) for part in parts for name, one in _named(network, part)}


def array(variable: Any) -> NDArray[Any]:
    """Return a copy of a variable that stays as it is when the variable changes."""
    return np.array(keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(variable)))


def fill(network: Network, stored: Arrays, where: str, write: str = "") -> None:
    """Give a network weights of one built alike, whether or not that one was cut.

    Args:
        network: what is changed.
        stored: of any parts; the others stay as they are.
        where: what an error begins with.
        write: what it tells the user to do.

    Raises:
        ConfigError: a place, name or shape differs.
    """
    known = {name: one for part in EVERYTHING for name, one in _named(network, part)}
    for name, value in stored.items():
        if name not in known or tuple(known[name].shape) != value.shape:
            raise ConfigError(where, f"does not fit the network: it holds {name} of shape {value.shape}", write)
        known[name].assign(value)


def encoded(stored: Arrays) -> bytes:
    """Return the content of an ``.npz`` file."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **dict(stored))
    return file.getvalue()


def read(path: Path) -> dict[str, NDArray[Any]]:
    """Read an ``.npz`` file; nothing in it is ever unpickled.

    Raises:
        ConfigError: it is none.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as exc:
        raise ConfigError(str(path), f"holds no weights ({exc})") from exc


def _named(network: Network, part: str) -> Iterator[tuple[str, Any]]:
    """Yield names and variables; places run on from the part below the last block into it."""
    below = [] if network.lower is None else list(network.lower.weights)
    if part == HEAD:
        chosen, word, first = network.head.model.weights, HEAD, 0
    elif part == BLOCK:
        chosen, word, first = network.block.weights, "trunk", len(below)
    else:
        chosen, word, first = below, "trunk", 0
    return ((f"{word}.{place:03d}.{one.name}", one) for place, one in enumerate(chosen, first))
