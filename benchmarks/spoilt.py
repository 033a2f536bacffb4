"""Frames and files that mean nothing, from a seed: good ones with bytes changed, and lies about their structure.

Whether one is bad is decided here and by simple rules of its own, never by asking the reader under test. Good ones
have serial numbers ``G`` and eight digits.
"""

# ruff: noqa: ARG005 - all ways to spoil something take the same arguments

from __future__ import annotations

import json
import random
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LINE = re.compile(r"(?P<part>(?P<key>G\d{8})),(?P<verdict>OK|NG)")
"""The pattern of the lines that count; everything else in a text framing is bad."""
RECORD = 32
MAX_BYTES = 4096
"""The longest line, text or frame that the lines under test take."""
RESULT_BYTES = 65_536
"""The largest result file likewise."""
FILLING = "\r\n\t \0"


@dataclass(frozen=True, slots=True)
class Spoilt:
    """Something bad to send."""

    data: bytes
    whole: bool = True
    """True if its end can be told, so that what follows is another frame; of others no two come in a row."""
    cut: bool = False
    """True if nothing may follow on the same connection: its sender died there."""


def good(framing: str, serial: str) -> bytes:
    """Return a part with the verdict OK as it goes over the wire."""
    line = f"{serial},OK".encode()
    match framing:
        case "crlf":
            return line + b"\r\n"
        case "stx_etx":
            return b"\x02" + line + b"\x03"
        case "fixed":
            return line.ljust(RECORD)
    document = {"part": serial, "key": serial, "verdict": "OK", "views": []}
    header = json.dumps(document).encode()
    return header + b"\n" if framing == "json" else _lengths(header)


def bad(framing: str, rng: random.Random, *, whole: bool) -> Spoilt:
    """Return something that no reader may take for a part; ``whole`` asks for one whose end can be told."""
    match framing:
        case "crlf":
            return _line(_text(rng), rng)
        case "json":
            return _line(_document(rng).replace(b"\n", b" ").replace(b"\r", b" "), rng)
        case "stx_etx":
            return _between(_text(rng, b"\r\n\x02\x03"), rng, whole=whole)
        case "fixed":
            return Spoilt(_padded(_text(rng)[:RECORD]))
    return _framed(rng, whole=whole)


def _line(text: bytes, rng: random.Random) -> Spoilt:
    if rng.random() < 0.02:
        return Spoilt(text.strip(FILLING.encode()) or b"?", cut=True)
    return Spoilt(text + rng.choice([b"\r\n", b"\n", b"\r"]))


def _between(text: bytes, rng: random.Random, *, whole: bool) -> Spoilt:
    if not whole and rng.random() < 0.04:
        return Spoilt(b"\x02" + text, cut=True)
    if whole or rng.random() < 0.7:
        return Spoilt(b"\x02" + text[: MAX_BYTES - 1] + b"\x03")
    return Spoilt(rng.choice([b"\x02" + text[:200], b"noise " + text[:200] + b"\x03"]), whole=False)


def _padded(text: bytes) -> bytes:
    return (text.strip(FILLING.encode()) or b"?").ljust(RECORD, b".")


def _text(rng: random.Random, marks: bytes = b"\r\n") -> bytes:
    """Return text without the marks of a framing that is no line that counts, and not empty."""
    serial = rng.randrange(10**8)
    while True:
        text = rng.choice(_TEXTS)(f"G{serial:08d},OK".encode(), rng).translate(None, marks)
        if text.strip(FILLING.encode()) and not _counts(text):
            return text


def _counts(text: bytes) -> bool:
    try:
        said = text.decode().removeprefix("\ufeff").strip(FILLING)
    except UnicodeDecodeError:
        return False
    return not said or LINE.fullmatch(said) is not None


def _changed(line: bytes, rng: random.Random) -> bytes:
    """Return a line with a few of its bytes replaced, left out or doubled."""
    spoilt = bytearray(line)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(spoilt))
        spoilt[at : at + 1] = rng.choice([b"", bytes([rng.randrange(256)]), spoilt[at : at + 1] * 2]) or b"x"
    return bytes(spoilt)


