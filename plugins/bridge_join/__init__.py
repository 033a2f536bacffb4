"""Joined roads: an inspector's verdicts by one source, its pictures by another, one part of both."""

from bridge_join.options import JoinOptions
from bridge_join.source import open_source

__all__ = ["JoinOptions", "open_source"]
