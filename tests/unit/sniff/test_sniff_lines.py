"""A proposed pattern finds serial number and verdict of every message, and no word is ever guessed."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bridge.sniff.columns import NG_WORDS, OK_WORDS, USUAL, words
from bridge.sniff.lines import lines

SEPARATORS = [",", ";", "|", "\t"]
USUAL_WORD = st.sampled_from([*OK_WORDS, *NG_WORDS, "ok", "Pass", "ng"])
NUMBERS = st.lists(st.integers(1000, 9_999_999), min_size=8, max_size=40, unique=True)
SERIALS = NUMBERS.map(lambda numbers: [f"SN{number}" for number in numbers])


def groups(pattern: str, message: str) -> dict[str, str]:
    match = re.fullmatch(pattern, message.strip())
    assert match is not None, (pattern, message)
    return {name: (value or "").strip() for name, value in match.groupdict().items()}


@given(
    serials=SERIALS,
    separator=st.sampled_from(SEPARATORS),
    order=st.permutations(["part", "verdict", "time", "number", "image"]),
    said=st.lists(USUAL_WORD, min_size=40, max_size=40),
)
def test_columns_in_any_order(serials: list[str], separator: str, order: list[str], said: list[str]) -> None:
    """Wherever they stand, between whatever else stands there."""
    messages = []
    for number, (serial, word) in enumerate(zip(serials, said, strict=False)):
        facts = {
            "part": serial,
            "verdict": word,
            "time": f"2026-11-26 10:{number:02d}:07",
            "number": f"{number * 1.5:.2f}",
            "image": f"D:\\AOI\\lot\\{number}.jpg",
        }
        messages.append(separator.join(facts[name] for name in order))
    found = lines(messages)
    assert found.separator == separator
    assert (found.matched, list(found.unmatched)) == (len(messages), [])
    for number, (message, serial) in enumerate(zip(messages, serials, strict=True)):
        read = groups(found.pattern, message)
        assert (read["part"], read["verdict"]) == (serial, said[number])
        assert read["image"] == f"D:\\AOI\\lot\\{number}.jpg"
        assert "time" not in read


@given(serials=SERIALS, bad=st.sets(st.integers(0, 39), min_size=1), alive=st.integers(2, 9))
def test_optional_columns_and_keep_alives(serials: list[str], bad: set[int], alive: int) -> None:
    """Only what is NG has a defect, and between the parts the machine says that it lives."""
    assume(min(bad) < len(serials) - 1)
    messages = [f"{serial},NG,E{n % 3}" if n in bad else f"{serial},OK" for n, serial in enumerate(serials)]
    found = lines([*messages, *(f"ALIVE {number}" for number in range(alive))])
    assert re.fullmatch(found.ignore, "ALIVE 4711")
    assert not re.fullmatch(found.ignore, messages[0])
    assert not found.unmatched
    for number, (message, serial) in enumerate(zip(messages, serials, strict=True)):
        read = groups(found.pattern, message)
        assert read["part"] == serial
        assert read["verdict"] == ("NG" if number in bad else "OK")


@given(serials=SERIALS, sign=st.sampled_from("=:"), separator=st.sampled_from([";", ",", "|"]))
def test_names_and_values(serials: list[str], sign: str, separator: str) -> None:
    messages = [
        separator.join(f"{name}{sign}{value}" for name, value in (("RES", word), ("SN", serial), ("PROG", "M10")))
        for serial, word in zip(serials, ["OK", "NG"] * 20, strict=False)
    ]
    found = lines(messages)
    for message, serial in zip(messages, serials, strict=True):
        assert groups(found.pattern, message)["part"] == serial
        assert groups(found.pattern, message)["recipe"] == "M10"
    assert re.fullmatch(found.pattern, messages[0].replace("M10", "M11")), "a recipe is no constant"


@given(
    serials=st.lists(st.integers(0, 999_999), min_size=8, max_size=30, unique=True),
    said=st.lists(st.sampled_from(["OK  ", "NG  ", "PASS", "FAIL"]), min_size=30, max_size=30),
    wide=st.integers(0, 4),
)
def test_columns_by_their_place(serials: list[int], said: list[str], wide: int) -> None:
    """Records without separators, some of whose columns are empty."""
    messages = [
        f"SN{n:06d}{' ' * wide}{word}{'E12' if word.strip() in NG_WORDS else '   '}{n % 10}"
        for n, word in zip(serials, said, strict=False)
    ]
    found = lines(messages, fixed=True)
    for message, n, word in zip(messages, serials, said, strict=False):
        read = groups(found.pattern, message)
        assert (read["part"], read["verdict"]) == (f"SN{n:06d}", word.strip())


def test_json_of_other_names() -> None:
    """The bridge's own names need no pattern, others do."""
    own = lines([f'{{"part": "P{n}", "verdict": "OK"}}' for n in range(5)])
    assert (own.content, own.pattern) == ("json", "")
    other = lines([f'{{"sn": "P{n}", "n": {n}, "result": "{"OK" if n else "NG"}"}}' for n in range(5)])
    assert other.content == "text"
    assert groups(other.pattern, '{"sn": "P77", "n": 3, "result": "NG"}') == {"part": "P77", "verdict": "NG"}


