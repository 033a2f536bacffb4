"""Keras, imported in one place: quietly, and with one clear line where the train extra is missing."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from bridge.errors import ConfigError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@contextmanager
def _hushed() -> Iterator[None]:
    """Keep what C++ writes to standard error before it reads its own settings; tell it if something fails."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        except BaseException:
            file.seek(0)
            os.write(saved, file.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


try:
    with _hushed():
        import keras
except ImportError as exc:
    raise ConfigError(
        "train", "Keras and TensorFlow are not installed", "write pip install 'aoi-bridge[train]'"
    ) from exc

__all__ = ["keras"]
