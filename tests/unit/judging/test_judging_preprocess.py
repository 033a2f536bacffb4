from __future__ import annotations

import os
from contextlib import suppress

import cv2
import numpy as np
import pytest
from conftest import encoded, photograph, textured
from hypothesis import given
from hypothesis import strategies as st
from test_judging_headers import bomb

from bridge.judging import headers, preprocess
from bridge.judging.headers import Unreadable
from bridge.judging.spec import Input, Normalisation
from bridge.messages import Box

INTO = Input(width=16, height=12)
PLAIN = Normalisation()


def jpeg(image: np.ndarray, quality: int = 90) -> bytes:
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return data.tobytes()


@pytest.mark.parametrize("form", [".jpg", ".png", ".bmp", ".tiff"])
@pytest.mark.parametrize("colour", ["rgb", "bgr", "gray"])
def test_every_format_becomes_height_width_channels(form: str, colour: str) -> None:
    into = Input(width=16, height=12, colour=colour)
    tensor = preprocess.prepare(encoded(100, form=form), into, PLAIN)
    assert tensor.shape == (12, 16, into.channels)
    assert tensor.dtype == np.float32
    assert np.abs(tensor - 100).max() <= 1


def test_the_colours_come_in_the_order_of_the_manifest() -> None:
    image = np.zeros((12, 16, 3), np.uint8)
    image[:] = (10, 20, 30)  # blue, green, red
    data = cv2.imencode(".png", image)[1].tobytes()
    assert preprocess.picture(data, Input(width=4, height=4, colour="rgb"))[0, 0].tolist() == [30, 20, 10]
    assert preprocess.picture(data, Input(width=4, height=4, colour="bgr"))[0, 0].tolist() == [10, 20, 30]


def test_pixels_are_scaled_then_shifted_then_divided() -> None:
    by = Normalisation(scale=1 / 255, mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 1.0))
    values = preprocess.normalise(np.full((1, 1, 3), 255, np.uint8), by)
    assert values[0, 0].tolist() == [1.0, 3.0, 1.0]


@given(
    scale=st.floats(1e-3, 2),
    mean=st.lists(st.floats(-200, 200), min_size=3, max_size=3),
    std=st.lists(st.floats(0.01, 200), min_size=3, max_size=3) | st.just([1.0]),
)
def test_a_picture_alone_has_the_same_numbers_as_among_others(
    scale: float, mean: list[float], std: list[float]
) -> None:
    """Bit by bit: the line looks numbers up that training reckons."""
    by = Normalisation(scale=scale, mean=tuple(mean), std=tuple(std))
    levels = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)
    levels[0, :, 0], levels[1, :, 1] = 0, 255
    alone, among = preprocess.normalise(levels, by), preprocess.normalise(np.stack([levels, levels]), by)
    assert (alone.dtype, alone.shape) == (np.float32, (40, 30, 3))
    assert alone.tobytes() == among[0].tobytes()


def test_the_region_is_cut_in_original_pixels() -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    image[40:60, 150:170] = 255
    data = cv2.imencode(".png", image)[1].tobytes()
    box = Box(cx=160, cy=50, w=20, h=20)
    assert preprocess.picture(data, INTO, box).min() == 255


@pytest.mark.parametrize("size", [(1600, 1200), (1601, 1203), (3264, 2448)])
def test_a_reduced_decode_differs_by_less_than_stated(size: tuple[int, int]) -> None:
    """Mean difference below 2 grey levels against a full decode, over the picture and over a region."""
    data = jpeg(photograph(size))
    header = headers.read(data)
    whole = preprocess.decode(data, header)
    into = Input(width=200, height=150, colour="bgr")
    for share in (1.0, 0.53):
        roi = Box(cx=size[0] / 2, cy=size[1] / 2, w=size[0] * share, h=size[1] * share)
        assert preprocess.choose_reduction(header, into, roi) > 1
        full = cv2.resize(preprocess.crop(whole, roi), (200, 150), interpolation=cv2.INTER_AREA)
        reduced = preprocess.picture(data, into, roi)
        assert np.abs(reduced.astype(int) - full.astype(int)).mean() < 2


