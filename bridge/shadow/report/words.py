"""How the page writes a figure: always with what was counted, and with its bounds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from bridge.pages import page
from bridge.pages.page import Markup
from bridge.shadow.report.grouped import Facts

MILLION: Final = 1e6
NOTHING: Final = "–"
STATES: Final[Mapping[str, bool | None]] = {"ready": True, "not ready": False, "need more": None}


def ppm(rate: Facts) -> str:
    """Return a rate in ppm with its bounds; a dash where nothing was tried."""
    if rate["value"] is None:
        return NOTHING
    low, high = _ppm(rate["lower"]), _ppm(rate["upper"])
    return f"{_ppm(rate['value'])} ppm ({low}–{high})"


def percent(rate: Facts) -> str:
    """Return a share in per cent with its bounds; a dash where nothing was tried."""
    if rate["value"] is None:
        return NOTHING
    return f"{_per_cent(rate['value'])} % ({_per_cent(rate['lower'])}–{_per_cent(rate['upper'])})"


def counted(rate: Facts) -> str:
    """Return numerator and denominator; where a label stands for several parts, what they stand for too."""
    told = f"{rate['events']:,} / {round(rate['trials']):,}"
    stands = round(rate["weighted"])
    return f"{told} [{stands:,}]" if stands != rate["events"] else told


def _ppm(value: float) -> str:
    one = value * MILLION
    return f"{one:,.0f}" if one >= 100 or one == 0 else f"{one:.3g}"  # noqa: PLR2004 - three digits


def _per_cent(value: float) -> str:
    one = 100 * value
    return f"{one:.1f}" if one >= 10 or one == 0 else f"{one:.2g}"  # noqa: PLR2004 - three digits


def state(word: str) -> Markup:
    """Return the word of a verdict in its colour."""
    return page.mark(word, good=STATES[word])


def in_words(limit: Facts, value: float | None) -> str:
    """Return a figure in the unit of a limit."""
    if value is None:
        return NOTHING
    match limit["unit"]:
        case "%":
            return f"{_per_cent(value)} %"
        case "ppm":
            return f"{_ppm(value)} ppm"
    return f"{value:,.0f}"


def moment(at: float, timezone: str) -> str:
    """Return a Unix time as the plant's clocks show it."""
    return f"{datetime.fromtimestamp(at, ZoneInfo(timezone)):%Y-%m-%d %H:%M}"


def long(seconds: float) -> str:
    """Return how long something took, roughly."""
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def number(value: Any, digits: int = 3) -> str:
    """Return a figure without bounds; a dash for none."""
    return NOTHING if value is None else f"{value:.{digits}g}" if isinstance(value, float) else f"{value:,}"
