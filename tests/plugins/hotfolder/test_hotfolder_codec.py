"""Result files and names become inspections, and nothing but one error comes of arbitrary bytes."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bridge.plugin import Inspection, Verdict
from bridge_hotfolder import HotfolderOptions
from bridge_hotfolder.codec import read_line, read_names, read_result, verdict
from bridge_hotfolder.formats import ParseError, csv_header, ends_with_footer
from bridge_hotfolder.names import flag_name, image_names, locate, name_facts
from bridge_hotfolder.pictures import whole


def options(**chosen: object) -> HotfolderOptions:
    return HotfolderOptions.model_validate({"path": "/aoi", **chosen})


def one(data: str | bytes, name: str = "P1.csv", **chosen: object) -> Inspection:
    (told,) = read_result(data.encode() if isinstance(data, str) else data, name, options(**chosen))
    return told.part


FORMS = ["csv", "json", "xml", "ini"]
PLAIN = options()
ROWS = {form: options(format=form, pattern=r"(?P<part>\w+)\.", rows="a") for form in FORMS}


@pytest.mark.parametrize("form", FORMS)
@given(data=st.binary(max_size=400))
def test_arbitrary_bytes_give_parts_or_the_one_error(form: str, data: bytes) -> None:
    """No bytes make a parser raise anything but ParseError."""
    with contextlib.suppress(ParseError):
        read_result(data, f"x.{form}", ROWS[form])


SOUP = st.lists(
    st.sampled_from(
        [*"<>/a\"'=[]{},:;.\n\t ", "<a>", "</a>", "part", "verdict", "OK", "NG", "[a]", "null", "1e999", "\0"]
    )
).map("".join)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=300)
@given(text=SOUP)
def test_almost_right_text_gives_parts_or_the_one_error(form: str, text: str) -> None:
    """Text made of the formats' own signs reaches deeper, and still raises only ParseError."""
    with contextlib.suppress(ParseError):
        for told in read_result(text.encode(), f"x.{form}", ROWS[form]):
            assert told.part.views


@given(line=st.binary(max_size=200))
def test_any_appended_line_gives_a_part_or_the_one_error(line: bytes) -> None:
    """The same for single lines."""
    header = csv_header("part,verdict,image", PLAIN)
    for known in (header, None):
        with contextlib.suppress(ParseError):
            read_line(line, "results.csv", known, PLAIN)


@given(word=st.text(max_size=12))
def test_only_a_listed_word_is_ok(word: str) -> None:
    """OK is a positive statement: anything that is not one of the words is not OK."""
    found = verdict(word, PLAIN)
    assert (found is Verdict.OK) == (word.strip().casefold() in {"ok", "pass", "good"})
    assert (found is Verdict.NG) == (word.strip().casefold() in {"ng", "fail", "bad"})


@given(part=st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=20), ng=st.booleans())
def test_what_json_tells_comes_out_as_told(part: str, *, ng: bool) -> None:
    """Serial numbers in any script pass unchanged."""
    told = one(json.dumps({"part": part, "verdict": "NG" if ng else "OK"}), "x.json")
    assert (told.part, told.legacy) == (part, Verdict.NG if ng else Verdict.OK)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp949", "cp932", "cp936", "cp1252", "utf-16"])
def test_code_pages_are_read(encoding: str) -> None:
    """A result in the machine's own code page keeps its text."""
    text = {"cp949": "납땜", "cp932": "半田表", "cp936": "焊点", "cp1252": "Lötstelle"}.get(encoding, "焊点")
    part = one(f"part;verdict;defect\r\nP1;NG;{text}\r\n".encode(encoding), encoding=encoding)
    assert (part.part, part.legacy, part.defect) == ("P1", Verdict.NG, text)


def test_xml_in_a_declared_multi_byte_code_page_is_read() -> None:
    """The file's own declaration counts before the option."""
    text = (
        '<?xml version="1.0" encoding="euc-kr"?><r><part>P1</part><verdict>NG</verdict><defect>납땜</defect></r>'
    )
    assert one(text.encode("euc-kr"), "P1.xml").defect == "납땜"


