"""Parts to play, with the truth about each: synthetic bolts, or any labelled folder of pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from bridge.errors import ConfigError
from bridge.messages import Inspection, Verdict, View
from bridge.simulate.bolts import VIEWS, Defect, bolt
from bridge.simulate.population import legacy_verdicts, oddness

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One part as a simulated inspector presents it."""

    serial: str
    truth: Verdict
    oddness: float
    """How odd a good part looks, how strong the defect of a bad one is; what makes an old inspector err."""
    images: Mapping[str, bytes] = field(repr=False)
    """View name to encoded picture."""
    legacy: Verdict = Verdict.OK
    """What the simulated inspector says."""

    def inspection(self) -> Inspection:
        """Return the part as an inspector hands it over; its verdict is on the part as a whole."""
        views = tuple(View(name=name, image=image) for name, image in self.images.items())
        return Inspection(part=self.serial, key=self.serial, legacy=self.legacy, views=views)


def bolts(
    count: int, defective: float = 0.1, seed: int = 0, progress: Callable[[int], None] | None = None
) -> list[Played]:
    """Render so many bolts, a set share of them defective, the four defects in turn.

    Args:
        count: how many parts.
        defective: the share of bad parts, 0 to 1.
        seed: the first part's seed; the same numbers give the same pixels.
        progress: called with the number of parts done, after each.
    """
    rng = np.random.default_rng([seed, 11])
    bad = set(rng.permutation(count)[: round(defective * count)].tolist())
    kinds = {number: list(Defect)[place % len(Defect)] for place, number in enumerate(sorted(bad))}

    def render(number: int) -> Played:
        part = bolt(seed + number, kinds.get(number))
        return Played(
            serial=f"B{seed + number:08d}",
            truth=Verdict.NG if part.defect else Verdict.OK,
            oddness=part.severity if part.defect else part.nuisance,
            images={view: part.encode(view) for view in VIEWS},
        )

    rendered: list[Played] = []
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # a part on each core is faster than every part on all of them
    try:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for part in pool.map(render, range(count)):
                rendered.append(part)
                if progress:
                    progress(len(rendered))
    finally:
        cv2.setNumThreads(threads)
    return rendered


def folder(path: Path, ok: Collection[str]) -> list[Played]:
    """Read a labelled folder, one subfolder per class, each picture one part; classes not named OK are bad.

    Raises:
        ConfigError: there is no such folder, a named class is not in it, or it holds no good picture.
    """
    classes = sorted(entry.name for entry in path.iterdir() if entry.is_dir()) if path.is_dir() else []
    if not classes:
        raise ConfigError(str(path), "is no folder with one subfolder per class")
    for name in ok:
        if name not in classes:
            raise ConfigError(f"--ok {name}", f"{path} has no such class", f"write one of {', '.join(classes)}")
    files = [
        (file, Verdict.OK if name in ok else Verdict.NG)
        for name in classes
        for file in sorted((path / name).iterdir())
        if file.suffix.lower() in SUFFIXES
    ]
    truth = [verdict for _, verdict in files]
    pictures = [file.read_bytes() for file, _ in files]
    try:
        odd = oddness(pictures, truth)
    except ValueError as exc:
        raise ConfigError(str(path), str(exc)) from exc
    return [
        Played(serial=f"{file.parent.name}-{file.stem}", truth=verdict, oddness=value, images={"1": picture})
        for (file, verdict), picture, value in zip(files, pictures, odd, strict=True)
    ]


def inspected(parts: Sequence[Played], false_calls: float, escapes: float, seed: int = 0) -> list[Played]:
    """Return the parts in a seeded order, with the verdicts of an inspector that errs at these rates.

    Args:
        parts: what to play.
        false_calls: the share of good parts called NG; they are those with most nuisance.
        escapes: the share of bad parts called OK; they are those with the faintest defects.
        seed: of the order, and between parts that look alike.
    """
    said = legacy_verdicts([p.truth for p in parts], [p.oddness for p in parts], false_calls, escapes, seed)
    order = np.random.default_rng([seed, 7]).permutation(len(parts))
    return [replace(parts[place], legacy=said[place]) for place in order]
