"""``aoi-bridge label``: what is to be labelled, blind; in by CSV, terminal and page; what became of it."""

from __future__ import annotations

import asyncio
import base64
import csv
import hashlib
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bridge.cli.main import main
from bridge.labels import Label
from bridge.messages import Decision, Goal, Stage, Verdict, ViewDecision
from bridge.plugin.trial import grey
from bridge.store import Images, Second, Stratum, open_journal, open_labels
from bridge.store.labels import labels

OK, NG = Verdict.OK, Verdict.NG
AT = 1_790_000_000.0
Run = Callable[..., tuple[int, str, str]]


def part_id(number: int) -> str:
    """Return an id that begins with its time, as the bridge's own do."""
    return f"{int((AT + number * 60) * 1000):012x}" + f"{number:020x}"


def _decision(number: int, serial: str) -> Decision:
    return Decision(
        id=part_id(number),
        line="smt-3",
        goal=Goal.CUT_FALSE_CALLS,
        stage=Stage.SHADOW,
        part=serial,
        legacy=NG,
        final=NG,
        event_at=AT + number * 60,
        views=(ViewDecision(name="top", legacy=NG, image=hashlib.sha256(grey(number)).hexdigest()),),
    )


def _second(number: int, *, drawn: bool) -> Second:
    stratum = Stratum.DISAGREED if number % 2 else Stratum.AGREED_NG
    return Second(
        id=part_id(number), kind="shadow", at=AT, model=OK, goals={}, stratum=stratum, chance=1.0, drawn=drawn
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Fill a data folder: 20 parts, part 19 twice (its second presentation drawn too), 3 not drawn."""

    async def fill() -> None:
        async with open_journal(tmp_path / "var") as journal, Images(tmp_path / "var" / "images") as images:
            for number in range(21):
                serial = f"B-{min(number, 19)}"
                await journal.commit(_decision(number, serial))
                await journal.second(_second(number, drawn=number >= 3))
                images.keep(hashlib.sha256(grey(number)).hexdigest(), grey(number))
            await images.flush()

    asyncio.run(fill())
    (tmp_path / "bridge.toml").write_text('[[line]]\nname = "smt-3"\n[line.shadow]\ndays = 30\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    del folder

    def ran(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            status = main(["label", *words])
        except SystemExit as exc:
            status = int(str(exc.code))
        out, err = capsys.readouterr()
        return status, out, err

    return ran


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


class TestTodo:
    def test_lists_what_was_drawn_blind_and_shuffled(self, run: Run, folder: Path) -> None:
        """Each part once, with pictures that are there, no verdict, in an order that is no order of time."""
        _, out, _ = run("todo", "smt-3")
        found = rows(out)
        assert {row["part"] for row in found} == {f"B-{number}" for number in range(3, 20)}
        assert len(found) == 17
        assert all(Path(row["pictures"]).read_bytes() == grey(int(row["part"][2:])) for row in found)
        assert all(str(Path(row["pictures"])).startswith(str(folder)) for row in found)
        assert not any(row["verdict"] for row in found)
        times = [row["inspected"] for row in found]
        assert times not in (sorted(times), sorted(times, reverse=True))
        assert rows(run("todo", "smt-3")[1]) == found
        assert not re.search(r"disagree|agreed|NG|OK", out)

    def test_a_second_person_is_given_a_share_of_what_one_has_labelled(self, run: Run) -> None:
        """Never what he has labelled himself, and always the same share."""
        _fill_all(run, "Kim")
        assert rows(run("todo", "smt-3")[1]) == []
        some = rows(run("todo", "smt-3", "--second", "0.5", "--who", "Lee")[1])
        assert 0 < len(some) < 17
        assert len(rows(run("todo", "smt-3", "--second", "1", "--who", "Lee")[1])) == 17
        assert rows(run("todo", "smt-3", "--second", "1", "--who", "kim")[1]) == []

    def test_a_line_that_is_not_there_is_one_line(self, run: Run) -> None:
        """It names those that are."""
        assert run("todo", "smt-4") == (
            2,
            "",
            "bridge.toml: line smt-4: there is no such line; write one of smt-3\n",
        )

    def test_bytes_that_are_no_unicode_are_listed(self, run: Run, folder: Path) -> None:
        """By the id such a part is known all the same."""

        async def add() -> None:
            async with open_journal(folder / "var") as journal:
                await journal.commit(_decision(30, "\udcff30"))
                await journal.second(_second(30, drawn=True))

        asyncio.run(add())
        assert run("todo", "smt-3", "--out", "todo.csv")[0] == 0
        assert "\\udcff30" in {row["part"] for row in rows(Path("todo.csv").read_text("utf-8-sig"))}

    def test_what_somebody_filled_in_is_not_written_over(self, run: Run) -> None:
        """A list that is still empty is."""
        assert run("todo", "smt-3", "--out", "todo.csv")[0] == 0
        assert run("todo", "smt-3", "--out", "todo.csv")[0] == 0
        Path("todo.csv").write_text(mine := _filled(Path("todo.csv").read_text("utf-8-sig"), "NG"), "utf-8")
        status, _, err = run("todo", "smt-3", "--out", "todo.csv")
        assert (status, err.count("\n")) == (2, 1)
        assert "--out todo.csv: is a list with verdicts filled in" in err
        assert Path("todo.csv").read_text("utf-8") == mine

    def test_a_folder_is_made_or_said_to_be_none(self, run: Run) -> None:
        """Nothing is left of a list that could not be written."""
        assert run("todo", "smt-3", "--out", "new/todo.csv")[0] == 0
        status, _, err = run("todo", "smt-3", "--out", "/proc/todo.csv/todo.csv")
        assert (status, err.count("\n")) == (2, 1)
        assert err.startswith("--out /proc/todo.csv: ")
        Path("old.csv").write_text("mine", "utf-8")
        Path("var/labels.db").write_text("no book of labels, but longer than nothing", "utf-8")
        assert run("export", "smt-3", "--out", "old.csv")[0] == 2
        assert Path("old.csv").read_text("utf-8") == "mine"
        assert not list(Path().glob(".old*"))


def _fill_all(run: Run, who: str, word: str = "OK") -> None:
    assert run("todo", "smt-3", "--out", "todo.csv")[0] == 0
    Path("todo.csv").write_text(_filled(Path("todo.csv").read_text("utf-8-sig"), word), encoding="utf-8")
    assert run("import", "todo.csv", "--line", "smt-3", "--who", who)[0] == 0


def _filled(text: str, word: str) -> str:
    return text.replace(",,,,yes", f",{word},,,yes")


class TestImport:
    def test_takes_each_row_once(self, run: Run, folder: Path) -> None:
        """Also out of a file with more rows; a corrected row is new, and counts."""
        Path("a.csv").write_text(f"id,verdict\n{part_id(3)},OK\n", encoding="utf-8")
        assert "1 new label(s), 0 known" in run("import", "a.csv", "--line", "smt-3", "--who", "Kim")[1]
        assert "0 new label(s), 1 known" in run("import", "a.csv", "--line", "smt-3", "--who", "Kim")[1]
        Path("a.csv").write_text(f"id,verdict\n{part_id(3)},OK\n{part_id(4)},OK\n", encoding="utf-8")
        assert "1 new label(s), 1 known" in run("import", "a.csv", "--line", "smt-3", "--who", "Kim")[1]
        for word in ("NG", "OK", "NG"):
            Path("a.csv").write_text(f"id,verdict\n{part_id(3)},{word}\n", encoding="utf-8")
            assert "1 new label(s), 0 known" in run("import", "a.csv", "--line", "smt-3", "--who", "Kim")[1]
        assert [one.verdict for one in labels(folder / "var")] == [OK, OK, NG, OK, NG]

    def test_a_part_that_stands_there_twice_is_what_is_said_last(self, run: Run, folder: Path) -> None:
        """However often the file is imported."""
        Path("a.csv").write_text("part,verdict\nB-3,OK\nB-3,OK\nB-4,OK\nB-3,NG\n", encoding="utf-8")
        assert "2 new label(s), 2 known" in run("import", "a.csv", "--line", "smt-3", "--who", "Kim")[1]
        assert "0 new label(s), 4 known" in run("import", "a.csv", "--line", "smt-3", "--who", "Kim")[1]
        assert {(one.part, one.verdict) for one in labels(folder / "var")} == {("B-4", OK), ("B-3", NG)}

    def test_what_is_not_understood_is_told_by_its_line(self, run: Run, folder: Path) -> None:
        """And kept in a file of its own, to be put right and imported."""
        text = "Barcode;Ergebnis\nB-3;gut\nB-4;schlecht\nB-5;naja\n;gut\n"
        Path("r.csv").write_text(text, encoding="utf-8")
        status, out, _ = run(
            *(
                "import",
                "r.csv",
                "--line",
                "smt-3",
                "--who",
                "Kim",
                "--columns",
                "part=barcode",
                "verdict=Ergebnis",
            ),
            *("--ok-words", "gut", "--ng-words", "schlecht"),
        )
        assert status == 1
        assert "2 new label(s), 0 known, 2 not understood" in out
        assert "line 4: the verdict 'naja' is in neither ok_words nor ng_words" in out
        assert [row["line"] for row in rows(Path("r.rejected.csv").read_text("utf-8-sig"))] == ["4", "5"]
        assert [(one.part, one.verdict) for one in labels(folder / "var")] == [("B-3", OK), ("B-4", NG)]

    def test_labels_that_belong_to_no_inspection_are_counted(self, run: Run) -> None:
        """They are kept: the parts may come into the journal yet."""
        text = f"part,id,verdict,time\nX-1,,OK,{AT + 600}\nB-3,,OK,{AT + 600}\nB-5,,OK,{AT}\n,{'ab' * 16},NG,\n"
        Path("n.csv").write_text(text, encoding="utf-8")
        _, out, _ = run("import", "n.csv", "--line", "smt-3", "--who", "Kim")
        assert "4 new label(s)" in out
        assert "3 of the new belong to no inspection" in out

    @pytest.mark.parametrize(
        ("text", "words", "said"),
        [
            ("part\nB-1\n", [], "w.csv: there is no column verdict in the first line 'part'"),
            ("part,verdict\n", ["--ng-words", "ok", "--ok-words", "OK"], "--ng-words: has 'ok', which stands in"),
            ("part,verdict\n", ["--timezone", "Mars"], "--timezone: is no time zone"),
            ("part,verdict\n", ["--columns", "colour=x"], "colour=x is not FACT=COLUMN"),
            ("part,verdict\n", ["--encoding", "ascii-art"], "w.csv: is no text in ascii-art"),
        ],
    )
    def test_a_mistake_is_one_line(self, run: Run, text: str, words: list[str], said: str) -> None:
        """With what to write."""
        Path("w.csv").write_text(text, encoding="utf-8")
        status, _, err = run("import", "w.csv", "--line", "smt-3", "--who", "Kim", *words)
        assert status == 2
        assert said in err
        assert err.count("\n") == 1


class TestStatus:
    def test_counts_by_stratum_and_person(self, run: Run, folder: Path) -> None:
        """Drawn, labelled, contradicted, outstanding; what was volunteered, and what belongs to none."""
        said = Label(verdict=OK, who="Kim", at=AT + 9999, blind=True, line="smt-3", road="r")
        with open_labels(folder / "var") as book:
            book.add(
                [
                    replace(said, id=part_id(3)),
                    replace(said, id=part_id(4)),
                    replace(said, id=part_id(4), who="Lee", verdict=NG, blind=False),
                    replace(said, id=part_id(0)),
                    replace(said, part="X-1"),
                ]
            )
        found = json.loads(run("status", "smt-3", "--json")[1])
        keys = ("stratum", "drawn", "labelled", "contradicted", "outstanding", "twice")
        assert [tuple(one[key] for key in keys) for one in found["strata"]] == [
            ("disagreed", 9, 1, 0, 8, 0),
            ("agreed_ng", 8, 0, 1, 7, 1),
        ]
        assert [(one["who"], one["parts"], one["blind"], one["ok"], one["ng"]) for one in found["people"]] == [
            ("Kim", 3, 3, 3, 0),
            ("Lee", 1, 0, 0, 1),
        ]
        assert (found["labels"], found["volunteered"], found["nowhere"]) == (5, 1, 1)
        assert [(one["part"], one["said"]) for one in found["contradicted"]] == [
            ("B-4", {"Kim": "OK", "Lee": "NG"})
        ]
        assert "B-4: Kim OK, Lee NG" in run("status", "smt-3", "--contradicted")[1]

    def test_whoever_settles_ends_the_dispute(self, run: Run, folder: Path) -> None:
        """It is written down as a decision, not as one more opinion."""
        _fill_all(run, "Kim")
        Path("l.csv").write_text(f"id,verdict\n{part_id(4)},NG\n", encoding="utf-8")
        run("import", "l.csv", "--line", "smt-3", "--who", "Lee")
        (one,) = json.loads(run("status", "smt-3", "--json")[1])["contradicted"]
        assert run("settle", one["id"], "ng", "--who", "QA", "--note", "cut open")[:2] == (
            0,
            "smt-3: part B-4 is NG, so QA decided\n",
        )
        assert json.loads(run("status", "smt-3", "--json")[1])["contradicted"] == []
        assert labels(folder / "var")[-1].decides
        assert run("settle", "ab" * 16, "ok", "--who", "QA")[0] == 2


class TestSheet:
    def _say(self, run: Run, monkeypatch: pytest.MonkeyPatch, keys: str) -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{key}\n" for key in keys)))
        return run("sheet", "smt-3", "--who", "Kim")[1]

    def test_a_key_is_a_label(self, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Blind, under the person's name; back says it again; skipped and unknown keys write nothing."""
        out = self._say(run, monkeypatch, "onsx?unq")
        said = labels(folder / "var")
        order = [row["id"].replace("-", "") for row in rows(run("todo", "smt-3", "--most", "99")[1])]
        assert [one.verdict for one in said] == [OK, NG, NG]
        assert {(one.who, one.blind, one.road) for one in said} == {("Kim", True, "sheet")}
        assert "3 label(s) written, 14 part(s) left" in out
        assert "x: write one of o, n, s, u, q" in out
        assert said[0].id not in order

    def test_an_input_that_ends_is_a_goodbye(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        """A closed terminal asks nobody for ever."""
        assert "1 label(s) written, 16 part(s) left" in self._say(run, monkeypatch, "o")

    def test_what_was_skipped_and_said_again_is_found_next_time(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nothing is lost by a skip."""
        self._say(run, monkeypatch, "sss" + "o" * 14)
        assert "3 part(s) left" in self._say(run, monkeypatch, "q")
        self._say(run, monkeypatch, "ooo")
        assert self._say(run, monkeypatch, "q") == "smt-3: nothing to label for Kim\n"

    def test_a_page_stands_alone_and_tells_nothing(self, run: Run) -> None:
        """Its policy allows no address and the one script that is in it; pictures are in it, verdicts are not."""
        assert (
            "5 of 17 part(s)" in run("sheet", "smt-3", "--who", 'Kim "<b>"', "--html", "s.html", "--most", "5")[1]
        )
        text = Path("s.html").read_text("utf-8")
        policy = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)[0]
        for tag in ("script", "style"):
            (inside,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
            assert f"{tag}-src 'sha256-{digest}'" in policy
        assert policy.startswith("default-src 'none'; img-src data:;")
        assert not re.search(r"https?://|<b>", text)
        shown = re.findall(r'data-id="([0-9a-f-]{36})".*?base64,([^"]*)"', text, re.DOTALL)
        assert [base64.b64decode(data) for _, data in shown] == [grey(int(id_[-4:], 16)) for id_, _ in shown]
        assert len(shown) == 5
        assert "disagree" not in text

    def test_what_a_page_saves_can_be_imported(self, run: Run, folder: Path) -> None:
        """The columns of its file are those of the import."""
        run("sheet", "smt-3", "--who", "Kim", "--html", "s.html")
        head = re.findall(r'const rows = \["([^"]*)"\]', Path("s.html").read_text("utf-8"))[0]
        row = f'"{part_id(3)}","NG","Kim","2026-11-21T10:00:00.000Z","a ""note""","yes"'
        Path("s.csv").write_text(f"\ufeff{head}\r\n{row}\r\n", encoding="utf-8")
        assert run("import", "s.csv", "--line", "smt-3", "--who", "Kim")[0] == 0
        (said,) = labels(folder / "var")
        assert (said.verdict, said.who, said.note, said.blind) == (NG, "Kim", 'a "note"', True)


def test_what_is_exported_can_be_imported(run: Run, folder: Path, tmp_path: Path) -> None:
    """Into another data folder, with everything that was said; a formula stays a text for a spreadsheet."""
    said: Any = Label(verdict=NG, who="Kim", at=AT + 60, id=part_id(3), defect="=cmd()", line="smt-3", road="r")
    with open_labels(folder / "var") as book:
        book.add([said, replace(said, verdict=OK, who="Lee", id="", part="B-3", blind=True, note="n")])
    assert run("export", "smt-3", "--out", "all.csv")[0] == 0
    assert "'=cmd()" in Path("all.csv").read_text("utf-8-sig")
    (folder / "var" / "labels.db").rename(tmp_path / "old.db")
    assert run("import", "all.csv", "--line", "smt-3", "--who", "nobody")[0] == 0
    keys = ("verdict", "who", "at", "id", "part", "defect", "note", "blind")
    again = [tuple(getattr(one, key) for key in keys) for one in labels(folder / "var")]
    assert again == [
        (NG, "Kim", AT + 60, part_id(3), "", "=cmd()", "", False),
        (OK, "Lee", AT + 60, "", "B-3", "=cmd()", "n", True),
    ]
