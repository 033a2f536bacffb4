"""Old inspectors and MES over plain TCP: a source and a reporter in a choice of framings."""

from bridge_tcp.options import TcpReporterOptions, TcpSourceOptions
from bridge_tcp.reporter import open_reporter
from bridge_tcp.source import open_source

__all__ = ["TcpReporterOptions", "TcpSourceOptions", "open_reporter", "open_source"]
