"""What a model is shown, in plain dataclasses: the part of a manifest that reaches into the worker.

The worker starts inside the gateway's two seconds and pydantic alone would take a quarter of one, so the
manifest is checked in the gateway (``bundle.py`` holds these very classes to their limits) and only this and
the model's path are handed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le, Lt

from bridge.messages import Box

Colour = Literal["rgb", "bgr", "gray"]
Motion = Literal["shift", "turn", "affine", "perspective"]
"""How a part may lie otherwise than on the golden picture; each may do all that the one before it may."""
Fit = Literal["stretch", "centre", "corner"]
Layout = Literal["yolov5", "yolov8", "yolox", "end2end"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """What the model is shown: the region of interest at this size."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    width: Annotated[int, Ge(1), Le(8192)]
    """Pixels."""
    height: Annotated[int, Ge(1), Le(8192)]
    """Pixels."""
    colour: Colour = "rgb"
    """The order of the channels."""
    fit: Fit = "stretch"
    """stretch; or its proportions stay and what is left of the input is grey (114 of 255): centre, with as much on
    either side, or corner, at the right and below."""

    @property
    def channels(self) -> int:
        """1 for gray, otherwise 3."""
        return 1 if self.colour == "gray" else 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalisation:
    """How the 8-bit picture becomes the model's input: ``(x * scale - mean) / std`` in float32."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "allow_inf_nan": False}

    scale: Annotated[float, Gt(0)] = 1.0
    mean: tuple[float, ...] = (0.0,)
    """One number, or one for each channel."""
    std: tuple[Annotated[float, Gt(0)], ...] = (1.0,)
    """One number, or one for each channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """How a part that lies loosely is found: by laying it over a golden picture, on which the ROI is drawn."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "allow_inf_nan": False}

    golden: str
    """A picture's name in the bundle: a part that lies as it should."""
    motion: Motion = "turn"
    """shift; turn: shift and turn; affine: also scale and shear; perspective: also tilt."""
    least_correlation: Annotated[float, Gt(0), Le(1)] = 0.5
    """Registered, its outlines must be so much like the golden one's (1: the same). Parts of one kind reach 0.6 to
    0.9, whatever the light; other things up to 0.5."""
    largest_shift_share: Annotated[float, Gt(0), Le(1)] = 0.1
    """How far the part may have moved, as a share of the golden picture's longer side."""
    largest_turn_degrees: Annotated[float, Ge(0), Le(180)] = 10.0
    """How far it may have turned; means nothing to ``shift``."""
    anchor: Box | None = None
    """What is looked for, in pixels of the golden picture; None: the region of interest and some of what is
    around it, or without one the whole picture. Nothing belongs in it that stays when the part moves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMapOutput:
    """The model's second output, (batch, rows, columns, classes) from 0 on, and how it becomes boxes."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "allow_inf_nan": False}

    output: str = "heat_map"
    """The name of the output."""
    layer: str = ""
    """Whose features it shows."""
    peak_share: Annotated[float, Gt(0), Le(1)] = 0.5
    """What is at least this share of the map's highest value is hot."""
    hot_from: Annotated[float | None, Gt(0)] = None
    """What is at least this is hot, however high the peak, where the peak reaches it; anomaly maps have a scale of
    their own."""
    smallest_share: Annotated[float, Ge(0), Le(1)] = 0.001
    """Boxes below this share of the ROI's area are left out."""
    largest_share: Annotated[float, Gt(0), Le(1)] = 1.0
    """Boxes above this share of the ROI's area are left out."""
    most_boxes: Annotated[int, Ge(1), Le(16)] = 5
    """The hottest so many are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """The model's output is boxes, not classes: how they are read, and which of them count."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "allow_inf_nan": False}

    layout: Layout
    """How the output for one picture lies, of N boxes and C classes, in pixels of the input. yolov5: (N, 5 + C),
    middle, size, how sure that there is something, how sure of each class. yolov8, and later ones: (4 + C, N),
    middle, size, classes. yolox: as yolov5, but before strides and exponential. end2end: (N, 6), left, top, right,
    bottom, how sure, which class; no two of which mean the same thing."""
    output: str = ""
    """The name of the output, where the model has several."""
    least_score: Annotated[float, Gt(0), Lt(1)] = 0.01
    """What is less sure is no box."""
    largest_overlap: Annotated[float, Gt(0), Le(1)] = 0.45
    """Of two boxes of one class whose intersection is a larger share of their union, the surer one is kept."""
    most_boxes: Annotated[int, Ge(1), Le(16)] = 16
    """The surest so many are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What counts as a difference from the golden picture, in pixels of the input and of 255 grey levels."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "allow_inf_nan": False}

    least_difference: Annotated[float, Gt(0), Le(255)] = 40.0
    """A pixel differs from so many grey levels on, in any channel."""
    tolerance_pixels: Annotated[int, Ge(0), Le(32)] = 3
    """An edge may lie so far beside its place."""
    blur_pixels: Annotated[float, Ge(0), Le(16)] = 0.7
    """Both pictures are blurred so much (sigma) before."""
    join_pixels: Annotated[int, Ge(0), Le(64)] = 3
    """What differs within so many pixels of each other is one thing."""
    margin_pixels: Annotated[int, Ge(0), Le(256)] = 2
    """A box is told so much larger on each side: what is wrong is seen by what is around it."""
    least_area: Annotated[float, Gt(0)] = 6.0
    """What has fewer pixels is nothing."""
    allowed_area: Annotated[float, Gt(0)] = 20.0
    """What has so many pixels scores 0.5, and more of them less."""
