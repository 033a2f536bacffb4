"""What a form or a document says of a part, what is told in return, and who is turned away by a head alone."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

import jsonschema
import pytest
from adapter_host import decision_of
from http_host import JPEG

from bridge.plugin import Inspection, Unreadable, Verdict, View, Words
from bridge.plugin.documents import AnswerDocument
from bridge.plugin.schemas import schema_of
from bridge_http.codec import UNRECORDED, Wishes, read_document, read_form, read_wishes, write_answer
from bridge_http.form import DOCUMENT_BYTES, Form
from bridge_http.gate import Turned, asks_first, boundary_of, known, routed
from bridge_http.multipart import End, Head, TooLarge

WORDS = Words(("OK", "GUT"), ("NG",))
NO = Wishes()


def form(texts: Mapping[str, str | bytes], **images: bytes) -> Form:
    encoded = {name: value if isinstance(value, bytes) else value.encode() for name, value in texts.items()}
    return Form(max_image_bytes=100, texts=encoded, images=images)


def document(**fields: Any) -> dict[str, str]:
    return {"document": json.dumps(fields)}


def test_a_form_of_single_fields_is_a_part() -> None:
    """What one types for curl: each field by its name, each file the picture of a view."""
    said = {
        "part": "0815",
        "verdict": "gut",
        "recipe": "M10",
        "ng_views": "2",
        "deadline_ms": "80",
        "backlog": "true",
        "lot": "L7",
        "counter": "90210",
    }
    understood = read_form(form(said, top=JPEG, side=b""), NO, WORDS, 7.0)
    assert understood.part == Inspection(
        part="0815",
        legacy=Verdict.OK,
        recipe="M10",
        ng_views=2,
        deadline_ms=80,
        backlog=True,
        lot="L7",
        counter=90210,
        views=(View(name="top", image=JPEG), View(name="side")),
        event=7.0,
    )


def test_a_document_names_the_views_and_files_are_their_pictures() -> None:
    """By name, in the document's order; a view without a file keeps its reference, or has no picture."""
    views = [
        {"name": "top", "verdict": "NG", "defect": "E12"},
        {"verdict": "OK"},
        {"name": "left", "image": "a.jpg"},
    ]
    sent = form(document(part="P", verdict="NG", views=views), **{"2": b"two", "top": JPEG})
    assert read_form(sent, NO, WORDS).part.views == (
        View(name="top", image=JPEG, legacy=Verdict.NG, defect="E12"),
        View(name="2", image=b"two", legacy=Verdict.OK),
        View(name="left", reference="a.jpg"),
    )