@given(st.dictionaries(st.text(min_size=1, max_size=8).filter(str.strip), st.integers(1, 99), max_size=8))
def test_only_the_usual_words_are_ever_sorted(said: dict[str, int]) -> None:
    """What any other word means is for people to say: a wrong guess passes a bad part."""
    sorted_ = words(said)
    assert {word.casefold() for word in sorted_.ok} <= {word.casefold() for word in OK_WORDS}
    assert {word.casefold() for word in sorted_.ng} <= {word.casefold() for word in NG_WORDS}
    assert set(sorted_.unknown) == {word for word in said if word.casefold() not in USUAL}


def test_a_verdict_in_unknown_words_is_found_but_not_guessed() -> None:
    found = lines([f"SN{1000 + n * 37}|{'1' if n % 3 else '2'}|{n * 0.5:.2f}" for n in range(30)])
    verdict = found.of("verdict")
    assert verdict is not None
    assert not verdict.certain
    assert set(words(verdict.words).unknown) == {"1", "2"}


def test_a_banner_is_left_to_people() -> None:
    """What came once may be anything; it is shown and not ignored."""
    found = lines(["AOI-7 ready v3.1", *(f"P{n},OK" for n in range(10))])
    assert list(found.unmatched) == ["AOI-7 ready v3.1"]
    assert found.ignore == ""


@given(st.lists(st.text(max_size=40), min_size=1, max_size=30))
def test_any_text_is_survived_and_counted_right(messages: list[str]) -> None:
    """Whatever is said, what the pattern is told to match it matches."""
    try:
        found = lines(messages)
    except ValueError:
        return
    plain = [message.strip("\r\n\t \0") for message in messages]
    if found.content == "text" and found.pattern:
        assert found.matched == sum(1 for m in plain if m and re.fullmatch(found.pattern, m))


@pytest.mark.parametrize("separator", [*SEPARATORS, " "])
def test_no_line_takes_long_to_match(separator: str) -> None:
    """A proposed pattern repeats nothing within a repeat."""
    word = "A" * 2000
    found = lines([separator.join(["P1", "OK", "E1", "x", "y"]) for _ in range(5)] + [f"P2{separator}NG"])
    began = time.process_time()
    re.fullmatch(found.pattern, separator.join([word] * 40))
    assert time.process_time() - began < 1


def test_a_lot_is_known_by_its_name_only() -> None:
    """What changes seldom is else a recipe, and a counter is nobody's number until somebody says whose."""
    read = lines([f"SN=A{n * 37};RES={'NG' if n % 3 else 'OK'};LOT=L{n // 10};NO={n}" for n in range(30)])
    assert {column.name: column.role for column in read.columns} == {
        "SN": "part",
        "RES": "verdict",
        "LOT": "lot",
        "NO": "counter",
    }
    assert "(?P<lot>" in read.pattern
    assert "(?P<counter>" not in read.pattern
