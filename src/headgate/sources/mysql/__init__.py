"""MySQL and MariaDB as a source: full or incremental, one SELECT and so one snapshot, read by DuckDB's scanner."""

from headgate.ports.source import Manifest, Option
from headgate.ports.tables import TABLE_OPTIONS

MANIFEST = Manifest(
    name="mysql",
    summary="Tables, views and queries of MySQL and MariaDB; full or by a cursor column with lookback",
    module="headgate.sources.mysql.source",
    options=(
        *TABLE_OPTIONS,
        Option("connect_timeout", "number", "seconds to wait for a connection", default=10),
    ),
    capabilities=("incremental", "snapshot"),
    extra="mysql",
    requires=("pymysql", "duckdb_extension_mysql_scanner"),
)