@pytest.mark.parametrize("told", [{"bytes": len(JPEG) + 1}, {"crc32": zlib.crc32(JPEG) ^ 1}])
def test_a_picture_that_is_not_what_its_document_says_is_missing(told: dict[str, int]) -> None:
    sent = form(
        document(views=[{"name": "top", **told}, {"name": "side", "bytes": len(JPEG)}]), top=JPEG, side=JPEG
    )
    understood = read_form(sent, NO, WORDS)
    assert [view.image for view in understood.part.views] == [None, JPEG]
    assert understood.damaged == 1


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (form({"prat": "0815"}), "no field prat"),
        (form({"part": b"\xff"}), "part is not UTF-8"),
        (form({"part": "a\nb"}), "part: "),
        (form({"sequence": "-1"}), "sequence is no whole number"),
        (form({"backlog": "perhaps"}), "backlog: "),
        (form({"deadline_ms": "0"}), "deadline_ms: "),
        (form({**document(part="P"), "part": "P"}), "part stands beside a document"),
        (form({"document": "{"}), "Invalid JSON"),
        (form(document(views=[{"name": "top"}]), tpo=JPEG), "tpo belongs to no view"),
        (form(document(views=[{"name": "top"}, {"name": "top"}]), top=JPEG), "same name"),
        (form({}, **{"x" * 257: JPEG}), "longer than 256"),
    ],
)
def test_what_tells_of_no_part_says_why(sent: Form, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        read_form(sent, NO, WORDS)


def test_a_verdict_in_no_list_is_never_ok() -> None:
    """Neither as a field, nor in a document, nor on a view."""
    for part in (
        read_form(form({"verdict": "okay"}), NO, WORDS).part,
        read_document(b'{"verdict": 1}', NO, WORDS).part,
        read_document(b'{"verdict": "OK", "views": [{"verdict": "?"}]}', NO, WORDS).part,
    ):
        assert not part.legacy_understood
    assert read_form(form({"part": "P"}), NO, WORDS).part.legacy is None


def test_headers_say_key_and_deadline() -> None:
    """A key may stand in quotes, as a structured field; the smaller deadline holds."""
    assert read_wishes(' "a b" ', " 250 ") == Wishes("a b", 250)
    assert read_wishes("", "") == Wishes()
    for own, header, least in ((100, 250, 100), (400, 250, 250), (None, 250, 250)):
        said = {"key": "k"} | ({"deadline_ms": own} if own else {})
        part = read_document(json.dumps(said).encode(), Wishes("k", header), WORDS).part
        assert (part.key, part.deadline_ms) == ("k", least)
    assert read_document(b'{"key": "own"}', NO, WORDS).part.key == "own"


@pytest.mark.parametrize(
    ("key", "deadline"), [("x" * 257, ""), ("a\x01", ""), ("", "0"), ("", "1.5"), ("", "3600001")]
)
def test_headers_that_mean_nothing_are_told(key: str, deadline: str) -> None:
    with pytest.raises(Unreadable):
        read_wishes(key, deadline)


def test_two_different_keys_are_told() -> None:
    """Either may be the one under which the decision was stored; both cannot be."""
    with pytest.raises(Unreadable, match="Idempotency-Key is another"):
        read_document(b'{"key": "a"}', Wishes("b"), WORDS)


def test_the_answer_is_the_one_form_of_every_road() -> None:
    part = Inspection(part="P", legacy=Verdict.OK, key="k", sequence=3)
    status, body = write_answer(part, decision_of(part), WORDS)
    assert status == 200
    jsonschema.validate(json.loads(body), schema_of(AnswerDocument))


def test_an_unrecorded_verdict_is_safe_but_no_acknowledgement() -> None:
    """503 keeps a client from taking the part for done; the verdict is there for who must eject it now."""
    part = Inspection(part="P", legacy=Verdict.NG)
    status, body = write_answer(part, decision_of(part, recorded=False), WORDS)
    said = json.loads(body)
    assert (status, said["status"], said["recorded"], said["verdict"]) == (503, 503, False, "NG")
    assert said["detail"] == UNRECORDED


def test_fields_are_bounded_while_they_grow() -> None:
    """A picture by its own limit, a text by that of a document."""
    growing = form({})
    growing.take(Head("top", file=True))
    growing.take(bytes(100))
    with pytest.raises(TooLarge, match="top has more than 100 bytes"):
        growing.take(b"x")
    growing = form({})
    growing.take(Head("document", file=False))
    growing.take(bytes(DOCUMENT_BYTES))
    with pytest.raises(TooLarge):
        growing.take(b"x")


def test_a_field_comes_once() -> None:
    """Whose picture would it be?"""
    twice = form({})
    for event in (Head("top", file=True), b"a", End.FIELD):
        twice.take(event)
    with pytest.raises(Unreadable, match="top is there twice"):
        twice.take(Head("top", file=True))


@pytest.mark.parametrize(
    ("headers", "boundary"),
    [
        ({"Content-Type": "multipart/form-data; boundary=x"}, "x"),
        ({"Content-Type": 'Multipart/Form-Data; charset=utf-8; boundary="a b?"'}, "a b?"),
        ({"Content-Type": "application/json; charset=utf-8"}, ""),
        ({"Content-Type": "application/json", "Content-Encoding": "identity"}, ""),
    ],
)
def test_media_that_are_ours(headers: dict[str, str], boundary: str) -> None:
    assert boundary_of(headers, 10, 10) == boundary


@pytest.mark.parametrize(
    ("headers", "length", "status"),
    [
        ({}, None, 415),
        ({"Content-Type": "json"}, None, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, None, 415),
        ({"Content-Type": "multipart/mixed; boundary=x"}, None, 415),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, None, 415),
        ({"Content-Type": "application/json"}, 11, 413),
        ({"Content-Type": "multipart/form-data"}, None, 400),
        ({"Content-Type": 'multipart/form-data; boundary="é"'}, None, 400),
    ],
)
def test_media_that_are_not(headers: dict[str, str], length: int | None, status: int) -> None:
    """By the head alone: nothing of the body was read."""
    with pytest.raises(Turned) as turned:
        boundary_of(headers, length, 10)
    assert turned.value.status == status
    assert json.loads(turned.value.body)["detail"] == str(turned.value)


@pytest.mark.parametrize("shown", ["", "Bearer", "Bearer wrong", "Basic secret", "secret", "Bearer secre\udcff"])
def test_a_token_is_needed_where_there_is_one(shown: str) -> None:
    with pytest.raises(Turned, match="token"):
        known({"Authorization": shown} if shown else {}, "secret")


def test_who_shows_the_token_may_come_and_no_page_in_a_browser() -> None:
    """A page may be anybody's, and the browser that shows it may run on this very machine."""
    known({"Authorization": "bearer  secret"}, "secret")
    known({}, None)
    with pytest.raises(Turned, match="browser"):
        known({"Authorization": "Bearer secret", "Origin": "http://evil"}, "secret")


def test_only_what_there_is_can_be_asked_for() -> None:
    routed("POST", "/v1/inspections")
    routed("HEAD", "/healthz")
    for method, path, status in (("GET", "/v1/inspections", 405), ("POST", "/healthz", 405), ("POST", "/", 404)):
        with pytest.raises(Turned) as turned:
            routed(method, path)
        assert turned.value.status == status


def test_only_a_word_to_go_on_can_be_expected() -> None:
    assert asks_first({"Expect": "100-Continue"})
    assert not asks_first({})
    with pytest.raises(Turned):
        asks_first({"Expect": "miracles"})
