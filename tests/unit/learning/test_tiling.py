"""Large pictures in tiles: how they are cut, and that no seam is left. Real Keras."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ConfigError
from bridge.judging import preprocess
from bridge.judging.spec import Input
from bridge.learning.anomaly import efficientad, pdn, tiling
from bridge.learning.anomaly.pdn import Size
from bridge.learning.anomaly.teachers import Teacher
from bridge.learning.anomaly.tiling import planned
from bridge.learning.backend import keras

pytestmark = pytest.mark.learning

sides = st.integers(2, 40).map(lambda times: 32 * times)


@given(sides, sides, st.integers(0, 300))
def test_tiles_cover_a_row_and_share_enough(whole: int, part: int, overlap: int) -> None:
    if part > whole or overlap > part - 32:
        with pytest.raises(ConfigError):
            planned((whole, whole), (part, part), overlap)
        return
    starts = planned((whole, whole), (part, part), overlap).tops
    assert starts[0] == 0
    assert starts[-1] + part == whole
    assert all(start % 32 == 0 for start in starts)
    assert all(32 <= later - one <= max(32, part - overlap) for one, later in pairwise(starts))


@pytest.mark.parametrize("size", [(100, 96), (96, 100)])
def test_a_side_that_cannot_be_cut_is_told(size: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="multiples of 32"):
        planned(size, (64, 64), 0)


def pictures(count: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)


def test_tiles_are_cut_picture_by_picture() -> None:
    some = pictures(2, 64, 160)
    cut = planned((64, 160), (64, 96), 32)
    assert cut.places == [(0, 0), (0, 64)]
    tiles = cut.cut(some)
    np.testing.assert_array_equal(tiles[1], some[0, :, 64:])
    np.testing.assert_array_equal(tiles[2], some[1, :, :96])


@pytest.mark.parametrize("border", [0, 1, 2])
def test_a_place_that_sees_itself_is_told_as_in_the_whole(border: int) -> None:
    """Means of 8 x 8 pixels do not depend on the tile; so no weight may be lost or doubled at any seam."""

    def judge(height: int, width: int) -> keras.Model:
        seen = keras.Input((height, width, 3))
        flow = keras.ops.mean(keras.layers.AveragePooling2D(8)(seen), axis=-1, keepdims=True)
        return keras.Model(seen, keras.layers.Cropping2D(border)(flow) if border else flow)

    cut = planned((128, 256), (96, 96), 32)
    seen = keras.Input((128, 256, 3))
    tiled = keras.Model(seen, tiling.over(seen, cut, judge(96, 96)))
    shown = pictures(3, 128, 256).astype(np.float32)
    whole = np.asarray(judge(128, 256)(shown))
    np.testing.assert_allclose(np.asarray(tiled(shown)), whole, rtol=1e-4)
    np.testing.assert_allclose(np.asarray(tiled(shown[1:2])), whole[1:2], rtol=1e-4)  # of any batch


def test_tiles_of_a_teacher_are_told_as_in_the_whole() -> None:
    """It sees 33 pixels and pads nothing, so that tiles that share 32 leave out nothing and differ nowhere."""
    model = {size: pdn.build(Size.SMALL, *size, numbers=1) for size in ((96, 96), (96, 224))}
    model[96, 224].set_weights(model[96, 96].get_weights())
    cut = planned((96, 224), (96, 96), tiling.OVERLAP)
    seen = keras.Input((96, 224, 3))
    tiled = keras.Model(seen, tiling.over(seen, cut, model[96, 96]))
    shown = pictures(1, 96, 224).astype(np.float32) / 255
    np.testing.assert_allclose(np.asarray(tiled(shown)), np.asarray(model[96, 224](shown)), rtol=1e-3, atol=1e-5)


def test_efficientad_of_tiles_finds_a_spot_on_a_seam_once(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    kept = pdn.build(Size.SMALL, 64, 64).get_weights()
    teacher = Teacher(size=Size.SMALL, convolutions=tuple(zip(kept[::2], kept[1::2], strict=True)))
    good = np.clip(128 + rng.normal(0, 6, (5, 96, 224, 3)), 0, 255).astype(np.uint8)
    bad = good[:1].copy()
    bad[0, 44:52, 110:118] = 0
    material = efficientad.Material(
        good=good[:3], validation=np.concatenate([good[3:], bad]), bad=np.array([False, False, True])
    )
    cut = planned((96, 224), (96, 96), tiling.OVERLAP)
    settings = efficientad.Settings(steps=60, rate=1e-3, window=64, tiling=cut)
    into = Input(width=224, height=96)
    said: list[str] = []
    net = efficientad.train(settings, into, teacher, material, tmp_path, lambda *_: None, said.append)
    assert "AUROC 1.0" in said[-1]
    shown = preprocess.normalise(material.validation, net.normalisation)
    scores, maps = (np.asarray(one) for one in net.whole.predict(shown, verbose=0))
    assert scores[2] > scores[:2].max()
    row, column = np.unravel_index(maps[2, ..., 0].argmax(), maps.shape[1:3])
    assert abs(4 * row - 48) <= 16
    assert abs(4 * column - 114) <= 16
