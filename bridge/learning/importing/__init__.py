"""A bundle from a model that was trained elsewhere: ONNX, a TensorFlow SavedModel, or OpenVINO IR.

OpenVINO reads all three itself, so neither TensorFlow nor Keras is needed. A model file says nothing of classes,
colours or normalisation: the user does, and that is held against a real inference, not against shapes alone.
"""

from __future__ import annotations

from bridge.learning.importing.normalisations import NORMALISATIONS, normalisation
from bridge.learning.importing.reading import read
from bridge.learning.importing.wanted import Imported, Layout, Output, Wanted

__all__ = ["NORMALISATIONS", "Imported", "Layout", "Output", "Wanted", "normalisation", "read"]
