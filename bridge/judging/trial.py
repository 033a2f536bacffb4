"""How the contract kit sets the classifier up: with the demo's bundle."""

from __future__ import annotations

from pathlib import Path

from bridge.plugin import Trial

BUNDLE = Path(__file__).parents[1] / "simulate" / "demo_bundle"

DEMO = Trial(options=lambda _: {"model": str(BUNDLE), "threads": 1}, road="none", seconds=60)
