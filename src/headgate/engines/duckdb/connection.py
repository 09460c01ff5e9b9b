"""The in-memory DuckDB that everything runs in, and how the lake is attached to it. Nothing is installed or loaded from a
network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb

from headgate.engines.duckdb.extensions import load_extension
from headgate.spec.names import quote_ident, quote_literal
from headgate.spec.project import LakeSpec

STAGING_LOG = "256MB"
"""A staging area's write-ahead log grows so far before a checkpoint shortens it: so much of small staged tables stays in memory."""


def connect(spec: LakeSpec, root: str) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB with our settings; spills to `.headgate/tmp`. `spec.options`: threads, memory_limit (such as "4GB")."""
    spill = Path(root) / ".headgate" / "tmp"
    spill.mkdir(parents=True, exist_ok=True)
    config: dict[str, Any] = {
        "threads": int(spec.options.get("threads", os.cpu_count() or 2)),
        "temp_directory": str(spill),
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_community_extensions": "false",
        "preserve_insertion_order": "false",
    }
    if "memory_limit" in spec.options:
        config["memory_limit"] = str(spec.options["memory_limit"])
    connection = duckdb.connect(config=config)
    connection.execute("SET TimeZone = 'UTC'")
    # The only DuckDB files written to are runs' staging areas, which are deleted: their log is enough to survive a crash, and a
    # checkpoint (a block for every column of every table) would be thrown away.
    connection.execute(f"SET wal_autocheckpoint = '{STAGING_LOG}'")
    connection.execute("PRAGMA disable_checkpoint_on_shutdown")
    return connection


def attach(
    connection: duckdb.DuckDBPyConnection, spec: LakeSpec, *, read_only: bool = False, snapshot: int | None = None
) -> None:
    """Attach the lake under its name; with `snapshot` as it was there, for reading alone.

    Rows are inlined only where that is asked for: in the ledger, and in tables that get small writes (`DuckLake.expect_rows`).
    """
    load_extension(connection, "ducklake")
    scheme, _, rest = spec.catalog.partition(":")
    options = [f"DATA_PATH {quote_literal(spec.data.rstrip('/') + '/')}", "DATA_INLINING_ROW_LIMIT 0"]
    if scheme == "sqlite":
        load_extension(connection, "sqlite_scanner")
        target = f"ducklake:sqlite:{rest}"
        options += ["META_JOURNAL_MODE 'WAL'", "META_BUSY_TIMEOUT 10000"]
    else:
        load_extension(connection, "postgres_scanner")
        target = f"ducklake:postgres:{_libpq(spec.catalog)}"
    if read_only:
        options.append("READ_ONLY")
    if snapshot is not None:
        options.append(f"SNAPSHOT_VERSION {int(snapshot)}")
    if "://" in spec.data:
        load_extension(connection, "httpfs")
        _object_store(connection, spec)
    else:
        Path(spec.data).mkdir(parents=True, exist_ok=True)
    connection.execute(f"ATTACH {quote_literal(target)} AS {quote_ident(spec.name)} ({', '.join(options)})")


def _libpq(url: str) -> str:
    """A PostgreSQL URL as libpq's `key=value` text."""
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    return make_conninfo(**{k: str(v) for k, v in conninfo_to_dict(url).items() if v is not None})


def _object_store(connection: duckdb.DuckDBPyConnection, spec: LakeSpec) -> None:
    """The secret for an S3-compatible store, from `spec.options["s3"]` over the usual environment variables."""
    said = dict(spec.options.get("s3") or {})
    values = {
        "KEY_ID": said.get("key_id") or os.environ.get("AWS_ACCESS_KEY_ID"),
        "SECRET": said.get("secret") or os.environ.get("AWS_SECRET_ACCESS_KEY"),
        "SESSION_TOKEN": said.get("session_token") or os.environ.get("AWS_SESSION_TOKEN"),
        "REGION": said.get("region") or os.environ.get("AWS_REGION") or "us-east-1",
    }
    endpoint = said.get("endpoint") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        parts = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
        values |= {"ENDPOINT": parts.netloc, "USE_SSL": "false" if parts.scheme == "http" else "true", "URL_STYLE": "path"}
    listed = ", ".join(f"{name} {quote_literal(str(value))}" for name, value in values.items() if value)
    connection.execute(f"CREATE OR REPLACE SECRET headgate_lake (TYPE s3, {listed})")
