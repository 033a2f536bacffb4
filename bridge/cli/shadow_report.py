"""``aoi-bridge shadow report``: what the month beside the inspector has shown.

Heavy imports happen in ``run``, so that the help works at once.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from bridge.cli import outlet
from bridge.cli.labelling import ODD
from bridge.config import Config, Line, load
from bridge.durable import drafted
from bridge.errors import ConfigError

if TYPE_CHECKING:
    from bridge.shadow.begun import Begun
    from bridge.shadow.month import Month
    from bridge.shadow.reading import Reading
    from bridge.shadow.report.page import Show
    from bridge.store import Entry

_EXTRA = ("jinja2", "matplotlib")
_YEARS = range(1970, 9999)
"""In which there is a day before and after every day, whatever the time zone."""


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    add = parser.add_argument
    add("line", metavar="LINE", help="whose month")
    add("--from", dest="since", metavar="DAY", default="", help="the first day (default: that the month began on)")
    add("--to", dest="until", metavar="DAY", default="", help="the last day (default: that of the last part)")
    add("--goal", type=int, choices=(1, 2, 3), help="the goal that stands first (default: the line's)")
    add(
        "--pool",
        nargs="*",
        metavar="OTHER",
        help="other lines that decide alike, whose parts count too (default: those of its shadow.pool)",
    )
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

    first, last = reading.span(data, line.name)
    month = _begun(config, line, data, first)
    begin, end = _span(args, line, month, last)
    found = reading.read(
        data, line.name, line.shadow, begin, end, line.legacy_ok_on_failure, labels_in=_labels_in(data, config)
    )
    if not len(found.month):
        raise _no_part(line, month)
    decisions, unbound = _decisions(config, line, data, found, month)
    others, against = _pooled(args, config, line, data, found)
    decisions, unbound = ({} if against else decisions), [*unbound, *against]
    subject = facts_of.Subject(
        shadow=line.shadow,
        goal=Goal(args.goal or line.goal),
        decisions=decisions,
        begun=month,
        unbound=unbound,
        clearable=line.clearable_codes,
        topology=line.topology,
        pool=others,
    )
    facts = facts_of.report_of(data, found, subject)
    days = facts["days"]
    out: Path = args.out or data / "reports" / line.name / f"{days['first']}_{days['last']}"
    outlet.made(out)
    with (
        drafted(out / "report.json") as said,  # the last that is replaced: it is what may take a line live
        drafted(out / "report.html") as drawn,
        drafted(out / "parts.csv") as listed,
    ):
        _list(listed, facts_of.lines(found, args.all_parts))
        del found
        from bridge.shadow.report import page  # noqa: PLC0415 - now that there is room for it

        shown = page.page_of(facts, _show(data, config.data / "images"))
        drawn.write_bytes(shown.encode(errors=ODD))
        said.write_text(facts_of.encoded(facts), encoding="utf-8", newline="")
    _say(facts)
    return out


def _say(facts: dict[str, Any]) -> None:
    for goal, said in facts["verdict"].items():
        print(f"goal {goal}: {said['state']}")
        for reason in said["reasons"]:
            print(f"  {reason}")
    began = facts["began"]
    if began["because"] and began["at"] == facts["from"]:
        print(f"the month began on {facts['days']['first']}, for {began['because']}; what came before is left out")
    for reason in began["unbound"]:
        print(f"it can take no line live: {reason}")


def _no_part(line: Line, month: Begun) -> ConfigError:
    anew = f"; its month began on {_shown(month.at, line)}, for {month.because}" if month.because else ""
    return ConfigError(
        f"line {line.name}",
        f"has no part of its shadow in this time{anew}",
        "wait for parts, or write other days for --from and --to",
    )


def _shown(at: float, line: Line) -> str:
    return f"{datetime.fromtimestamp(at, ZoneInfo(line.shadow.timezone)):%Y-%m-%d %H:%M}"


def _span(args: argparse.Namespace, line: Line, month: Begun, last: float) -> tuple[float, float]:
    """Return from when to when: from where the month begins, to the end of the day of the last part at most."""
    zone = ZoneInfo(line.shadow.timezone)
    begin = _day("--from", args.since, zone).timestamp() if args.since else month.at
    until = datetime.fromtimestamp(last, zone).date()
    if args.until:
        until = min(until, _day("--to", args.until, zone).date())
    end = datetime(until.year, until.month, until.day, tzinfo=zone) + timedelta(days=1)
    if end.timestamp() <= begin:
        raise _no_part(line, month)
    return begin, end.timestamp()


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


def _begun(config: Config, line: Line, data: Path, first: float) -> Begun:
    """Return when the month began; a replay and a copy have no audit log of their own."""
    from bridge import approvals, starting  # noqa: PLC0415 - the help needs none of these
    from bridge.config.changes import facts  # noqa: PLC0415
    from bridge.shadow import begun  # noqa: PLC0415

    about = facts(config, starting.models(config))[line.name]
    permit = approvals.look(data).get(line.name, approvals.Permit())
    return begun.begun(first, line.shadow, _audited(data, line.name, first), about, permit.shadow_since)


def _audited(data: Path, line: str, since: float) -> Iterator[Entry]:
    """Yield what the audit log says of a line, in order."""
    from bridge.store import Reader  # noqa: PLC0415 - the help needs none of it

    reader, after = Reader(data), 0
    while page := reader.audit(line, since, after):
        yield from page
        after = page[-1].number


def _decisions(
    config: Config, line: Line, data: Path, found: Reading, month: Begun
) -> tuple[dict[str, str], list[str]]:
    """Return the decision hash of each goal that the parts are about; or none, and why not."""
    from bridge import in_force, starting  # noqa: PLC0415 - the help needs none of these
    from bridge.config.changes import facts  # noqa: PLC0415
    from bridge.config.decision import decision_hashes  # noqa: PLC0415
    from bridge.shadow import begun  # noqa: PLC0415

    if data.resolve() != config.data.resolve():
        return {}, ["it is about a replay, or a copy; the line's own month has to show it"]
    models = starting.models(config)
    about = facts(config, models)[line.name]
    named = [models[judge] for judge in line.judges()]
    against = begun.against(found.begin, month, found.bundles, named, timezone=line.shadow.timezone)
    running = in_force.read(config.data)
    if running is not None and line.name in running.facts:
        against += begun.not_as_run(about, running.facts[line.name])
    return ({}, against) if against else (decision_hashes(about), [])


def _pooled(
    args: argparse.Namespace, config: Config, line: Line, data: Path, found: Reading
) -> tuple[dict[str, Month], list[str]]:
    """Return the parts of the lines that are pooled with this one, and why what they show can take none live.

    Which lines they are is said beforehand, as everything is that a verdict depends on: of many sets of lines one
    will look good.
    """
    from bridge import starting  # noqa: PLC0415 - the help needs none of these
    from bridge.config.changes import facts  # noqa: PLC0415
    from bridge.shadow import begun, reading  # noqa: PLC0415

    names = list(dict.fromkeys(line.shadow.pool if args.pool is None else args.pool))
    planned = ", ".join(sorted(line.shadow.pool)) or "no other line"
    against = [] if set(names) == set(line.shadow.pool) else [f"shadow.pool said beforehand: {planned}"]
    about = facts(config, starting.models(config)) if names else {}
    months: dict[str, Month] = {}
    for name in names:
        other = line_of(config, name, args.config)
        unlike = "is the line itself" if name == line.name else begun.apart(about[line.name], about[name])
        if unlike:
            raise ConfigError(f"--pool: line {name}", unlike, "pool lines that decide alike")
        since = max(found.begin, _begun(config, other, data, reading.span(data, name)[0]).at)
        failing = other.legacy_ok_on_failure
        read = reading.read(
            data, name, other.shadow, since, found.end, failing, labels_in=_labels_in(data, config)
        )
        if not len(read.month):
            raise ConfigError(f"--pool: line {name}", "has no part in this time", "leave it out")
        _, reasons = _decisions(config, other, data, read, begun.Begun(at=since))
        against += [f"line {name}: {reason}" for reason in reasons]
        months[name] = read.month
    return months, against


def _list(path: Path, rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8", errors=ODD) as file:
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
