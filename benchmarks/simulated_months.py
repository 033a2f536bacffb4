"""Months whose truth is known, as the benchmarks of the statistics draw them: arrays, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.shadow.month import NG, NONE, OK, Month
from bridge.store.records import Stratum

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Lots:
    """Parts in lots of one size, whose rates vary from lot to lot like a Beta distribution."""

    random: np.random.Generator
    correlation: float
    parts: int
    lots: int

    @property
    def lot(self) -> NDArray[np.int32]:
        """Return the lot of each part, (n,)."""
        return (np.arange(self.parts) * self.lots // self.parts).astype(np.int32)

    def happens(self, rate: float) -> Mask:
        """Return to which parts, (n,), something happens that has this rate over all lots."""
        rates = np.full(self.lots, rate)
        if self.correlation and rate:
            spread = (1 - self.correlation) / self.correlation
            rates = self.random.beta(rate * spread, (1 - rate) * spread, self.lots)
        hit: Mask = self.random.random(self.parts, np.float32) < rates[self.lot]
        return hit


def drawn_month(
    lots: Lots, bad: Mask, called_ng: Mask, disagrees: Mask, unreliable: Mask, audit: float, seconds: float
) -> Month:
    """Return a month that was labelled by the sampling plan.

    Args:
        lots: the lots of the parts.
        bad: (n,) what is true.
        called_ng: (n,) what the inspector says.
        disagrees: (n,) where the model says otherwise.
        unreliable: (n,) where the model is unsure.
        audit: the chance of a part that both call OK.
        seconds: between two parts.
    """
    n = lots.parts
    legacy = np.where(called_ng, NG, OK).astype(np.int8)
    model = np.where(called_ng != disagrees, NG, OK).astype(np.int8)
    goals = np.stack([np.where(called_ng, model, OK), np.where(called_ng, NG, model), model], axis=1).astype(
        np.int8
    )
    stratum = np.select(
        [disagrees, unreliable, called_ng],
        [Stratum.DISAGREED, Stratum.UNRELIABLE, Stratum.AGREED_NG],
        Stratum.AGREED_OK,
    ).astype(np.int8)
    chance = np.where(stratum == Stratum.AGREED_OK, audit, 1.0).astype(np.float32)
    drawn = lots.random.random(n, np.float32) < chance
    nothing = np.full(n, np.nan, np.float32)
    return Month(
        at=np.arange(n) * seconds,
        number=np.arange(1, n + 1),
        presentations=np.ones(n, np.int16),
        legacy=legacy,
        model=model,
        goals=goals,
        fallbacks=goals,
        in_time=np.ones(n, np.int8),
        truth=np.where(drawn, np.where(bad, NG, OK), NONE).astype(np.int8),
        stratum=stratum,
        chance=chance,
        drawn=drawn,
        seeded=np.zeros(n, bool),
        lowest=np.stack([nothing, nothing], axis=1),
        threshold=nothing,
        latency_ms=nothing,
        judge_ms=nothing,
        lot=lots.lot,
        recipe=np.zeros(n, np.int32),
        defect=np.zeros(n, np.int32),
        lots=[str(one) for one in range(lots.lots)],
        recipes=[""],
        defects=[""],
    )
