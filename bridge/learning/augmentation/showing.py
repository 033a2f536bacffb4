"""The contact sheet of a policy: what it does to pictures, and each of its effects alone from bound to bound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from bridge.judging.preprocess import Picture
from bridge.judging.spec import Colour
from bridge.learning import sheets
from bridge.learning.augmentation.named import MEANING
from bridge.learning.augmentation.policy import Policy, generator
from bridge.learning.sheets import Words

COPIES: Final = 7
_BOTH_WAYS: Final = (-1.0, -0.5, 0.0, 0.5, 1.0)
_ONE_WAY: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
_DEGRADING: Final = frozenset({"blur_pixels", "salt_and_pepper", "gaussian_levels", "poisson_levels"})
_CELL, _SMALL, _MANY = 200, 150, 5
"""Pixels of a cell, and where the effects are more than ``_MANY`` and stand side by side."""


def sheet(
    pictures: Sequence[Picture],
    names: Sequence[str],
    policy: Policy,
    called: str,
    seed: int,
    colour: Colour = "bgr",
) -> sheets.Sheet:
    """Return the sheet of a policy.

    Args:
        pictures: as the model is shown them, 8 bits; at least one. The last shows the effects one by one.
        names: what to call each.
        policy: what to show.
        called: its name, or that of its file.
        seed: as training would have it.
        colour: the order of the channels.
    """
    parts = [_copies(pictures, names, policy, called, seed, colour)]
    if policy.effects:
        half = -(-len(policy.effects) // 2) if len(policy.effects) > _MANY else len(policy.effects)
        halves = [few for few in (policy.effects[:half], policy.effects[half:]) if few]
        cell = _CELL if len(halves) == 1 else _SMALL
        shown = [_effects(pictures[-1], policy, few, cell, colour) for few in halves]
        parts.append(sheets.joined(shown, across=True))
    return sheets.joined(parts)


def _copies(
    pictures: Sequence[Picture], names: Sequence[str], policy: Policy, called: str, seed: int, colour: Colour
) -> sheets.Sheet:
    """Return a row for each picture: as it is, then as training may see it."""
    shown: list[sheets.Shown] = []
    for place, picture in enumerate(pictures):
        copies = (policy.apply(picture, generator(seed, place, copy)) for copy in range(COPIES))
        shown += [_bgr(one, colour) for one in (picture, *copies)]
    what = f": {MEANING[called]}" if called in MEANING else ""
    heads = ["as it is", *(f"copy {copy + 1}" for copy in range(COPIES))]
    words = Words(columns=heads, rows=names, title=f"Policy {called}{what}")
    return sheets.grid(shown, columns=COPIES + 1, cell=_CELL, words=words)


def _effects(picture: Picture, policy: Policy, effects: Sequence[str], cell: int, colour: Colour) -> sheets.Sheet:
    """Return a row for each effect, from one bound to the other; where it is nought, the picture as it is."""
    shown: list[sheets.Shown | None] = []
    captions: list[str] = []
    for effect in effects:
        for step in _steps(effect):
            variation = policy.at(effect, step, picture.shape[0], picture.shape[1])
            shown.append(_bgr(variation.picture(picture), colour))
            captions.append(_said(policy, effect, step))
        empty = len(_BOTH_WAYS) - len(_steps(effect))
        shown += [None] * empty
        captions += [""] * empty
    words = Words(captions=captions, rows=[_row(effect) for effect in effects], title="One effect at a time")
    return sheets.grid(shown, columns=len(_BOTH_WAYS), cell=cell, words=words)


def _steps(effect: str) -> tuple[float, ...]:
    if effect == "mirror":
        return (-1.0, 1.0)
    return _ONE_WAY if effect in _DEGRADING else _BOTH_WAYS


def _said(policy: Policy, effect: str, step: float) -> str:
    if effect == "mirror":
        return str(policy.mirror) if step < 0 else "not"
    return f"{step * getattr(policy, effect):.3g}"


def _row(effect: str) -> str:
    """Return the key as a heading, one word a line."""
    return effect.replace("_", "\n")


def _bgr(picture: Picture, colour: Colour) -> sheets.Shown:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), np.uint8) if colour == "rgb" else picture
