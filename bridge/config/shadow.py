"""The [line.shadow] table: the month beside the old machine, what is drawn in it, and what it must show."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from bridge.config.section import Section
from bridge.plugin.options import Name

Share = Annotated[float, Field(ge=0, le=1)]
Limit = Annotated[float, Field(gt=0, lt=1)]
Ppm = Annotated[float, Field(gt=0, lt=1_000_000)]
Count = Annotated[int, Field(ge=0, le=10_000_000)]
_CLOCK_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


def _clock_times(value: tuple[str, ...]) -> tuple[str, ...]:
    if not all(_CLOCK_TIME.fullmatch(one) for one in value) or list(value) != sorted(set(value)):
        raise PydanticCustomError("shifts", 'is not a list of times of day in order, such as "06:00", "14:00"')
    return value


def _day(value: str) -> str:
    try:
        day = date.fromisoformat(value) if value else None
    except ValueError:
        day = date.min
    if day is not None and day.year not in range(1970, 9999):  # there is a day before and after it
        raise PydanticCustomError("day", 'is no day; write one such as "2026-10-01"')
    return day.isoformat() if day else ""


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise PydanticCustomError("zone", 'is no time zone; write one such as "Europe/Berlin" or "UTC"') from exc
    return value


def _serials(value: str) -> str:
    plain = value.strip("*?")
    if value and (not plain or not value.isprintable() or value != value.strip() or set("[]") & set(value)):
        raise PydanticCustomError(
            "serials", 'is no pattern of serial numbers; write one such as "SEED-*", with * and ? for what differs'
        )
    return value


class Shadow(Section):
    """What a line's shadow month records, how it draws parts for labelling, and what it must show."""

    days: Annotated[int, Field(ge=1, le=366)] = 30
    """how many days the validation lasts at least"""
    begins: Annotated[str, AfterValidator(_day)] = Field(default="", examples=["2026-10-01"])
    """on which day it begins, said beforehand; left out, with the first part. A change of what moves verdicts, or
    of what the month must show, begins it anew in any case"""
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    """the time zone of the plant, in which days, weeks and shifts begin"""
    shifts: Annotated[tuple[str, ...], Field(min_length=1, max_length=12), AfterValidator(_clock_times)] = (
        "06:00",
        "14:00",
        "22:00",
    )
    """at what times of day the shifts begin, in order"""
    reinspected_within_hours: Annotated[float, Field(ge=0, le=24 * 31)] = 24
    """within how many hours the same serial number again is a re-inspection of the same part"""
    parts_per_day: Annotated[int, Field(ge=1, le=10_000_000)] | None = Field(default=None, examples=[20_000])
    """about how many parts a day come, for the first day's audit rate; afterwards what came counts"""
    labels_per_day: Count = 50
    """how many parts a day people can label; what disagreements leave goes to the blind audit of agreements"""
    pool: tuple[Name, ...] = Field(default=(), examples=[("smt-4", "smt-5")])
    """a list of other lines whose parts count for its verdict too; they must decide alike"""
    seeded: Annotated[str, AfterValidator(_serials)] = Field(default="", examples=["SEED-*"])
    """the serial numbers of known-bad parts that people put in on purpose, with * and ? for what differs; they
    count for the miss rate and for nothing else"""
    audit_ng: Share = 1.0
    """of the parts that both call NG, the share to be labelled; 1 where a repair station looks at all anyway"""
    unreliable: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    """how close to the threshold a score is unreliable, so that its part is labelled in any case"""
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    """the confidence of every limit, one-sided"""
    miss_limit: Limit = 0.01
    """goals 1 and 3: of the true NG that the inspector finds, at most this share may be overruled"""
    escapes_ppm: Ppm = 50
    """goals 1 and 3: at most so many escapes may be added, per million parts"""
    false_calls_ppm: Ppm = 1000
    """goals 2 and 3: at most so many false calls may be added, per million parts"""
    false_calls_cut: Share = 0.3
    """goals 1 and 3: at least this share of the inspector's false calls must be gone"""
    min_lots: Count = 20
    """from at least so many lots the parts must come, for defects come in bursts"""
    min_ng: Count = 10
    """at least so many confirmed NG there must be of each defect code that may be cleared"""
    correlation: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """the correlation within a lot that is assumed where the parts do not show more"""
    guard_share: Share = 0.02
    """live under goal 1: of the parts that would be cleared, the share that stays NG for blind labelling"""
    guard_breach: Literal["alarm", "shadow", "drop_ready"] = "alarm"
    """what a live line does that does not keep its promise: alarm, drop_ready (until it is reset), or under goal 1
    shadow (it falls back by itself until somebody takes it live again)"""
    report_days: Annotated[int, Field(ge=1, le=3660)] = 60
    """for how many days after its end a report may take the line live"""
