"""What stands in a column: a serial number, a verdict, a path, a time; told by its name and by its values.

Pure. A verdict's words are sorted by the usual ones only. What any other word means is for people to say: a wrong
guess would pass a bad part.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Literal, TypeAlias

OK_WORDS = ("OK", "PASS", "GOOD")
NG_WORDS = ("NG", "FAIL", "BAD")
USUAL = {word.casefold() for word in (*OK_WORDS, *NG_WORDS)}
"""What machines mostly say; nothing else is ever taken for OK."""
MOST_WORDS = 6
"""A column with more different texts holds no verdict."""

Role: TypeAlias = Literal[
    "part", "verdict", "image", "defect", "recipe", "view", "lot", "time", "counter", "constant", ""
]

_NAMES: Sequence[tuple[Role, re.Pattern[str]]] = (
    ("view", re.compile(r"^(view|cam(era)?|comp(onent)?|ref(des)?|loc(ation)?|position|designator)$")),
    ("lot", re.compile(r"(^|_)(lot|batch|charge)(_?(no|nr|num|number|id|code))?$")),
    ("image", re.compile(r"im(a)?g|pic|photo|file|path|snapshot")),
    ("time", re.compile(r"time|date|stamp")),
    ("defect", re.compile(r"defect|err|code|reason|fault")),
    ("recipe", re.compile(r"recipe|model|prog|product|job|type|variant|assembly")),
    ("verdict", re.compile(r"verdict|res(ult)?$|^res|judg|status|state|decision|quality|eval")),
    ("part", re.compile(r"serial|barcode|^sn$|^s/n$|^bc$|part|board|pcb|panel|unit|uid|dmc|2did|^id$")),
    ("counter", re.compile(r"^(no|nr|num|number|seq(uence)?|count(er)?|index)\.?$")),
)
_IMAGE = re.compile(r"\.(jpe?g|png|bmp|tiff?|webp)$", re.IGNORECASE)
_TIME = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([ T]\d{1,2}:\d{2}(:\d{2})?([.,]\d+)?)?Z?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}.*"
    r"|\d{1,2}:\d{2}(:\d{2})?([.,]\d+)?|20\d{6}[ T_-]?\d{6}|(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"
)
_NUMBER = re.compile(r"[-+]?\d+([.,]\d+)?")
_NOTHING = {"", "-", "--", "none", "null", "n/a", "na", "0", "00", "000", "0000"}


@dataclass(frozen=True)
class Column:
    """One place in every message, and what is thought to stand there."""

    values: Sequence[str] = field(repr=False)
    name: str = ""
    """As the machine writes it; empty where it writes none."""
    role: Role = ""
    certain: bool = False
    why: str = ""

    @cached_property
    def words(self) -> Mapping[str, int]:
        """Return the different texts, without blanks around and the empty one, and how often each came."""
        return Counter(value.strip() for value in self.values if value.strip())

    @cached_property
    def usual(self) -> float:
        """Return the share of values that are usual words for a verdict."""
        said = self.words
        return sum(n for word, n in said.items() if word.casefold() in USUAL) / max(1, sum(said.values()))


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a verdict, as far as they are the usual ones."""

    ok: Sequence[str]
    ng: Sequence[str]
    unknown: Mapping[str, int]
    """What a person must sort, and how often each came."""


def words(said: Mapping[str, int]) -> Words:
    """Sort a verdict's words by the usual ones, without regard to case."""
    ok, ng = ({word.casefold() for word in usual} for usual in (OK_WORDS, NG_WORDS))
    unknown = {word: times for word, times in said.items() if word.casefold() not in USUAL}
    return Words(
        sorted({word.upper() for word in said if word.casefold() in ok}),
        sorted({word.upper() for word in said if word.casefold() in ng}),
        unknown,
    )


def roles(columns: Sequence[Column]) -> list[Column]:
    """Return the columns with their roles, each role given once at most but for times and constants."""
    found = [_plain(column) for column in columns]
    for role, choose in (("verdict", _verdict), ("image", _image), ("part", _part), ("defect", _defect)):
        _give(found, choose(found), role)  # type: ignore[arg-type]
    _give(found, _lot(found), "lot")
    _give(found, _recipe(found), "recipe")
    return found


def _give(found: list[Column], chosen: tuple[int, bool, str] | None, role: Role) -> None:
    if chosen is not None:
        at, certain, why = chosen
        found[at] = replace(found[at], role=role, certain=certain, why=why)


def _plain(column: Column) -> Column:
    """Find what can be told from one column alone."""
    said = column.words
    values = [value.strip() for value in column.values if value.strip()]
    if values and all(_TIME.fullmatch(value) for value in values) and not all(len(v) < 4 for v in values):  # noqa: PLR2004
        return replace(column, role="time", certain=True, why="every value is a date or a time")
    if len(said) == 1 and len(column.values) == len(values) > 1 and column.usual == 0:
        return replace(column, role="constant", certain=True, why=f"always {next(iter(said))!r}")
    numbers = [int(value) for value in values if value.isascii() and value.isdigit() and len(value) < 16]  # noqa: PLR2004
    steps = Counter(later - first for first, later in pairwise(numbers))
    if len(numbers) == len(values) > 2 and steps[1] > 0.8 * (len(numbers) - 1):  # noqa: PLR2004 - two are no row
        return replace(column, role="counter", why="it counts up by one")
    return column


