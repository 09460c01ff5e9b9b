"""SQLite files as a source: whole tables or by a cursor column, whatever the columns really hold."""

from headgate.ports.source import Manifest
from headgate.ports.tables import TABLE_OPTIONS

MANIFEST = Manifest(
    name="sqlite",
    summary="Tables and views of a SQLite file; full or by a cursor column with lookback",
    module="headgate.sources.sqlite.source",
    options=tuple(option for option in TABLE_OPTIONS if option.name != "query"),
    capabilities=("incremental", "snapshot", "dead_letters"),
    requires=("duckdb_extension_sqlite_scanner",),
)
