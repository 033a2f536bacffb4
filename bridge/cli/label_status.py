"""``aoi-bridge label status``: what is labelled, what is not, and where people disagree."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from uuid import UUID

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bridge.cli.shown import plain
from bridge.config import shadow_of
from bridge.store.words import restored

if TYPE_CHECKING:
    from bridge.shadow.todo import Work

LISTED = 20
_STRATA = {
    1: "somebody disagrees with the inspector",
    2: "close to the threshold",
    3: "not judged",
    4: "all say NG",
    5: "all say OK",
    6: "guard of a live goal 1",
}


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("line", help="the line")
    parser.add_argument("--contradicted", action="store_true", help="list the parts on which people disagree")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print the tables."""
    from bridge.shadow import todo  # noqa: PLC0415 - numpy, which the help does not need

    data, shadow = shadow_of(args.config, args.line)
    work = todo.work(data, args.line, shadow.reinspected_within_hours, shadow.seeded)
    facts = {
        "strata": [
            {
                "stratum": one.stratum.name.lower(),
                "meaning": _STRATA[one.stratum],
                "drawn": one.drawn,
                "labelled": one.labelled,
                "contradicted": one.contradicted,
                "outstanding": one.outstanding,
                "twice": one.twice,
            }
            for one in todo.progress(work)
        ],
        "people": [*_people(work)],
        "labels": len(work.labelled.labels),
        "volunteered": _volunteered(work),
        "nowhere": int((work.labelled.truth.belongs < 0).sum()),
        "contradicted": [*_contradicted(work)],
    }
    if args.json:
        print(json.dumps(facts))
    else:
        _show(args.line, facts, every=args.contradicted)
    return 0


def _people(work: Work) -> Iterator[Mapping[str, object]]:
    labels, truth = work.labelled.labels, work.labelled.truth
    for index, name in enumerate(labels.people):
        said = truth.said.label[truth.said.who == index]
        yield {
            "who": name,
            "labels": int((labels.who == index).sum()),
            "parts": len(said),
            "blind": int(labels.blind[said].sum()),
            "ok": int((labels.verdict[said] == 1).sum()),
            "ng": int((labels.verdict[said] == 2).sum()),  # noqa: PLR2004 - NG
        }


def _volunteered(work: Work) -> int:
    """Return of how many parts that were not drawn somebody said something."""
    truth = work.labelled.truth
    told = (truth.people > 0) | truth.settled
    told[work.part] = False
    return int(told.sum())


def _contradicted(work: Work) -> Iterator[Mapping[str, object]]:
    """Yield every part on which people disagree and nobody decided, drawn or not."""
    known = work.labelled
    from bridge.shadow.month import CONTRADICTED  # noqa: PLC0415 - numpy

    for part in (known.truth.verdict == CONTRADICTED).nonzero()[0]:
        rows = known.truth.said.part == part
        labels = known.truth.said.label[rows]
        newest = int(labels[known.labels.at[labels].argmax()])
        said = {
            known.labels.people[known.labels.who[label]]: "OK" if known.labels.verdict[label] == 1 else "NG"
            for label in labels
        }
        shown = next((one for one, mine in zip(work.drawn, work.part, strict=True) if mine == part), None)
        id_ = shown.id if shown else next((known.said.id[label] for label in labels if known.said.id[label]), None)
        name = restored(shown.part if shown else known.said.part[newest])
        yield {"id": str(UUID(bytes=id_)) if id_ else "", "part": name, "said": said}


def _show(line: str, facts: Mapping[str, object], *, every: bool) -> None:
    console = Console(highlight=False)
    strata = facts["strata"]
    people = facts["people"]
    contradicted = facts["contradicted"]
    assert isinstance(strata, list)  # noqa: S101 - built above
    assert isinstance(people, list)  # noqa: S101 - same
    assert isinstance(contradicted, list)  # noqa: S101 - same
    if not strata:
        console.print(f"{line}: no part was drawn for labelling yet", markup=False)
    else:
        console.print(_table(("drawn parts of", "drawn", "labelled", "contradicted", "to label", "by two"), [
            (one["meaning"], one["drawn"], one["labelled"], one["contradicted"], one["outstanding"], one["twice"])
            for one in strata
        ]))  # fmt: skip
    if people:
        console.print(_table(("who", "labels", "parts", "of these blind", "OK", "NG"), [
            tuple(one[key] for key in ("who", "labels", "parts", "blind", "ok", "ng")) for one in people
        ]))  # fmt: skip
    if facts["volunteered"]:
        console.print(
            f"{facts['volunteered']} part(s) were labelled without being drawn: shown, never estimated from."
        )
    if facts["nowhere"]:
        console.print(f"{facts['nowhere']} label(s) belong to no inspection of this line.")
    if contradicted and not every:
        console.print(f"{len(contradicted)} part(s) are contradicted; list them with --contradicted.")
    for one in contradicted[: None if every else 0]:
        said = ", ".join(f"{plain(who)} {verdict}" for who, verdict in one["said"].items())
        console.print(f"{one['id'] or '(no inspection id)'}  {plain(one['part'])}: {said}", markup=False)
    if contradicted and every:
        console.print("decide one with: aoi-bridge label settle ID ok|ng --who NAME", markup=False)


def _table(columns: tuple[str, ...], rows: list[tuple[object, ...]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(plain(str(cell))) for cell in row))
    return table
