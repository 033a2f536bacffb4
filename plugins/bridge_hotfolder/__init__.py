"""A hot folder: the source for an old inspector that writes images and results into a folder."""

from bridge_hotfolder.options import Columns, HotfolderOptions
from bridge_hotfolder.source import open_source

__all__ = ["Columns", "HotfolderOptions", "open_source"]
