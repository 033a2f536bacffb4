"""What was found out, written as a ``[line.source]`` table: what is certain, what is a guess, what nobody knows.

Every option has a comment with its evidence. A word for a verdict that is none of the usual ones is never sorted:
it is listed, and the engineer writes it into the right list.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PureWindowsPath

from bridge.errors import ConfigError
from bridge.plugin.sample import toml
from bridge.sniff import columns as column_kinds
from bridge.sniff import files
from bridge.sniff.capture import Capture
from bridge.sniff.codepage import CodePage, code_page, readable
from bridge.sniff.columns import Column, Words
from bridge.sniff.framings import Framing, framing
from bridge.sniff.lines import GROUPS, Lines, lines

LOOKED_AT_BYTES = 4 << 20
"""More of a stream says nothing new of how it is to be read."""
PATHS = 1000
"""So many image paths show what they have in common."""
SHOWN = 5
"""So many examples are shown of what was not understood."""


@dataclass(frozen=True, slots=True)
class Option:
    """One line of the table."""

    name: str
    value: object
    why: str
    certain: bool = True
    live: bool = True
    """False for one that the engineer must fill in: it stands there as a comment."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A table for bridge.toml, and what it rests on."""

    type: str
    options: Sequence[Option]
    understood: int
    """How many of the messages or files the table understands."""
    of: int
    decide: Mapping[str, int] = field(default_factory=dict)
    """Words that a person must sort, and how often each came."""
    notes: Sequence[str] = ()

    def table(self, header: str = "[line.source]") -> str:
        """Return the table as TOML, with its comments."""
        said = [header, f'type = "{self.type}"']
        said += [f"# {note}" for note in self.notes]
        for option in self.options:
            said.append(f"# {'certain' if option.certain else 'A GUESS'}: {option.why}")
            said.append(f"{'' if option.live else '# '}{option.name} = {_written(option.value)}")
        return "\n".join(said) + "\n"

    def values(self) -> dict[str, object]:
        """Return the options that stand there live."""
        return {option.name: option.value for option in self.options if option.live}

    def document(self) -> dict[str, object]:
        """Return all of it, JSON-ready."""
        return {
            "type": self.type,
            "options": self.values(),
            "why": {o.name: {"certain": o.certain, "why": o.why} for o in self.options},
            "understood": self.understood,
            "of": self.of,
            "decide": dict(self.decide),
            "notes": list(self.notes),
        }


def propose(capture: Capture) -> Proposal:
    """Return the table that reads what was captured.

    Raises:
        ConfigError: nothing was captured that says anything of a part.
    """
    try:
        return _tcp(capture) if capture.kind == "tcp" else _folder(capture)
    except ValueError as exc:
        raise ConfigError("the capture", str(exc), "record longer, while parts are inspected") from exc


def _tcp(capture: Capture) -> Proposal:
    streams, seen = _beginning(capture.streams())
    found = framing(streams)
    notes = [*_origin(capture), *seen, f"framing: {found.evidence} ({found.seen})"]
    options = list(_where(capture))
    if found.kind == "none":
        notes.append("NO FRAMING OF THE tcp SOURCE READS THIS: ask the vendor for an end mark, or write a plugin")
    else:
        options.append(Option("framing", found.kind, found.evidence, found.certain))
    if found.kind == "fixed":
        options.append(Option("length_bytes", found.length, "the length of a record", found.certain))
    page = code_page(b"\n".join(message for message in found.messages if readable(message) == 1))
    if page is not None and page.name != "utf-8":
        options.append(Option("encoding", page.name, _page(page), certain=False))
    texts = [message.decode(page.name if page else "latin-1", "backslashreplace") for message in found.messages]
    read = lines(texts, fixed=found.kind == "fixed")
    options += _content(found, read)
    verdict = read.of("verdict")
    words = column_kinds.words(verdict.words if verdict else {})
    options += _words(words)
    options += _images(read.of("image"))
    notes += _roles(read.columns) + list(read.notes)
    if found.kind == "len32be" and read.content != "json":
        notes.append("ITS HEADER HAS OTHER NAMES than the bridge reads (part, verdict …): write a plugin")
    notes += [f"not understood: {message[:100]!r}" for message in read.unmatched[:SHOWN]]
    understood = read.matched + sum(read.ignored.values()) if found.kind != "none" else 0
    return Proposal("tcp", options, understood, len(texts), words.unknown, notes + _to_decide(words, verdict))


