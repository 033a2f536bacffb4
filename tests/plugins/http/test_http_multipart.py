"""Forms are read whole however their bytes arrive, and what is no form is told from one that is."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.plugin import Unreadable
from bridge_http.multipart import BOUNDARY, HEAD_BYTES, End, Event, Field, FormReader, Head, TooLarge, write_form

PART = b'--b\r\nContent-Disposition: form-data; name="part"\r\n\r\n0815\r\n--b--\r\n'


def read(*pieces: bytes, boundary: str = "b", fields_max: int = 8) -> list[tuple[Head, bytes]]:
    """Return the fields of a form that comes in these pieces."""
    reader = FormReader(boundary, fields_max)
    events: list[Event] = [event for piece in pieces for event in reader.feed(piece)]
    reader.finish()
    fields: list[tuple[Head, bytes]] = []
    for event in events:
        if isinstance(event, Head):
            fields.append((event, b""))
        elif isinstance(event, bytes):
            fields[-1] = (fields[-1][0], fields[-1][1] + event)
    assert events.count(End.FIELD) == len(fields)
    assert events[-1] is End.FORM
    return fields


_boundaries = st.text("0123456789abcXYZ'()+_,-./:=?", min_size=1, max_size=70)
_bodies = st.one_of(
    st.binary(max_size=60),
    # What looks like a boundary until its last byte.
    st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--", b"b", b"\r\n--", b"x"])).map(b"".join),
)


@given(_boundaries, st.lists(_bodies, max_size=4), st.data())
def test_a_form_that_was_written_is_read_back_in_any_pieces(
    boundary: str, bodies: list[bytes], data: st.DataObject
) -> None:
    """Whatever the bodies hold, short of the boundary itself, and wherever the network cuts."""
    fields = [
        Field(f"f{number}", body, file="x.jpg" if number % 2 else "")
        for number, body in enumerate(bodies)
        if f"\r\n--{boundary}".encode() not in b"\r\n" + body + b"\r\n"
    ]
    written = write_form(fields, boundary)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(written)), max_size=12)))
    pieces = [written[at:to] for at, to in zip([0, *cuts], [*cuts, len(written)], strict=True)]
    expected = [(Head(field.name, bool(field.file)), field.body) for field in fields]
    assert read(*pieces, boundary=boundary) == expected


def test_every_cut_of_a_form_reads_the_same() -> None:
    """Split at every byte, and byte by byte."""
    body = b"\r\n--\r\r\n--b\xff"[:-2]
    written = write_form(
        [Field("part", b"0815"), Field("top", body, "image/jpeg", "a.jpg"), Field("e", b"")], "b9"
    )
    whole = read(written, boundary="b9")
    assert [said for _, said in whole] == [b"0815", body, b""]
    for at in range(len(written)):
        assert read(written[:at], written[at:], boundary="b9") == whole
    assert read(*(written[at : at + 1] for at in range(len(written))), boundary="b9") == whole


@given(st.binary(max_size=200), st.integers(0, 200))
def test_whatever_comes_is_read_or_refused(noise: bytes, at: int) -> None:
    """Bytes spliced into a form make another form or an Unreadable, never another error."""
    at = min(at, len(PART))
    with suppress(Unreadable):
        assert len(read(PART[:at] + noise + PART[at:])) <= 8


@pytest.mark.parametrize("at", range(len(PART) - 4))
def test_a_form_that_is_cut_short_has_no_end(at: int) -> None:
    """Else half a picture would count as a whole one."""
    with pytest.raises(Unreadable, match=r"cut short|begin"):
        read(PART[:at])


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        (b"preamble\r\n" + PART, "does not begin with its boundary"),
        (b"--c" + PART[3:], "does not begin with its boundary"),
        (PART.replace(b"--b\r\n", b"--bx\r\n", 1), "not alone on its line"),
        (PART.replace(b"--b\r\n", b"--b-\r\n", 1), "not alone on its line"),
        (PART.replace(b"--b\r\n", b"--b" + b" " * 99 + b"\r\n", 1), "not alone on its line"),
        (PART.replace(b'; name="part"', b""), "has no name"),
        (PART.replace(b"form-data", b"attachment"), "has no name"),
        (PART.replace(b"Content-Disposition", b"X"), "has no name"),
        (PART.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1), "part is encoded"),
        (PART.replace(b'"part"', b'"\xff"'), "not UTF-8"),
        (b"--b\r\n\r\nx\r\n--b--", "has no name"),
    ],
)
def test_what_is_no_form_says_why(form: bytes, reason: str) -> None:
    """Each in one line, the same in one piece and byte by byte."""
    with pytest.raises(Unreadable, match=reason):
        read(form)
    with pytest.raises(Unreadable, match=reason):
        read(*(form[at : at + 1] for at in range(len(form))))


@pytest.mark.parametrize(
    "form",
    [
        b"\r\n" + PART,
        PART.removesuffix(b"\r\n"),
        PART + b"an epilogue",
        PART.replace(b"--b\r\n", b"--b \t\r\n", 1),
        PART.replace(b"Content-Disposition", b"content-disposition"),
        PART.replace(b'"part"', b"part"),
        PART.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: binary\r\nX: y\r\n\r\n", 1),
    ],
)
def test_what_clients_do_differently_means_the_same(form: bytes) -> None:
    assert (
        read(form)
        == read(*(form[at : at + 1] for at in range(len(form))))
        == [(Head("part", file=False), b"0815")]
    )


def test_sizes_are_bounded_before_anything_is_kept() -> None:
    """Too many fields, and a head that never ends."""
    fields = [Field(str(number), b"") for number in range(3)]
    assert len(read(write_form(fields, "b"), fields_max=3)) == 3
    with pytest.raises(TooLarge, match="more than 2 fields"):
        read(write_form(fields, "b"), fields_max=2)
    reader = FormReader("b", 8)
    assert not list(reader.feed(b"--b\r\nX: "))
    with pytest.raises(TooLarge, match="head of a field"):
        [event for _ in range(HEAD_BYTES) for event in reader.feed(b"xxxx")]


def test_a_field_is_a_file_by_its_name_or_its_media_type() -> None:
    """Some clients send pictures without a file name; a document may come as JSON."""
    fields = [
        Field("a", b"", "image/jpeg"),
        Field("b", b"", "application/json"),
        Field("c", b"", "text/plain; charset=utf-8"),
        Field("d", b"", "text/plain", "d.txt"),
    ]
    assert [head.file for head, _ in read(write_form(fields, "b"))] == [True, False, False, True]


def test_names_may_be_quoted_and_foreign() -> None:
    form = PART.replace(b'"part"', '"oben \\"links\\" 부품"'.encode())
    assert read(form)[0][0].name == 'oben "links" 부품'


@pytest.mark.parametrize("boundary", ["", "x" * 71, "a b ", "a\r", "é"])
def test_what_is_no_boundary_is_told(boundary: str) -> None:
    assert not BOUNDARY.fullmatch(boundary)