def _free(found: Sequence[Column]) -> list[int]:
    return [at for at, column in enumerate(found) if not column.role and column.words]


def named(name: str) -> Role:
    """Return the role that a column's name suggests."""
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.rpartition(".")[2].rpartition("/")[2].lstrip("@")).casefold()
    return next((role for role, pattern in _NAMES if pattern.search(plain)), "")


def _verdict(found: Sequence[Column]) -> tuple[int, bool, str] | None:
    best = max(range(len(found)), key=lambda at: found[at].usual, default=None)
    if best is not None and found[best].usual > 0.5:  # noqa: PLR2004 - most of what is said
        said = words(found[best].words)
        return best, not said.unknown, f"{found[best].usual:.0%} of its values are usual words for a verdict"
    few = [at for at in _free(found) if 1 < len(found[at].words) <= MOST_WORDS]
    few = [at for at in few if sum(found[at].words.values()) > 2 * len(found[at].words)]
    by_name = [at for at in few if named(found[at].name) == "verdict"]
    if by_name:
        return (
            by_name[0],
            False,
            f"its name is {found[by_name[0]].name!r}, but its words are none of the usual ones",
        )
    short = [at for at in few if max(map(len, found[at].words)) <= 8 and len(found[at].words) <= 4]  # noqa: PLR2004
    if short:
        return short[0], False, "it has few different words, none of the usual ones"
    return None


def _image(found: Sequence[Column]) -> tuple[int, bool, str] | None:
    for at in _free(found):
        values = [value for value in found[at].words if value]
        if sum(1 for value in values if _IMAGE.search(value.rstrip("|; ,"))) > 0.8 * len(values):
            return at, True, "its values are names of image files"
    return None


def _part(found: Sequence[Column]) -> tuple[int, bool, str] | None:
    """The serial number: what differs from message to message, and is no time and no measurement."""
    scores: dict[int, float] = {}
    for at, column in enumerate(found):
        if column.role not in {"", "counter"} or not column.words:
            continue
        said = column.words
        different = len(said) / sum(said.values())
        if named(column.name) == "part":
            scores[at] = 3 + different
        elif different > 0.4 and not any(re.fullmatch(r"[-+]?\d+[.,]\d+", word) for word in said):  # noqa: PLR2004
            letters = any(char.isalpha() for word in said for char in word)
            scores[at] = different + (0.6 if letters else 0.0) + (0.3 if column.role != "counter" else 0.0)
            scores[at] -= at / 1000
    best = max(scores, key=lambda at: scores[at], default=None)
    if best is None:
        return None
    column = found[best]
    if named(column.name) == "part":
        return best, True, f"its name is {column.name!r}"
    why = f"{len(column.words)} different values in {sum(column.words.values())}"
    rivals = [at for at in scores if at != best and scores[at] > scores[best] - 0.3]
    return best, not rivals and column.role != "counter", why


def _defect(found: Sequence[Column]) -> tuple[int, bool, str] | None:
    """What is filled where the verdict is NG, and empty or nought where it is OK."""
    free = _free(found)
    by_name = [at for at in free if named(found[at].name) == "defect"]
    if by_name:
        return by_name[0], True, f"its name is {found[by_name[0]].name!r}"
    verdict = next((column for column in found if column.role == "verdict"), None)
    if verdict is None:
        return None
    ng = {word.casefold() for word in NG_WORDS}
    bad = [value.strip().casefold() in ng for value in verdict.values]
    for at in free:
        filled = [value.strip().casefold() not in _NOTHING for value in found[at].values]
        agree = sum(1 for one, other in zip(bad, filled, strict=True) if one == other)
        if any(bad) and any(filled) and agree > 0.9 * len(bad):
            return at, False, "it is filled where the verdict is NG, and empty elsewhere"
    return None


def _lot(found: Sequence[Column]) -> tuple[int, bool, str] | None:
    """What is called so: nothing else tells it from a recipe."""
    every = (at for at, column in enumerate(found) if column.role in {"", "constant"} and column.words)
    at = next((at for at in every if named(found[at].name) == "lot"), None)
    return None if at is None else (at, True, f"its name is {found[at].name!r}")


def _recipe(found: Sequence[Column]) -> tuple[int, bool, str] | None:
    """What changes now and then, and stays for a while."""
    every = [at for at, column in enumerate(found) if column.role in {"", "constant"} and column.words]
    by_name = [at for at in every if named(found[at].name) == "recipe"]
    if by_name:
        return by_name[0], True, f"its name is {found[by_name[0]].name!r}"
    for at in _free(found):
        values = [value.strip() for value in found[at].values]
        changed = sum(1 for first, later in pairwise(values) if first != later)
        texts = not any(_NUMBER.fullmatch(value) for value in values)
        if texts and all(values) and 0 < changed < 0.25 * len(values):
            return at, False, "it changes seldom"
    return None
