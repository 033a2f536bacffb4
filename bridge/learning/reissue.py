"""The next version of a bundle: the same model with another threshold and temperature, and what they rest on.

A bundle never changes, so a calibration writes a new one. The model's files are copied byte for byte; known bad
pictures that the new threshold no longer rejects clearly stay behind: on another processor they might refuse it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bridge.judging import bundle, shelf
from bridge.judging.bundle import Bundle, Golden
from bridge.judging.frames import Opinion
from bridge.judging.spec import HeatMapOutput
from bridge.learning.golden import CLEARLY
from bridge.learning.meaning import meaning
from bridge.learning.operating import Found
from bridge.learning.seen import SEEN, Known, Seen
from bridge.messages import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What the next version is to say."""

    found: Found
    temperature: float
    past: Seen
    """What the bundle had seen."""
    used: tuple[Known, ...]
    """What the threshold rests on."""
    data: str
    """A hash over the parts that it rests on."""
    boxes: HeatMapOutput | None = None
    """How its heat map becomes boxes from now on; None: as before."""


def reissue(model: Bundle, done: Calibration, golden: Sequence[Opinion], folder: Path) -> tuple[Bundle, int]:
    """Write the next version; return it, and how many known bad pictures stay behind.

    It becomes live only if the folder has no live version.

    Args:
        model: the bundle that was calibrated.
        done: how.
        golden: what its golden pictures score at the new temperature, in order.
        folder: the model's folder.

    Raises:
        ConfigError: the folder cannot take it.
    """
    before, threshold = model.manifest, done.found.threshold
    kept = tuple(one for one, said in zip(before.golden, golden, strict=True) if _clear(one, said, threshold))
    left = {one.file for one in before.golden} - {one.file for one in kept}
    facts: dict[str, Any] = {
        **before.model_dump(),
        "version": shelf.next_version(folder),
        "threshold": threshold,
        "temperature": done.temperature,
        "operating_point": done.found.point,
        "heat_map": done.boxes or before.heat_map,
        "golden": kept,
        "score": before.score if done.temperature == before.temperature else _meaning(model, done),
        "parent": model.identity,
        "recipe": {**before.recipe, "calibration": _recipe(done)},
        "metrics": _metrics(before.metrics, done.found),
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    past = replace(done.past, calibration=tuple(dict.fromkeys((*done.past.calibration, *done.used))))
    files: Mapping[str, bytes | Path] = {
        **{name: model.folder / name for name in before.files if name not in left},
        SEEN: past.encoded(),
    }
    made = bundle.write(folder / str(facts["version"]), bundle.Manifest.model_validate(facts), files)
    if not (folder / shelf.LIVE).exists():
        shelf.put_live(made.folder)
    return made, len(left)


def _clear(one: Golden, said: Opinion, threshold: float) -> bool:
    return one.verdict is Verdict.OK or (said.score is not None and said.score < CLEARLY * threshold)


def _metrics(before: Mapping[str, float | int | str], found: Found) -> dict[str, float | int | str]:
    """Return what was measured, without what the threshold before did."""
    of_the_threshold = {"validation_false_calls", "validation_escapes", "allowed_escape_share"}
    kept = {name: value for name, value in before.items() if name not in of_the_threshold}
    return kept | {"calibration_good_passed": found.passed.events, "calibration_bad_caught": found.caught.events}


def _meaning(model: Bundle, done: Calibration) -> str:
    one = model.manifest
    return meaning(one.classes, one.output, done.temperature)


def _recipe(done: Calibration) -> dict[str, Any]:
    aim = done.found.aim
    return {
        "goal": int(aim.goal),
        "risk": aim.risk,
        "false_calls": aim.false_calls if len(done.found.claims) > 1 else None,
        "confidence": aim.confidence,
        "unit": aim.unit,
        "data": done.data,
        "pictures": len(done.used),
        "groups": len({group for _, group in done.used}),
        "seen": hashlib.sha256(done.past.encoded()).hexdigest(),
    }
