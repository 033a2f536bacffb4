"""Mitsubishi PLCs over the MC protocol (SLMP)."""

from bridge_mc.options import McOptions
from bridge_mc.reporter import open_reporter

__all__ = ["McOptions", "open_reporter"]
