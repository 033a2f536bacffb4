"""Old inspectors that write into tables, and an MES that reads one: a source and a reporter over SQLAlchemy."""

from bridge_sql.options import SqlReporterOptions, SqlSourceOptions
from bridge_sql.reporter import open_reporter
from bridge_sql.source import open_source

__all__ = ["SqlReporterOptions", "SqlSourceOptions", "open_reporter", "open_source"]