@pytest.mark.parametrize(
    ("data", "name", "reason"),
    [
        (b"\xff\xfe\xfa", "a.csv", "is not utf-8-sig text"),
        (b"", "a.csv", "no row"),
        (b"part,verdict\r\n", "a.csv", "no row"),
        (b"colour,size\r\nred,3\r\n", "a.csv", "none of the configured columns"),
        (b"part,verdict,verdict\nP1,OK,NG\n", "a.csv", "the column verdict stands there 2 times"),
        (b"part,verdict,image\nP1,3,14,OK\n", "a.csv", "4 cells under 3 column names"),
        (b'part,verdict\n"P1,OK\n', "a.csv", "is not CSV"),
        (b"{", "a.json", "is not JSON"),
        (b'{"verdict": "NG", "verdict": "OK"}', "a.json", "same key twice"),
        (b'{"part": ["P1"], "verdict": "OK"}', "a.json", "part is a list"),
        (b"[" * 100_000, "a.json", "is not JSON"),
        (b'{"part": ' + b"9" * 5000 + b"}", "a.json", "is not JSON"),
        (b"{}", "a.json", "none of the configured facts"),
        (b'<!DOCTYPE r [<!ENTITY a "b">]><r><part>&a;</part></r>', "a.xml", "DOCTYPE"),
        ("<!DOCTYPE r><r/>".encode("utf-16"), "a.xml", "DOCTYPE"),
        (b"<r><part>P1</part><verdict>OK</verdict><verdict>NG</verdict></r>", "a.xml", "different values"),
        (b"<r><part>P1", "a.xml", "is not XML"),
        (b"part=1", "a.ini", "is not INI"),
        (b"[a]\nverdict=OK\n[b]\nverdict=NG\n", "a.ini", "different values"),
        (b"[a]\nverdict=OK\nverdict=NG\n", "a.ini", "is not INI"),
        (b'{"part": "P1", "verdict": "OK", "ng_views": "many"}', "a.json", "'many' is not a number"),
        (b'{"part": "P1", "verdict": "OK", "ng_views": -1}', "a.json", "is not a count"),
        (b"x", "a.dat", "no known form"),
    ],
)
def test_what_cannot_be_understood_says_why(data: bytes, name: str, reason: str) -> None:
    """The reason is one that a person can act on."""
    with pytest.raises(ParseError, match=reason):
        read_result(data, name, PLAIN)


def test_a_bomb_of_entities_is_refused_at_once() -> None:
    """No entity is ever expanded."""
    bomb = '<!DOCTYPE z [<!ENTITY a "x">' + "".join(
        f'<!ENTITY a{n} "{"&a" + str(n - 1) + ";" if n else "&a;"}">' * 10 for n in range(9)
    )
    with pytest.raises(ParseError, match="DOCTYPE"):
        read_result((bomb + "]><z>&a8;</z>").encode(), "a.xml", PLAIN)


def test_thousands_of_component_rows_are_views_of_one_board() -> None:
    """A panel keeps each component's own verdict, defect and image."""
    rows = "".join(
        f"B1,R{n},{'NG' if n == 7 else 'OK'},{'E3' if n == 7 else ''},roi\\R{n}.jpg\n" for n in range(3000)
    )
    columns = {"part": "Barcode", "view": "Ref", "verdict": "Result", "defect": "Code", "image": "Image"}
    part = one("Barcode,Ref,Result,Code,Image\n" + rows, columns=columns)
    assert (part.part, part.legacy, len(part.views)) == ("B1", Verdict.NG, 3000)
    bad = [view for view in part.views if view.legacy is Verdict.NG]
    assert [(view.name, view.defect, view.reference) for view in bad] == [("R7", "E3", "roi\\R7.jpg")]


def test_a_board_called_ok_with_a_component_called_ng_is_ng() -> None:
    """A board is NG if any component is."""
    part = one('{"part": "B", "verdict": "OK", "views": [{"view": "R1", "verdict": "NG"}]}', "a.json")
    assert part.legacy is Verdict.NG


@pytest.mark.parametrize("word", ["", "OKAY", "0", "1", "true", "SKIP"])
def test_one_word_not_understood_makes_the_verdict_unknown(word: str) -> None:
    """Neither OK nor an NG that could be cleared comes of a board with an unreadable row."""
    part = one(f"part,view,verdict\nB,R1,NG\nB,R2,OK\nB,R3,{word}\n")
    assert part.legacy is None


def test_rows_may_be_parts_of_their_own() -> None:
    """A lot file gives one part per row, even where a serial number was used again."""
    told = read_result(b"part,verdict\nP1,OK\nP1,NG\n,OK\n", "lot.csv", options(row="part"))
    assert [(each.part.part, each.part.legacy) for each in told] == [("P1", "OK"), ("P1", "NG"), ("", "OK")]


def test_a_csv_without_header_goes_by_number_and_skips_its_preamble() -> None:
    """Columns are numbers from 1 where there is no header."""
    chosen = {"header": "none", "skip_lines": 1, "columns": {"part": "2", "verdict": "3"}}
    assert one("MACHINE 7\n1;P1;NG;3,5\n", **chosen).part == "P1"


