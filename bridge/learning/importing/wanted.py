"""What the user says of a model, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bridge.judging.bundle import ModelClass
from bridge.judging.spec import Detection, Input, Normalisation

Output = Literal["logits", "probabilities"]
Layout = Literal["nhwc", "nchw"]
Graph = Any
"""An ``openvino.Model``; OpenVINO's types are not complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A model, and what its user says of it."""

    model: Path
    classes: tuple[ModelClass, ...]
    """In the order of its outputs."""
    into: Input
    normalisation: Normalisation
    output: Output
    layout: Layout | None = None
    """The order of its input's axes; None: as its shape says."""
    tensor: str = ""
    """The name of the output that holds the classes or boxes, where it has several."""
    detection: Detection | None = None
    """How its boxes are read; None for a classifier. The last of the classes is then none of its outputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A graph that the engine of the line can run, and where it came from."""

    graph: Graph
    """Input of the stated size, output (batch, classes) or boxes as their layout says, both float32; the batch is
    free, or of boxes it may be 1."""
    facts: Mapping[str, str]
    """For the manifest's recipe."""
    remarks: tuple[str, ...]
    """What the user should know, a line each."""
