"""How much memory the worker takes and may take; read and set by the worker itself.

Counted is what the process alone holds in memory: not the libraries' files, nor the pictures it shares with the
gateway. It tells with each answer; past the limit it is replaced between two parts. At twice the limit the kernel
refuses it more, whatever it is doing, so that a leak inside one part cannot take the machine along.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Final

MARGIN_BYTES: Final = 500_000_000
"""What a worker may take beyond what it took when warm, unless the user says a limit."""
PIXEL_BYTES: Final = 12
"""What decoding takes for a pixel at its worst (a progressive JPEG in colour)."""

_PAGE = os.sysconf("SC_PAGE_SIZE")
_SELF = Path("/proc/self/statm")


def taken() -> int:
    """Return the bytes that this process alone holds in memory."""
    _, resident, shared, *_ = _SELF.read_bytes().split()
    return (int(resident) - int(shared)) * _PAGE


def limit(warm: int, stated: int | None, max_pixels: int) -> int:
    """Return the limit in bytes: the stated one, or what it took when warm and room for the largest picture."""
    return warm + max(MARGIN_BYTES, PIXEL_BYTES * max_pixels) if stated is None else stated


def hold(allowed: int) -> None:
    """Let the kernel refuse this process more than twice what is allowed."""
    # Private and writable, touched or not: so the kernel counts.
    data = int(_SELF.read_bytes().split()[5]) * _PAGE
    ceiling = data + max(0, 2 * allowed - taken())
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or ceiling < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (ceiling, ceiling))
