"""The audit log: whoever tampers with it is found, and nothing that belongs into it is lost in silence."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.clock import ManualClock
from bridge.errors import ConfigError, Unavailable
from bridge.health import counted
from bridge.store import Copy, Entry, Journal, Reader, Verification, lock, open_journal, record, schema
from bridge.store.audit import GENESIS, chained
from bridge.store.trail import Trail

Tamper = Callable[[sqlite3.Connection], object]
WHATS = ("start", "threshold", "bypass", "bypass", "stop")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ENTRIES = st.builds(
    Entry, what=TEXTS, who=TEXTS, line=TEXTS, old=TEXTS, new=TEXTS, why=TEXTS, at=st.floats(0, 4e9)
)


def linked(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries as a log holds them."""
    log: list[Entry] = []
    before = GENESIS
    for number, entry in enumerate(entries, start=1):
        numbered = replace(entry, number=number)
        log.append(replace(numbered, hash=chained(before, numbered)))
        before = log[-1].hash
    return log


def verified(log: Sequence[Entry], last: int, copy: Copy | None = None) -> Verification:
    verification = Verification(copy)
    verification.follow(log)
    verification.end(last)
    return verification


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a data folder whose audit log has five entries."""
    for place, what in enumerate(WHATS):
        line = "smt-3" if place % 2 else "smt-4"
        record(tmp_path, Entry(what=what, who="ann", line=line, old="0.5", new="0.6", why=f"QA-{place}"))
    return tmp_path


def tamper(folder: Path, *statements: str) -> None:
    """Change the file as somebody would who may write it: without our triggers."""
    with closing(sqlite3.connect(folder / schema.FILE, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER audit_is_not_changed")
        connection.execute("DROP TRIGGER audit_is_not_shortened")
        for statement in statements:
            connection.execute(statement)


async def limit_pages(journal: Journal, pages: int) -> None:
    """Let the database grow no further than so many pages (it never shrinks below what it has)."""
    await journal._writer.submit(
        lambda ledger: ledger.connection.execute(f"PRAGMA max_page_count = {pages}").fetchall()
    )


def again(number: int, of: int) -> str:
    """Return the statement that slips in a copy of an entry."""
    columns = "at, who, line, what, old, new, why, hash"
    return f"INSERT INTO audit SELECT {number}, {columns} FROM audit WHERE number = {of}"


class TestChain:
    """What the hashes catch, without a file."""

    @given(entries=st.lists(ENTRIES, max_size=6))
    def test_an_untouched_log_is_whole(self, entries: list[Entry]) -> None:
        log = linked(entries)
        found = verified(log, len(log))
        assert (found.fault, found.number) == ("", len(log))
        assert found.hash == (log[-1].hash if log else GENESIS)

    @given(
        entries=st.lists(ENTRIES, min_size=1, max_size=6),
        other=ENTRIES,
        column=st.sampled_from(["what", "who", "line", "old", "new", "why", "at"]),
        data=st.data(),
    )
    def test_a_changed_entry_is_named(
        self, entries: list[Entry], other: Entry, column: str, data: st.DataObject
    ) -> None:
        log = linked(entries)
        at = data.draw(st.integers(0, len(log) - 1))
        changed = replace(log[at], **{column: getattr(other, column)})
        log[at], same = changed, repr(changed) == repr(log[at])
        fault = "" if same else f"entry {at + 1} is not what was written: its hash does not fit"
        assert verified(log, len(log)).fault == fault

    def test_words_moved_to_the_next_column_are_found(self) -> None:
        """The hash covers where a word stands, not only which words there are."""
        (entry,) = linked([Entry(what="threshold", old="0.5", new="")])
        assert verified([replace(entry, old="", new="0.5")], 1).fault

    @given(entries=st.lists(ENTRIES, min_size=2, max_size=8), data=st.data())
    def test_entries_left_out_are_named(self, entries: list[Entry], data: st.DataObject) -> None:
        log = linked(entries)
        first = data.draw(st.integers(0, len(log) - 1))
        end = data.draw(st.integers(first + 1, len(log)))
        said = verified([*log[:first], *log[end:]], len(log)).fault
        which = f"entry {end} is" if end == first + 1 else f"entries {first + 1} to {end} are"
        assert said.startswith(f"{which} missing")

    @given(entries=st.lists(ENTRIES, min_size=1, max_size=6), data=st.data())
    def test_a_log_that_was_computed_anew_is_betrayed_by_a_copy(
        self, entries: list[Entry], data: st.DataObject
    ) -> None:
        """Whoever can write the file can make it consistent, but not the hash that lies elsewhere."""
        log = linked(entries)
        at = data.draw(st.integers(0, len(log) - 1))
        forged = linked([*entries[:at], replace(entries[at], why=entries[at].why + "!"), *entries[at + 1 :]])
        assert not verified(forged, len(log)).fault
        number = data.draw(st.integers(at + 1, len(log)))
        copy = Copy(number, log[number - 1].hash.hex()[:16].upper())
        assert f"entry {number} is not the one whose hash was copied" in verified(forged, len(log), copy).fault
        assert not verified(log, len(log), copy).fault

    def test_a_copy_of_what_is_not_there_is_a_fault(self) -> None:
        """The end was cut off so well that only the copy knows."""
        log = linked([Entry(what="start")])
        assert "entry 2 is missing" in verified(log, 1, Copy(2, "ab" * 8)).fault


CHANGES = [
    ("at", "at + 0.001"),
    *((text, "'x'") for text in ("who", "line", "what", "old", "new", "why")),
    ("why", "CAST(x'ff' AS TEXT)"),
    ("hash", "zeroblob(32)"),
    ("hash", "x''"),
]


class TestFile:
    """What is found in a journal that somebody wrote into."""

    def test_entries_come_back_as_they_were_written(self, folder: Path) -> None:
        reader = Reader(folder)
        assert [(e.number, e.what, e.why) for e in reader.audit()] == [
            (number, what, f"QA-{number - 1}") for number, what in enumerate(WHATS, start=1)
        ]
        assert [entry.number for entry in reader.audit(line="smt-3")] == [2, 4]
        assert [entry.number for entry in reader.audit(after=3, limit=1)] == [4]
        assert not reader.audit(since=reader.audit()[-1].at + 1)
        found = reader.verify(Copy(5, reader.audit()[-1].hash.hex()))
        assert (found.fault, found.number) == ("", 5)

    @pytest.mark.parametrize(("column", "value"), CHANGES)
    def test_a_change_of_any_column_is_found(self, folder: Path, column: str, value: str) -> None:
        tamper(folder, f"UPDATE audit SET {column} = {value} WHERE number = 3")
        assert Reader(folder).verify().fault == "entry 3 is not what was written: its hash does not fit"

    @pytest.mark.parametrize(
        ("statements", "fault"),
        [
            (["UPDATE audit SET number = 9 WHERE number = 5"], "entries 5 to 8 are missing"),
            (["DELETE FROM audit WHERE number = 1"], "entry 1 is missing"),
            (["DELETE FROM audit WHERE number IN (3, 4)"], "entries 3 to 4 are missing"),
            (["DELETE FROM audit WHERE number > 3"], "entries 4 to 5 are missing: the end was cut off"),
            (["DELETE FROM audit"], "entries 1 to 5 are missing: the end was cut off"),
            ([again(6, of=5)], "entry 6 is not what was written: its hash does not fit"),
            ([again(0, of=1)], "entry 0 was slipped in: entries are counted from 1"),
            (
                [
                    "UPDATE audit SET number = -3 WHERE number = 3",
                    "UPDATE audit SET number = 3 WHERE number = 4",
                    "UPDATE audit SET number = 4 WHERE number = -3",
                ],
                "entry 3 is not what was written: its hash does not fit",
            ),
        ],
    )
    def test_what_is_missing_slipped_in_or_in_another_order_is_named(
        self, folder: Path, statements: list[str], fault: str
    ) -> None:
        tamper(folder, *statements)
        assert Reader(folder).verify().fault == fault

    def test_a_cut_off_end_stays_visible_when_the_log_goes_on(self, folder: Path) -> None:
        """The next start does not fill the gap with its own numbers."""
        tamper(folder, "DELETE FROM audit WHERE number > 3")
        assert record(folder, Entry(what="start")).number == 6
        assert Reader(folder).verify().fault == "entries 4 to 5 are missing"

    @pytest.mark.parametrize("statement", ["UPDATE audit SET why = ''", "DELETE FROM audit"])
    def test_the_file_itself_refuses_changes(self, folder: Path, statement: str) -> None:
        """An accident with a database tool is stopped before it happens."""
        with (
            closing(sqlite3.connect(folder / schema.FILE, isolation_level=None)) as connection,
            pytest.raises(sqlite3.IntegrityError, match="append-only"),
        ):
            connection.execute(statement)

    def test_it_is_read_in_many_short_looks(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("bridge.store.reading._PAGE", 2)
        assert not Reader(folder).verify().fault
        tamper(folder, "DELETE FROM audit WHERE number = 5")
        assert "entry 5 is missing" in Reader(folder).verify().fault

    async def test_it_is_verified_while_a_gateway_writes(self, folder: Path) -> None:
        async with open_journal(folder) as journal:
            for number in range(6, 20):
                await journal.audit(Entry(what="bypass"))
                found = await asyncio.to_thread(Reader(folder).verify)
                assert (found.fault, found.number) == ("", number)

    def test_texts_that_are_no_unicode_are_kept_readable(self, tmp_path: Path) -> None:
        """A plugin may hand over what an old machine sent."""
        record(tmp_path, Entry(what="bypass", why="caf\udce9 \0"))
        (entry,) = Reader(tmp_path).audit()
        assert entry.why == "caf\\udce9 \0"
        assert not Reader(tmp_path).verify().fault


class TestWriting:
    async def test_the_newest_is_known_and_survives_a_restart(self, tmp_path: Path) -> None:
        async with open_journal(tmp_path) as journal:
            assert journal.newest is None
            written = await journal.audit(Entry(what="start"))
            assert journal.newest == written
        async with open_journal(tmp_path) as journal:
            assert journal.newest == written
            await journal.audit(Entry(what="bypass"))
            assert await journal.newest_audit("start", "stop") == written
            assert await journal.newest_audit("model") is None

    async def test_what_a_person_asks_for_is_refused_where_it_cannot_be_audited(self, tmp_path: Path) -> None:
        async with open_journal(tmp_path) as journal:
            await limit_pages(journal, 1)
            with pytest.raises(Unavailable):
                await journal.audit(Entry(what="threshold", new="x" * 500_000))
            await limit_pages(journal, 1 << 30)
            assert (await journal.audit(Entry(what="threshold"))).number == 1, "a refusal leaves no gap"

    async def test_what_has_happened_is_tried_until_it_is_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In its order and with the time at which it happened."""
        monkeypatch.setattr("bridge.store.trail.RETRY_SECONDS", 0.01)
        monkeypatch.setattr("bridge.store.trail.GOODBYE_SECONDS", 30)
        clock = ManualClock(unix=5000.0)
        async with open_journal(tmp_path, clock) as journal:
            await limit_pages(journal, 1)
            for place in range(3):
                journal.note(Entry(what="bypass", new=f"{place} {'x' * 500_000}"))
            clock.advance(60)
            with pytest.raises(Unavailable):
                await journal.audit(Entry(what="threshold", new="x" * 500_000))
            await limit_pages(journal, 1 << 30)
        noted = await asyncio.to_thread(Reader(tmp_path).audit)
        assert [(entry.new[0], entry.at) for entry in noted] == [("0", 5000), ("1", 5000), ("2", 5000)]

    async def test_too_many_that_wait_are_counted_in_an_entry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Memory is bounded, and the log says itself that it has a hole."""
        monkeypatch.setattr("bridge.store.trail.WAITING", 3)
        monkeypatch.setattr("bridge.store.trail.GOODBYE_SECONDS", 30)
        written: list[Entry] = []
        gate = asyncio.Event()

        async def write(entry: Entry) -> None:
            await gate.wait()
            written.append(entry)

        trail, before = Trail(write), counted("audit entries lost")
        for place in range(5):
            trail.note(Entry(what=f"bypass {place}"))
        gate.set()
        await trail.written()
        assert [entry.what for entry in written] == ["bypass 0", "bypass 1", "entries lost"]
        assert written[-1].new.startswith("3 entries")
        assert counted("audit entries lost") - before == 2

    async def test_what_a_stop_leaves_unwritten_is_named(
        self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr("bridge.store.trail.GOODBYE_SECONDS", 0.01)

        async def refuse(_: Entry) -> None:
            raise Unavailable("the disk is full")

        trail = Trail(refuse)
        trail.note(Entry(what="bypass", why="QA-7"))
        await trail.written()
        trail.note(Entry(what="bypass", why="QA-8"))
        said = "".join(capfd.readouterr())
        assert [why in said for why in ("QA-7", "QA-8")] == [True, True]

    def test_a_command_writes_while_no_gateway_runs(self, folder: Path) -> None:
        """Under the name of whoever runs it; where a gateway runs, it is the one to ask."""
        assert record(folder, Entry(what="model")).who
        with lock(folder), pytest.raises(ConfigError, match="in use by another aoi-bridge"):
            record(folder, Entry(what="model"))
        assert Reader(folder).verify().number == 6
