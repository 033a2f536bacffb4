"""Which pictures are kept, and which go first. Pure.

All of those on which somebody disagreed or something failed are evidence; of the rest a sample is kept. Whether a
part is in the sample depends on its inspection id alone, which knows nothing of what is on the picture: so the
sample is fair, every part of the rest has the same chance, and it can be told afterwards which parts were in it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum

from bridge.messages import Decision, ViewDecision
from bridge.store.records import Second


class Need(IntEnum):
    """What a picture is kept for; the lower ones go first. The numbers are for ever: they are in a file."""

    SAMPLE = 1
    """Everybody agreed, and the part is in the sample."""
    EVIDENCE = 2
    """Somebody disagreed, something failed, or the part was drawn for labelling."""
    LABELLED = 3
    """A person said what is on it; never removed by us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What is kept; the options are those of ``[images]``."""

    sample: float = 1.0
    """The share of the rest that is kept, 0 to 1."""
    cap_bytes: int = 1 << 62
    """How many bytes all pictures may take."""
    floor_bytes: int = 256 << 20
    """How many bytes of the disk are left to the journal."""


def sampled(id: str, share: float) -> bool:  # noqa: A002 - the word of the messages
    """Return whether the part of this inspection id is in a sample of so large a share.

    A part in a sample is in every larger one too.
    """
    place = int.from_bytes(hashlib.sha256(b"images " + id.encode()).digest()[:8], "big")
    return place < share * 2.0**64


def needed(decision: Decision, second: Second | None, share: float) -> Need | None:
    """Return what the pictures of a part are kept for, None where they are not.

    Args:
        decision: what was answered.
        second: what a shadow line's judge said afterwards, and whether the part was drawn; None without a record.
        share: how large a sample of the rest is kept.
    """
    drawn = second is not None and second.drawn
    if drawn or _failed(decision, second) or _disagreed(decision, second):
        return Need.EVIDENCE
    return Need.SAMPLE if sampled(decision.id, share) else None


def _failed(decision: Decision, second: Second | None) -> bool:
    answered = decision.degraded or decision.error or decision.failures
    views = any(view.judgement is not None and view.judgement.failure for view in _views(decision, second))
    return bool(answered or views or (second and second.failures))


def _disagreed(decision: Decision, second: Second | None) -> bool:
    said = {decision.model, decision.final}
    if second is not None:
        said |= {second.model, *second.goals.values()}
    return bool(said - {None, decision.legacy}) or any(map(_other, _views(decision, second)))


def _other(view: ViewDecision) -> bool:
    """Return whether inspector and model differ on one view."""
    model = view.judgement.verdict if view.judgement else None
    return None not in {model, view.legacy} and model is not view.legacy


def _views(decision: Decision, second: Second | None) -> tuple[ViewDecision, ...]:
    return (*decision.views, *(second.views if second else ()))
