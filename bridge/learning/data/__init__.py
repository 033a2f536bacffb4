"""Labelled pictures: found as people keep them, checked, and split without tearing apart what belongs together.

Nothing here needs Keras. ``items`` finds pictures and what is known of them (folders, a table, boxes as COCO or
YOLO keep them, the bridge's own journal), ``pictures`` decodes them as the live path does, ``split`` divides
them, ``copies`` finds pictures that are one photograph, and ``check`` says whether the set can be trusted.
"""

from bridge.learning.data.items import Choice, Collection, Item
from bridge.learning.data.pictures import Dataset, Golden, Look
from bridge.learning.data.split import Indices, Shares, Split

__all__ = ["Choice", "Collection", "Dataset", "Golden", "Indices", "Item", "Look", "Shares", "Split"]
