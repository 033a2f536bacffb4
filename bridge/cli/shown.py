"""Times and foreign texts as people read them in a terminal."""

from __future__ import annotations

_UNITS = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"))


def ago(seconds: float) -> str:
    """Return a span as ``12 s``, ``5 min``, ``3.5 h`` or ``2.1 d``."""
    for size, unit in _UNITS:
        if seconds >= size:
            amount = seconds / size
            return f"{amount:.0f} {unit}" if unit == "min" or amount >= 10 else f"{amount:.1f} {unit}"  # noqa: PLR2004
    return f"{max(0.0, seconds):.0f} s"


def plain(text: str) -> str:
    """Return a machine's text on one line, with whatever a terminal would obey or cannot show written out."""
    words = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in words)


def amount(size: float) -> str:
    """Return an amount of bytes as ``512 B``, ``1.4 kB`` or ``23 GB``."""
    unit = "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:  # noqa: PLR2004 - what a unit ends at
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"  # noqa: PLR2004 - two digits
