"""``aoi-bridge label import``: labels out of a CSV file, each once, however often the file is imported."""

from __future__ import annotations

import argparse
import hashlib
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from bridge.cli import labelling
from bridge.config import shadow_of
from bridge.errors import ConfigError
from bridge.labels import Label
from bridge.plugin.labelling import LabelFacts, LabelOptions, LabelPlaces, csv_labels, read_label
from bridge.plugin.reading import Unreadable
from bridge.store import open_labels
from bridge.store.labels import Added, labels

ROAD = "csv"
SHOWN = 5
"""So many rows that were not understood are shown; all of them are in the file of the rejected."""


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    words = {
        option: " ".join(LabelOptions.model_fields[option].get_default()) for option in ("ok_words", "ng_words")
    }
    add("file", type=Path, help="a CSV file whose first line names the columns: id or part, verdict, …")
    add("--line", required=True, help="the line")
    add("--who", type=labelling.person, required=True, help="who says it, where no column names a person")
    facts = ", ".join((*LabelPlaces.model_fields, "blind"))
    columns = f"columns of other names, as part=Barcode; facts are {facts}"
    add("--columns", nargs="+", type=_column, default=[], metavar="FACT=COLUMN", help=columns)
    add("--ok-words", nargs="+", metavar="WORD", help=f"the words that mean OK ({words['ok_words']})")
    add("--ng-words", nargs="+", metavar="WORD", help=f"the words that mean NG ({words['ng_words']})")
    add("--blind", action="store_true", help="they saw no verdict; a list of aoi-bridge label todo says so itself")
    add("--timezone", help="the time zone of times that name none (this computer's)")
    add("--time-format", help="a pattern of the times as %%d.%%m.%%Y %%H:%%M (ISO 8601)")
    add("--encoding", default="utf-8-sig", help="the code page of the file (utf-8-sig)")


@dataclass(frozen=True, slots=True)
class _Rejected:
    line: int
    why: str
    facts: LabelFacts


def run(args: argparse.Namespace) -> int:
    """Take what is understood, and say what became of every row; exit status 1 if any was not understood."""
    data, shadow = shadow_of(args.config, args.line)
    text = _text(args.file, args.encoding)
    found, rejected = _read(args, text)
    before = _before(labels(data, args.line))
    last = {_whom(label): label for label, timed in found if not timed}
    fresh = [
        replace(label, key=f"{label.key}:{len(mine)}")  # said again after something else, it is another label
        for label, timed in found
        if (timed or last[_whom(label)] is label)  # a later row of the same part corrects it
        and not _repeats(label, mine := before.get(_whom(label), []), timed=timed)
    ]
    with open_labels(data) as book:
        added = book.add(fresh)
    added = Added(added.new, added.known + len(found) - len(fresh))
    print(f"{args.file}: {added.new} new label(s), {added.known} known, {len(rejected)} not understood")
    if nowhere := _nowhere(data, args.line, shadow.reinspected_within_hours, {label.key for label in fresh}):
        print(
            f"{nowhere} of the new belong to no inspection of this line, and count for nothing yet"
            " (a serial number without a time means the part as it is now)"
        )
    _show(args.file, rejected)
    return 1 if rejected else 0


def _text(path: Path, encoding: str) -> str:
    try:
        return path.read_text(encoding=encoding)
    except OSError as exc:
        raise ConfigError(str(path), f"cannot be read ({exc.strerror})", "write a CSV file") from exc
    except (ValueError, LookupError) as exc:
        raise ConfigError(str(path), f"is no text in {encoding}", "write its code page with --encoding") from exc