def _beginning(streams: Sequence[Sequence[bytes]]) -> tuple[Sequence[Sequence[bytes]], list[str]]:
    """Return as much of the streams as is looked at, in whole packets, and a note where that is not all."""
    kept: list[list[bytes]] = []
    left = LOOKED_AT_BYTES
    for packets in streams:
        kept.append([])
        for packet in packets:
            if left <= 0:
                return kept, [f"only the first {LOOKED_AT_BYTES >> 20} MiB were looked at"]
            kept[-1].append(packet)
            left -= len(packet)
    return kept, []


def _origin(capture: Capture) -> list[str]:
    said = sum(len(packets) for packets in capture.streams())
    answered = sum(1 for event in capture.events if event.what == "answer")
    first = f"seen: {said} packets on {len(capture.connections())} connection(s), {capture.origin}"
    if not answered:
        return [first]
    example = next(event.data for event in capture.events if event.what == "answer")
    return [first, f"the machine was answered {answered} times, for instance {example[:60]!r}: see reply"]


def _where(capture: Capture) -> Sequence[Option]:
    """Return role, host and port, as the recording had them."""
    how, _, place = capture.origin.partition(" ")
    host, _, port = place.partition(" ")[0].rpartition(":")
    if not port.isdecimal() or not int(port):
        return [Option("port", 9100, "the capture does not say", certain=False)]
    number = Option("port", int(port), "as it was recorded")
    if how == "connect":
        return [
            Option("role", "client", "the machine listens: we dialled it"),
            Option("host", host, "the machine's address"),
            number,
        ]
    return [Option("host", host, "the address on which it was listened; the machine dials it"), number]


def _content(found: Framing, read: Lines) -> list[Option]:
    if read.content == "json":
        return [] if found.kind == "len32be" else [Option("content", "json", "documents with the bridge's names")]
    said = (
        [Option("pattern", read.pattern, f"it matches {read.matched} messages", _sure(read))]
        if read.pattern
        else []
    )
    if read.ignore:
        example = next(iter(read.ignored))
        often = f"{sum(read.ignored.values())} messages such as {example[:40]!r}, which tell of no part"
        said.append(Option("ignore", read.ignore, often, certain=False))
    return said


def _sure(read: Lines) -> bool:
    return all(column.certain for column in read.columns if column.role in GROUPS) and not read.unmatched


def _page(page: CodePage) -> str:
    return page.why + (f"; {' or '.join(page.also)} may be meant" if page.also else "")


def _words(words: Words) -> list[Option]:
    return [
        Option(name, list(said) or ["…"], _seen(said, what), certain=bool(said), live=bool(said))
        for name, what, said in (("ok_words", "OK", words.ok), ("ng_words", "NG", words.ng))
    ]


def _seen(said: Sequence[str], what: str) -> str:
    return f"usual words that were seen for {what}" if said else f"no usual word for {what} was seen; write yours"


def _to_decide(words: Words, verdict: Column | None) -> list[str]:
    if verdict is None:
        return ["DECIDE: no place was found where a verdict stands"]
    said = ", ".join(f"{word!r} ({times} times)" for word, times in words.unknown.items())
    return [f"DECIDE what these words mean, and write each into ok_words or ng_words: {said}"] if said else []


def _roles(found: Sequence[Column]) -> list[str]:
    said = []
    for at, column in enumerate(found, start=1):
        if column.role:
            name = f" ({column.name})" if column.name else ""
            used = "" if column.role in _USED else ", not used"
            said.append(f"column {at}{name} is {_MEANS[column.role]}{used}: {column.why}")
    return said


_USED = {"part", "verdict", "image", "defect", "recipe", "view", "lot"}
_MEANS = {
    "part": "the serial number",
    "verdict": "the verdict",
    "image": "the image",
    "defect": "the defect code",
    "recipe": "the recipe",
    "view": "the view",
    "lot": "the production lot",
    "time": "a time",
    "counter": "a counter (the fact counter, if it is the machine's own of its parts)",
    "constant": "always the same",
}


