"""``aoi-bridge label settle``: somebody decides a part on which people disagree."""

from __future__ import annotations

import argparse
import re
import time
from uuid import UUID

from bridge.cli import labelling
from bridge.config import data_of
from bridge.errors import ConfigError
from bridge.labels import Label
from bridge.messages import Verdict
from bridge.store import Reader, open_labels

ROAD = "settle"
_ID = re.compile(r"[0-9a-fA-F-]{32,36}")


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("id", type=_id, help="the inspection id, as aoi-bridge label status --contradicted lists it")
    add("verdict", choices=["ok", "ng"], type=str.lower, help="what is true of the part, as it came")
    add("--who", type=labelling.person, required=True, help="who decides; it is no independent label any more")
    add("--defect", default="", help="the defect")
    add("--note", default="", help="why, in words")


def run(args: argparse.Namespace) -> int:
    """Write the decision down."""
    data = data_of(args.config)
    decision = Reader(data).decision(args.id)
    if decision is None:
        raise ConfigError(args.id, "the journal has no such inspection", "write an id out of the same data folder")
    label = Label(
        verdict=Verdict.OK if args.verdict == "ok" else Verdict.NG,
        who=args.who,
        at=time.time(),
        id=args.id,
        part=decision.part,
        defect=args.defect,
        note=args.note,
        decides=True,
        line=decision.line,
        road=ROAD,
    )
    with open_labels(data) as book:
        book.add([label])
    print(f"{decision.line}: part {decision.part or args.id} is {args.verdict.upper()}, so {args.who} decided")
    return 0


def _id(text: str) -> str:
    try:
        return UUID(text).hex if _ID.fullmatch(text) else _no_id(text)
    except ValueError:
        return _no_id(text)


def _no_id(text: str) -> str:
    raise argparse.ArgumentTypeError(f"{text} is no inspection id; write 32 hexadecimal digits")
