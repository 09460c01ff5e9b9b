"""PostgreSQL as a source: full or incremental, over one snapshot, read in parallel by DuckDB's scanner."""

from headgate.ports.source import Manifest, Option
from headgate.ports.tables import TABLE_OPTIONS

MANIFEST = Manifest(
    name="postgres",
    summary="Tables, views and queries of PostgreSQL; full or by a cursor column with lookback",
    module="headgate.sources.postgres.source",
    options=(
        *TABLE_OPTIONS,
        Option("connect_timeout", "number", "seconds to wait for a connection", default=10),
    ),
    capabilities=("incremental", "snapshot", "dead_letters"),
    extra="postgres",
    requires=("psycopg", "duckdb_extension_postgres_scanner"),
)