_TEXTS: Sequence[Callable[[bytes, random.Random], bytes]] = (
    _changed,
    lambda line, rng: line[: rng.randint(1, len(line) - 1)],
    lambda line, rng: rng.randbytes(rng.randint(1, 60)),
    lambda line, rng: line.replace(b"OK", rng.choice([b"MAYBE", b"1", b"", b"ok;NG", "良".encode()])),
    lambda line, rng: line + b",,,,",
    lambda line, rng: b"G" * rng.choice([200, MAX_BYTES, MAX_BYTES * 3]),
    lambda line, rng: "부품,OK".encode(rng.choice(["cp949", "utf-16-le"])),
    lambda line, rng: b"\x1b[2J" + line,
    lambda line, rng: b"../../etc/passwd," + b"OK",
    lambda line, rng: b"GET / HTTP/1.1",
)

# JSON documents


def _document(rng: random.Random) -> bytes:
    """Return bytes that are no JSON document of a part."""
    return rng.choice(_DOCUMENTS)(f"B{rng.randrange(10**8):08d}", rng)


def _said(**facts: object) -> bytes:
    return json.dumps({"part": "B", "verdict": "OK", **facts}).encode()


_DOCUMENTS: Sequence[Callable[[str, random.Random], bytes]] = (
    lambda part, rng: _said(part=part)[: -rng.randint(1, 20)],
    lambda part, rng: b'{"part": "\xff\xfe", "verdict": "OK"}',
    lambda part, rng: b'{"part": "B", "deadline_ms": NaN}',
    lambda part, rng: b'{"part": "B", "deadline_ms": -1e999}',
    lambda part, rng: b'{"part": "B", "ng_views": ' + b"9" * rng.choice([20, 400, 1500]) + b"}",
    lambda part, rng: b'{"part": "B", "views": ' + b"[" * rng.choice([1500, 3000]) + b"}",
    lambda part, rng: b'{"part": "B", "views": ' + b'[{"views":' * 300 + b"}",
    lambda part, rng: _said(part=rng.choice([5, [part], {"id": part}, True])),
    lambda part, rng: _said(part="x" * 300),
    lambda part, rng: _said(part="B\0\x1b[2J"),
    lambda part, rng: _said(backlog="yes"),
    lambda part, rng: _said(ng_views=rng.choice([-1, 1.5, "two"])),
    lambda part, rng: _said(views=[{"name": 5, "bytes": 0}]),
    lambda part, rng: _said(views=[{"roi": {"cx": -1, "cy": 0, "w": 1, "h": 1}}]),
)
_MODEL = slice(7, 13)
"""Those of them that are JSON objects, so that only their meaning is wrong."""

# Lengths, a header, pictures


def _lengths(header: bytes, images: bytes = b"", *, total: int = 0, size: int = 0) -> bytes:
    stated = total + 4 + len(header) + len(images), size + len(header)
    return struct.pack(">II", *(number & 0xFFFFFFFF for number in stated)) + header + images


def _framed(rng: random.Random, *, whole: bool) -> Spoilt:
    if not whole and rng.random() < 0.05:
        header = json.dumps({"part": "B", "views": [{"bytes": 900}]}).encode()
        return Spoilt(_lengths(header, b"\xff\xd8" + rng.randbytes(898))[: -rng.randint(1, 900)], cut=True)
    if whole or rng.random() < 0.5:
        return Spoilt(_lengths(rng.choice(_DOCUMENTS[_MODEL])("B", rng)))
    header = json.dumps({"part": "B", "verdict": "OK", "views": [{"bytes": 100}]}).encode()
    image = rng.randbytes(100)
    lies = (
        _lengths(header, image, total=rng.choice([-50, 7, 60, MAX_BYTES * 2, -(4 + len(header) + 100)])),
        _lengths(header, image, size=rng.choice([-9, -1, 1, 30, 5000, -len(header)])),
        _lengths(header.replace(b"100", rng.choice([b"-1", b"1e2", b"101", b"true", b"9e99"])), image),
        _lengths(rng.choice(_DOCUMENTS[:7])("B", rng)),
        rng.randbytes(rng.randint(1, 300)),
        b"GET / HTTP/1.1\r\nHost: bridge\r\n\r\n",
        struct.pack(">II", 0xFFFFFFFF, 0xFFFFFFFF),
    )
    return Spoilt(rng.choice(lies), whole=False)


