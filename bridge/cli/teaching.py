"""The flags of every command that trains a network, and what they mean.

The names of networks and heads stand here once more, so that the help needs neither Keras nor a second.
"""

from __future__ import annotations

import argparse
import sys
import time
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bridge.cli.numbers import above_zero, count, share
from bridge.judging.spec import Input

if TYPE_CHECKING:
    from bridge.learning.heads import Kind
    from bridge.learning.settings import Phase, Settings, Told
    from bridge.learning.settings import Progress as Epoch

BACKBONES = (
    "small",
    "vgg16",
    "vgg19",
    "resnet50",
    "resnet152",
    "resnext50",
    "se_resnet50",
    "se_resnext50",
    "xception",
    "googlenet",
    "mobilenet_v2",
    "mobilenet_v2_fine",
    "efficientnet_v2_b0",
)
HEADS = ("fc", "gap", "svm", "avgmax", "local")
BACKBONE, HEAD, POLICY, BATCH = "small", "avgmax", "fixture", 32
"""Where nothing else is said."""
_POLICIES = "none, bolt, aoi, fixture, any-angle, or a TOML file"


def options(parser: argparse.ArgumentParser) -> None:
    """Add how a network learns."""
    add = parser.add_argument
    add("--weights", help="imagenet (downloaded once), a file, or none (default: imagenet; small: none)")
    add("--epochs", type=count, default=30, help="the most epochs of the head, or of everything (default: 30)")
    add("--patience", type=count, default=8, help="epochs in a row that rank worse before they stop (default: 8)")
    add("--rate", type=_rate, help="their largest learning rate (default: 0.005; fc, svm: 0.001; small: 0.003)")
    add("--fine-epochs", type=_whole, default=20, help="the most epochs of the last block; 0: none (default: 20)")
    add("--fine-rate", type=_rate, default=1e-4, help="the learning rate of the last block (default: 0.0001)")
    add("--momentum", type=share, default=0.9, help="of the last block's SGD (default: 0.9)")
    add("--batch", type=count, help="pictures of one step (default: 32; of a detector 8, on a GPU 16)")
    add(
        "--class-weights",
        choices=("balanced", "none"),
        default="balanced",
        help="whether both verdicts, and the classes of each, count the same, however many pictures they have \
(default: balanced)",
    )
    add(
        "--mixed-precision",
        choices=("float16", "bfloat16"),
        help="compute in half precision: faster on a GPU; without one only bfloat16 is, on a processor with \
AVX512-BF16 or AMX",
    )
    add("--any-angle", action="store_true", help="the part may lie at any angle")
    add(
        "--tta",
        type=int,
        choices=(1, 2, 4, 8),
        help="look so many times at each picture, mirrored and (8) turned, and take the mean: steadier, and \
takes so many times as long; only where a mirrored part gets the same verdict (default: 1)",
    )


def choices(parser: argparse.ArgumentParser, *, several: bool) -> None:
    """Add which networks, heads and augmentations; one each, or several."""
    add = parser.add_argument
    many: dict[str, Any] = {"nargs": "+"} if several else {}
    end = "; several are compared" if several else ""

    def default(one: Any) -> Any:
        return [one] if several else None

    add(
        "--backbone",
        choices=BACKBONES,
        default=default(BACKBONE),
        help=f"what looks at the picture: {', '.join(BACKBONES)}{end} (default: small)",
        metavar="NAME",
        **many,
    )
    add(
        "--head",
        choices=HEADS,
        default=default(HEAD),
        help=f"what decides: {', '.join(HEADS)}{end} (default: avgmax)",
        metavar="NAME",
        **many,
    )
    add(
        "--augment",
        default=default(POLICY),
        metavar="POLICY",
        help=f"how pictures are varied: {_POLICIES}{end} (default: fixture)",
        **many,
    )
    add(
        "--copies",
        type=_whole,
        default=default(None),
        metavar="N",
        help=f"fixed copies of each picture, the first as it is{end}; 0: varied anew in every epoch, through the \
whole network (default: 10; with --from: 4; without weights: 0)",
        **many,
    )


def standard(backbone: str, weights: str | None) -> Input:
    """Return size and colours of pictures where nothing is said.

    Raises:
        ConfigError: the train extra is missing.
    """
    from bridge.learning import networks  # noqa: PLC0415 - TensorFlow; one clear line if missing

    source = _source(backbone, weights)
    side = 128 if backbone == "small" else 224
    return Input(width=side, height=side, colour=networks.colour(networks.Backbone(backbone), source))


