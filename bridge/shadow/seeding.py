"""Known-bad parts that people put into a line on purpose: told by their serial numbers. Pure.

They show whether the model overrules what the inspector finds, where the line itself makes too few bad parts to
show it. They are no parts of the process: they count for the miss rate alone, and in no rate of all parts. Nobody
need label them, for who put one in has said that it is bad. A label that says OK contradicts that person as it
would contradict any other: the part is disputed until a label that decides settles it.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from bridge.store.words import restored


def is_seeded(serial: str | bytes, pattern: str) -> bool:
    """Return whether a serial number, as it came or as the journal keeps it, is that of a seeded part.

    Args:
        serial: the serial number.
        pattern: ``*`` for any text, ``?`` for one character; upper and lower case differ. None is where it is
            empty. SQLite's GLOB says the same of texts, for the configuration takes no brackets.
    """
    return bool(pattern) and fnmatchcase(restored(serial), pattern)
