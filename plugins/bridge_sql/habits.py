"""What an inspector's database does on a bad day, and an MES's."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.plugin import PART_HABITS, Habit

DOCUMENTS_BETWEEN = 10

AOI_HABITS: Mapping[str, Habit] = {
    **PART_HABITS,
    "late-commit": Habit("one row in so many becomes visible after the next, which has a higher id", 3),
    "never-complete": Habit("one row in so many never becomes complete", 5),
    "deleted": Habit("one row in so many is deleted before it is complete", 5),
    "slow": Habit("each row becomes complete so many seconds after it appeared", 0.2),
}
MES_HABITS: Mapping[str, Habit] = {
    "lock": Habit(f"after every {DOCUMENTS_BETWEEN}th row somebody locks the table for so many seconds", 1),
}
