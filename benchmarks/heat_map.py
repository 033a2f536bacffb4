"""What it costs to say where the model looked: decode to verdict, and decode to verdict, boxes and heat map.

    python benchmarks/heat_map.py [BACKBONE ...] [--head HEAD] [--size 224] [--precision f32] [--pairs 9]

Needs the train extra to build the networks; they have learnt nothing, which costs as much as having learnt. Each
is exported as it goes to a line, with logits and heat map, and run by the judging worker's own code, one view at a
time on two cores: ``plain`` as a judge that nobody asks where it looked (the map is taken out before compiling),
``OK`` as one whose view is OK (the map is computed and left), ``NG`` as one that has to explain itself. The three
take turns view by view; the ratio is the median over the rounds, with its lowest and highest.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from harness import finish, picture

from bridge.judging.bench import ALWAYS, Bench, Shown
from bridge.judging.frames import Load
from bridge.judging.inbox import Inbox
from bridge.judging.preprocess import MAX_PIXELS
from bridge.judging.spec import HeatMapOutput, Input
from bridge.messages import Verdict

TARGET = 1.5
"""A heat map may cost so many times the plain verdict."""
VIEWS = 7
"""A round's median is of so many."""


def exported(backbone: str, head: str, size: int, folder: Path) -> Load:
    """Write a network with its heat map as OpenVINO IR, and return what a worker is told to run it."""
    from bridge.judging.bundle import ModelClass  # noqa: PLC0415 - with the train extra only
    from bridge.learning import cam, conversion, heads, networks  # noqa: PLC0415 - same

    into = Input(width=size, height=size)
    made = networks.build(networks.Backbone(backbone), into, 2, head=heads.Kind(head))
    classes = (ModelClass(name="ok", verdict=Verdict.OK), ModelClass(name="bad", verdict=Verdict.NG))
    graph = conversion.convert(cam.explained(made, classes), folder)
    path, _ = conversion.save(graph, folder)
    return Load(
        model=str(path),
        input=replace(into, colour=made.colour),
        normalisation=made.normalisation,
        precision="f32",
        logits=True,
        classes=2,
        ok_outputs=(0,),
        threads=2,
        max_pixels=MAX_PIXELS,
        heat_map=HeatMapOutput(),
    )


def rounds(load: Load, pairs: int) -> Iterator[tuple[float, float, float]]:
    """Yield milliseconds a view: plain, OK, NG."""
    nobody = cast("Inbox", None)  # nobody asks through a socket
    benches = Bench(replace(load, heat_map=None), nobody), Bench(load, nobody)
    data = picture(80)
    cases = ((benches[0], Shown(data)), (benches[1], Shown(data)), (benches[1], Shown(data, explain=ALWAYS)))
    for bench in benches:
        bench.warm_up()
    for _ in range(pairs):
        views = [[bench.judge([shown])[0].ms for bench, shown in cases] for _ in range(VIEWS)]
        plain, good, bad = (statistics.median(column) for column in zip(*views, strict=True))
        yield plain, good, bad


def figures(measured: Sequence[tuple[float, float, float]]) -> dict[str, float]:
    """Return the medians of all rounds, and the median and spread of what an NG costs against a plain verdict."""
    found = sorted(bad / plain for plain, _, bad in measured)
    plain, good, bad = (statistics.median(column) for column in zip(*measured, strict=True))
    ratios = {"ratio": statistics.median(found), "lowest": found[0], "highest": found[-1], "target": TARGET}
    return {"plain_ms": plain, "ok_ms": good, "ng_ms": bad, **ratios}


def main() -> None:
    """Print a line for each backbone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("backbone", nargs="*", default=["mobilenet_v2", "resnet50", "vgg16"])
    parser.add_argument("--head", default="avgmax", help="fc, gap, svm or avgmax (avgmax)")
    parser.add_argument("--size", type=int, default=224, help="pixels (224)")
    parser.add_argument("--precision", default="f32", choices=["f32", "bf16"], help="(f32)")
    parser.add_argument("--pairs", type=int, default=9, help="rounds (9)")
    args = parser.parse_args()
    found: dict[str, object] = {}
    for name in args.backbone:
        with tempfile.TemporaryDirectory() as folder:
            load = replace(exported(name, args.head, args.size, Path(folder)), precision=args.precision)
            one = figures(list(rounds(load, args.pairs)))
        said = ", ".join(f"{what} {value:.2f}" for what, value in one.items())
        print(f"{name} {args.head} {args.precision} {args.size}: {said}", flush=True)
        found[name] = one
    finish(found)


if __name__ == "__main__":
    main()
