"""``aoi-bridge shadow report``: what the month beside the inspector has shown.

Heavy imports happen in ``run``, so that the help works at once.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from bridge.cli import outlet
from bridge.config import Config, Line, load
from bridge.durable import drafted, replace_text
from bridge.errors import ConfigError

if TYPE_CHECKING:
    from bridge.shadow.report.page import Show

_EXTRA = ("jinja2", "matplotlib")
_YEARS = range(1970, 9999)
"""In which there is a day before and after every day, whatever the time zone."""


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    add = parser.add_argument
    add("line", metavar="LINE", help="whose month")
    add("--from", dest="since", metavar="DAY", default="", help="the first day (default: that of the first part)")
    add("--to", dest="until", metavar="DAY", default="", help="the last day (default: that of the last part)")
    add("--goal", type=int, choices=(1, 2, 3), help="the goal that stands first (default: the line's)")
    add("--out", type=Path, metavar="FOLDER", help="where it goes (default: reports/LINE/FROM_TO of the data)")
    add("--data", type=Path, metavar="FOLDER", help="a replay, or a copy of a data folder, instead of the file's")
    add("--all-parts", action="store_true", help="list every part in parts.csv, not only those of interest")
    add("--config", type=Path, default=Path("bridge.toml"), help="the file (bridge.toml)")


def line_of(config: Config, name: str, where: Path) -> Line:
    """Return a line of the configuration.

    Raises:
        ConfigError: it has none of that name.
    """
    for line in config.line:
        if line.name == name:
            return line
    known = ", ".join(line.name for line in config.line)
    raise ConfigError(f"{where}: line {name}", "is not there", f"write one of {known}")


def run(args: argparse.Namespace) -> int:
    """Write the report, and say what it says of each goal."""
    _see_to_the_extra()
    config = load(args.config)
    line = line_of(config, args.line, args.config)
    data = args.data or config.data
    if args.out:
        outlet.folder(args.out)
    out = _written(args, config, line, data)
    for name in ("report.html", "report.json", "parts.csv"):
        print(f"written: {out / name}")
    return 0


def _see_to_the_extra() -> None:
    """Say in one line that the report extra is missing, before anything is read; import nothing if it is there."""
    if not all(map(find_spec, _EXTRA)):
        from bridge.pages import page  # noqa: F401, PLC0415 - it says so


def _written(args: argparse.Namespace, config: Config, line: Line, data: Path) -> Path:
    """Write the report; return its folder. Parts are let go before the page is drawn: there may be millions."""
    from bridge.messages import Goal  # noqa: PLC0415 - the help needs none of these
    from bridge.shadow import reading  # noqa: PLC0415
    from bridge.shadow.report import facts as facts_of  # noqa: PLC0415

    begin, end = _span(args, line, reading.span(data, line.name))
    found = reading.read(
        data, line.name, line.shadow, begin, end, line.legacy_ok_on_failure, labels_in=_labels_in(data, config)
    )
    if not len(found.month):
        raise ConfigError(f"line {line.name}", "has no part in this time", "write other days for --from and --to")
    subject = facts_of.Subject(
        shadow=line.shadow,
        goal=Goal(args.goal or line.goal),
        decisions=_decisions(config, line, data, found.begin, set(found.bundles)),
        clearable=line.clearable_codes,
        topology=line.topology,
    )
    facts = facts_of.report_of(data, found, subject)
    days = facts["days"]
    out: Path = args.out or data / "reports" / line.name / f"{days['first']}_{days['last']}"
    with drafted(outlet.made(out) / "parts.csv") as draft:
        _list(draft, facts_of.lines(found, args.all_parts))
        del found
        from bridge.shadow.report import page  # noqa: PLC0415 - now that there is room for it

        shown = page.page_of(facts, _show(data, config.data / "images"))
    replace_text(out / "report.html", shown)
    replace_text(out / "report.json", facts_of.encoded(facts))
    _say(facts)
    return out


def _say(facts: dict[str, Any]) -> None:
    for goal, said in facts["verdict"].items():
        print(f"goal {goal}: {said['state']}")
        for reason in said["reasons"]:
            print(f"  {reason}")


def _span(args: argparse.Namespace, line: Line, ends: tuple[float, float]) -> tuple[float, float]:
    """Return from when to when, whole days of the plant."""
    zone = ZoneInfo(line.shadow.timezone)
    first, last = (datetime.fromtimestamp(at, zone).date().isoformat() for at in ends)
    begin = _day("--from", args.since or first, zone)
    to = _day("--to", args.until, zone) if args.until else max(begin, _day("--to", last, zone))
    end = to + timedelta(days=1)
    if end <= begin:
        raise ConfigError("--to", "is before --from", "write a later day")
    return begin.timestamp(), end.timestamp()


def _day(flag: str, text: str, zone: ZoneInfo) -> datetime:
    try:
        day: date | None = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.year not in _YEARS:
        raise ConfigError(flag, f"{text} is no day", "write 2026-10-01")
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def _labels_in(data: Path, config: Config) -> Path:
    """Return whose labels count: those of the journal that a replay is of."""
    from bridge.replay import manifest  # noqa: PLC0415 - the help needs none of it

    found = manifest.read(data)
    if found is None:
        return data
    original = Path(found.journal)
    return original if original.exists() else config.data


def _decisions(config: Config, line: Line, data: Path, since: float, bundles: set[str]) -> dict[str, str]:
    """Return what the month was about: the decision hash of each goal, as it was in force all the time.

    None where something that moves verdicts was changed since the month began, where another bundle judged than
    the one in force, or where the file is no longer what the gateway runs: then nobody can say what would be live.
    """
    from bridge import in_force, starting  # noqa: PLC0415 - the help needs none of these
    from bridge.config.changes import facts  # noqa: PLC0415
    from bridge.config.decision import decision_hashes  # noqa: PLC0415
    from bridge.store import Reader  # noqa: PLC0415

    if data.resolve() != config.data.resolve():
        return {}
    models = starting.models(config)
    about = facts(config, models)[line.name]
    hashes = decision_hashes(about)
    running = in_force.read(config.data)
    known = running.facts.get(line.name) if running else None
    if known is not None and decision_hashes(known) != hashes:
        return {}
    moves = {key for key, fact in about.items() if fact.guarded} - {"goal", "stage", "live_recipes"}
    entries, after = Reader(data), 0
    while page := entries.audit(line.name, since, after):
        if any(entry.what in moves for entry in page):
            return {}
        after = page[-1].number
    return hashes if bundles <= {models[judge] for judge in line.judges()} else {}


def _list(path: Path, rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def _show(data: Path, images: Path) -> Show:
    """Return what brings the pictures of disagreements, with where the judge looked."""
    from bridge.judging.headers import Unreadable, read  # noqa: PLC0415 - the help needs none of these
    from bridge.judging.preprocess import decode  # noqa: PLC0415
    from bridge.learning import overlay  # noqa: PLC0415
    from bridge.store import Images, Reader  # noqa: PLC0415

    reader, kept = Reader(data), Images(images)

    def show(id: str, place: int) -> Any:  # noqa: A002 - the word of the messages
        records = [one for one in reader.seconds(id) if place < len(one.views)]
        if not records:
            return None
        view = records[-1].views[place]
        picture = kept.read(view.image) if view.image else None
        if picture is None:
            return None
        try:
            image = decode(picture, read(picture))
        except Unreadable:
            return None
        judged = view.judgement
        return overlay.drawn(image, judged.heat_map if judged else None, judged.boxes if judged else ())

    return show
