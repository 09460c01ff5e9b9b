"""DuckDB files as a source: whole tables or by a cursor column."""

from headgate.ports.source import Manifest
from headgate.ports.tables import TABLE_OPTIONS

MANIFEST = Manifest(
    name="duckdb",
    summary="Tables and views of a DuckDB file; full or by a cursor column with lookback",
    module="headgate.sources.duckdb.source",
    options=tuple(option for option in TABLE_OPTIONS if option.name != "query"),
    capabilities=("incremental", "snapshot"),
)