def test_a_decimal_comma_in_a_count_is_read() -> None:
    """Counts written by a machine with decimal commas are numbers."""
    assert one("part;verdict;ng_views\nP1;NG;2,0\n").ng_views == 2


def test_lot_and_counter_are_read_where_they_are_said_to_stand() -> None:
    """Columns that happen to have these names mean nothing until somebody says so."""
    said = "part;verdict;lot;counter\nP1;NG;L7;5000000000\n"
    assert (one(said).lot, one(said).counter) == ("", None)
    part = one(said, columns={"lot": "lot", "counter": "counter"})
    assert (part.lot, part.counter) == ("L7", 5_000_000_000)
    named = one("verdict\nOK\n", "L8/000123.csv", pattern=r"(?P<lot>\w+)/(?P<counter>\d+)\.csv$")
    assert (named.lot, named.counter) == ("L8", 123)


def test_facts_that_the_file_lacks_come_from_its_name() -> None:
    """A serial number that stands in the name of the file only is used."""
    part = one("verdict\nOK\n", "M10/P9_20260101.csv", pattern=r"(?P<recipe>\w+)/(?P<part>[^_/]+)_\d+\.csv$")
    assert (part.part, part.recipe) == ("P9", "M10")


def test_xml_paths_reach_attributes_through_namespaces() -> None:
    """Namespaces need not be written."""
    xml = (
        b'<x:r xmlns:x="u"><x:b sn="P1"/><x:c><x:i ref="R1">NG</x:i><x:i ref="R2">OK</x:i></x:c><s>FAIL</s></x:r>'
    )
    columns = {"part": "b/@sn", "verdict": "s", "view": "@ref", "view_verdict": "."}
    part = one(xml, "a.xml", columns=columns, rows="c/i")
    assert [(view.name, view.legacy) for view in part.views] == [("R1", "NG"), ("R2", "OK")]


def test_ini_sections_are_rows() -> None:
    """Sections that match the pattern are views, the others tell of the part."""
    ini = "[Board]\nBarcode=P1\nResult=NG\n[Cam1]\nResult=NG\n[Cam2]\nResult=OK\n"
    part = one(ini, "a.ini", columns={"part": "Board.Barcode", "verdict": "Result"}, rows="Cam*")
    assert (part.part, [view.legacy for view in part.views]) == ("P1", ["NG", "OK"])


def test_one_component_with_two_rows_keeps_two_views() -> None:
    """View names stay apart."""
    part = one("part,view,verdict\nB,R1,NG\nB,R1,OK\n")
    assert [view.name for view in part.views] == ["R1", "R1~2"]


def test_two_serial_numbers_for_one_group_of_facts_are_refused() -> None:
    """A part has one recipe."""
    with pytest.raises(ParseError, match="different values of recipe"):
        one("part,recipe,verdict\nB,M1,NG\nB,M2,OK\n")


def test_names_give_views_with_their_own_verdicts() -> None:
    """The part is NG if one of its images stands in the NG folder; a missing view is there without an image."""
    chosen = options(
        verdict_in="name", pattern=r"(?P<verdict>OK|NG)/(?P<part>\w+)_(?P<view>\w+)\.jpg", views=["a", "b", "c"]
    )
    part = read_names(["OK/P1_a.jpg", "NG/P1_b.jpg"], chosen).part
    assert part.legacy is Verdict.NG
    assert [(view.name, view.legacy, view.reference) for view in part.views] == [
        ("b", "NG", "NG/P1_b.jpg"),
        ("a", "OK", "OK/P1_a.jpg"),
        ("c", None, ""),
    ]


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("a.jpg", "day/a.jpg"),
        ("img\\a.jpg", "day/img/a.jpg"),
        ("..\\img\\a.jpg", "img/a.jpg"),
        (".\\a.jpg", "day/a.jpg"),
        ("D:\\AOI\\img\\a.jpg", "pictures/a.jpg"),
        ("d:/aoi/IMG/a.jpg", "pictures/a.jpg"),
        ("\\\\aoi-pc\\out\\a.jpg", "/mnt/out/a.jpg"),
    ],
)
def test_paths_of_a_windows_machine_are_mapped(written: str, found: str) -> None:
    """Backslashes, drives and servers become paths of this computer."""
    chosen = options(path_prefix={"D:\\AOI\\img": "pictures", "\\\\aoi-pc\\out\\": "/mnt/out"})
    assert locate(written, "day/P1.json", chosen) == found


