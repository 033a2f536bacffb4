"""The promises of every run: each part recorded once, told once, in order, as it was answered, and never late."""

from __future__ import annotations

from collections.abc import Sequence

from evidence import Evidence
from four_lines import FourLines
from promises import Promise, none

from bridge_tcp.peer import Mes


def kept(lines: FourLines, evidence: Evidence) -> list[Promise]:
    """Compare inspectors, journal, MES and PLCs, once everything has come to rest and the journal was read."""
    mes, plcs = lines.mes, [station.plc for station in lines.stations]
    inspectors = {station.line.name: station.inspector for station in lines.stations}
    told = {(document["line"], document["part"]): id_ for id_, document in mes.documents.items()}
    lost = {line: evidence.lost(line, inspector.answers) for line, inspector in inspectors.items()}
    untold = [
        key
        for line, inspector in inspectors.items()
        for key, answer in inspector.answers.items()
        if told.get((line, key)) != answer["id"]
    ]
    committed = list(evidence.ids.values())
    return [
        none("acknowledged parts not in the journal", sum(map(len, lost.values()))),
        none("acknowledged parts not at the MES", len(untold)),
        none("parts told to the MES and not in the journal", len(set(mes.documents) - set(committed))),
        none("parts never acknowledged", lines.owed),
        none("keys under two ids in the journal", evidence.duplicated),
        none("keys under two ids at the MES", len(mes.documents) - len(told)),
        none("documents that changed when resent", lines.bodies.changed()),
        none("answers that changed when repeated", sum(len(one.changed) for one in inspectors.values())),
        none("documents out of order on their line", _disorder(committed, mes)),
        none("late verdicts at a PLC", sum(plc.late for plc in plcs)),
        none("verdicts at a PLC for another part", sum(plc.wrong_part for plc in plcs)),
    ]


def _disorder(committed: Sequence[str], mes: Mes) -> int:
    """Return how many documents first came after one of their line that was committed later."""
    rank = {id_: place for place, id_ in enumerate(committed)}
    newest: dict[object, int] = {}
    wrong = 0
    for id_, document in mes.documents.items():
        line = document["line"]
        wrong += rank.get(id_, 0) < newest.get(line, -1)
        newest[line] = max(newest.get(line, -1), rank.get(id_, 0))
    return wrong
