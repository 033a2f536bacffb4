"""What callers do on a bad day."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.plugin import PART_HABITS, Habit

PARTS_BETWEEN = 10
"""After so many parts comes the next spell of something that lasts."""

AOI_HABITS: Mapping[str, Habit] = {
    **PART_HABITS,
    "garbage": Habit("a call that is no part comes before one part in so many", 3),
    "damage": Habit("one upload in so many does not have its checksum, and is then sent anew", 3),
    "give-up": Habit("one call in so many is cancelled half-way, and then made anew", 5),
    "vanish": Habit(f"after every {PARTS_BETWEEN}th part the machine is gone for so many seconds", 60),
}