@pytest.mark.parametrize(
    "written",
    [
        "../../a.jpg",
        "..\\..\\..\\etc\\passwd",
        "/etc/passwd",
        "C:\\a.jpg",
        "C:a.jpg",
        "\\\\pc\\a.jpg",
        "D:\\AOI\\img\\..\\a.jpg",
        "..",
        "a\0.jpg",
    ],
)
def test_paths_out_of_the_folder_are_refused(written: str) -> None:
    """No result file makes us read anything else."""
    with pytest.raises(ParseError):
        locate(written, "day/P1.json", options(path_prefix={"D:\\AOI\\img": "pictures"}))


@given(written=st.text("./\\ab:C", min_size=1, max_size=12))
def test_a_located_path_never_leaves_the_folder(written: str) -> None:
    """Whatever is written, the path found has no way up and no root."""
    with contextlib.suppress(ParseError):
        found = locate(written, "day/P1.json", PLAIN)
        assert not found.startswith("/")
        assert ".." not in found.split("/")


def test_an_image_of_a_longer_serial_number_is_not_taken() -> None:
    """P1's pictures are not those of P10."""
    (wanted,) = image_names("P1.json", "P1", options(images=["{stem}_{view}.*"]))
    assert [wanted.view(name) for name in ("P1_top.jpg", "P10_top.jpg", "P1_2_top.jpg")] == ["top", None, None]


def test_a_serial_number_cannot_lead_out_of_the_folder() -> None:
    """A barcode is text of unknown origin."""
    with pytest.raises(ParseError, match="leads out"):
        list(image_names("P1.json", "../../x", options(images=["{part}.jpg"])))


def test_flags_are_named_by_template() -> None:
    """The done-flag lies beside its file."""
    assert flag_name("d/P1.csv", options(flag="{stem}.done")) == "d/P1.done"
    assert flag_name("d/P1.csv", options(flag="{name}.ok")) == "d/P1.csv.ok"
    assert flag_name("d/P1.csv", options(flag="ready")) == "d/ready"
    assert not flag_name("d/P1.csv", options(flag="{part}.done"))


def test_the_footer_is_the_last_line_that_is_not_blank() -> None:
    """A footer in the middle proves nothing."""
    chosen = options(complete="footer", footer="^#END$")
    assert ends_with_footer(b"a\n#END\r\n\r\n", chosen)
    assert not ends_with_footer(b"#END\na\n", chosen)
    assert one("part,verdict\nP1,OK\n#END\n", complete="footer", footer="^#END$").part == "P1"


@pytest.mark.parametrize(
    ("data", "is_whole"),
    [
        (b"", False),
        (b"\xff\xd8 half", False),
        (b"\xff\xd8 all \xff\xd9\0\0", True),
        (b"\x89PNG half", False),
        (b"\x89PNG all IEND\xaeB`\x82", True),
        (b"BM\x0a\0\0\0", False),
        (b"BM\x0a\0\0\0....", True),
        (b"II*\0 any tiff", True),
    ],
)
def test_a_picture_is_whole_with_its_end_mark(data: bytes, *, is_whole: bool) -> None:
    """Half a picture is not handed to the judge as a whole one."""
    assert whole(data) is is_whole


@given(path=st.text(max_size=40))
def test_any_path_is_read_or_does_not_match(path: str) -> None:
    """Names of files are bytes of unknown origin too."""
    chosen = options(pattern=r"(?P<verdict>OK|NG)/(?P<part>[^_]+)")
    facts = name_facts(path, chosen)
    assert facts is None or facts["verdict"] in ("OK", "NG")


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"encoding": "klingon"}, "is no code page that is known here"),
        ({"encoding": "base64"}, "is no code page that is known here"),
        ({"pattern": "("}, "is not a pattern"),
        ({"pattern": "(?P<serial>.)"}, "unknown group serial; known are counter, defect, lot, part"),
        ({"verdict_in": "name"}, "needs a pattern with a group"),
        ({"verdict_in": "name", "pattern": "(?P<verdict>.)", "complete": "footer"}, "needs result files"),
        ({"ok_words": ["pass"], "ng_words": ["PASS"]}, "'pass' is in both"),
        ({"flag": "{serial}.done"}, "unknown placeholder {serial}"),
        ({"images": ["{view}/a.jpg"]}, "in a folder"),
        ({"complete": "appended", "encoding": "utf-16"}, "cannot split lines of utf-16"),
        ({"complete": "appended", "format": "xml"}, "reads csv or json lines, not xml"),
        ({"complete": "footer", "format": "csv"}, "needs a footer"),
        ({"columns": {"part": ""}, "format": "xml", "rows": "a//b"}, "is not a path"),
        ({"columns": {"serial": "x"}}, "Extra inputs"),
    ],
)
def test_a_mistake_in_the_options_says_what_to_write(chosen: dict[str, object], said: str) -> None:
    """Options are checked before any folder is touched."""
    with pytest.raises(ValidationError, match=said):
        options(**chosen)
