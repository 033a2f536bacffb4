"""What people say of parts at a station, as labels: a road's options, where facts stand, words and times. Pure.

A label is OK or NG only where the configuration lists the very word; any other word is no label at all.
"""

from __future__ import annotations

import csv
import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import ClassVar, Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator

from bridge.labels import Label
from bridge.plugin.options import Name, WhenUnreachable
from bridge.plugin.reading import Unreadable, WordList, WordOptions, short_text

LabelFacts: TypeAlias = Mapping[str, str]
"""What was said, by the names of ``LabelPlaces``; what was not said is absent or empty."""

NOTE_LENGTH = 2000
AHEAD_SECONDS = 86_400.0
"""A clock may be wrong by so much; a label of a later time would be tied to parts that are still to come."""
_LATEST = 1e11
"""As seconds that is the year 5138; milliseconds are larger."""
_YES = frozenset({"1", "yes", "true"})


class LabelPlaces(BaseModel):
    """Where the facts of a label stand: the name of a column, or of whatever else holds them."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    part: str = "part"
    """where the serial number or barcode stands"""
    id: str = "id"
    """where the inspection id stands, if the station knows it"""
    verdict: str = "verdict"
    """where the verdict stands"""
    who: str = "who"
    """where the person's name or number stands"""
    defect: str = "defect"
    """where the defect stands that the person found"""
    note: str = "note"
    """where a remark stands"""
    time: str = "time"
    """where it stands when that was said"""
    key: str = ""
    """where the station's own number of this label stands; left out, all that was said and when"""

    def wanted(self) -> dict[str, str]:
        """Return fact → place, without those that are switched off by an empty place."""
        return {fact: place for fact, place in self if place}


class LabelOptions(WordOptions):
    """What every label road has."""

    moves_verdicts: ClassVar[frozenset[str]] = frozenset()

    name: Name = Field(examples=["repair"])
    """a name for this road, unique among the label roads of its line; its labels are kept under it"""
    ok_words: WordList = ("OK", "FALSE CALL")
    """a list of the words that mean that the part was good as it came; any word that is in no list is no label"""
    ng_words: WordList = ("NG", "REAL DEFECT")
    """a list of the words that mean that the part was bad as it came, be it mended or not"""
    person: str = Field(default="station", min_length=1)
    """the name under which labels count that name no person; all of them then are one person's"""
    shown: Literal["verdict", "pictures"] = "verdict"
    """verdict if those people see what the inspector or the model said, pictures if they judge blind"""
    timezone: str = ""
    """the time zone of times that name none, as Europe/Berlin; left out, this computer's"""
    time_format: str = Field(default="", examples=["%d.%m.%Y %H:%M:%S"])
    """a pattern of the time as Python's strptime has it; left out, ISO 8601 or seconds since 1970"""
    when_unreachable: WhenUnreachable = "retry"
    """retry (the bridge starts all the same and keeps trying) or stop (it refuses to start without this road)"""

    @field_validator("timezone")
    @classmethod
    def _zone(cls, name: str) -> str:
        try:
            return str(ZoneInfo(name)) if name else ""
        except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
            raise ValueError("is no time zone") from exc

    @field_validator("person")
    @classmethod
    def _somebody(cls, name: str) -> str:
        if not name.strip():
            raise ValueError("is nobody")
        return name


def read_label(facts: LabelFacts, options: LabelOptions, now: float, key: str | None = None) -> Label:
    """Return the label that a station's words are; line and road are the host's to fill in.

    Args:
        facts: what was said.
        options: the road's.
        now: Unix time that counts where none was said.
        key: the identity that counts where none was said.

    Raises:
        Unreadable: they are none.
    """
    said = {fact: text.strip() for fact, text in facts.items()}
    verdict = options.words().verdict(word := said.get("verdict", ""))
    if verdict is None:
        raise Unreadable(
            f"the verdict {word[:60]!r} is in neither ok_words nor ng_words" if word else "no verdict"
        )
    part, id_ = short_text("part", said.get("part", "")), _id(said.get("id", ""))
    if not (part or id_):
        raise Unreadable("names neither a part nor an inspection")
    return Label(
        verdict=verdict,
        who=short_text("who", said.get("who", "")) or options.person,
        at=_time(said["time"], options, now) if said.get("time") else now,
        part=part,
        id=id_,
        defect=short_text("defect", said.get("defect", "")),
        note=" ".join(said.get("note", "").split())[:NOTE_LENGTH],
        blind=options.shown == "pictures" or said.get("blind", "").lower() in _YES,
        key=short_text("key", said.get("key", "")) or key,
    )


