"""The networks: backbones by name, each cut into what stays as it was taught and a last block that may learn on.

What "the last block" is:

| backbone | last block | reads | features for 224 x 224 |
|---|---|---|---|
| small | stages 4 and 5 | stage 3, halved | 7 x 7 x 64 |
| vgg16, vgg19 | block 5 | block 4, halved | 14 x 14 x 512, halved by the head |
| resnet50, resnet152, resnext50, se_resnet50, se_resnext50 | stage conv5 | conv4 | 7 x 7 x 2048 |
| xception | exit flow: blocks 13 and 14 | middle flow | 7 x 7 x 2048 |
| googlenet | inception 5a and 5b | 4e, halved | 7 x 7 x 1024 |
| mobilenet_v2 | block 16 and the last convolution | block 15 | 7 x 7 x 1280 |
| mobilenet_v2_fine | blocks 11, 12 and the widening of 13 | block 10 | 14 x 14 x 576 |
| efficientnet_v2_b0 | stage 6 and the last convolution | stage 5 | 7 x 7 x 1280 |

Keras only, for any backend. Each network takes what ``preprocess.normalise`` gives with its ``normalisation`` and
answers with logits, one per class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from bridge.errors import ConfigError
from bridge.judging.spec import Input, Normalisation
from bridge.learning import heads
from bridge.learning.backend import keras
from bridge.learning.heads import Head
from bridge.learning.levels import SYMMETRIC
from bridge.learning.networks import applications, googlenet, looks, resnext, small, weights
from bridge.learning.networks.trunk import Model, Trunk
from bridge.learning.networks.weights import IMAGENET, NONE

__all__ = ["IMAGENET", "NONE", "SYMMETRIC", "Backbone", "Model", "Network", "build", "colour"]


class Backbone(StrEnum):
    """What looks at the picture before the head decides."""

    SMALL = "small"
    """Five convolutions, about 60,000 parameters, trained from nothing."""
    VGG16 = "vgg16"
    VGG19 = "vgg19"
    RESNET50 = "resnet50"
    RESNET152 = "resnet152"
    RESNEXT50 = "resnext50"
    SE_RESNET50 = "se_resnet50"
    SE_RESNEXT50 = "se_resnext50"
    XCEPTION = "xception"
    GOOGLENET = "googlenet"
    MOBILENET_V2 = "mobilenet_v2"
    MOBILENET_V2_FINE = "mobilenet_v2_fine"
    """Its first two thirds: a grid twice as fine, for defects of few pixels; with the head ``local``."""
    EFFICIENTNET_V2_B0 = "efficientnet_v2_b0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Keras models that share their layers."""

    backbone: Backbone
    lower: Model | None
    """Frozen: from a normalised picture to what the last block reads; None where everything is trained."""
    block: Model
    """From there to features (batch, rows, columns, channels); all of the backbone where ``lower`` is None."""
    head: Head
    tail: Model
    """Block and head: from what ``lower`` gives to logits. This is what learns."""
    whole: Model
    """From a normalised picture to logits (batch, classes): the mean of all looks."""
    once: Model
    """The same at one look; what learns, where pictures and no features are learnt from."""
    colour: Literal["rgb", "bgr", "gray"]
    """The order of channels in which pictures are read."""
    normalisation: Normalisation
    """How their pixels become numbers."""
    looks: int = 1
    """So many looks at each picture; see ``networks.looks``."""


def colour(backbone: Backbone, source: str | Path) -> Literal["rgb", "bgr"]:
    """Return the order of colours that pretrained weights ask for; rgb where there are none."""
    one = applications.APPLICATIONS.get(backbone)
    return one.colour if one and source != NONE else "rgb"


def offered(backbone: Backbone, source: str | Path) -> None:
    """Refuse weights that nobody offers, before anything is built.

    Raises:
        ConfigError: they are ImageNet's, of a backbone that Keras does not bring.
    """
    if source == IMAGENET and backbone not in applications.APPLICATIONS:
        raise ConfigError(
            "--weights", f"Keras offers no ImageNet weights of {backbone}", f"write a file of them, or {NONE}"
        )


