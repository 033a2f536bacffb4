"""Sets of pictures that tests draw."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np


def fill(folder: Path, names: Mapping[str, int]) -> Path:
    """Write pictures whose grey level is the number given; return the folder."""
    for name, level in names.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), np.full((24, 32), level, np.uint8))
    return folder
