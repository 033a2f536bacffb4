"""A map as a table for the PLC programmer, so that nobody types it from a manual: map v1, or a simple one."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, replace
from enum import IntEnum, IntFlag

from bridge_modbus.codec import (
    BITMAP_VIEWS,
    BITMAP_WORDS,
    SERIAL_WORDS,
    Control,
    ErrorCode,
    LegacyCode,
    SourceCode,
    Status,
    VerdictCode,
)
from bridge_modbus.options import Place, SimpleMap
from bridge_modbus.words import WordOrder, commissioning_words

FIRST_DISCRETE = 10_001
FIRST_INPUT = 30_001
FIRST_HOLDING = 40_001
FIRST_LONG_HOLDING = 400_001
LAST_SHORT_ADDRESS = 9_998
"""Beyond it the five digits of 4xxxx are used up and six are written."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One value of the map, relative to its block."""

    name: str
    words: int
    type: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Row:
    """One value of the map, where the PLC keeps it."""

    address: int
    """0-based, as it travels in a request."""
    register: str
    """The same in 4xxxx notation, 1-based."""
    name: str
    words: int
    type: str
    writer: str
    meaning: str


HEADINGS = ("address", "4xxxx", "name", "words", "type", "written by", "meaning")


def _bits(flags: type[IntFlag]) -> str:
    return "; ".join(f"b{flag.value.bit_length() - 1} {flag.name}" for flag in flags)


def _codes(codes: type[IntEnum]) -> str:
    return "; ".join(f"{code.value} {str(code.name).replace('_', ' ').lower()}" for code in codes)


def _constants(order: WordOrder) -> str:
    return "u32 0x12345678, float 1.0, text AB: " + " ".join(f"0x{w:04X}" for w in commissioning_words(order))


def _command(order: WordOrder) -> tuple[Entry, ...]:
    return (
        Entry("CTRL", 1, "bits", _bits(Control)),
        Entry("HB_PLC", 1, "u16", "counts up while the PLC runs"),
        Entry("CMD_SEQ", 1, "u16", "1 to 65535, new with each part, never 0"),
        Entry("RECIPE_ID", 1, "u16", "recipe of the part"),
        Entry("PART_ID", 2, "u32", "number of the part; 0 for none"),
        Entry("LEGACY", 1, "u16", _codes(LegacyCode)),
        Entry("DEADLINE_MS", 1, "u16", "time for the result in ms; 0 for none"),
        Entry("SERIAL", SERIAL_WORDS, "text", "32 ASCII characters, NUL padded"),
        Entry("CONST_ECHO", 5, "constants", f"the same values, written by the PLC's program: {_constants(order)}"),
    )


def _status(order: WordOrder) -> tuple[Entry, ...]:
    return (
        Entry("SEQ_HEAD", 1, "u16", "CMD_SEQ that this result answers"),
        Entry("HB_BRIDGE", 1, "u16", "counts up every 500 ms; dead if it stands for 2 s"),
        Entry("STATUS", 1, "bits", _bits(Status)),
        Entry("VERDICT", 1, "u16", _codes(VerdictCode)),
        Entry("PART_ID_ECHO", 2, "u32", "PART_ID of the part that was judged"),
        Entry("LEGACY_ECHO", 1, "u16", "what the inspector said: " + _codes(LegacyCode)),
        Entry("SOURCE", 1, "u16", "whose verdict it is: " + _codes(SourceCode)),
        Entry("ERROR_CODE", 1, "u16", _codes(ErrorCode)),
        Entry("VIEWS_TOTAL", 1, "u16", "how many views the part has"),
        Entry("VIEWS_NG", 1, "u16", "how many of them are NG"),
        Entry("DEFECT", 1, "u16", "the inspector's defect code of the first NG view; 0 for none"),
        Entry("CONFIDENCE", 1, "u16", "of the model in its verdict, times 10000; 0 for none"),
        Entry("LATENCY_MS", 1, "u16", "from the part's event to the decision, in ms"),
        Entry("HB_PLC_ECHO", 1, "u16", "HB_PLC as last seen"),
        Entry("RESULT_ID", 2, "u32", "running number in the bridge's journal; 0 for not recorded"),
        Entry("MODEL_VERSION", 1, "u16", "version of the model; 0 for none"),
        Entry("SCORE", 2, "float32", "lowest score of the views"),
        Entry("SERIAL_ECHO", SERIAL_WORDS, "text", "SERIAL of the part that was judged"),
        Entry(
            "NG_BITMAP",
            BITMAP_WORDS,
            "bits",
            f"view i from 0 to {BITMAP_VIEWS - 1} is NG, from bit 0 on",
        ),
        Entry("SEQ_TAIL", 1, "u16", "must equal SEQ_HEAD, else the write is not complete"),
        Entry("CONST", 5, "constants", _constants(order)),
    )


