"""Every example runs, and does what its README says."""

from __future__ import annotations

import pytest
from example_kit import script

from bridge.messages import Verdict

BESIDE_OLD_AOI = script("beside_old_aoi/run.py")
GOAL_PER_LINE = script("goal_per_line/run.py")
BOLT_STATION = script("bolt_station/run.py")


@pytest.mark.timeout(120)
async def test_beside_old_aoi() -> None:
    """Beside a tap only the re-checked parts are told, and each of them is."""
    stand = await BESIDE_OLD_AOI.main(parts=16)
    rechecked = [one for one in stand.shown if one.part.legacy is Verdict.NG]
    assert len(stand.shown) == 16
    assert 0 < len(rechecked) == stand.told()
    assert all(one.taken is not None and one.taken.verdict is not None for one in rechecked)
    assert any(one.taken is not None and one.taken.passed for one in rechecked), "no false call was cleared"
    assert all(one.taken is None for one in stand.shown if one.part.legacy is Verdict.OK)


@pytest.mark.timeout(120)
async def test_goal_per_line() -> None:
    """Each line does what its own goal may do, and no more."""
    first, second, third = await GOAL_PER_LINE.main(parts=16)
    assert first.false_calls_after < first.false_calls_before
    assert second.escapes_after < second.escapes_before
    assert first.fallbacks == second.fallbacks == 0
    assert (third.false_calls_after, third.escapes_after) == (third.false_calls_before, third.escapes_before)
    assert all(line.lost == line.duplicated == 0 for line in (first, second, third))


@pytest.mark.timeout(120)
async def test_bolt_station() -> None:
    """A PLC's trigger comes back as a verdict on four pictures; a covered lens is NG, and never late."""
    shown, decisions = await BOLT_STATION.main(parts=12)
    *bolts, covered = shown
    assert len(bolts) == 12
    assert all(one.verdict is not None for one in shown)
    assert covered.verdict is Verdict.NG
    judged = {one.part: one for one in decisions}
    assert all(len(judged[one.part.serial].views) == 4 for one in shown)
    assert all(not judged[one.part.serial].failures for one in bolts)
    assert not any(one.part.truth is Verdict.NG and one.verdict is Verdict.OK for one in shown), "an escape"
    assert any(one.verdict is Verdict.OK for one in bolts)
    assert all(one.milliseconds < 900 for one in shown), "the paper's own limit, pictures included"
