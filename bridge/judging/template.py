"""``type = "template"``: NG if anything differs from a golden picture by more than is allowed.

No learning: the part is registered onto the golden picture and compared with it. A view's score is 1 / (1 + the
largest difference's area / the allowed area), so that threshold 0.5 lets pass exactly what is allowed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, ClassVar

from pydantic import Field

from bridge.judging.detector import DetectorOptions, open_detector
from bridge.plugin import Judge


class TemplateOptions(DetectorOptions):
    """A golden picture's bundle and how to run it."""

    kind: ClassVar[str] = "template"
    sample_name: ClassVar[str] = "boards"

    model: Annotated[str, Field(min_length=1, examples=["boards"])]
    """a name under the models folder, or the path of a bundle"""
    threshold: Annotated[float | None, Field(gt=0, le=1, examples=[0.5])] = None
    """the number, above 0 and up to 1, from which 1 / (1 + largest difference / allowed area) is OK: 0.5 is NG
    above the allowed area, 0.33 above twice as much; left out: the one the bundle was validated with"""


@asynccontextmanager
async def open_template(options: TemplateOptions) -> AsyncIterator[Judge]:
    """Load a bundle into a worker of its own; ready when it is warm.

    Raises:
        ConfigError: there is no such bundle, a hash differs, or it lets a part pass that it knows to be bad.
        Unavailable: the worker died or hung, while loading or later.
    """
    async with open_detector(options) as judge:
        yield judge
