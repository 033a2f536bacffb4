"""Which code page a machine writes: strict decoding, and how common the characters are that come out.

Pure. Several code pages understand nearly any bytes; what tells them apart is that people write common characters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

KNOWN_WORD = 0.5
"""How much more likely a code page is that reads a word of quality inspection."""
WEIGHED_BYTES = 1 << 16
CLOSE = 0.85
"""A code page whose score is this close to the best one's cannot be told from it."""


@dataclass(frozen=True, slots=True)
class CodePage:
    """A code page that understands everything, and how likely it is."""

    name: str
    score: float
    """How common the characters are that it reads, 0 to 1, and more where it reads a word of inspection."""
    certain: bool
    also: tuple[str, ...] = ()
    """Others that are as likely."""
    why: str = ""


def code_page(data: bytes) -> CodePage | None:
    """Return the most likely code page of a text; None where none of those known reads it.

    Of a long text the lines are weighed that are not ASCII, as many as it takes.
    """
    if data.isascii():
        return CodePage("utf-8", 1.0, certain=True, why="only ASCII was seen, which every code page has")
    if _decoded(data, "utf-8") is not None:
        return CodePage("utf-8", 1.0, certain=True, why="all bytes are valid UTF-8, which is no accident")
    weighed = _weighed(data)
    scores = {
        name: score
        for name, rate in _RATES.items()
        if _decoded(data, name) is not None and (score := _score(weighed, name, rate)) is not None
    }
    if not scores:
        return None
    best = max(scores, key=lambda name: scores[name])
    also = tuple(name for name in scores if name != best and scores[name] >= CLOSE * scores[best])
    others = ", ".join(f"{name} {score:.2f}" for name, score in sorted(scores.items()) if name != best)
    why = f"its characters are common ones, {scores[best]:.2f}" + (f" (others: {others})" if others else "")
    return CodePage(best, scores[best], certain=False, also=also, why=why)


def readable(data: bytes) -> float:
    """Return the share of bytes that stand in texts: no control characters but blanks and line ends."""
    if not data:
        return 0.0
    return len(data.translate(None, delete=_CONTROL)) / len(data)


_CONTROL = bytes(byte for byte in (*range(32), 0x7F) if byte not in b"\t\r\n")


def _decoded(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except ValueError:
        return None


def _weighed(data: bytes) -> bytes:
    """Return the first lines that are not ASCII; all of it where there are no lines."""
    lines = [line for line in data.splitlines(keepends=True) if not line.isascii()]
    kept, size = [], 0
    for line in lines:
        kept.append(line)
        size += len(line)
        if size > WEIGHED_BYTES:
            break
    return b"".join(kept)


def _score(data: bytes, encoding: str, rate: Callable[[Sequence[bytes], int], float]) -> float | None:
    """Return how common the characters outside of ASCII are on average; None where some are no characters."""
    text = _decoded(data, encoding)
    if text is None:
        return None
    letters = [char.encode(encoding) for char in text]
    places = [at for at, letter in enumerate(letters) if not letter.isascii()]
    known = KNOWN_WORD if any(word in text for word in _WORDS.get(encoding, ())) else 0.0
    return known + sum(rate(letters, at) for at in places) / max(1, len(places))


def _korean(letters: Sequence[bytes], at: int) -> float:
    """KS X 1001: Hangul from B0 to C8, Hanja behind it; the rest of cp949 is rare."""
    lead, trail = _pair(letters[at])
    if trail not in _PLAIN_TRAILS:
        return 0.1
    if lead in _HANGUL:
        return 1.0
    return 0.5 if lead in _KOREAN_SIGNS else 0.2


def _japanese(letters: Sequence[bytes], at: int) -> float:
    """JIS X 0208: kana, kanji of the first level from 88 to 97, of the second behind it; half-width kana."""
    letter = letters[at]
    if len(letter) == 1:
        around = (*letters[max(0, at - 1) : at], *letters[at + 1 : at + 2])
        return 0.5 if any(len(one) == 1 and not one.isascii() for one in around) else 0.1
    lead, trail = _pair(letter)
    if (lead, trail) in _KANA:
        return 1.0
    if lead in _COMMON_KANJI:
        return 0.95
    return 0.5 if lead in _JAPANESE_SIGNS else 0.2


def _chinese(letters: Sequence[bytes], at: int) -> float:
    """GB 2312: hanzi of the first level from B0 to D7, of the second behind it; the rest of cp936 is rare."""
    lead, trail = _pair(letters[at])
    if trail not in _PLAIN_TRAILS:
        return 0.1
    if lead in _COMMON_HANZI:
        return 0.9
    return 0.5 if lead in _CHINESE_SIGNS else 0.3


_ACCENTED = range(0xC0, 0x100)
_PLAIN_TRAILS = range(0xA1, 0x100)
_HANGUL, _KOREAN_SIGNS = range(0xB0, 0xC9), range(0xA1, 0xAD)
_COMMON_HANZI, _CHINESE_SIGNS = range(0xB0, 0xD8), range(0xA1, 0xAA)
_COMMON_KANJI, _JAPANESE_SIGNS = range(0x88, 0x98), range(0x81, 0x83)
_KANA = {(0x82, trail) for trail in range(0x9F, 0xF2)} | {(0x83, trail) for trail in range(0x40, 0x97)}


def _western(letters: Sequence[bytes], at: int) -> float:
    """Letters with accents stand alone among ASCII ones, as do signs such as the degree."""
    around = [*letters[max(0, at - 1) : at], *letters[at + 1 : at + 2]]
    alone = all(letter.isascii() for letter in around)
    letter = letters[at][0] in _ACCENTED
    if not alone:
        return 0.6 if letter and len(around) == 2 and any(one.isascii() for one in around) else 0.2  # noqa: PLR2004
    return 0.9 if letter or letters[at] in (b"\xb0", b"\xb5", b"\xb1") else 0.4


def _pair(letter: bytes) -> tuple[int, int]:
    return (letter[0], letter[1]) if len(letter) > 1 else (letter[0], 0)


_WORDS = {
    "cp949": ("양품", "불량", "정상", "합격", "양호", "검사"),
    "cp932": ("良品", "不良", "合格", "検査", "正常", "異常"),
    "cp936": ("良品", "不良", "合格", "检查", "正常", "缺陷", "检测"),
}
_RATES: dict[str, Callable[[Sequence[bytes], int], float]] = {
    "cp949": _korean,
    "cp932": _japanese,
    "cp936": _chinese,
    "cp1252": _western,
}
