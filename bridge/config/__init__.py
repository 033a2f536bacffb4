"""bridge.toml: its schema, reading it, and writing a sample."""

from bridge.config.load import ConfigMistakes, data_of, fingerprint_of, load, shadow_of
from bridge.config.schema import Config, Http, Line, Recipe

__all__ = ["Config", "ConfigMistakes", "Http", "Line", "Recipe", "data_of", "fingerprint_of", "load", "shadow_of"]
