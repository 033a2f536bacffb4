"""Pages that stand alone: the same bytes each time, nothing from the network, nobody's text becomes markup."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

pytest.importorskip("matplotlib")
from bridge.pages import page
from bridge.pages.page import Markup, Section

WICKED = "<script>alert('&')</script>"


def draw(axes: page.Axes) -> None:  # type: ignore[name-defined]
    axes.plot([0, 1], [0, 1], label="curve")
    axes.legend()


def whole() -> str:
    """A page with one of everything, each told something wicked."""
    grey = np.full((40, 30), 128, np.uint8)
    body = [
        page.prose(WICKED),
        page.said(WICKED, good=True),
        page.facts([(WICKED, WICKED)]),
        page.table([WICKED, "n"], [[WICKED, 1234], [page.mark(WICKED, good=False), 0.123456]], WICKED),
        page.row(page.picture(grey, WICKED, 60), page.svg(draw, 3, 2, WICKED)),
    ]
    return page.render(WICKED, WICKED, [Section(title=WICKED, body=body)] * 4)


class Tags(HTMLParser):
    """Notes every tag and attribute, and whether all that was opened is closed in turn."""

    EMPTY = frozenset({"meta", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def tags() -> Tags:
    parser = Tags()
    parser.feed(whole())
    parser.close()
    return parser


def test_every_text_is_escaped_and_the_markup_is_whole(tags: Tags) -> None:
    """Whatever a file or a class is called, it stays text."""
    assert not tags.open
    assert "script" not in {tag for tag, _ in tags.seen}


def test_nothing_is_asked_of_the_network(tags: Tags) -> None:
    """Only data URIs and places on the page itself; the page forbids the rest, scripts and foreign styles."""
    places = [
        attrs.get("src") or attrs.get("href") or "" for tag, attrs in tags.seen if tag in {"img", "a", "link"}
    ]
    assert len(places) == 4 * 3
    assert all(place.startswith(("data:image/", "#")) for place in places)
    policy = next(attrs for tag, attrs in tags.seen if attrs.get("http-equiv"))["content"] or ""
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert not any("style" in attrs for _, attrs in tags.seen)


def test_the_same_input_gives_the_same_bytes() -> None:
    """So that two who made the report can compare hashes; no date, no random ids."""
    assert whole() == whole()


def test_a_drawing_is_an_svg_without_addresses_to_load() -> None:
    """Matplotlib's own references point into the drawing."""
    made = page.svg(draw, 3, 2, "a curve")
    found = re.search(r"base64,([^\"]+)", made)
    assert found
    drawn = base64.b64decode(found[1]).decode()
    assert "<svg" in drawn
    assert all(place.startswith("#") for place in re.findall(r'href="([^"]+)"', drawn))
    assert 'width="288"' in made


@pytest.mark.parametrize(("shape", "form"), [((40, 30, 3), "png"), ((400, 300, 3), "jpeg"), ((400, 300), "jpeg")])
def test_pixels_are_encoded_small_ones_without_loss(shape: tuple[int, ...], form: str) -> None:
    """A mark of a few pixels stays what it is."""
    made = page.picture(np.zeros(shape, np.uint8), "p", 100)
    assert f"data:image/{form};base64," in made


def test_files_go_in_as_they_are_or_as_what_a_browser_shows() -> None:
    """A JPEG is not compressed twice; a BMP, which some browsers do not print, becomes a PNG."""
    pixels = np.random.default_rng(0).integers(0, 255, (20, 20, 3), np.uint8)
    jpeg, bmp = (cv2.imencode(kind, pixels)[1].tobytes() for kind in (".jpg", ".bmp"))
    assert base64.b64encode(jpeg).decode() in page.picture(jpeg, "p", 20)
    assert "data:image/png;" in page.picture(bmp, "p", 20)
    with pytest.raises(ValueError, match="no picture"):
        page.picture(b"text", "p", 20)


@pytest.mark.parametrize(
    ("cells", "right"),
    [
        (["0.97 (0.95–0.98)", "1"], True),
        ([12, 0.5], True),
        (["3 / 40", "–"], True),
        (["12.5 %", "4 ms"], True),
        (["front", "2"], False),
        (["2026-01-05 lot 4", "1"], False),
        (["", "–"], False),
    ],
)
def test_columns_of_numbers_stand_to_the_right(cells: list[object], right: bool) -> None:  # noqa: FBT001 - a parameter
    """With their intervals and units; names that begin with a digit stay where names stand."""
    made = page.table(["head"], [[cell] for cell in cells])
    assert ('class="number"' in made) is right


def test_markup_of_ours_is_kept() -> None:
    """A cell may hold a mark."""
    assert '<span class="word bad">NG</span>' in page.table(["v"], [[page.mark("NG", good=False)]])
    assert Markup("<b>") in page.prose(Markup("<b>x</b>"))
