"""Values that fill more than one register, or less than one: word orders, 32-bit numbers, floats and text.

A register holds 16 bits and Modbus sends its high byte first; how a PLC lays a longer value over several
registers is its own affair. ``WordOrder`` names the four ways by where the bytes of 0xAABBCCDD come to stand.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import StrEnum
from functools import cache

U32_MAX = 0xFFFFFFFF
CONSTANT_U32 = 0x12345678
CONSTANT_FLOAT = 1.0
CONSTANT_TEXT = "AB"
CONSTANT_WORDS = 5
"""Registers that the commissioning constants fill: a u32, a float and one word of text."""


class WordOrder(StrEnum):
    """How the bytes A B C D of a 32-bit value, A the most significant, lie in two registers.

    The orders that swap the bytes inside a register (BADC, DCBA) swap those of text too.
    """

    ABCD = "ABCD"
    CDAB = "CDAB"
    BADC = "BADC"
    DCBA = "DCBA"


_LOW_WORD_FIRST = {WordOrder.CDAB, WordOrder.DCBA}
_BYTES_SWAPPED = {WordOrder.BADC, WordOrder.DCBA}


def u32_words(value: int, order: WordOrder) -> list[int]:
    """Return an unsigned 32-bit number as two registers.

    Raises:
        ValueError: it does not fit.
    """
    if not 0 <= value <= U32_MAX:
        raise ValueError(f"{value} does not fit into 32 bits")
    return _laid(value, order)


def u32_value(words: Sequence[int], order: WordOrder) -> int:
    """Return the number that two registers hold."""
    high, low = reversed(words) if order in _LOW_WORD_FIRST else words
    return _swapped(high, order) << 16 | _swapped(low, order)


def float_words(value: float, order: WordOrder) -> list[int]:
    """Return a number as IEEE 754 single precision in two registers; what is too large becomes infinite."""
    try:
        data = struct.pack(">f", value)
    except OverflowError:
        data = struct.pack(">f", float("inf") if value > 0 else float("-inf"))
    return _laid(int.from_bytes(data, "big"), order)


def float_value(words: Sequence[int], order: WordOrder) -> float:
    """Return the single precision number that two registers hold."""
    (value,) = struct.unpack(">f", u32_value(words, order).to_bytes(4, "big"))
    return float(value)


def text_words(text: str, count: int, order: WordOrder) -> list[int]:
    """Return text, one byte a character, padded with NUL to ``count`` registers.

    Raises:
        ValueError: it is too long, or holds a character that is no single byte.
    """
    data = text.encode("latin-1")
    if len(data) > 2 * count:
        raise ValueError(f"{text!r} is longer than {2 * count} characters")
    words = struct.unpack(f">{count}H", data.ljust(2 * count, b"\0"))
    return [_swapped(word, order) for word in words]


def text_value(words: Sequence[int], order: WordOrder) -> str:
    """Return the text up to the first NUL; a byte above 127 gives the character of that number."""
    data = struct.pack(f">{len(words)}H", *(_swapped(word, order) for word in words))
    return data.partition(b"\0")[0].decode("latin-1")


@cache
def commissioning_words(order: WordOrder) -> tuple[int, ...]:
    """Return the constants by which both sides check that they mean the same order."""
    return (
        *u32_words(CONSTANT_U32, order),
        *float_words(CONSTANT_FLOAT, order),
        *text_words(CONSTANT_TEXT, 1, order),
    )


def order_of(words: Sequence[int]) -> WordOrder | None:
    """Return the order in which somebody wrote the constants, None where these are not the constants."""
    return next((order for order in WordOrder if commissioning_words(order) == tuple(words)), None)


def _laid(value: int, order: WordOrder) -> list[int]:
    words = [_swapped(value >> 16, order), _swapped(value & 0xFFFF, order)]
    return words[::-1] if order in _LOW_WORD_FIRST else words


def _swapped(word: int, order: WordOrder) -> int:
    return (word & 0xFF) << 8 | word >> 8 if order in _BYTES_SWAPPED else word