def settings(
    args: argparse.Namespace, backbone: str, head: str, augment: str | None, copies: int | None
) -> Settings:
    """Return how one network is trained.

    Raises:
        ConfigError: there are no such weights or policy, or the train extra is missing.
    """
    from bridge.learning import augmentation, heads, networks  # noqa: PLC0415 - as above
    from bridge.learning.networks import weights  # noqa: PLC0415 - as above
    from bridge.learning.settings import Settings  # noqa: PLC0415 - as above

    source = weights.given(_source(backbone, args.weights))
    networks.offered(networks.Backbone(backbone), source)
    policy = augmentation.policy(augment or POLICY)
    pretrained = source != networks.NONE
    return Settings(
        backbone=networks.Backbone(backbone),
        source=source,
        head=heads.Kind(head),
        tta=args.tta or 1,
        phases=_phases(args, backbone, heads.Kind(head), pretrained=pretrained),
        policy=policy.at_any_angle() if args.any_angle else policy,
        copies=(10 if pretrained else 0) if copies is None else copies,
        batch=args.batch or BATCH,
        balanced=args.class_weights == "balanced",
        seed=args.seed,
        precision=f"mixed_{args.mixed_precision}" if args.mixed_precision else "float32",
    )


def _source(backbone: str, weights: str | None) -> str:
    return weights or ("none" if backbone == "small" else "imagenet")


def _phases(args: argparse.Namespace, backbone: str, head: Kind, *, pretrained: bool) -> tuple[Phase, ...]:
    from bridge.learning.heads import standardised  # noqa: PLC0415 - as above
    from bridge.learning.settings import ALL, HEAD, STANDARDISED  # noqa: PLC0415 - as above

    if pretrained:
        return (_first(args, HEAD, (STANDARDISED if standardised(head) else HEAD).rate), *_fine(args))
    return (_first(args, ALL, ALL.rate if backbone == "small" else HEAD.rate),)


def continued(args: argparse.Namespace) -> tuple[Phase, ...]:
    """Return the phases in which a bundle's network learns on: the last block, or the head where that stays."""
    from bridge.learning.settings import HEAD  # noqa: PLC0415 - as above

    return _fine(args) or (_first(args, HEAD, HEAD.rate),)


def _first(args: argparse.Namespace, phase: Phase, rate: float) -> Phase:
    return replace(phase, epochs=args.epochs, patience=args.patience, rate=args.rate or rate)


def _fine(args: argparse.Namespace) -> tuple[Phase, ...]:
    from bridge.learning.settings import BLOCK  # noqa: PLC0415 - as above

    phase = replace(BLOCK, epochs=args.fine_epochs, rate=args.fine_rate, momentum=args.momentum)
    return (phase,) if args.fine_epochs else ()


@contextmanager
def shown(what: str = "") -> Iterator[Told]:
    """Show how far a training is, and say a line for each epoch.

    A bar where somebody watches; a line every half a minute where it goes into a log.
    """
    columns = (TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=not sys.stdout.isatty()) as bar:
        tasks: dict[str, Any] = {}
        last = time.monotonic()

        def told(doing: str, done: int, total: int, epoch: Epoch | None) -> None:
            if doing not in tasks:
                tasks[doing] = bar.add_task(f"{what}{doing}")
            bar.update(tasks[doing], completed=done, total=total)
            if epoch is not None:
                say(f"{what}{doing}, {_said(epoch)}")
            elif done == total and doing not in _IN_EPOCHS:
                say(f"{what}{doing}: {total}")
            elif bar.disable and time.monotonic() - last > _QUIET:
                say(f"{what}{doing}: {done:,} of {total:,}")

        def say(line: str) -> None:
            nonlocal last
            last = time.monotonic()
            if bar.disable:
                print(line, flush=True)
            else:
                bar.console.print(line, highlight=False)

        yield told


_QUIET: Final = 30.0
"""Seconds after which a log hears how far it is."""
_IN_EPOCHS = ("head", "last block and head", "everything")
"""What is told of after each epoch."""


def _said(epoch: Epoch) -> str:
    kept = f"kept is epoch {epoch.best} with {epoch.best_auc:.4f}"
    return f"epoch {epoch.epoch}: loss {epoch.loss:.4f}, AUC {epoch.auc:.4f}; {kept}"


def _whole(text: str) -> int:
    return 0 if text == "0" else count(text)


def _rate(text: str) -> float:
    number = above_zero(text)
    if number >= 1:
        raise ArgumentTypeError(f"{text} is no rate; write a number above 0 and below 1")
    return number
