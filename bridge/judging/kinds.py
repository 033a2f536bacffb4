"""The judges that run bundles, by the kind of bundle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bridge.judging.bundle import Bundle
from bridge.judging.classifier import AnomalyOptions, ClassifierOptions
from bridge.judging.detector import DetectorOptions
from bridge.judging.hiring import BundleOptions
from bridge.judging.template import TemplateOptions

KINDS: Final[Mapping[str, type[BundleOptions]]] = {
    one.kind: one for one in (AnomalyOptions, ClassifierOptions, DetectorOptions, TemplateOptions)
}


def options(model: Bundle) -> BundleOptions:
    """Return the options of a judge that runs this bundle and is told nothing else."""
    return KINDS[model.manifest.kind](model=str(model.folder.resolve()))