def _read(args: argparse.Namespace, text: str) -> tuple[list[tuple[Label, bool]], list[_Rejected]]:
    """Return the labels of a file, whether each says when, and what is none.

    A row without a verdict is not filled in yet.
    """
    options, places = _options(args), {**LabelPlaces().wanted(), "blind": "blind", **dict(args.columns)}
    mark, now = hashlib.sha256(text.encode()).hexdigest()[:32], time.time()
    found: list[tuple[Label, bool]] = []
    rejected: list[_Rejected] = []
    for line, facts in _rows(args.file, text, places):
        said = {fact: cell.removeprefix("'") for fact, cell in facts.items()}
        if not said.get("verdict", "").strip():
            continue
        try:
            label = read_label(said, options, now, f"{mark}:{line}")
        except Unreadable as exc:
            rejected.append(_Rejected(line, str(exc), facts))
        else:
            timed = bool(said.get("time", "").strip())
            found.append((replace(label, line=args.line, road=ROAD), timed))
    return found, rejected


def _rows(path: Path, text: str, places: dict[str, str]) -> Iterator[tuple[int, LabelFacts]]:
    try:
        yield from csv_labels(text, places)
    except Unreadable as exc:
        raise ConfigError(str(path), str(exc), "name the columns with --columns part=… verdict=…") from exc


def _options(args: argparse.Namespace) -> LabelOptions:
    told = {
        "ok_words": args.ok_words,
        "ng_words": args.ng_words,
        "timezone": args.timezone,
        "time_format": args.time_format,
        "shown": "pictures" if args.blind else None,
    }
    try:
        return LabelOptions(name=ROAD, person=args.who, **{key: value for key, value in told.items() if value})
    except ValidationError as exc:
        first = exc.errors()[0]
        flag = f"--{first['loc'][0]}".replace("_", "-")
        raise ConfigError(flag, first["msg"].removeprefix("Value error, "), "write what --help says") from exc


def _before(said: Sequence[Label]) -> dict[tuple[str, str, str], list[Label]]:
    """Return what each person has said of each part, oldest first."""
    found: dict[tuple[str, str, str], list[Label]] = {}
    for label in sorted(said, key=lambda one: (one.at, one.number)):
        if not label.decides:
            found.setdefault(_whom(label), []).append(label)
    return found


def _whom(label: Label) -> tuple[str, str, str]:
    return label.who.casefold(), label.id, "" if label.id else label.part


def _repeats(label: Label, before: Sequence[Label], *, timed: bool) -> bool:
    """Return whether a row only repeats: the same at the same time, or without a time what was said last."""
    if timed:
        return any(one.at == label.at and _said(one) == _said(label) for one in before)
    return bool(before) and _said(before[-1]) == _said(label)


def _said(label: Label) -> tuple[object, ...]:
    return label.verdict, label.defect, label.note, label.blind


def _nowhere(data: Path, line: str, within_hours: float, keys: set[str | None]) -> int:
    """Return how many of the labels under these keys belong to no inspection."""
    if not keys:
        return 0
    from bridge.shadow import labelled  # noqa: PLC0415 - numpy, which the help does not need

    known = labelled.read(data, line, within_hours)
    mine = [label.key in keys and label.road == ROAD for label in labels(data, line)]
    return sum(1 for row, ours in zip(known.truth.belongs, mine, strict=False) if ours and row < 0)


def _show(path: Path, rejected: Sequence[_Rejected]) -> None:
    if not rejected:
        return
    out = path.with_name(f"{path.stem}.rejected.csv")
    facts = [fact for fact in (*LabelPlaces().wanted(), "blind") if any(one.facts.get(fact) for one in rejected)]
    with labelling.sheet(out) as file:
        table = ((one.line, one.why, *(one.facts.get(fact, "") for fact in facts)) for one in rejected)
        labelling.rows(file, ("line", "why", *facts), table)
    for one in rejected[:SHOWN]:
        print(f"line {one.line}: {one.why}")
    if len(rejected) > SHOWN:
        often = Counter(one.why for one in rejected).most_common(1)[0]
        print(f"… and {len(rejected) - SHOWN} more; {often[1]} times: {often[0]}")
    print(f"all of them: {out}")


def _column(text: str) -> tuple[str, str]:
    fact, _, column = text.partition("=")
    if fact not in {*LabelPlaces.model_fields, "blind"} or not column:
        raise argparse.ArgumentTypeError(f"{text} is not FACT=COLUMN; write for instance part=Barcode")
    return fact, column
