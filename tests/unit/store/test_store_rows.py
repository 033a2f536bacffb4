from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_samples import decision, kept
from store_strategies import decisions, seconds, texts

from bridge.clock import ManualClock
from bridge.messages import Decision, Failure, Origin, Stage, Verdict
from bridge.store import Second, rows, schema
from bridge.store.ledger import Ledger
from bridge.store.recall import Recall
from bridge.store.records import Stratum
from bridge.store.words import Words, restored, stored


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with closing(schema.open_to_write(tmp_path_factory.mktemp("rows") / "journal.db")) as connection:
        yield Ledger(connection, ManualClock())


def recall(ledger: Ledger) -> Recall:
    """Return a second pair of eyes, which remembers no words."""
    return Recall(ledger.connection, Words(ledger.connection))


@given(decision=decisions)
def test_a_decision_comes_back_exactly_as_it_was_written(ledger: Ledger, decision: Decision) -> None:
    """What an MES is told after a crash is, byte for byte, what it would have been told before."""
    with ledger.transaction():
        recorded = ledger.commit(decision, [])
    found = recall(ledger).by_id(decision.id)
    assert found == kept(decision, recorded.number)
    assert json.dumps(found.document()) == json.dumps(recorded.document())


@given(second=seconds)
def test_a_second_record_comes_back_exactly_as_it_was_written(ledger: Ledger, second: Second) -> None:
    """A goal that was scored without a verdict is not a goal that was not scored."""
    with ledger.transaction():
        ledger.second(second)
    assert recall(ledger).seconds(second.id)[-1] == second


@pytest.mark.parametrize(
    ("codes", "members"),
    [(rows.VERDICTS, Verdict), (rows.STAGES, Stage), (rows.ORIGINS, Origin), (rows.FAILURES, Failure)],
)
def test_every_word_has_a_number_of_its_own_and_none_is_zero(codes: dict[object, int], members: type) -> None:
    """A column that nobody filled can never read as OK, nor one verdict as another."""
    numbers = [codes[member] for member in members]
    assert len(set(numbers)) == len(numbers)
    assert all(0 < number < 256 for number in numbers)


def test_numbers_that_were_written_once_keep_their_meaning() -> None:
    """Journals outlive versions: this table may grow and never change."""
    assert (rows.VERDICTS[Verdict.OK], rows.VERDICTS[Verdict.NG], rows.WITHOUT_VERDICT) == (1, 2, 3)
    assert [rows.ORIGINS[origin] for origin in Origin] == [1, 2, 3, 4]
    assert [rows.FAILURES[failure] for failure in Failure] == [*range(1, 11)]
    assert rows.KINDS == {"shadow": 1, "late": 2, "answered": 3, "guard": 4}
    assert [(stratum.name, int(stratum)) for stratum in Stratum] == [
        ("DISAGREED", 1),
        ("UNRELIABLE", 2),
        ("UNJUDGED", 3),
        ("AGREED_NG", 4),
        ("AGREED_OK", 5),
        ("GUARD", 6),
    ]


@pytest.mark.parametrize("bad", ["", "ab", "AB" * 16, "zz" * 16, "ab" * 15 + "a "])
def test_an_id_that_would_come_back_as_another_is_not_taken(ledger: Ledger, bad: str) -> None:
    with pytest.raises(ValueError, match="hex"), ledger.transaction():
        ledger.commit(decision(id=bad), [])


@given(text=texts)
def test_any_text_is_restored(text: str) -> None:
    """File names in an unknown code page are kept too."""
    assert restored(stored(text)) == text


@given(names=st.lists(texts))
def test_words_that_are_forgotten_with_a_rollback_are_written_again(ledger: Ledger, names: list[str]) -> None:
    """A number that a rolled-back transaction gave is never used for another word."""
    words = Words(ledger.connection)
    ledger.connection.execute("BEGIN")
    for name in names:
        words.number(name)
    ledger.connection.execute("ROLLBACK")
    words.forget()
    with ledger.transaction():
        numbers = [words.number(name) for name in names]
    fresh = Words(ledger.connection)
    assert [fresh.text(number) for number in numbers] == names


def test_words_are_remembered_only_up_to_a_bound(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source whose names never repeat costs look-ups, not memory."""
    monkeypatch.setattr("bridge.store.words.CACHED", 8)
    words = Words(ledger.connection)
    with ledger.transaction():
        numbers = [words.number(f"C{place}") for place in range(50)]
    assert [words.text(number) for number in numbers] == [f"C{place}" for place in range(50)]
    assert len(words._texts) <= 8


def test_what_is_not_unicode_reads_as_bytes(tmp_path: Path) -> None:
    """Other tools that read the journal never meet text that is no text."""
    with closing(schema.open_to_write(tmp_path / "journal.db")) as connection:
        ledger = Ledger(connection, ManualClock())
        with ledger.transaction():
            ledger.commit(decision(part="caf\udce9"), [])
        assert connection.execute("SELECT typeof(part) FROM part").fetchone() == ("blob",)
