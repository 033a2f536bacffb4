"""The line does not wait: what trains or judges whole sets takes what processor time nobody else wants."""

from __future__ import annotations

import os
from contextlib import suppress

_LAST = 19


def yield_to_the_line() -> None:
    """Give this process the lowest priority there is, for good.

    Threads inherit it, so call this before anything heavy is imported. Linux has a class below every niceness,
    whose processes run only where a processor would idle.
    """
    with suppress(OSError, AttributeError):  # elsewhere than on Unix there is no niceness
        os.nice(_LAST)
    with suppress(OSError, AttributeError):  # only Linux has it
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
