"""Where a backbone's weights come from: Keras' own download, a file, or nowhere. Nothing here unpickles."""

from __future__ import annotations

import hashlib
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from bridge.errors import ConfigError

IMAGENET: Final = "imagenet"
"""Keras downloads the file, holds it to its hash, and keeps it in ``~/.keras/models``."""
NONE: Final = "none"
"""Everything is trained from nothing."""
_PATIENCE_SECONDS: Final = 20.0
_SUFFIX = ".h5"


def given(text: str) -> str | Path:
    """Return the source that a word of the command line means.

    Raises:
        ConfigError: it is neither a known word nor a file.
    """
    if text in {IMAGENET, NONE}:
        return text
    if not Path(text).is_file():
        raise ConfigError(
            "--weights", f"there is no file {text}", f"write {IMAGENET}, {NONE}, or a .weights.h5 file"
        )
    return Path(text)


def load(model: Any, file: Path, backbone: str) -> None:
    """Fill a model from a file: ``.weights.h5`` of Keras 3, or the older ``.h5`` with names of layers.

    Raises:
        ConfigError: the file does not fit the backbone.
    """
    if not file.name.endswith(_SUFFIX):
        raise ConfigError("--weights", f"{file.name} is no Keras weights", "write a .weights.h5 or .h5 file")
    for one in model.weights:
        one.assign(np.full(one.shape, np.nan, np.float32))  # Keras only warns of what a file does not hold
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.load_weights(str(file))
        fits = all(np.isfinite(np.asarray(one)).all() for one in model.weights)
    except (ValueError, OSError, KeyError, IndexError):
        fits = False
    if not fits:
        raise ConfigError(
            "--weights", f"{file} does not fit {backbone}", "write a file of this backbone without its top layers"
        )


@contextmanager
def downloading(backbone: str) -> Iterator[None]:
    """Put what goes wrong in a download into one line that names the way without one.

    Raises:
        ConfigError: it did not come, or is not the file that Keras knows.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE_SECONDS)
    try:
        yield
    except Exception as exc:  # Keras raises nothing narrower for a URL that cannot be fetched
        reason = " ".join(str(exc).split())[:200]
        raise ConfigError(
            "--weights imagenet",
            f"the weights of {backbone} could not be had ({reason})",
            "fetch that file where there is a network and write --weights FILE, or put it into ~/.keras/models",
        ) from exc
    finally:
        socket.setdefaulttimeout(before)


def digest(source: str | Path) -> str:
    """Return what tells these weights from others: the file's SHA-256, or the word."""
    if not isinstance(source, Path):
        return source
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
