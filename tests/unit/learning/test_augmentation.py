"""Variation: every bound measured on what comes out; all follows from the seed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bridge.errors import ConfigError
from bridge.learning import augmentation, sheets
from bridge.learning.augmentation import NAMED, Policy, generator, geometry, showing
from bridge.learning.augmentation.tones import Degradation, colouring

HEIGHT, WIDTH = 40, 64
RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (5, 20, 14, 3), np.uint8)
SMOOTH = cv2.resize(RNG.integers(0, 256, (5, 8, 3), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


def moves(policy: Policy, count: int = 1500) -> NDArray[np.float64]:
    """Return the matrices of many copies, shape (count, 3, 3)."""
    rng = np.random.default_rng(1)
    return np.stack([policy.draw(HEIGHT, WIDTH, rng).matrix for _ in range(count)])


def places(move: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where points, shape (N, 2), come to lie."""
    lifted = np.column_stack([points, np.ones(len(points))]) @ move.T
    return lifted[:, :2] / lifted[:, 2:]


def flat(level: int, size: int = 300, channels: int = 1) -> NDArray[np.uint8]:
    """Return a picture of one level."""
    return np.full((size, size, channels), level, np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", NAMED)
def test_a_batch_keeps_its_shape_and_the_original_stays(channels: int, name: str) -> None:
    """What is varied is a copy, also where nothing is varied."""
    batch = PICTURES[..., :channels].copy()
    varied = NAMED[name].vary(batch, np.random.default_rng(1))
    assert varied.shape == batch.shape
    assert varied.dtype == np.uint8
    assert np.array_equal(varied, batch) == (name == "none")
    assert np.array_equal(batch, PICTURES[..., :channels])
    NAMED[name].apply(batch[0], np.random.default_rng(1))[:] = 0
    assert np.array_equal(batch, PICTURES[..., :channels])


@pytest.mark.parametrize("name", ["bolt", "aoi", "fixture", "any-angle"])
def test_the_same_seed_varies_the_same_way(name: str) -> None:
    """So that an interrupted training goes on exactly as it would have."""
    one, two, other = (NAMED[name].vary(PICTURES, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_a_copy_of_its_own_follows_from_its_name_alone() -> None:
    """A copy is the same whichever copies are made before it, so a part of them can be made again."""
    one, again, next_copy = (
        NAMED["aoi"].apply(PICTURES[0], generator(7, *key)) for key in ((3, 1), (3, 1), (3, 2))
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, next_copy)


def test_one_bound_changes_one_effect() -> None:
    """With noise added, parts lie and are lit as they were without: two policies can be compared copy by copy."""
    calm = NAMED["aoi"].model_copy(update={"gaussian_levels": 0.0, "salt_and_pepper": 0.0, "poisson_levels": 0.0})
    for seed in range(5):
        one, other = (policy.draw(HEIGHT, WIDTH, generator(seed)) for policy in (calm, NAMED["aoi"]))
        assert np.array_equal(one.matrix, other.matrix)
        assert np.array_equal(one.colouring.curve, other.colouring.curve)
        assert one.degradation.blur_pixels == other.degradation.blur_pixels


def test_any_angle_goes_all_round() -> None:
    """Asked for beside any policy, or by the name of its own."""
    assert NAMED["bolt"].at_any_angle().angle_degrees == 180
    angles = np.degrees(np.arctan2(*moves(NAMED["any-angle"])[:, 1::-1, 0].T[:2]))
    assert np.histogram(angles, 12, (-180, 180))[0].min() > 60
    assert NAMED["fixture"].at_any_angle() == NAMED["any-angle"]


class TestGeometry:
    """Where pixels come to lie."""

    def test_bolts_are_turned_by_up_to_ten_degrees(self) -> None:
        """Evenly between, to either side."""
        drawn = moves(NAMED["bolt"])
        angles = np.degrees(np.arctan2(drawn[:, 0, 1], drawn[:, 1, 1]))
        assert np.abs(angles).max() <= 10
        assert np.abs(angles).max() > 9.8
        assert np.std(angles) == pytest.approx(10 / np.sqrt(3), rel=0.05)
        assert np.mean(angles) == pytest.approx(0, abs=0.5)

    def test_bolts_are_moved_by_up_to_a_tenth_of_each_side(self) -> None:
        """Measured at the middle, which turning and mirroring leave where it is."""
        middle = np.array([[(WIDTH - 1) / 2, (HEIGHT - 1) / 2]])
        shifts = np.concatenate([places(move, middle) - middle for move in moves(NAMED["bolt"])])
        shares = shifts / (WIDTH, HEIGHT)
        assert np.abs(shares).max(axis=0) == pytest.approx([0.1, 0.1], rel=0.01)
        assert np.corrcoef(shares.T)[0, 1] == pytest.approx(0, abs=0.1)

    def test_bolts_are_mirrored_as_often_as_not(self) -> None:
        """Left to right only: a bolt hangs by its head."""
        handed = np.sign(np.linalg.det(moves(NAMED["bolt"])))
        assert np.mean(handed < 0) == pytest.approx(0.5, abs=0.04)
        assert (moves(NAMED["bolt"])[:, 1, 1] > 0).all()

    @pytest.mark.parametrize("mirror", ["none", "horizontal", "vertical", "both"])
    def test_a_mirror_moves_whole_pixels(self, mirror: geometry.Mirror) -> None:
        """No pixel is blended with its neighbour."""
        flips = {"none": [None], "horizontal": [None, 1], "vertical": [None, 0], "both": [None, 0, 1, -1]}[mirror]
        allowed = [PICTURES[0] if flip is None else cv2.flip(PICTURES[0], flip) for flip in flips]
        seen = [Policy(mirror=mirror).apply(PICTURES[0], generator(seed)) for seed in range(24)]
        assert all(any(np.array_equal(one, form) for form in allowed) for one in seen)
        assert all(any(np.array_equal(one, form) for one in seen) for form in allowed)

    def test_a_projective_map_has_eight_degrees_of_freedom(self) -> None:
        """The maps of many copies fill all eight dimensions, where those of turning, zoom and shift fill four."""

        def freedom(policy: Policy) -> int:
            scaled = moves(policy, 300)
            free = (scaled / scaled[:, 2:, 2:]).reshape(-1, 9)[:, :8]
            spread = np.linalg.svd(free - free.mean(axis=0), compute_uv=False)
            return int((spread > 1e-6 * spread[0]).sum())

        assert freedom(Policy(corner_shift=0.05)) == 8
        assert freedom(Policy(shift=0.05)) == 2

    def test_each_corner_moves_by_itself(self) -> None:
        """By up to the share, in both directions, none going with another."""
        size = np.array([WIDTH, HEIGHT])
        corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * size - 0.5
        drawn = moves(Policy(corner_shift=0.08))
        shares = np.stack([(places(move, corners) - corners) / size for move in drawn]).reshape(-1, 8)
        assert np.abs(shares).max(axis=0) == pytest.approx([0.08] * 8, rel=0.02)
        assert np.abs(np.corrcoef(shares.T) - np.eye(8)).max() < 0.1

    @given(st.lists(st.floats(-1, 1), min_size=8, max_size=8), st.integers(2, 500), st.integers(2, 500))
    def test_no_projective_map_folds_the_picture(self, steps: list[float], height: int, width: int) -> None:
        """At the largest bound the four corners still go round convexly, in their order."""
        numbers = np.concatenate([np.zeros(6), steps])
        move = geometry.matrix(geometry.Bounds(0, 0, 0, 0.2, "none"), numbers, height, width)
        corners = np.array([(0, 0), (width, 0), (width, height), (0, height)]) - 0.5
        sides = np.diff(places(move, corners), axis=0, append=places(move, corners[:1]))
        onward = np.roll(sides, -1, axis=0)
        assert (sides[:, 0] * onward[:, 1] - sides[:, 1] * onward[:, 0] > 0).all()

    @pytest.mark.parametrize("policy", [NAMED["bolt"], Policy(corner_shift=0.1, angle_degrees=40, zoom=0.2)])
    def test_pixels_come_to_lie_where_the_matrix_says(self, policy: Policy) -> None:
        """The middle of a blob, measured on the moved picture."""
        for seed in range(6):
            picture = np.zeros((HEIGHT, WIDTH, 1), np.uint8)
            cv2.circle(picture, (30, 22), 4, 255, -1)
            variation = policy.draw(HEIGHT, WIDTH, generator(seed))
            mass = cv2.moments(variation.picture(picture)[..., 0])
            found = (mass["m10"] / mass["m00"], mass["m01"] / mass["m00"])
            assert found == pytest.approx(places(variation.matrix, np.array([[30.0, 22.0]]))[0], abs=0.3)

    def test_beyond_the_edge(self) -> None:
        """``edge`` repeats what is there, ``mean`` is the picture's own mean; neither makes the picture darker."""
        halves = np.concatenate([flat(200, 20), flat(100, 20)], axis=1)
        edge = Policy(shift=0.3).vary(np.stack([halves] * 20), generator(0))
        assert set(np.unique(edge)) - {100, 200} <= set(range(101, 200))
        assert {100, 200} <= set(np.unique(edge))
        mean = Policy(shift=0.3, border="mean").vary(np.stack([halves] * 20), generator(0))
        assert (mean == 150).mean() > 0.1


class TestTones:
    """Lamps, lens, sensor."""

    def test_level_is_varied_by_more_than_a_lamp_ages(self) -> None:
        """A brightness that goes with a label in the set does not go with it in training."""
        gray = np.full((200, 8, 8, 1), 128, np.uint8)
        levels = NAMED["fixture"].vary(gray, np.random.default_rng(0)).mean(axis=(1, 2, 3))
        assert levels.std() > 15

    def test_brightness_and_contrast_keep_to_their_bounds(self) -> None:
        """Middle grey shows the one, the distance of two levels the other."""
        copies = Policy(brightness_levels=24).vary(np.stack([flat(128, 2)] * 800), generator(0)).astype(int)
        assert copies.min() == 128 - 24
        assert copies.max() == 128 + 24
        pair = np.concatenate([flat(108, 2), flat(148, 2)], axis=1)
        copies = Policy(contrast=0.3).vary(np.stack([pair] * 800), generator(0)).astype(int)
        gains = (copies[:, 0, -1, 0] - copies[:, 0, 0, 0]) / 40
        assert gains.min() == pytest.approx(np.exp(-0.3), abs=0.03)
        assert gains.max() == pytest.approx(np.exp(0.3), abs=0.03)

    def test_gamma_bends_the_middle_and_holds_both_ends(self) -> None:
        """Black stays black and white stays white."""
        ends = np.array([[[0], [128], [255]]], np.uint8)
        copies = Policy(gamma=0.4).vary(np.stack([ends] * 300), generator(0))
        assert (copies[:, 0, 0] == 0).all()
        assert (copies[:, 0, 2] == 255).all()
        assert copies[:, 0, 1].min() < 95
        assert copies[:, 0, 1].max() > 158

    def test_hue_and_saturation_leave_grey_alone(self) -> None:
        """They turn and stretch about the axis of greys, in any order of the channels."""
        for level in (0, 77, 255):
            changed = colouring(0, 0, 0, 1.5, 40, np.ones(3))(flat(level, 4, 3))
            assert np.abs(changed.astype(int) - level).max() <= 1

    def test_a_third_of_a_turn_changes_the_channels(self) -> None:
        """A hue turned by 120 degrees makes one pure colour of another."""
        turned = colouring(0, 0, 0, 1, 120, np.ones(3))(np.array([[[200, 20, 20]]], np.uint8))
        assert sorted(turned[0, 0].tolist()) == [20, 20, 200]
        assert turned[0, 0, 0] == 20

    def test_saturation_and_tint_keep_to_their_bounds(self) -> None:
        """A colour's distance from grey, and one channel's level."""
        colour = np.stack([np.array([[[120, 60, 90]]], np.uint8)] * 600)
        apart = np.ptp(Policy(saturation=0.5).vary(colour, generator(0)).astype(int), axis=3)
        assert (apart.min(), apart.max()) == pytest.approx((30, 90), abs=2)
        tinted = Policy(tint=0.1).vary(np.stack([flat(100, 2, 3)] * 600), generator(0))
        assert (tinted.min(), tinted.max()) == pytest.approx((90, 110), abs=1)
        assert np.corrcoef(tinted[:, 0, 0].T.astype(float))[0, 1] == pytest.approx(0, abs=0.1)

    def test_gray_pictures_have_no_colour_to_change(self) -> None:
        """A policy with colours takes them too."""
        gray = PICTURES[0][..., :1]
        assert np.array_equal(Policy(tint=0.3, hue_degrees=90, saturation=1).apply(gray, generator(0)), gray)

    def test_blur_has_the_spread_it_says(self) -> None:
        """Measured on a point of light."""
        point = np.zeros((61, 61, 1), np.uint8)
        point[26:35, 26:35] = 255
        blurred = _degraded(point, blur_pixels=3.0)[..., 0].astype(float)
        rows = np.arange(61) - 30
        variance = (blurred.sum(axis=1) * rows**2).sum() / blurred.sum()
        assert variance == pytest.approx(3.0**2 + (9**2 - 1) / 12, rel=0.06)

    def test_photon_noise_has_a_variance_that_goes_with_the_level(self) -> None:
        """And at white the standard deviation of the table; black stays black."""
        levels = np.array([16, 32, 64, 128, 192])
        variance = np.array([_degraded(flat(level), poisson_levels=10).var() for level in levels])
        assert variance / levels == pytest.approx([100 / 255] * 5, rel=0.06)
        assert (_degraded(flat(0), poisson_levels=10) == 0).all()

    def test_photons_are_counted(self) -> None:
        """In the dark the noise is skewed, as counts of few are: skew is one over the root of the mean count."""
        few = _degraded(flat(40, 500), poisson_levels=25).astype(float)
        mean_count = 40 * 255 / 25**2
        skew = ((few - few.mean()) ** 3).mean() / few.std() ** 3
        assert few.mean() == pytest.approx(40, abs=0.3)
        assert skew == pytest.approx(1 / np.sqrt(mean_count), rel=0.15)

    def test_gaussian_noise_is_the_same_in_dark_and_light(self) -> None:
        """Its mean is nought, and each channel has its own."""
        for level in (60, 190):
            noise = _degraded(flat(level, channels=3), gaussian_levels=8).astype(float) - level
            assert noise.mean() == pytest.approx(0, abs=0.1)
            assert noise.std() == pytest.approx(8, rel=0.03)
            assert np.abs(np.corrcoef(noise.reshape(-1, 3).T) - np.eye(3)).max() < 0.02

    def test_salt_and_pepper_are_half_and_half(self) -> None:
        """The share of whole pixels, the others untouched."""
        spoilt = _degraded(flat(128, 400, 3), salt_and_pepper=0.05)
        white, black = ((spoilt == level).all(axis=2).mean() for level in (255, 0))
        assert (white, black) == pytest.approx((0.025, 0.025), rel=0.08)
        assert (spoilt == 128).all(axis=2).mean() == pytest.approx(0.95, abs=0.003)

    def test_strengths_are_drawn_up_to_their_bound(self) -> None:
        """Evenly from nothing to the bound, and on so many copies as ``degraded`` says."""
        drawn = [NAMED["aoi"].draw(8, 8, generator(0, copy)).degradation for copy in range(1500)]
        for name in ("blur_pixels", "salt_and_pepper", "gaussian_levels", "poisson_levels"):
            strength = np.array([getattr(one, name) for one in drawn]) / getattr(NAMED["aoi"], name)
            assert (strength > 0).mean() == pytest.approx(0.5, abs=0.05)
            assert strength.max() <= 1
            assert strength[strength > 0].mean() == pytest.approx(0.5, abs=0.04)


def _degraded(picture: NDArray[np.uint8], **strength: float) -> NDArray[np.uint8]:
    nothing = {"blur_pixels": 0.0, "salt_and_pepper": 0.0, "gaussian_levels": 0.0, "poisson_levels": 0.0}
    return Degradation(**(nothing | strength))(picture, np.random.default_rng(0))


class TestTables:
    """Policies as a person writes them."""

    @pytest.mark.parametrize("name", NAMED)
    def test_what_is_printed_reads_back_as_the_same_policy(self, name: str, tmp_path: Path) -> None:
        """So that it is a place to start from."""
        file = tmp_path / "mine.toml"
        file.write_text(augmentation.printed(name, NAMED[name]), encoding="utf-8")
        assert augmentation.policy(str(file)) == NAMED[name] == augmentation.policy(name)
        assert len(file.read_text(encoding="utf-8").splitlines()) > 2 * len(Policy.model_fields)

    def test_a_table_may_be_based_on_another(self, tmp_path: Path) -> None:
        """Only what differs is written; alone in the file or as a table [augment] in it."""
        for text in (
            'based_on = "bolt"\nangle_degrees = 3\n',
            '[augment]\nbased_on = "bolt"\nangle_degrees = 3\n',
        ):
            (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
            expected = NAMED["bolt"].model_copy(update={"angle_degrees": 3.0})
            assert augmentation.policy(str(tmp_path / "mine.toml")) == expected

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("angle_degres = 3", "angle_degres: no such key; did you mean angle_degrees?"),
            ("angle_degrees = 300", "angle_degrees: 300 is too large; write degrees from 0 to 180"),
            ('mirror = "sideways"', 'mirror: "sideways" is not one of the choices; write none, horizontal'),
            ("corner_shift = 0.3", "corner_shift: 0.3 is too large; write a share from 0 to 0.2"),
            ('based_on = "bolts"', "based_on: 'bolts' is no policy; did you mean bolt?"),
            ("shift = nan", "shift: nan is not a finite number"),
            ("angle_degrees = ", "is not TOML"),
            ("augment = 3", "augment: is not a table"),
        ],
    )
    def test_a_mistake_is_one_line(self, text: str, said: str, tmp_path: Path) -> None:
        """It names the file, the key, what was found and what to write."""
        file = tmp_path / "mine.toml"
        file.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError) as caught:
            augmentation.policy(str(file))
        assert str(caught.value).startswith(f"{file}: {said}")
        assert "\n" not in str(caught.value)

    def test_a_name_that_is_none(self) -> None:
        """The nearest is offered, or all; a file that is missing is said to be."""
        for text, said in (
            ("aio", "--augment aio: is no policy; did you mean aoi?"),
            ("q", "write one of none, bolt, aoi, fixture, any-angle or the name of a TOML file"),
            ("none.toml", "--augment none.toml: there is no such file"),
        ):
            with pytest.raises(ConfigError) as caught:
                augmentation.policy(text)
            assert said in str(caught.value)

    def test_effects_one_at_a_time(self) -> None:
        """What a sheet shows beside the whole policy."""
        assert NAMED["bolt"].effects == ("angle_degrees", "shift", "mirror")
        assert NAMED["none"].effects == ()
        alone = NAMED["bolt"].only("angle_degrees")
        assert alone == Policy(angle_degrees=10)


class TestShowing:
    """The sheet by which a person sees what a policy does."""

    def test_one_effect_goes_from_bound_to_bound(self) -> None:
        """At nought it is the picture as it is; at both ends it is the bound itself."""
        for effect in NAMED["aoi"].effects:
            nothing = NAMED["aoi"].at(effect, 0.0, HEIGHT, WIDTH).picture(SMOOTH)
            assert np.array_equal(nothing, SMOOTH)
            low, high = (NAMED["aoi"].at(effect, step, HEIGHT, WIDTH).picture(SMOOTH) for step in (-1.0, 1.0))
            assert not np.array_equal(low, SMOOTH)
            assert effect == "mirror" or not np.array_equal(high, SMOOTH)
        turned = NAMED["bolt"].at("angle_degrees", -1.0, HEIGHT, WIDTH).matrix
        assert np.degrees(np.arctan2(turned[0, 1], turned[1, 1])) == pytest.approx(-10)

    @pytest.mark.parametrize("name", NAMED)
    def test_a_sheet_shows_originals_and_copies(self, name: str) -> None:
        """Every original stands at the beginning of its row; a policy of many effects is no endless strip."""
        plain = np.full((40, 20, 3), (10, 60, 200), np.uint8)
        sheet = showing.sheet([plain, SMOOTH], ["one", "two"], NAMED[name], name, seed=0)
        assert (sheet == (10, 60, 200)).all(axis=2).sum() >= 100 * 200
        assert max(sheet.shape) < sheets.LARGEST
        assert sheet.shape[0] < 2.5 * sheet.shape[1]

    def test_red_stays_red(self) -> None:
        """Pictures in red-green-blue are shown in their own colours."""
        red = np.full((40, 40, 3), (200, 10, 10), np.uint8)
        sheet = showing.sheet([red], ["red"], NAMED["none"], "none", seed=0, colour="rgb")
        assert (sheet == (10, 10, 200)).all(axis=2).sum() == 8 * 200 * 200