def as_key(facts: LabelFacts) -> str | None:
    """Return all that was said as its own identity; None where no time was said, for then it may be said again."""
    if not facts.get("time", "").strip():
        return None
    text = json.dumps(sorted((fact, said.strip()) for fact, said in facts.items() if said.strip()))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def csv_labels(text: str, places: Mapping[str, str], delimiter: str = "auto") -> Iterator[tuple[int, LabelFacts]]:
    """Yield the number of each line of a CSV text that is not blank, and its facts.

    Args:
        text: the first line names the columns; auto finds the delimiter (comma, semicolon, tab or bar) in it.
        places: fact → column, in upper or lower case.
        delimiter: what stands between cells.

    Raises:
        Unreadable: it is no CSV, or its first line lacks the verdict, or both part and id.
    """
    lines = text.removeprefix("\ufeff").splitlines(keepends=True)
    head = lines[0] if lines else ""
    chosen = max(",;\t|", key=head.count) if delimiter == "auto" else delimiter
    reader = csv.reader(lines, delimiter=chosen, skipinitialspace=True, strict=True)
    try:
        names = [name.strip().casefold() for name in next(reader, [])]
        cells = {fact: _cell(names, place) for fact, place in places.items()}
        _stated(cells, places, head)
        for row in reader:
            if any(map(str.strip, row)):
                facts = {fact: row[at] for fact, at in cells.items() if at is not None and at < len(row)}
                yield reader.line_num, facts
    except csv.Error as exc:
        raise Unreadable(f"line {reader.line_num} is no CSV: {exc}") from exc


def _cell(names: list[str], place: str) -> int | None:
    wanted = place.strip().casefold()
    if names.count(wanted) > 1:
        raise Unreadable(f"the column {place} stands there {names.count(wanted)} times")
    return names.index(wanted) if wanted in names else None


def _stated(cells: Mapping[str, int | None], places: Mapping[str, str], head: str) -> None:
    for facts in (("verdict",), ("part", "id")):
        if all(cells.get(fact) is None for fact in facts):
            named = " or ".join(places[fact] for fact in facts if fact in places)
            raise Unreadable(f"there is no column {named} in the first line {head.strip()[:200]!r}")


def _id(text: str) -> str:
    try:
        return uuid.UUID(text).hex if text else ""
    except ValueError as exc:
        raise Unreadable(f"{text[:60]!r} is no inspection id") from exc


def _time(text: str, options: LabelOptions, now: float) -> float:
    at = _instant(text, options)
    if not 0 < at < min(now + AHEAD_SECONDS, _LATEST):
        raise Unreadable(f"the time {text[:60]!r} lies in the future, or before 1970")
    return at


def _instant(text: str, options: LabelOptions) -> float:
    try:
        if options.time_format:
            moment = datetime.strptime(text, options.time_format)  # noqa: DTZ007 - its zone comes below
        elif text.replace(".", "", 1).isascii() and text.replace(".", "", 1).isdigit():
            return float(text)
        else:
            moment = datetime.fromisoformat(text)
        if moment.tzinfo is None and options.timezone:
            moment = moment.replace(tzinfo=ZoneInfo(options.timezone))
        return moment.astimezone(UTC).timestamp()
    except (ValueError, OverflowError, OSError) as exc:
        wanted = f"of the form {options.time_format}" if options.time_format else "in ISO 8601"
        raise Unreadable(f"the time {text[:60]!r} is not {wanted}") from exc
