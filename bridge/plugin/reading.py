"""What every source needs to read an old machine's words: its verdicts, its texts, its numbers.

Pure. A verdict is OK only where the configuration lists the very word as meaning OK; any other word is no verdict
at all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, TypeAlias

from pydantic import Field, ValidationInfo, field_validator

from bridge.messages import Verdict
from bridge.plugin.options import Options

TEXT_LENGTH = 256
"""The longest part id, key, recipe, defect code or view name, in characters."""
LARGEST_NUMBER = 2**63 - 1
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Unreadable(ValueError):  # noqa: N818 - it says what the input is; it is caught and never leaves the plugin
    """Input that means nothing; the text is the reason that stands in the quarantine."""


@dataclass(frozen=True)
class Words:
    """The machine's words for its two verdicts, compared without regard to case."""

    ok: Sequence[str]
    ng: Sequence[str]

    def verdict(self, word: object) -> Verdict | None:
        """Return what the word means; None for anything that is in neither list."""
        if not isinstance(word, str):
            return None
        said = word.strip().casefold()
        if said in (ok.casefold() for ok in self.ok):
            return Verdict.OK
        return Verdict.NG if said in (ng.casefold() for ng in self.ng) else None

    def understood(self, said: str | None) -> bool:
        """Return whether this is a verdict, or nothing at all."""
        return not (said or "").strip() or self.verdict(said) is not None

    def word(self, verdict: Verdict | None) -> str:
        """Return the machine's own word for a verdict; empty where there is none."""
        if verdict is None:
            return ""
        return (self.ok if verdict is Verdict.OK else self.ng)[0]


WordList: TypeAlias = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]


class WordOptions(Options):
    """What a machine calls its verdicts."""

    moves_verdicts: ClassVar[frozenset[str]] = frozenset({"ok_words", "ng_words"})

    ok_words: WordList = ("OK", "PASS")
    """a list of the words that mean OK; any word that is in no list is no verdict, never OK"""
    ng_words: WordList = ("NG", "FAIL")
    """a list of the words that mean NG, none of them in ok_words"""

    @field_validator("ng_words")
    @classmethod
    def _distinct(cls, words: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        ok = {word.casefold() for word in info.data.get("ok_words", ())}
        if both := [word for word in words if word.casefold() in ok]:
            raise ValueError(f"has {both[0]!r}, which stands in ok_words too")
        return words

    def words(self) -> Words:
        """Return the machine's words for its verdicts."""
        return Words(self.ok_words, self.ng_words)


def short_text(name: str, text: str) -> str:
    """Return a text of one line that is not too long.

    Raises:
        Unreadable: it is none.
    """
    if len(text) > TEXT_LENGTH:
        raise Unreadable(f"{name} is longer than {TEXT_LENGTH} characters")
    if _CONTROL.search(text):
        raise Unreadable(f"{name} holds a control character")
    return text


def whole_number(name: str, text: str | None) -> int | None:
    """Return a number as it is written in text; None where nothing is.

    Raises:
        Unreadable: it is no whole number from 0 up.
    """
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < len(str(LARGEST_NUMBER))):
        raise Unreadable(f"{name} is no whole number from 0 up")
    return int(text)
