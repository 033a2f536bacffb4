"""Decisions ↔ frames of the MC protocol (SLMP), 3E, binary: all little-endian, and every write is answered.

The result, from ``first_register`` on::

    0       valid: 1 once the rest stands there; the PLC writes 0 when it has taken it
    1       verdict: 1 OK, 2 NG, 0 none
    2, 3    the journal's number of the decision, the low word first
    4 … 11  serial number, 16 bytes, the low byte of a word first, filled with NUL
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence

from bridge.plugin import Decision, Refused, Unavailable, Verdict

HEAD = struct.Struct("<HBBHBH")
"""Subheader, network, PC, module I/O, station, bytes that follow."""
WRITE, WORDS, D_REGISTERS, QUARTERS = 0x1401, 0x0000, 0xA8, 4
"""Batch write, in words; the device; how many quarters of a second the PLC may wait for its own CPU."""
REQUEST, ANSWER, SHORTEST, LONGEST = 0x0050, 0x00D0, 2, 0x1000
BUSY = 0xCEE0
VERDICTS = {Verdict.OK: 1, Verdict.NG: 2}
SERIAL = 16


def write(register: int, words: Sequence[int]) -> bytes:
    """Return the request that writes words from a D register on."""
    what = struct.pack("<HHHI", QUARTERS, WRITE, WORDS, D_REGISTERS << 24 | register)
    body = what + struct.pack(f"<H{len(words)}H", len(words), *words)
    return HEAD.pack(REQUEST, 0, 0xFF, 0x03FF, 0, len(body)) + body


def result(decision: Decision) -> tuple[int, ...]:
    """Return the words of a decision, not valid yet.

    Raises:
        Refused: the serial number has no room; cut short it would be another part's.
    """
    serial = decision.part.encode()
    if len(serial) > SERIAL:
        raise Refused(f"the serial number has {len(serial)} bytes, and the PLC has room for {SERIAL}")
    verdict = VERDICTS.get(decision.final, 0) if decision.final else 0
    return struct.unpack("<12H", struct.pack("<HHI16s", 0, verdict, decision.number & 0xFFFF_FFFF, serial))


async def accepted(reader: asyncio.StreamReader) -> None:
    """Read the answer to a request.

    Raises:
        Unavailable: the PLC is busy.
        Refused: it will not do that; its manual explains the end code.
        ValueError: this is no answer.
    """
    kind, _, _, _, _, length = HEAD.unpack(await reader.readexactly(HEAD.size))
    if kind != ANSWER or not SHORTEST <= length <= LONGEST:
        raise ValueError("it is no answer of the MC protocol")
    code = int.from_bytes((await reader.readexactly(length))[:2], "little")
    if code:
        raise (Unavailable if code == BUSY else Refused)(f"the PLC answered with end code {code:04X}")
