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


class TooLittle(ValueError):  # noqa: N818 - named after what the stated limit is
    """The worker may not take as much as it needs; ``str()`` is one line for the user."""


def taken() -> int:
    """Return the bytes that this process alone holds in memory."""
    _, resident, shared, *_ = _SELF.read_bytes().split()
    return (int(resident) - int(shared)) * _PAGE


def limit(warm: int, stated: int | None, max_pixels: int) -> int:
    """Return the limit in bytes: the stated one, or what it took when warm and room for the largest picture.

    Raises:
        TooLittle: the stated one does not even hold the model.
    """
    if stated is None:
        return warm + max(MARGIN_BYTES, PIXEL_BYTES * max_pixels)
    if stated <= warm:
        raise TooLittle(f"it takes {warm / 1e6:.0f} MB when warm, and its memory_megabytes is {stated / 1e6:.0f}")
    return stated


def allow(stated: int | None, max_pixels: int) -> int:
    """Return this process's limit, now that it is warm; the kernel refuses it more than twice as much from now on.

    Raises:
        TooLittle: the stated limit does not even hold the model.
    """
    warm = taken()
    allowed = limit(warm, stated, max_pixels)
    mapped = int(_SELF.read_bytes().split()[5]) * _PAGE  # private and writable, touched or not: the kernel's count
    ceiling = mapped + 2 * allowed - warm
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or ceiling < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (ceiling, ceiling))
    return allowed
