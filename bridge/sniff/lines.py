"""Messages of text as a pattern: the separator, what stands in each column, what is a keep-alive.

Pure. The pattern has no nested repeats, so no line takes long to be matched; what it matches of the messages that
were seen is counted, never supposed.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from bridge.sniff.columns import USUAL, Column, Role, roles

SEPARATORS = (",", ";", "|", "\t", ":", "/", " ")
MOSTLY = 0.6
FILLING = "\r\n\t \0"
"""What is taken off a message before a pattern sees it."""
GROUPS: Mapping[Role, str] = {
    role: role for role in ("part", "verdict", "image", "defect", "recipe", "view", "lot")
}
"""The roles that the ``tcp`` source has a group for."""
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Lines:
    """How messages of text are understood."""

    pattern: str
    columns: Sequence[Column] = field(repr=False)
    separator: str = ""
    content: str = "text"
    """``json`` where the messages are the JSON documents that the bridge reads as they are."""
    ignore: str = ""
    """A pattern of keep-alives and the like."""
    ignored: Mapping[str, int] = field(default_factory=dict)
    matched: int = 0
    unmatched: Sequence[str] = ()
    """Messages that neither pattern matches, each once."""
    notes: Sequence[str] = ()

    def of(self, role: Role) -> Column | None:
        """Return the column of a role."""
        return next((column for column in self.columns if column.role == role), None)


def lines(messages: Sequence[str], *, fixed: bool = False) -> Lines:
    """Return how messages are understood best.

    Args:
        messages: texts, with the blanks around them only where they are ``fixed``.
        fixed: records of one length, whose columns are told by their places first.

    Raises:
        ValueError: there is none.
    """
    said = [message for message in messages if message.strip(FILLING)]
    if not said:
        raise ValueError("no message holds any text")
    if fixed and not _SIGNS.search(said[0]) and (found := _by_place(said)) is not None and found.of("verdict"):
        tried = _tried(found, said)
        if tried.matched > MOSTLY * len(said):
            return tried
    said = [message.strip(FILLING) for message in said]
    chatter = set(_repeated([message for message in said if not _SIGNS.search(message)]))
    telling = [message for message in said if message not in chatter] or said
    documents = [document for message in telling if (document := _document(message)) is not None]
    found = _json(documents) if len(documents) > MOSTLY * len(telling) else None
    found = found or _pairs(telling) or _separated(telling) or _by_place(telling) or Lines("", ())
    return _tried(found, said)


_SIGNS = re.compile(r"[,;|\t=]")
"""What stands in no keep-alive, and in most messages that tell of a part."""


def _tried(found: Lines, said: Sequence[str]) -> Lines:
    """Count what the pattern matches, and make of what repeats itself a pattern to ignore."""
    said = [message.strip(FILLING) for message in said]
    if found.content == "json":
        rest = [message for message in said if _document(message) is None]
        return replace(found, matched=len(said) - len(rest), unmatched=_once(rest))
    pattern = re.compile(found.pattern) if found.pattern else None
    rest = [message for message in said if pattern is None or not pattern.fullmatch(message)]
    ignored = _repeated(rest) if len(rest) < len(said) else {}
    ignore = "|".join(dict.fromkeys(_general(message) for message in ignored))
    left = [message for message in rest if not (ignore and re.fullmatch(ignore, message))]
    return replace(
        found,
        ignore=ignore,
        ignored=ignored,
        matched=len(said) - len(rest),
        unmatched=_once(left),
    )


def _once(messages: Sequence[str]) -> Sequence[str]:
    return list(dict.fromkeys(messages))


def _repeated(rest: Sequence[str]) -> Mapping[str, int]:
    """Return what comes again and again but for its numbers, and holds no word that may be a verdict.

    A part that is ignored is lost, so what came once is left to people.
    """
    shapes = Counter(_shape(message) for message in rest)
    return Counter(message for message in rest if shapes[_shape(message)] > 1 and _is_chatter(message))


def _shape(message: str) -> str:
    return re.sub(r"\d+", "0", message)


def _is_chatter(message: str) -> bool:
    """Return whether a message may be a keep-alive: plain text, and no usual word for a verdict in it."""
    return message.isprintable() and not any(w.casefold() in USUAL for w in re.findall(r"[^\W\d_]+", message))


def _general(message: str) -> str:
    return r"\d+".join(_escaped(piece) for piece in re.split(r"\d+", message))


def _document(message: str) -> dict[str, object] | None:
    if not message.lstrip().startswith("{"):
        return None
    try:
        read = json.loads(message)
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def _json(documents: Sequence[Mapping[str, object]]) -> Lines | None:
    """The bridge's own names need no pattern; others are looked for in the text, in their order."""
    names = list(dict.fromkeys(name for document in documents for name in document))
    if {"part", "verdict"} <= set(names):
        plain = [
            Column([str(d.get(n, "")) for d in documents], n, "", certain=True, why="its name") for n in names
        ]
        roled = [
            replace(column, role=named_role) for column in plain if (named_role := _role(column.name)) != "view"
        ]
        return Lines("", roled, content="json")
    texts = [n for n in names if not any(isinstance(document.get(n), dict | list) for document in documents)]
    columns = roles([Column([_text(document.get(name)) for document in documents], name) for name in texts])
    always = {name for name in texts if all(name in document for document in documents)}
    pattern = ".*"
    for column in columns:
        if column.role in GROUPS and column.name in always:
            value = rf'"(?P<{column.role}>[^"]*)"'
            if not all(isinstance(document[column.name], str) for document in documents):
                value = rf'"?(?P<{column.role}>[^",}}]*)"?'
            pattern += rf'"{_escaped(column.name)}"\s*:\s*{value}.*'
    notes = (
        "these JSON documents have names of their own, so they are read as text; the order must stay the same",
    )
    return Lines(pattern, columns, notes=notes) if pattern != ".*" else None


