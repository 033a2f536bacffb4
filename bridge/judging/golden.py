"""Golden pictures: what a bundle carries of parts known to be bad, and the last question before it may judge.

They are judged in the worker, with the very decoding and the very numbers of the line. A bundle that lets one of
its own known bad pass is refused, whatever its metrics say.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge.errors import ConfigError
from bridge.health import count
from bridge.judging.bundle import Bundle
from bridge.judging.frames import Opinion
from bridge.log import logger
from bridge.messages import Verdict


def examine(model: Bundle, opinions: Sequence[Opinion], threshold: float) -> None:
    """Hold what the worker said of the golden pictures against what is known of them.

    Raises:
        ConfigError: one that is known to be bad would pass, or could not be judged.
    """
    for one, opinion in zip(model.manifest.golden, opinions, strict=True):
        where = str(model.folder / one.file)
        if opinion.score is None:
            raise ConfigError(where, f"is a golden picture and could not be judged ({opinion.why})")
        if one.verdict is Verdict.NG and opinion.score >= threshold:
            found = f"is known to be bad and would pass: p(OK) {opinion.score:.4g}, threshold {threshold:.4g}"
            raise ConfigError(where, found, "use another bundle, or a threshold above it")
        if one.verdict is Verdict.OK and opinion.score < threshold:
            count("golden good rejected")
            logger(picture=where).warning("a golden good part is rejected", score=opinion.score, limit=threshold)
    if not any(one.verdict is Verdict.NG for one in model.manifest.golden):
        logger(model=model.identity).info("the bundle carries no picture of a part known to be bad")


def best_bad(model: Bundle, opinions: Sequence[Opinion]) -> float | None:
    """Return the highest p(OK) of a picture known to be bad: thresholds must be above it; None without one."""
    pairs = zip(model.manifest.golden, opinions, strict=True)
    scores = [said.score for one, said in pairs if one.verdict is Verdict.NG and said.score is not None]
    return max(scores, default=None)