def _images(column: Column | None) -> list[Option]:
    if column is None:
        return []
    values = [value.strip() for value in column.words][:PATHS]
    between = Counter(sign for value in values for sign in "|;,+" if value.count(".") > value.count(sign) > 0)
    said = []
    if between:
        sign = between.most_common(1)[0][0]
        said.append(Option("image_separator", sign, "several paths stand in one line", certain=False))
        values = [piece.strip() for value in values for piece in value.split(sign) if piece.strip()]
    prefix = _prefix(values)
    if prefix:
        said.append(Option("image_prefix", prefix, "all image paths begin with it", certain=False))
    why = "where the machine's images are on this computer; without it they are not followed"
    return [*said, Option("images", "/mnt/aoi", why, certain=False, live=False)]


def _prefix(values: Sequence[str]) -> str:
    """Return the folder that absolute paths have in common; empty for relative ones."""
    paths = [PureWindowsPath(value) for value in values]
    if not all(path.is_absolute() or path.root for path in paths):
        return ""
    common = [path for path in paths[0].parents if all(path in other.parents for other in paths)]
    found = str(common[0]) if common else ""
    return found if "\\" in values[0] else found.replace("\\", "/")


def _folder(capture: Capture) -> Proposal:
    found = files.folder(capture.events)
    kinds = ", ".join(f"{times} × {suffix or 'no suffix'}" for suffix, times in sorted(found.kinds.items()))
    notes = [f"seen: {kinds}", *found.notes, *_roles(found.columns)]
    options = [Option("path", capture.origin.removeprefix("folder "), "the folder that was watched")]
    if found.verdict_in == "name":
        options.append(Option("verdict_in", "name", "there are images only, with a usual word in their paths"))
        options.append(Option("pattern", found.pattern, f"it matches {found.matched} images", certain=False))
        options.append(
            Option("images_per_part", found.images_per_part, "the most with one serial number", certain=False)
        )
    else:
        options += _result(found)
    options += _complete(found)
    words = column_kinds.words(files.usual_words(found.columns))
    options += _words(words)
    notes += _to_decide(words, found.of("verdict"))
    of = found.matched or sum(found.kinds[name.removeprefix("*")] for name in found.results if name != "*")
    return Proposal("hotfolder", options, of, of, words.unknown, notes)


def _result(found: files.Folder) -> list[Option]:
    document = found.document
    said = [Option("results", list(found.results), "the files that tell of parts")]
    if document is None or found.form is None:
        return said
    if not all(name.endswith(f".{found.form}") for name in found.results):
        said.append(Option("format", found.form, "by what stands in them"))
    places = dict(files.places(found.columns))
    if found.completion.images:
        places["images"] = found.completion.images
    same = {fact: place for fact, place in places.items() if fact != place}
    if same:
        sure = all(column.certain for column in found.columns if column.role in {"part", "verdict"})
        said.append(Option("columns", same, "the places of facts", sure))
    if document.rows_place and document.rows_place != "views":
        said.append(Option("rows", document.rows_place, "what stands there again and again, one for each view"))
    if document.form == "csv":
        said += _csv(found)
    if found.page is not None and found.page.name != "utf-8":
        said.append(Option("encoding", found.page.name, _page(found.page), certain=False))
    return said


def _csv(found: files.Folder) -> list[Option]:
    document, part = found.document, found.of("part")
    said: list[Option] = []
    if document is None:
        return said
    if document.delimiter != ",":
        said.append(Option("delimiter", document.delimiter, "what stands between columns"))
    if not document.header:
        said.append(Option("header", "none", "the first line names no columns", certain=False))
    if document.skipped:
        said.append(Option("skip_lines", document.skipped, "lines before the header", certain=False))
    if part is not None and found.of("view") is None and len(part.words) == sum(part.words.values()) > 1:
        said.append(Option("row", "part", "no serial number came twice", certain=False))
    return said


def _complete(found: files.Folder) -> list[Option]:
    rule = found.completion
    said = [Option("complete", rule.rule, rule.evidence, rule.certain)]
    if rule.rule == "flag":
        said.append(Option("flag", rule.flag, "the name of the flag"))
    if rule.rule == "footer":
        said.append(Option("footer", rule.footer, "their last line"))
    if rule.rule == "stable" and rule.stable_seconds > 1:
        said.append(Option("stable_seconds", rule.stable_seconds, "twice the longest pause", certain=False))
    return said


def _written(value: object) -> str:
    """Return a value as TOML; a pattern in single quotes, as people write it."""
    plain = isinstance(value, str) and "\\" in value and "'" not in value and value.isprintable()
    return f"'{value}'" if plain else toml(value)
