"""What a score means, in words: it stands in the manifest and is never baked into the graph."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.judging.bundle import ModelClass
from bridge.messages import Verdict


def meaning(
    classes: Sequence[ModelClass], output: str, temperature: float | None, *, elsewhere: bool = False
) -> str:
    """Return what p(OK) is.

    Args:
        classes: of the model.
        output: what its numbers are, logits or probabilities.
        temperature: what logits are divided by, fitted on pictures that it was not trained on; None: not fitted.
        elsewhere: whether those pictures were of another line, so that they say nothing of this one.
    """
    good = " + ".join(f"p({one.name})" for one in classes if one.verdict is Verdict.OK)
    how = "the model's own probabilities"
    if output == "logits":
        how = "the softmax of the logits" + ("" if temperature is None else f" divided by {temperature:.4g}")
    known = (
        "how often it is right was not measured"
        if temperature is None or elsewhere
        else "the divisor was fitted on validation pictures, so that it is about as often right as it says"
    )
    then = "A view is OK from the threshold on, a part is as its worst view."
    return f"p(OK) of one view = {good}, from {how}; {known}. {then}"


def of_boxes(classes: Sequence[ModelClass]) -> str:
    """Return what the score of a detector is."""
    bad = ", ".join(one.name for one in classes if one.verdict is Verdict.NG)
    then = "A view is OK from the threshold on, so that threshold 0.2 means: NG if any box scores over 0.8."
    return f"1 - (how sure the surest box of {bad} is), 1 where there is none. {then} A part is as its worst view."


def of_differences(allowed_area: float) -> str:
    """Return what the score of a comparison with a golden picture is."""
    then = "threshold 0.5 lets pass what is allowed and no more. A part is as its worst view."
    return f"1 / (1 + a / {allowed_area:g}), a being the area of the largest difference in pixels: {then}"
