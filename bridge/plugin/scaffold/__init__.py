"""A new plugin from templates: a whole package that passes its own tests at once."""

from bridge.plugin.scaffold.writing import write

__all__ = ["write"]
