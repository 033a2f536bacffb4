"""Parts over HTTP, and decisions as a signed webhook."""

from bridge_http.options import HttpReporterOptions, HttpSourceOptions
from bridge_http.reporter import open_reporter
from bridge_http.source import open_source

__all__ = ["HttpReporterOptions", "HttpSourceOptions", "open_reporter", "open_source"]
