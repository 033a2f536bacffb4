"""Keras, imported in one place: quietly, and with one clear line where the train extra is missing.

Also what Keras has no word of its own for, one branch per backend: gradients.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
logging.getLogger("tensorflow").setLevel(logging.ERROR)  # its advice is for whoever wrote the training


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

__all__ = ["gradient", "keras", "on_gpu"]


def on_gpu() -> bool:
    """Say whether Keras computes on a GPU."""
    match keras.backend.backend():
        case "jax":  # which raises where it is asked for devices that it has not
            import jax  # noqa: PLC0415 - only where it is the backend

            return bool(jax.default_backend() == "gpu")
        case "torch":
            import torch  # noqa: PLC0415 - only where it is the backend

            return bool(torch.cuda.is_available())
    return bool(keras.distribution.list_devices("gpu"))


def gradient(
    function: Callable[[Any], tuple[Any, Any]], x: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the gradient of a function at ``x``, of the shape of ``x``, and what else the function computed.

    Args:
        function: from a tensor to a number and anything besides, in ``keras.ops``; it must change no variable.
        x: where.

    Raises:
        NotImplementedError: Keras runs on a backend that has no gradients, such as openvino.
    """
    backend = keras.backend.backend()
    if backend not in _GRADIENTS:
        raise NotImplementedError(f"no gradients with the backend {backend}")
    slopes, besides = _GRADIENTS[backend](function, keras.ops.convert_to_tensor(x))
    return _array(slopes), _array(besides)


def _array(tensor: Any) -> NDArray[np.float32]:
    return np.asarray(keras.ops.convert_to_numpy(tensor), np.float32)


def _by_tensorflow(function: Callable[[Any], tuple[Any, Any]], x: Any) -> tuple[Any, Any]:
    import tensorflow as tf  # noqa: PLC0415 - only where it is the backend

    with tf.GradientTape() as tape:
        tape.watch(x)
        number, besides = function(x)
    return tape.gradient(number, x, unconnected_gradients=tf.UnconnectedGradients.ZERO), besides


def _by_jax(function: Callable[[Any], tuple[Any, Any]], x: Any) -> tuple[Any, Any]:
    import jax  # noqa: PLC0415 - only where it is the backend

    slopes, besides = jax.grad(function, has_aux=True)(x)
    return slopes, besides


def _by_torch(function: Callable[[Any], tuple[Any, Any]], x: Any) -> tuple[Any, Any]:
    import torch  # noqa: PLC0415 - only where it is the backend

    with torch.enable_grad():
        watched = x.detach().clone().requires_grad_()
        number, besides = function(watched)
        (slopes,) = torch.autograd.grad(number, watched)
    return slopes, besides


_GRADIENTS = {"tensorflow": _by_tensorflow, "jax": _by_jax, "torch": _by_torch}
