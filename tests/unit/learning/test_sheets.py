"""Contact sheets: every picture in its place, words beside it, and a size that a screen can show."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from bridge.errors import ConfigError
from bridge.learning import sheets
from bridge.learning.lettering import shortened, width
from bridge.learning.sheets import LARGEST, Words, grid

RED, BLUE = (0, 0, 200), (200, 0, 0)


def plain(colour: tuple[int, int, int], height: int = 40, wide: int = 40) -> sheets.Shown:
    """Return a picture of one colour."""
    return np.full((height, wide, 3), colour, np.uint8)


def where(sheet: sheets.Sheet, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Return left, top, width and height of what has this colour."""
    return tuple(cv2.boundingRect((sheet == colour).all(axis=2).astype(np.uint8)))  # type: ignore[return-value]


def test_pictures_stand_row_by_row() -> None:
    """The second is right of the first, the third below it."""
    green = (0, 200, 0)
    sheet = grid([plain(RED), plain(BLUE), plain(green)], columns=2, cell=60)
    first, second, third = where(sheet, RED), where(sheet, BLUE), where(sheet, green)
    assert first[2:] == second[2:] == third[2:] == (60, 60)
    assert second[0] > first[0] + 60
    assert second[1] == first[1]
    assert third[0] == first[0]
    assert third[1] > first[1] + 60


def test_a_picture_keeps_its_shape() -> None:
    """A bolt that stands upright is not pressed into a square."""
    assert where(grid([plain(RED, 80, 20)], columns=1, cell=100), RED)[2:] == (25, 100)


def test_gray_pictures_and_empty_places_are_drawn() -> None:
    """One channel, with or without its axis, is shown as gray."""
    gray = np.full((20, 20), 77, np.uint8)
    sheet = grid([gray, gray[..., None], None, plain(RED)], columns=4, cell=40)
    assert ((sheet == 77).all(axis=2)).sum() == 2 * 40 * 40


def test_words_take_room_of_their_own() -> None:
    """Captions and headings lie beside the pictures, not on them."""
    bare = grid([plain(RED)] * 4, columns=2, cell=120)
    said = Words(captions=["one"] * 4, columns=["a", "b"], rows=["first", "second"], title="what it is")
    sheet = grid([plain(RED)] * 4, columns=2, cell=120, words=said)
    assert (sheet == RED).all(axis=2).sum() == (bare == RED).all(axis=2).sum() == 4 * 120 * 120
    assert sheet.shape[0] > bare.shape[0] + 4 * 15
    assert sheet.shape[1] > bare.shape[1]
    assert (sheet.max(axis=2) < 120).any(), "something dark is written"


def test_a_frame_stands_round_its_picture() -> None:
    """None leaves one without."""
    sheet = grid([plain(RED), plain(BLUE)], columns=2, cell=50, frames=[sheets.BAD, None])
    left, top, wide, high = where(sheet, sheets.BAD)
    red = where(sheet, RED)
    assert (left, top, wide, high) == (red[0] - 3, red[1] - 3, 56, 56)


@pytest.mark.parametrize(("count", "columns"), [(4000, 50), (900, 3)])
def test_a_sheet_is_never_larger_than_a_screen_can_show(count: int, columns: int) -> None:
    """Cells shrink first; what cannot be shown at all is refused."""
    pictures = [plain(RED, 10, 10)] * count
    if count / columns * 24 > LARGEST:
        with pytest.raises(ValueError, match="do not fit"):
            grid(pictures, columns=columns)
        return
    assert max(grid(pictures, columns=columns, cell=300).shape) <= LARGEST


def test_numbers_of_words_and_places_must_match() -> None:
    """A caption under the wrong picture would be worse than none."""
    with pytest.raises(ValueError, match="1 words for 2 places"):
        grid([plain(RED)] * 2, ["one"], columns=2)
    with pytest.raises(ValueError, match="needs a picture"):
        grid([])


def test_long_names_lose_their_middle() -> None:
    """Names of pictures differ at their ends."""
    short = shortened("lot-2024-11-30-station-07-000123-front.jpg", 14, 120)
    assert width(short, 14) <= 120
    assert short.startswith("lot-")
    assert short.endswith("nt.jpg")
    assert shortened("ok", 14, 120) == "ok"


def test_words_without_the_font_of_opencv_5(monkeypatch: pytest.MonkeyPatch) -> None:
    """Older ones draw strokes; what these lack becomes a question mark."""
    from bridge.learning import lettering  # noqa: PLC0415 - the module itself is changed

    monkeypatch.setattr(lettering, "_face", lambda: None)
    sheet = grid([plain(RED)], ["±10° 찍힘"], columns=1, cell=120)
    assert (sheet[130:].max(axis=2) < 120).any()


def test_saving(tmp_path: Path) -> None:
    """By suffix; a folder is made, a name that is no picture's is refused."""
    sheet = grid([plain(RED)], columns=1)
    kept = cv2.imread(str(sheets.save(sheet, tmp_path / "new" / "sheet.png")))
    assert np.array_equal(kept, sheet)
    with pytest.raises(ConfigError, match=r"ends in \.png"):
        sheets.save(sheet, tmp_path / "sheet.txt")


def test_sheets_are_joined_below_and_beside_each_other() -> None:
    """Each keeps its pixels; what is left is empty ground."""
    wide, high = plain(RED, 20, 60), plain(BLUE, 50, 30)
    below, beside = sheets.joined([wide, high]), sheets.joined([wide, high], across=True)
    assert below.shape == (70, 60, 3)
    assert where(below, BLUE) == (0, 20, 30, 50)
    assert beside.shape == (50, 90, 3)
    assert where(beside, BLUE) == (60, 0, 30, 50)
    assert where(beside, RED) == (0, 0, 60, 20)
