"""Where messages end: which framing explains what a machine sent, and by how much better than the others.

Pure. A stream is what one connection carried, as the packets in which it came. What the bridge's own ``tcp``
source does not speak is named all the same, so that nobody looks for it in vain.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import numpy as np

Kind: TypeAlias = Literal["crlf", "stx_etx", "fixed", "len32be", "none"]
Stream: TypeAlias = Sequence[bytes]
"""The packets of one connection, in order."""

STX, ETX = b"\x02", b"\x03"
SAMPLE_BYTES = 1 << 18
"""So much of all streams together is looked at for records of one length."""
LONGEST_RECORD = 1024
LONGEST_LINE = 65_536
EXPLAINED = 0.75
"""So much of all bytes must stand in frames before a framing is believed."""


@dataclass(frozen=True, slots=True)
class Framing:
    """A framing, and what speaks for it."""

    kind: Kind
    messages: Sequence[bytes] = field(repr=False)
    """The messages that it finds, without their marks."""
    evidence: str
    explained: float
    """The share of all bytes that stand in its frames."""
    certain: bool
    length: int = 0
    """Of the framing ``fixed``: the bytes of a record."""
    seen: str = ""
    """How the machine itself does it: ``CR LF``, ``LF``, ``CR``, ``16-bit length`` …"""


def framing(streams: Sequence[Stream]) -> Framing:
    """Return the framing that explains the streams best; of the kind ``none`` where no framing does.

    Raises:
        ValueError: nothing was sent.
    """
    whole = [b"".join(packets) for packets in streams]
    total = sum(map(len, whole))
    if not total:
        raise ValueError("the machine has sent nothing")
    for reader in (_len32be, _stx_etx, _exact_lengths, _lines):
        found = reader(whole, total)
        if found is not None:
            return found
    return _fixed(streams, whole, total) or _other(streams, whole, total)


def _len32be(whole: Sequence[bytes], total: int) -> Framing | None:
    """Two lengths that agree, and a JSON object behind them: nothing else looks like that."""
    messages, inside = [], 0
    for stream in whole:
        at = 0
        while at + 8 <= len(stream):
            size, header = int.from_bytes(stream[at : at + 4]), int.from_bytes(stream[at + 4 : at + 8])
            text = stream[at + 8 : at + 8 + header]
            if not (text.startswith(b"{") and header + 4 <= size and _is_json(text)):
                at = _next_frame(stream, at + 1)
                continue
            messages.append(text)
            end = min(len(stream), at + 4 + size)
            inside, at = inside + end - at, end
    if not messages or inside < EXPLAINED * total:
        return None
    said = f"{len(messages)} frames whose two lengths agree with a JSON header, {_left(total - inside)}"
    return Framing("len32be", messages, said, inside / total, certain=True, seen="32-bit lengths, big-endian")


_FRAME = re.compile(rb"[\x00-\x3f].{3}\x00[\x00-\x10].{2}\{", re.DOTALL)


def _next_frame(stream: bytes, at: int) -> int:
    found = _FRAME.search(stream, at)
    return found.start() if found else len(stream)


def _is_json(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _stx_etx(whole: Sequence[bytes], total: int) -> Framing | None:
    found = [match for stream in whole for match in re.finditer(rb"\x02([^\x02\x03]*)\x03", stream)]
    inside = sum(len(match[0]) for match in found)
    between = b"".join(re.sub(rb"\x02[^\x02\x03]*\x03", b"", stream) for stream in whole)
    blank = len(between) - len(between.translate(None, delete=b"\r\n \0"))
    if not found or inside + blank < EXPLAINED * total:
        return None
    outside = total - inside - blank
    said = f"{len(found)} messages between STX and ETX, {_left(outside)}"
    after = " with a line end behind each" if blank >= len(found) else ""
    return Framing(
        "stx_etx", [m[1] for m in found], said + after, 1 - outside / total, certain=True, seen="STX ETX"
    )


def _lines(whole: Sequence[bytes], total: int) -> Framing | None:
    """Lines, of text: pictures and binary records hold bytes that look like line ends."""
    ends = Counter({"CR LF": 0, "LF": 0, "CR": 0})
    messages, unended = [], 0
    for stream in whole:
        both = stream.count(b"\r\n")
        ends += Counter({"CR LF": both, "LF": stream.count(b"\n") - both, "CR": stream.count(b"\r") - both})
        *lines, rest = re.split(rb"\r\n|\n|\r", stream)
        messages += [line for line in lines if line]
        unended += len(rest)
    binary = total - sum(len(stream.translate(None, delete=_NO_TEXT)) for stream in whole)
    if not messages or max(map(len, messages)) > LONGEST_LINE or binary > (1 - EXPLAINED) * total:
        return None
    if unended > (1 - EXPLAINED) * total and len(messages) < len(whole):
        return None
    said = ", ".join(f"{number} × {end}" for end, number in ends.items() if number)
    kinds = [end for end, number in ends.items() if number]
    evidence = f"{len(messages)} lines of text, ended by {said}, {_left(unended, 'behind the last line end')}"
    return Framing(
        "crlf", messages, evidence, 1 - unended / total, certain=len(kinds) == 1, seen=" and ".join(kinds)
    )


def _fixed(streams: Sequence[Stream], whole: Sequence[bytes], total: int) -> Framing | None:
    """Records of one length: the bytes at one place in them are of one kind, and packets tell their length."""
    packets = Counter(len(packet) for packets in streams for packet in packets)
    common, times = packets.most_common(1)[0]
    length = _period(whole, common if times >= EXPLAINED * packets.total() else 0)
    if not length and times >= EXPLAINED * packets.total() and packets.total() > 1 and common <= LONGEST_LINE:
        length = common
    if not length:
        return None
    messages = [s[at : at + length] for s in whole for at in range(0, len(s) - length + 1, length)]
    if len(messages) < 2 or max(map(_binary, messages)) > 1 - EXPLAINED:  # noqa: PLR2004 - one record proves no length
        return None
    left = total - len(messages) * length
    agree = sum(number for size, number in packets.items() if size % length == 0)
    said = f"{len(messages)} records of {length} bytes, {_left(left)}; {agree} of {packets.total()} packets agree"
    certain = agree == packets.total() and len(messages) > 4  # noqa: PLR2004 - a few may be an accident
    return Framing("fixed", messages, said, 1 - left / total, certain=certain, length=length, seen="fixed length")


def _binary(message: bytes) -> float:
    return 1 - len(message.translate(None, delete=_NO_TEXT.strip(b"\0"))) / max(1, len(message))


_NO_TEXT = bytes(byte for byte in range(0x20) if byte not in b"\r\n\t\x1b")


_CLASSES = np.full(256, 5, np.uint8)
for _kind, _bytes in enumerate((b" \0", b"0123456789", bytes(range(65, 91)), bytes(range(97, 123)), b",;|:/=-_.")):
    _CLASSES[list(_bytes)] = _kind


def _period(whole: Sequence[bytes], common: int) -> int:
    """Return the shortest length after which kinds of characters repeat; 0 where there is none.

    Blanks are left out, for they agree with each other everywhere. ``common`` is how long most packets are.
    """
    sample = b"".join(whole)[:SAMPLE_BYTES]
    kinds = _CLASSES[np.frombuffer(sample, np.uint8)]
    most = min(LONGEST_RECORD, len(kinds) // 2)
    agree = np.zeros(most + 1)
    for length in range(SHORTEST_RECORD, most + 1):
        first, later = kinds[:-length], kinds[length:]
        text = (first > 0) | (later > 0)
        agree[length] = np.mean(first[text] == later[text]) if text.any() else 0.0
    if 0 < common <= most and agree[common] >= _AGREES:
        return common
    best = float(agree.max())
    if best < _REPEATS:
        return 0
    near = [int(length) for length in np.flatnonzero(agree >= max(_AGREES, best - _NEARLY))]
    return next((n for n in near if all(len(stream) % n == 0 for stream in whole)), near[0])


SHORTEST_RECORD = 4
_REPEATS, _AGREES, _NEARLY = 0.85, 0.7, 0.2
"""So much must agree at the best length, and at the one that is taken: records differ where a part is NG."""


def _other(streams: Sequence[Stream], whole: Sequence[bytes], total: int) -> Framing:
    """Return what else it may be; nothing that is found here can be read by the ``tcp`` source as it is."""
    found = [one for reader in (*_LENGTHS, *_ENDS, _document) if (one := reader(whole, total)) is not None]
    best = max(found, key=lambda one: one.explained, default=None)
    if best is not None and best.explained >= EXPLAINED:
        return best
    packets = [packet for packets in streams for packet in packets]
    if len(whole) > 1 and len(packets) <= 2 * len(whole):
        said = f"{len(whole)} connections with one message each and no mark at its end"
        return Framing("none", list(whole), said, 1.0, certain=False, seen="one message per connection")
    said = f"{len(packets)} packets without any mark between messages that is known"
    return Framing("none", packets, said, 0.0, certain=False, seen="nothing that is known")


def _lengths(name: str, size: int, order: Literal["big", "little"]) -> Callable[..., Framing | None]:
    def read(whole: Sequence[bytes], total: int) -> Framing | None:
        messages: list[bytes] = []
        for stream in whole:
            at = 0
            while at + size <= len(stream):
                length = int.from_bytes(stream[at : at + size], order)
                if not 0 < length <= len(stream) - at - size:
                    break
                messages.append(stream[at + size : at + size + length])
                at += size + length
        inside = sum(len(message) + size for message in messages)
        said = f"{len(messages)} messages behind a {name}, {_left(total - inside)}"
        certain = len(messages) > 2 and inside == total  # noqa: PLR2004 - two lengths may agree by accident
        return Framing("none", messages, said, inside / total, certain=certain, seen=name)

    return read


def _exact_lengths(whole: Sequence[bytes], total: int) -> Framing | None:
    """Lengths that lead from one to the next up to the very last byte are no accident."""
    found = [one for read in _LENGTHS if (one := read(whole, total)) is not None and one.certain]
    return found[0] if found else None


def _ended(name: str, mark: bytes) -> Callable[..., Framing | None]:
    def read(whole: Sequence[bytes], total: int) -> Framing | None:
        pieces = [stream.split(mark) for stream in whole]
        messages = [piece for split in pieces for piece in split[:-1] if piece]
        left = sum(len(split[-1]) for split in pieces)
        if not messages:
            return None
        said = f"{len(messages)} messages that end with {name}, {_left(left)}"
        return Framing("none", messages, said, 1 - left / total, certain=False, seen=f"{name} at the end")

    return read


def _document(whole: Sequence[bytes], total: int) -> Framing | None:
    """JSON objects one behind the other, without a mark between them."""
    messages, left = [], 0
    for stream in whole:
        text, at = stream.decode("latin-1"), 0
        while (start := text.find("{", at)) >= 0:
            try:
                _, at = json.JSONDecoder().raw_decode(text, start)
            except (ValueError, RecursionError):
                break
            messages.append(text[start:at].encode("latin-1"))
        left += len(text[at:].strip())
    if not messages:
        return None
    said = f"{len(messages)} JSON documents without a mark between them, {_left(left)}"
    return Framing("none", messages, said, 1 - left / total, certain=True, seen="JSON without marks")


_LENGTHS = (
    _lengths("16-bit length, big-endian", 2, "big"),
    _lengths("16-bit length, little-endian", 2, "little"),
    _lengths("32-bit length, big-endian", 4, "big"),
    _lengths("32-bit length, little-endian", 4, "little"),
)
_ENDS = (
    _ended("ETX (0x03)", b"\x03"),
    _ended("EOT (0x04)", b"\x04"),
    _ended("NUL (0x00)", b"\0"),
    _ended("FS (0x1C)", b"\x1c"),
    _ended("RS (0x1E)", b"\x1e"),
    _ended("a semicolon", b";"),
)


def _left(size: int, where: str = "outside") -> str:
    return f"{size} bytes {where}" if size else "nothing left over"


def without_filling(found: Framing) -> Framing:
    """Return the same framing with the blanks taken off that machines put around a message."""
    return replace(found, messages=[m for m in (message.strip(b"\r\n\t \0") for message in found.messages) if m])
