"""The policies that have a name, each with what it is for."""

from __future__ import annotations

from typing import Final

from bridge.learning.augmentation.policy import Policy

NAMED: Final[dict[str, Policy]] = {
    "none": Policy(),
    "bolt": Policy(angle_degrees=10, shift=0.1, mirror="horizontal"),
    "aoi": Policy(
        angle_degrees=5,
        shift=0.04,
        zoom=0.05,
        corner_shift=0.04,
        mirror="horizontal",
        brightness_levels=24,
        contrast=0.2,
        gamma=0.2,
        tint=0.08,
        saturation=0.25,
        hue_degrees=8,
        blur_pixels=1.0,
        salt_and_pepper=0.01,
        gaussian_levels=6,
        poisson_levels=8,
        degraded=0.5,
    ),
    "fixture": Policy(
        angle_degrees=4, shift=0.04, zoom=0.03, mirror="horizontal", brightness_levels=36, contrast=0.3
    ),
    "any-angle": Policy(
        angle_degrees=180, shift=0.04, zoom=0.03, mirror="both", brightness_levels=36, contrast=0.3
    ),
}
"""Policies by name; ``MEANING`` says what each is for."""

MEANING: Final[dict[str, str]] = {
    "none": "leaves pictures as they are",
    "bolt": "what the bolt paper did: turned by 10 degrees, moved by a tenth, mirrored left to right",
    "aoi": "another camera, other lamps, another sensor: projective, colour, blur, and three kinds of noise",
    "fixture": "parts that a fixture holds, on another shift: little movement, much light",
    "any-angle": "as fixture, for parts that lie at any angle",
}