def rows(command_address: int = 0, status_address: int = 100, order: WordOrder = WordOrder.ABCD) -> list[Row]:
    """Return every value of CMD and STS with its place in the PLC's holding registers."""
    return [
        *_placed("CMD", "PLC", command_address, _command(order)),
        *_placed("STS", "bridge", status_address, _status(order)),
    ]


def server_rows(
    command_address: int = 0, status_address: int = 100, order: WordOrder = WordOrder.ABCD
) -> list[Row]:
    """Return every value of the bridge's own memory: CMD, STS as input registers and mirrored, STATUS as bits."""
    bits = [
        Row(
            place,
            f"{FIRST_DISCRETE + place}",
            f"STATUS.{flag.name}",
            1,
            "discrete input",
            "bridge",
            "as in STATUS",
        )
        for place, flag in enumerate(Status)
    ]
    return [
        *_placed("CMD", "PLC", command_address, _command(order)),
        *(
            replace(row, register=f"{FIRST_INPUT + row.address}")
            for row in _placed("STS", "bridge", 0, _status(order))
        ),
        *_placed("MIRROR", "bridge", status_address, _status(order)),
        *bits,
    ]


def simple_rows(places: SimpleMap) -> list[Row]:
    """Return the places of a simple map; coils in 0xxxx notation, 1-based."""
    meanings = {
        "verdict": f"{places.ok_value} OK; {places.ng_value} NG; 0 none",
        "ok": "1 while an OK stands",
        "ng": "1 while an NG stands",
        "done": "1 once the verdict stands, 0 before the next",
    }
    return [
        _simple(name, Place.parse(text), meaning)
        for name, meaning in meanings.items()
        if (text := str(getattr(places, name)))
    ]


def as_csv(table: Sequence[Row]) -> str:
    """Return the table as CSV with a heading, lines ended by CR LF as RFC 4180 says."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HEADINGS)
    writer.writerows(astuple(row) for row in table)
    return text.getvalue()


def as_markdown(table: Sequence[Row]) -> str:
    """Return the table as a Markdown table."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *(astuple(row) for row in table)]
    return "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)


def as_text(table: Sequence[Row]) -> str:
    """Return the table in columns for a terminal."""
    lines = [HEADINGS, *(tuple(str(cell) for cell in astuple(row)) for row in table)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADINGS))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n"
        for line in lines
    )


def notation(address: int) -> str:
    """Return a holding register's address in 4xxxx notation, with six digits where five do not reach."""
    return str((FIRST_HOLDING if address <= LAST_SHORT_ADDRESS else FIRST_LONG_HOLDING) + address)


def _simple(name: str, place: Place, meaning: str) -> Row:
    coil = place.kind == "coil"
    register = f"{place.address + 1:05d}" if coil else notation(place.address)
    return Row(place.address, register, name.upper(), 1, "bit" if coil else "u16", "bridge", meaning)


def _placed(block: str, writer: str, address: int, entries: Iterable[Entry]) -> list[Row]:
    placed = []
    for entry in entries:
        name = f"{block}.{entry.name}"
        placed.append(Row(address, notation(address), name, entry.words, entry.type, writer, entry.meaning))
        address += entry.words
    return placed