# Files


def good_file(serial: str, form: str) -> bytes:
    """Return a whole result file with the verdict OK."""
    match form:
        case "json":
            return json.dumps({"part": serial, "verdict": "OK"}).encode()
        case "csv":
            return f"part,verdict\r\n{serial},OK\r\n".encode()
        case "xml":
            return f"<r><part>{serial}</part><verdict>OK</verdict></r>".encode()
    return f"[r]\npart = {serial}\nverdict = OK\n".encode()


def traversing(serial: str, rng: random.Random) -> bytes:
    """Return a result that is good but for a picture that leads out of the folder: decided without it."""
    image = rng.choice(["../../../../etc/passwd", "/etc/shadow", "C:\\Windows\\win.ini", "\\\\host\\share\\x.jpg"])
    return json.dumps({"part": serial, "verdict": "OK", "image": image}).encode()


def bad_file(form: str, rng: random.Random) -> bytes:
    """Return a result file that tells of no part."""
    whole = good_file("B00000001", form)
    common = (
        lambda: b"",
        lambda: rng.randbytes(rng.randint(8, 400)) + b"\xff\xfe\xff",
        lambda: whole + b"\xff" * (RESULT_BYTES + 1),
        lambda: "部品".encode("cp932") + b"\x81" + whole,
    )
    return rng.choice([*common, *(lambda make=make: make(rng) for make in _FILES[form])])()


_FILES: dict[str, Sequence[Callable[[random.Random], bytes]]] = {
    "json": (
        lambda rng: good_file("B1", "json")[: -rng.randint(1, 20)],
        lambda rng: b"[]",
        lambda rng: b"{}",
        lambda rng: b'{"part": ' + b"[" * rng.choice([1500, 60_000]) + b"}",
        lambda rng: b'{"part": {"part": {"part": 1}}, "verdict": "OK"}',
        lambda rng: b'{"part": "B", "part": "C", "verdict": "OK"}',
        lambda rng: b'{"part": "B", "ng_views": %b}' % rng.choice([b"NaN", b"1e999", b"-4", b"2.5", b"9" * 5000]),
    ),
    "csv": (
        lambda rng: b"name;result\r\nB;OK\r\n",
        lambda rng: b"part,verdict\r\nB,OK,1,2,3\r\n",
        lambda rng: b'part,verdict\r\n"B,OK\r\n',
        lambda rng: b"part,verdict,part\r\nB,OK,C\r\n",
        lambda rng: b"part,verdict\r\n",
        lambda rng: b"part,verdict,ng_views\r\nB,OK,lots\r\n",
    ),
    "xml": (
        lambda rng: good_file("B1", "xml")[: -rng.randint(1, 30)],
        lambda rng: b'<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><r><part>&b;</part></r>',
        lambda rng: b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r><part>&x;</part></r>',
        lambda rng: b"<r>" * rng.choice([50, 9000]),
        lambda rng: b'<?xml version="1.0" encoding="no-such"?><r><part>B</part></r>',
        lambda rng: b"<r><other/></r>",
    ),
    "ini": (
        lambda rng: b"part = B\nverdict = OK\n",
        lambda rng: b"[r]\npart = B\npart = C\nverdict = OK\n",
        lambda rng: b"[r\npart = B\n",
        lambda rng: b"[other]\nx = 1\n",
    ),
}
FORMS = tuple(_FILES)
