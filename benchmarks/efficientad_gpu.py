"""EfficientAD on a GPU, as its paper times it: from a picture in memory to anomaly and map in memory, batch 1.

    KERAS_BACKEND=jax python benchmarks/efficientad_gpu.py
    KERAS_BACKEND=torch python benchmarks/efficientad_gpu.py --precisions float16

A picture of 256 x 256 goes over as bytes and is normalised there. JAX compiles the whole network; with torch it
is recorded as a CUDA graph and replayed. Weights are random, which cost what trained ones cost. Needs keras and
one of the two backends; the paper's 4.03 ms (small) and 5.7 ms (medium) are of an RTX A5000, in float16.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from harness import finish
from numpy.typing import NDArray

from bridge.judging.spec import Input
from bridge.learning.anomaly import efficientad, pdn
from bridge.learning.anomaly.efficientad import Material
from bridge.learning.anomaly.network import AnomalyNetwork
from bridge.learning.anomaly.pdn import Size
from bridge.learning.anomaly.teachers import Teacher
from bridge.learning.backend import keras

INTO = Input(width=256, height=256)
TARGET = 1.0
WARM = 50

Judge = Callable[[NDArray[np.uint8]], tuple[NDArray[Any], NDArray[Any]]]


def main() -> None:
    """Read the arguments, time every size and precision, print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", type=Size, default=list(Size))
    parser.add_argument("--precisions", nargs="+", default=["float32", "bfloat16", "float16"])
    parser.add_argument("--rounds", type=int, default=1000)
    args = parser.parse_args()
    backend = keras.backend.backend()
    facts: dict[str, Any] = {"backend": backend}
    shown = noise(16)
    for size in args.sizes:
        for precision in args.precisions:
            keras.config.set_dtype_policy(precision if precision == "float32" else f"mixed_{precision}")
            with tempfile.TemporaryDirectory() as work:
                judge = JUDGES[backend](untaught(size, Path(work)))
            took = timed(judge, shown, args.rounds)
            median, slow = statistics.median(took), sorted(took)[int(0.99 * len(took))]
            target = f" (target {TARGET:g})" if size is Size.SMALL else ""
            print(f"{backend} {size} {precision}: median {median:.3f} ms, p99 {slow:.3f}{target}", flush=True)
            facts[f"{size} {precision} ms"] = round(median, 4)
    finish(facts)


def untaught(size: Size, work: Path) -> AnomalyNetwork:
    """Return EfficientAD that has learnt nothing."""
    kept = pdn.build(size, 64, 64).get_weights()
    teacher = Teacher(size=size, convolutions=tuple(zip(kept[::2], kept[1::2], strict=True)))
    few = noise(4)
    material = Material(good=few[:2], validation=few[2:], bad=np.array([False, False]))
    settings = efficientad.Settings(steps=0)
    return efficientad.train(settings, INTO, teacher, material, work / "none", lambda *_: None, lambda _: None)


def noise(count: int) -> NDArray[np.uint8]:
    """Return pictures with detail at some scales."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (count, 64, 64, 3), np.uint8)
    return np.stack([cv2.resize(one, (256, 256), interpolation=cv2.INTER_CUBIC) for one in small])


def timed(judge: Judge, shown: NDArray[np.uint8], rounds: int) -> list[float]:
    """Return the milliseconds of every round."""
    first, last = judge(shown[:1]), judge(shown[1:2])
    assert not np.array_equal(first[1], last[1]), "another picture must have another map"
    took = []
    for number in range(WARM + rounds):
        one = shown[number % len(shown)][None]
        begun = time.perf_counter()
        judge(one)
        took.append(1e3 * (time.perf_counter() - begun))
    return took[WARM:]


def normalised(network: AnomalyNetwork, picture: Any) -> Any:
    """Return a picture of bytes as the network is shown it."""
    levels = network.normalisation
    mean, deviation = (np.asarray(one, np.float32) for one in (levels.mean, levels.std))
    ops = keras.ops  # which take NumPy's arrays on every device; torch's own operators do not
    return ops.divide(ops.subtract(ops.cast(picture, "float32") * levels.scale, mean), deviation)


def by_jax(network: AnomalyNetwork) -> Judge:
    """Return the network compiled by JAX."""
    import jax  # noqa: PLC0415 - only where it is the backend

    whole = network.whole
    learnt = [one.value for one in whole.trainable_variables]
    other = [one.value for one in whole.non_trainable_variables]

    @jax.jit
    def compiled(learnt: Any, other: Any, picture: Any) -> Any:
        return whole.stateless_call(learnt, other, normalised(network, picture), training=False)[0]

    def judge(picture: NDArray[np.uint8]) -> tuple[NDArray[Any], NDArray[Any]]:
        anomaly, heat = jax.device_get(compiled(learnt, other, picture))
        return anomaly, heat

    return judge


def by_torch(network: AnomalyNetwork) -> Judge:
    """Return the network as a CUDA graph."""
    import torch  # noqa: PLC0415 - only where it is the backend

    sent = torch.empty((1, INTO.height, INTO.width, 3), dtype=torch.uint8).pin_memory()
    there = sent.cuda()

    def once() -> Any:
        return network.whole(normalised(network, there), training=False)

    with torch.no_grad():
        side = torch.cuda.Stream()
        with torch.cuda.stream(side):
            for _ in range(3):
                once()
        side.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            told = once()
    back = [torch.empty_like(one, device="cpu").pin_memory() for one in told]

    def judge(picture: NDArray[np.uint8]) -> tuple[NDArray[Any], NDArray[Any]]:
        sent.numpy()[:] = picture
        there.copy_(sent, non_blocking=True)
        graph.replay()
        for one, where in zip(told, back, strict=True):
            where.copy_(one, non_blocking=True)
        torch.cuda.synchronize()
        return back[0].numpy().copy(), back[1].numpy().copy()

    return judge


JUDGES = {"jax": by_jax, "torch": by_torch}

if __name__ == "__main__":
    main()