def hard_edges(size: tuple[int, int]) -> np.ndarray:
    """Black and white blocks as on a printed circuit: the worst case for a reduced decode."""
    cells = np.random.default_rng(1).integers(0, 2, (size[1] // 60, size[0] // 60), np.uint8) * 255
    return cv2.cvtColor(cv2.resize(cells, size, interpolation=cv2.INTER_NEAREST), cv2.COLOR_GRAY2BGR)


def test_a_reduced_decode_of_hard_edges_differs_by_less_than_stated() -> None:
    data = jpeg(hard_edges((1920, 1440)))
    into = Input(width=200, height=150, colour="bgr")
    whole = preprocess.decode(data, headers.read(data))
    full = cv2.resize(whole, (200, 150), interpolation=cv2.INTER_AREA)
    assert np.abs(preprocess.picture(data, into).astype(int) - full.astype(int)).mean() < 4


@pytest.mark.parametrize("form", [".png", ".tiff"])
def test_damaged_pixels_are_refused_in_every_format(form: str) -> None:
    """Decoders only complain and go on; their complaint is heard."""
    image = textured((200, 200))
    data = bytearray(cv2.imencode(form, image)[1].tobytes())
    data[len(data) // 2 : len(data) // 2 + 40] = b"\xff" * 40
    with pytest.raises(Unreadable):
        preprocess.picture(bytes(data), INTO)


@given(st.integers(1, 4000), st.integers(1, 4000), st.integers(1, 512), st.integers(1, 512), st.floats(0.01, 1))
def test_a_reduction_never_goes_below_the_models_input(w: int, h: int, iw: int, ih: int, share: float) -> None:
    """It is the largest one that leaves the region at least as large as the input; none where none does."""
    roi = Box(cx=w / 2, cy=h / 2, w=w * share, h=h * share)
    n = preprocess.choose_reduction(headers.Header("jpeg", w, h), Input(width=iw, height=ih), roi)
    assert n in {1, 2, 4, 8}
    assert n == 1 or (roi.w / n >= iw and roi.h / n >= ih)
    assert n == 8 or roi.w / (2 * n) < iw or roi.h / (2 * n) < ih
    assert preprocess.choose_reduction(headers.Header("png", w, h), Input(width=iw, height=ih), roi) == 1


@given(st.integers(8, 300), st.integers(8, 300), st.sampled_from([1, 2, 4, 8]))
def test_the_whole_picture_as_a_region_is_the_whole_picture(width: int, height: int, n: int) -> None:
    """Rounding at any reduction never lets a region that fits leave the picture."""
    image = np.zeros((-(-height // n), -(-width // n), 3), np.uint8)
    roi = Box(cx=width / 2, cy=height / 2, w=width, h=height)
    assert preprocess.crop(image, roi, n).shape[0] >= height // n


@pytest.mark.parametrize(
    "roi",
    [Box(cx=0, cy=24, w=10, h=10), Box(cx=60, cy=24, w=10, h=10), Box(cx=32, cy=200, w=10, h=10)],
)
def test_a_region_that_leaves_the_picture_is_refused(roi: Box) -> None:
    """A camera that delivers another size is seen, not judged on a shifted crop."""
    with pytest.raises(Unreadable, match="region of interest"):
        preprocess.picture(encoded(9), INTO, roi)


def test_a_region_smaller_than_a_pixel_is_refused() -> None:
    with pytest.raises(Unreadable, match="smaller than a pixel"):
        preprocess.picture(encoded(9), INTO, Box(cx=9.1, cy=9.1, w=0.1, h=0.1))


def test_a_bomb_is_refused_before_memory_is_allocated() -> None:
    with pytest.raises(Unreadable, match="60000 x 60000 pixels"):
        preprocess.picture(bomb(60_000, 60_000), INTO)


def test_a_png_with_too_few_rows_is_refused() -> None:
    with pytest.raises(Unreadable):
        preprocess.picture(bomb(500, 500), INTO)


@pytest.mark.parametrize("form", [".jpg", ".png", ".bmp", ".tiff"])
@given(share=st.floats(0, 0.995))
def test_a_picture_cut_anywhere_is_refused_in_every_format(form: str, share: float) -> None:
    """A file still being written is a failure of its view, never a picture with a grey or black rest."""
    data = encoded(90, (50, 40), form)
    with pytest.raises(Unreadable):
        preprocess.picture(data[: int(len(data) * share)], INTO)


def test_a_jpeg_with_a_missing_middle_is_refused() -> None:
    """The decoder fills with grey and reports success; its complaint is heard."""
    data = jpeg(textured((640, 480)))
    with pytest.raises(Unreadable, match="damaged"):
        preprocess.picture(data[: len(data) // 2] + data[-2:], INTO)


def test_a_jpeg_preallocated_but_not_yet_written_is_refused() -> None:
    """A share may show a file at its full length, zeros where the copy has not come to."""
    data = jpeg(textured((640, 480)))
    half = len(data) // 2
    for cut in (data[:half] + bytes(len(data) - half), data[:half] + bytes(len(data) - half - 2) + data[-2:]):
        with pytest.raises(Unreadable):
            preprocess.picture(cut, INTO)


def test_a_few_padding_bytes_before_the_end_do_no_harm() -> None:
    """Some cameras pad every picture; its pixels are all there."""
    data = jpeg(textured((64, 48)))
    padded = data[:-2] + bytes(10) + data[-2:]
    assert np.array_equal(preprocess.picture(padded, INTO), preprocess.picture(data, INTO))


def test_standard_error_is_given_back_after_a_decode(capfd: pytest.CaptureFixture[str]) -> None:
    """What other code writes afterwards is not swallowed."""
    data = jpeg(textured((640, 480)))
    with pytest.raises(Unreadable):
        preprocess.picture(data[: len(data) // 2] + data[-2:], INTO)
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"


@given(
    st.binary(max_size=400),
    st.sampled_from([b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\0", b"MM\0*"]),
)
def test_arbitrary_bytes_are_unreadable_and_nothing_worse(junk: bytes, start: bytes) -> None:
    with pytest.raises(Unreadable):
        preprocess.prepare(start + junk, INTO, PLAIN)


@given(
    st.sampled_from([".jpg", ".png", ".bmp", ".tiff"]), st.integers(0, 100_000), st.binary(min_size=1, max_size=6)
)
def test_a_damaged_picture_is_pixels_or_unreadable(form: str, at: int, junk: bytes) -> None:
    """Decoders are fed what headers let through: still no other exception and never another shape."""
    data = bytearray(encoded(90, (50, 40), form))
    at %= len(data)
    data[at : at + len(junk)] = junk
    with suppress(Unreadable):
        assert preprocess.prepare(bytes(data), INTO, PLAIN).shape == (12, 16, 3)
