"""Months made of nothing but arrays, for the statistics."""

from __future__ import annotations

from typing import Any

import numpy as np

from bridge.shadow.month import NG, OK, Month
from bridge.store.records import Stratum

DAY = 86400.0


def month(
    legacy: Any,
    model: Any,
    truth: Any,
    *,
    chance: Any = 1.0,
    drawn: Any = None,
    lot: Any = None,
    days: float = 30,
    seeded: Any = False,
    defect: Any = None,
    defects: tuple[str, ...] = ("",),
) -> Month:
    """Return a month of parts, goals as the truth table has them where the model always answers."""
    legacy, model, truth = (np.asarray(one, np.int8) for one in (legacy, model, truth))
    n = len(legacy)
    chances = np.broadcast_to(np.asarray(chance, np.float32), (n,)).copy()
    drawn = np.ones(n, bool) if drawn is None else np.asarray(drawn)
    lot = np.arange(n, dtype=np.int32) * 90 // max(n, 1) if lot is None else np.asarray(lot, np.int32)
    put_in = np.broadcast_to(np.asarray(seeded, bool), (n,)).copy()
    goals = np.stack([np.where(legacy == NG, model, OK), np.where(legacy == OK, model, NG), model], axis=1)
    agreed = np.where(legacy == NG, Stratum.AGREED_NG, Stratum.AGREED_OK)
    nothing = np.full(n, np.nan, np.float32)
    return Month(
        at=np.linspace(0, days * DAY, n, endpoint=False),
        number=np.arange(1, n + 1),
        presentations=np.ones(n, np.int16),
        legacy=legacy,
        model=model,
        goals=goals.astype(np.int8),
        fallbacks=goals.astype(np.int8),
        in_time=np.ones(n, np.int8),
        truth=np.where(drawn, truth, 0).astype(np.int8),
        stratum=np.where(put_in, 0, np.where(legacy != model, Stratum.DISAGREED, agreed)).astype(np.int8),
        chance=chances,
        drawn=drawn,
        seeded=put_in,
        lowest=np.stack([nothing, nothing], axis=1),
        threshold=nothing,
        latency_ms=nothing,
        judge_ms=nothing,
        lot=lot,
        recipe=np.zeros(n, np.int32),
        defect=np.zeros(n, np.int32) if defect is None else np.asarray(defect, np.int32),
        lots=[str(one) for one in range(int(lot.max(initial=0)) + 1)],
        recipes=[""],
        defects=defects,
    )