def build(
    backbone: Backbone,
    into: Input,
    classes: int,
    *,
    head: heads.Kind = heads.Kind.AVGMAX,
    ok: Sequence[int] = (),
    source: str | Path = NONE,
    cut: bool | None = None,
    tta: int = 1,
) -> Network:
    """Return a network whose head has learnt nothing yet.

    Args:
        backbone: which.
        into: what it is shown.
        classes: how many logits.
        head: how features become logits.
        ok: the places of the classes that are OK; the head ``local`` must know.
        source: ``imagenet``, a file of weights, or ``none``.
        cut: whether the part below the last block is held still; left out: where there are weights.
        tta: so many looks at each picture, one of ``looks.COUNTS``.

    Raises:
        ConfigError: the weights need other colours, do not fit, or cannot be had, or the picture is too small, or
            has not so many looks.
    """
    looks.fitting(tta, into)
    pretrained = source != NONE
    if pretrained and into.colour != colour(backbone, source):
        wanted = colour(backbone, source)
        raise ConfigError("--colour", f"{into.colour} does not suit the weights of {backbone}", f"write {wanted}")
    trunk = _trunk(backbone, into, source)
    if not pretrained:
        trunk = replace(trunk, normalisation=SYMMETRIC)
    lower, block = trunk.cut() if (pretrained if cut is None else cut) else (None, trunk.model)
    top = heads.build(head, block.output.shape[1:], classes, ok=ok, pool=trunk.pool)
    return _joined(backbone, into, trunk.normalisation, (lower, block, top), tta)


def normalised(network: Network, normalisation: Normalisation) -> Network:
    """Return the network with the levels that its weights were trained with."""
    return replace(network, normalisation=normalisation)


def thaw(network: Network, *, block: bool) -> None:
    """Let the head learn, and the last block too or not.

    Batch normalisation stays as it was taught, except where everything is trained: a few pictures would spoil its
    statistics. Its layers must be told so, for Keras overrules ``training=False`` in a model that learns.
    """
    network.block.trainable = block
    if network.lower is not None:
        network.lower.trainable = False
        for layer in network.block.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False


def _joined(
    backbone: Backbone,
    into: Input,
    normalisation: Normalisation,
    parts: tuple[Model | None, Model, Head],
    tta: int,
) -> Network:
    lower, block, head = parts
    entry = keras.Input(block.input.shape[1:], name="entry")
    tail = keras.Model(entry, head.model(block(entry)), name="tail")
    once = tail
    if lower is not None:
        seen = keras.Input((into.height, into.width, into.channels), name="picture")
        once = keras.Model(seen, head.model(block(lower(seen))), name="network")
    made = Network(
        backbone=backbone,
        lower=lower,
        block=block,
        head=head,
        tail=tail,
        whole=once if tta == 1 else _often(once, tta),
        once=once,
        colour=into.colour,
        normalisation=normalisation,
        looks=tta,
    )
    thaw(made, block=True)
    return made


def _often(once: Model, tta: int) -> Model:
    """Return the network that looks so many times at each picture."""
    seen = keras.Input(once.input.shape[1:], name="picture")
    return keras.Model(seen, looks.Agreed(tta, "agreed")(once(looks.AtAll(tta)(seen))), name="network_of_looks")


def _trunk(backbone: Backbone, into: Input, source: str | Path) -> Trunk:
    if backbone in applications.APPLICATIONS:
        return applications.trunk(backbone, _application(backbone, into, source))
    offered(backbone, source)
    made = _own(backbone, into)
    if isinstance(source, Path):
        weights.load(made.model, source, backbone)
    return made


def _own(backbone: Backbone, into: Input) -> Trunk:
    if backbone is Backbone.SMALL:
        return small.trunk(into)
    if backbone is Backbone.GOOGLENET:
        return googlenet.trunk(into)
    return resnext.trunk(into, resnext.FORMS[backbone])


def _application(backbone: Backbone, into: Input, source: str | Path) -> Any:
    smallest = applications.APPLICATIONS[backbone].smallest
    if min(into.width, into.height) < smallest:
        raise ConfigError(
            "--size",
            f"{into.width}x{into.height} is too small for {backbone}",
            f"write {smallest}x{smallest} or more",
        )
    if source == IMAGENET:
        with weights.downloading(backbone):
            return applications.whole(backbone, into, IMAGENET)
    model = applications.whole(backbone, into, None)
    if isinstance(source, Path):
        weights.load(model, source, backbone)
    return model
