"""The committed bundle: whole, small, and good enough to show what a second opinion is for."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import bridge.simulate
from bridge.judging import bundle, preprocess
from bridge.judging.engine import Engine
from bridge.judging.frames import Load
from bridge.messages import Verdict
from bridge.simulate.bolts import VIEWS, Bolt, Defect, bolt

FOLDER = Path(bridge.simulate.__file__).parent / "demo_bundle"


def test_it_matches_its_hashes_and_stays_under_a_megabyte() -> None:
    """It travels inside the wheel."""
    made = bundle.load(FOLDER)
    assert made.manifest.name == "bolts"
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1_000_000


def test_it_tells_bolts_apart_that_it_was_not_trained_on() -> None:
    """Of 24 bolts with seeds of the demo at most one is judged wrongly, though every second one is bad."""
    made = bundle.load(FOLDER).manifest
    engine = Engine(
        Load(
            model=str(FOLDER / bundle.MODEL),
            input=made.input,
            normalisation=made.normalisation,
            precision=str(made.precision),
            logits=made.output == "logits",
            classes=len(made.classes),
            ok_outputs=made.ok_outputs,
            threads=1,
            max_pixels=preprocess.MAX_PIXELS,
        )
    )

    def verdict(part: Bolt) -> Verdict:
        views = [preprocess.prepare(part.encode(view), made.input, made.normalisation) for view in VIEWS]
        good = engine.infer(views)[:, made.ok_outputs].sum(axis=1)
        return Verdict.OK if bool(np.all(good >= made.threshold)) else Verdict.NG

    defects = list(Defect)
    wrong = [seed for seed in range(12) if verdict(bolt(3000 + seed)) is not Verdict.OK]
    wrong += [seed for seed in range(12) if verdict(bolt(4000 + seed, defects[seed % 4])) is not Verdict.NG]
    assert len(wrong) <= 1
