"""The line does not wait: what trains or judges whole sets takes what processor time nobody else wants.

Linux has a scheduling class below every niceness. But where it groups processes by terminal session (autogroups,
on in most distributions) it shares the processors between the groups first, and the class counts within a group
only: a training of the lowest class in one terminal is weighed like a gateway in another. So the session's own
rank is lowered too, unless it is the session of a gateway, where the class does what it should. What control
groups of a service manager do, only that one can set.
"""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

_LAST: Final = 19
_GROUP: Final = Path("/proc/self/autogroup")
_TRIES: Final = 5
"""The kernel takes ten changes of a rank a second, from all processes together."""


def yield_to_the_line() -> None:
    """Give this process the lowest priority there is, for good, and its session until the process ends.

    Threads inherit it, so call this before anything heavy is imported.
    """
    with suppress(OSError, AttributeError):  # elsewhere than on Unix there is no niceness
        os.nice(_LAST)
    with suppress(OSError, AttributeError):  # only Linux has it
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    if _rank() == 0 and not _holds_a_gateway():
        _rank_at(_LAST)
        atexit.register(_rank_at, 0)


def keep_rank() -> None:
    """Take back what a training that was killed left in this session."""
    if _rank() == _LAST:
        _rank_at(0)


def _rank() -> int | None:
    """Return the niceness of this session's group; None where there are no groups."""
    try:
        return int(_GROUP.read_text(encoding="ascii").rsplit(maxsplit=1)[1])
    except (OSError, ValueError, IndexError):
        return None


def _rank_at(nice: int) -> None:
    for _ in range(_TRIES):
        try:
            _GROUP.write_text(str(nice), encoding="ascii")
        except BlockingIOError:
            time.sleep(0.11)
        except OSError:
            return
        else:
            return


def _holds_a_gateway() -> bool:
    """Return whether a gateway runs in this session, or anything else of ours that would be lowered with it."""
    return any(_is_ours(words) for words in _neighbours())


def _is_ours(words: list[str]) -> bool:
    named = any(Path(word).name == "aoi-bridge" or word == "bridge.cli" for word in words)
    return named and ("run" in words or "demo" in words or "simulate" in words)


def _neighbours() -> Iterator[list[str]]:
    """Yield the command lines of the other processes of this session."""
    session = os.getsid(0)
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):  # it has ended
            if int(folder.name) != os.getpid() and os.getsid(int(folder.name)) == session:
                yield (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
