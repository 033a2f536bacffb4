"""Turn the trunk of ResNet-152 as Caffe had it into a file of weights for Keras' ResNet152.

    python benchmarks/resnet_trunk.py resnet152_caffe_conv1_to_res4b11_bnfolded.npz resnet152.h5

The trunk ends after the twelfth block of the fourth stage, and its batch norms are folded into biases; so they
pass everything on, and what comes after is 0. It describes places for ``--backbone resnet152`` at the depths fine
and middle, and teaches (``aoi-bridge teacher distil``); it classifies nothing. Needs the train extra.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from bridge.judging.spec import Input
from bridge.learning.networks import applications

LATER = 2
"""In the third stage and after, blocks are named a, b1, b2 and so on; before, a, b, c."""


def main() -> None:
    """Read the arguments, write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trunk", type=Path)
    parser.add_argument("out", type=Path, metavar="OUT.h5")
    args = parser.parse_args()
    model = applications.whole("resnet152", Input(width=64, height=64, colour="bgr"), None)
    for one in model.weights:
        one.assign(np.zeros(one.shape, np.float32))
    with np.load(args.trunk, allow_pickle=False) as file:
        names = sorted({name.split("/")[0] for name in file.files})
        for name in names:
            kernel, bias = (file[f"{name}/{part}"].astype(np.float32) for part in ("kernel", "bias"))
            convolution, norm = (model.get_layer(f"{keras_name(name)}_{kind}") for kind in ("conv", "bn"))
            convolution.set_weights([kernel, bias])
            one, none = np.ones_like(bias), np.zeros_like(bias)
            norm.set_weights([one, none, none, one - np.float32(norm.epsilon)])
    model.save_weights(args.out)
    print(f"written: {args.out}, {len(names)} convolutions")


def keras_name(name: str) -> str:
    """Return what Keras calls the layer that Caffe calls ``res3b2_branch2a``, or ``conv1``."""
    if name == "conv1":
        return name
    block, branch = name.removeprefix("res").split("_branch")
    stage, letter, number = block[0], block[1], block[LATER:]
    place = int(number) + 1 if number else "abc".index(letter) + 1
    return f"conv{stage}_block{place}_{0 if branch == '1' else 'abc'.index(branch[1]) + 1}"


if __name__ == "__main__":
    main()