def _role(name: str) -> Role:
    return next((role for role, group in GROUPS.items() if group == name), "")


def _text(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


_PAIR = re.compile(r"\s*([A-Za-z_][\w ./-]{0,30}?)\s*([=:])(?!\\)\s*(.*)", re.DOTALL)


def _pairs(said: Sequence[str]) -> Lines | None:
    """``SN=0815;RES=FAIL``: each column begins with its own name."""
    for separator in (";", ",", "|", "\t", "&", " "):
        rows = [[_PAIR.fullmatch(piece) for piece in message.split(separator)] for message in said]
        good = [row for row in rows if len(row) > 1 and all(row)]
        if len(good) < MOSTLY * len(said):
            continue
        shape, _ = Counter(tuple((m[1], m[2]) for m in row if m) for row in good).most_common(1)[0]
        alike = [row for row in good if tuple((m[1], m[2]) for m in row if m) == shape]
        if len(alike) < MOSTLY * len(good):
            continue
        values = [[m[3] for m in row if m] for row in alike]
        columns = roles([Column(list(v), n) for (n, _), v in zip(shape, zip(*values, strict=True), strict=True)])
        pieces = [
            f"{_spaced([match[at] for match in alike])}{_group(column, separator, last=column is columns[-1])}"
            for at, column in enumerate(columns)
        ]
        return Lines(_escaped(separator).join(pieces), columns, separator)
    return None


def _spaced(found: Sequence[re.Match[str] | None]) -> str:
    """Return the expression of a name and its sign, with blanks only where some were seen."""
    matches = [match for match in found if match]
    before = any(match.start(1) for match in matches)
    between = any(match.start(2) > match.end(1) for match in matches)
    name, sign = matches[0][1], matches[0][2]
    return f"{' *' if before else ''}{_escaped(name)}{' *' if between else ''}{sign}"


def _escaped(text: str) -> str:
    """Return an expression for a text, as people would write it."""
    return re.sub(r"\\([ \-/:;,=#&~'\"])", r"\1", re.escape(text))


def _separated(said: Sequence[str]) -> Lines | None:
    """``0815,FAIL,E12``: columns by their number, those at the end often left out."""
    best: tuple[float, str, int] | None = None
    for order, separator in enumerate(SEPARATORS):
        counts = Counter(message.count(separator) + 1 for message in said)
        many = {size: times for size, times in counts.items() if size > 1}
        if sum(many.values()) < MOSTLY * len(said):
            continue
        size, times = max(many.items(), key=lambda item: (item[1], item[0]))
        score = times / len(said) - order / 20
        if best is None or score > best[0]:
            best = score, separator, size
    if best is None:
        return None
    _, separator, _ = best
    rows = [re.split(r"\s+", m) if separator == " " else m.split(separator) for m in said if separator in m]
    return _table(rows, separator)


def _table(rows: Sequence[Sequence[str]], separator: str) -> Lines:
    least, most = _widths(rows)
    kept = [list(row) + [""] * (most - len(row)) for row in rows if least <= len(row) <= most]
    columns = roles([Column(list(values)) for values in zip(*kept, strict=True)])
    verdict = next((at for at, column in enumerate(columns) if column.role == "verdict"), None)
    if verdict is not None and verdict >= least:  # what is shorter says nothing of a verdict: no result
        kept = [row for row in kept if row[verdict]]
        columns = roles([Column(list(values)) for values in zip(*kept, strict=True)])
        least = verdict + 1
    between = r"\s+" if separator == " " else _escaped(separator)
    pattern = ""
    for at, column in enumerate(columns):
        piece = _group(column, separator, last=at == most - 1)
        if at == 0 and column.role == "constant" and separator != " ":
            piece = _escaped(column.values[0])  # the kind of record: others may come that tell of no part
        pattern += piece if at == 0 else between + piece if at < least else f"(?:{between}{piece}"
    return Lines(pattern + ")?" * (most - least), columns, separator)


def _widths(rows: Sequence[Sequence[str]]) -> tuple[int, int]:
    """Return how many columns a row has at least and at most: a rare one counts where it tells of a verdict."""
    telling = [len(row) for row in rows if any(cell.strip().casefold() in USUAL for cell in row)]
    sizes = Counter(telling if len(telling) > MOSTLY * len(rows) else map(len, rows))
    if len(telling) > MOSTLY * len(rows) or sizes.total() < _SOME:
        return min(sizes), max(sizes)
    usual = [size for size, times in sizes.items() if times > max(1, sizes.total() // 20)]
    return (min(usual), max(usual)) if usual else (min(sizes), max(sizes))


_SOME = 5
"""Of fewer rows each one counts."""


def _group(column: Column, separator: str, *, last: bool) -> str:
    """Return the expression of one column."""
    quoted = all(value.startswith('"') and value.endswith('"') and len(value) > 1 for value in column.values)
    inside = (r"\S*" if last else r"\S+") if separator == " " else f"[^{separator}]*"
    if column.role == "image" and last:
        inside = ".*"
    if quoted:
        inside = '[^"]*'
    value = f"(?P<{column.role}>{inside})" if column.role in GROUPS else inside
    return f'"{value}"' if quoted else value


def _by_place(said: Sequence[str]) -> Lines | None:
    """Records without separators: columns begin where all have a blank, or a usual word, at one place."""
    width, times = Counter(map(len, said)).most_common(1)[0]
    alike = [message for message in said if len(message) == width]
    if times < MOSTLY * len(said) or times < 2:  # noqa: PLR2004 - one record shows no columns
        return None
    cuts = {0, width}
    for at in range(1, width):
        before, here = ({message[place] == " " for message in alike} for place in (at - 1, at))
        if before == {True} and here != {True}:
            cuts.add(at)
    places = ((p, p + size) for size in (2, 4, 3) for p in range(width - size + 1) if _usual_at(alike, p, size))
    cuts |= set(next(places, ()))
    edges = sorted(cuts)
    spans = list(pairwise(edges))
    columns = roles([Column([message[first:end].strip("\0") for message in alike]) for first, end in spans])
    filled = [all(value.strip() for value in column.values) for column in columns]
    pattern = ""
    for at, ((first, end), column) in enumerate(zip(spans, columns, strict=True)):
        inside = f".{{{end - first}}}" if any(filled[at + 1 :]) else f".{{0,{end - first}}}"
        pattern += f"(?P<{column.role}>{inside})" if column.role in GROUPS else inside
    return Lines(pattern, columns, notes=("columns were told by their places, as there is no separator",))


def _usual_at(messages: Sequence[str], at: int, size: int) -> bool:
    return all(message[at : at + size].strip().casefold() in USUAL for message in messages)
