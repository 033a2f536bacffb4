"""The other side of the label road: a station that drops a CSV file for what each person found."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count

from bridge.plugin import ConfigError, Label, Say, Unavailable
from bridge_hotfolder.options import HotfolderLabelOptions


@asynccontextmanager
async def open_station(options: HotfolderLabelOptions) -> AsyncIterator[Say]:
    """Play a station; every file appears under its name in one step.

    Raises:
        ConfigError: the options ask for a file that grows, or for another format, which it does not write.
    """
    if options.complete == "appended" or options.format not in ("auto", "csv"):
        raise ConfigError("complete", "is for a station that this one does not play", "leave it out to simulate")
    numbers = count(1)

    async def say(label: Label) -> None:
        await asyncio.to_thread(_drop, options, label, next(numbers))

    yield say


def _drop(options: HotfolderLabelOptions, label: Label, number: int) -> None:
    path = options.path / f"station-{number:06d}.csv"
    draft = path.with_name(path.name + options.in_progress[0])
    try:
        draft.write_text(written(options, label), encoding=options.encoding)
        draft.replace(path)
        if options.complete == "flag":
            (options.path / options.flag.format(name=path.name, stem=path.stem, part=label.part)).touch()
    except OSError as exc:
        raise Unavailable(f"the folder {options.path} cannot be written: {exc.strerror}") from exc


def written(options: HotfolderLabelOptions, label: Label) -> str:
    """Return a label as a CSV file of these options has it."""
    facts = {
        "part": label.part,
        "id": label.id,
        "verdict": options.words().word(label.verdict),
        "who": label.who,
        "defect": label.defect,
        "note": label.note,
        "time": datetime.fromtimestamp(label.at, UTC).isoformat(),
        "key": label.key or "",
    }
    places = options.places()
    file = io.StringIO()
    writer = csv.writer(file, delimiter="," if options.delimiter == "auto" else options.delimiter)
    writer.writerow(places.values())
    writer.writerow(facts[fact] for fact in places)
    return file.getvalue()
