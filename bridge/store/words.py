"""Strings that come again with every part, kept once in the table ``word`` and then known by number."""

from __future__ import annotations

import sqlite3

CACHED = 32_768
"""So many words are remembered; a source whose names never repeat costs a look-up each, not memory."""


def stored(text: str) -> str | bytes:
    """Return what SQLite keeps for a text: bytes where it is no Unicode, as file names of old machines may be."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def restored(value: str | bytes) -> str:
    """Return the text that ``stored`` was given."""
    return value if isinstance(value, str) else value.decode("utf-8", "surrogatepass")


class Words:
    """The words of one connection, remembered in both directions; the empty string is no word (NULL)."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._numbers: dict[str, int] = {}
        self._texts: dict[int, str] = {}

    def number(self, text: str) -> int | None:
        """Return the word's number, giving it one if it is new (inside the running transaction)."""
        return self._numbers.get(text) or self.known(text) or (self._add(text) if text else None)

    def known(self, text: str) -> int | None:
        """Return the word's number, None if it has none."""
        if (number := self._numbers.get(text)) or not text:
            return number
        row = self._connection.execute("SELECT number FROM word WHERE text = ?", (stored(text),)).fetchone()
        return self._remember(row[0], text) if row else None

    def text(self, number: int | None) -> str:
        """Return the word of a number."""
        if number is None:
            return ""
        if (text := self._texts.get(number)) is None:
            row = self._connection.execute("SELECT text FROM word WHERE number = ?", (number,)).fetchone()
            self._remember(number, text := restored(row[0]))
        return text

    def forget(self) -> None:
        """Forget what was remembered: a transaction that is rolled back takes its new words along."""
        self._numbers.clear()
        self._texts.clear()

    def _add(self, text: str) -> int:
        insert = "INSERT INTO word (text) VALUES (?) RETURNING number"
        ((number,),) = self._connection.execute(insert, (stored(text),)).fetchall()
        return self._remember(number, text)

    def _remember(self, number: int, text: str) -> int:
        if len(self._texts) >= CACHED:
            self.forget()
        self._numbers[text] = number
        self._texts[number] = text
        return number
