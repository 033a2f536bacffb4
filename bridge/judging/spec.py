"""What a model is shown, in plain dataclasses: the part of a manifest that reaches into the worker.

The worker starts inside the gateway's two seconds and pydantic alone would take a quarter of one, so the
manifest is checked in the gateway (``bundle.py`` holds these very classes to their limits) and only this and
the model's path are handed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le

Colour = Literal["rgb", "bgr", "gray"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """What the model is shown: the region of interest, stretched to this size."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    width: Annotated[int, Ge(1), Le(8192)]
    """Pixels."""
    height: Annotated[int, Ge(1), Le(8192)]
    """Pixels."""
    colour: Colour = "rgb"
    """The order of the channels."""

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
