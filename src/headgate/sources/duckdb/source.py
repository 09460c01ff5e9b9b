"""Open a table of a DuckDB file by attaching it read-only.

Ordering: none. Delivery: exactly once into raw, for rows whose cursor does not go back below position less lookback. Replay: any
window. Blocking: while a file is attached no other process can open it for writing, and while one has, it cannot be attached:
that is SourceUnavailable and tried again.
"""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import duckdb

from headgate.ports.engine import Cursor
from headgate.ports.source import Extraction, ExtractRequest
from headgate.ports.tables import (
    TableExtraction,
    columns_of,
    cursor_column,
    local_path,
    nearest,
    scanned_window,
    source_of,
    table_batch,
)
from headgate.spec.errors import HeadgateError, SourceBroken, SourceUnavailable
from headgate.spec.names import quote_ident, quote_literal
from headgate.spec.positions import Position
from headgate.spec.project import SourceTable

LAKE_TYPES = {"HUGEINT": "DECIMAL(38,0)", "UHUGEINT": "DECIMAL(38,0)", "BIT": "VARCHAR", "BIGNUM": "VARCHAR"}
_users: dict[str, int] = {}  # one file can be attached once in a process: extractions of several tables share it
_lock = threading.Lock()


def open(request: ExtractRequest) -> Extraction | None:
    """Open the table. Raises SourceUnavailable for a locked file, SourceBroken for a missing file or table."""
    path = local_path(request).resolve()
    alias = _attach(request, path)
    try:
        return _extraction(request, alias)
    except BaseException:
        _detach(request.cursor, alias)
        raise


def _extraction(request: ExtractRequest, alias: str) -> Extraction | None:
    schema, name = _find(request, alias)
    unit = f"{schema}.{name}"
    relation = f"{quote_ident(alias)}.{quote_ident(schema)}.{quote_ident(name)}"
    rows_sql = _as_lake_types(request, f"SELECT * FROM {relation}")
    columns = columns_of(request, rows_sql)
    column, window = cursor_column(request.table, columns), None
    notes: tuple[str, ...] = ()
    if column is not None:
        window, notes = scanned_window(request, rows_sql, column, unit)
        predicate = window.predicate()
        rows_sql = f"SELECT * FROM ({rows_sql})" + (f" WHERE {predicate}" if predicate else "")
    size = request.cursor.execute(
        "SELECT estimated_size FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? AND table_name = ?",
        [alias, schema, name],
    ).fetchone()
    batch = table_batch(request, rows_sql, columns, unit, window, rows_expected=size[0] if size else None)
    state = window.state(request.position.state) if window else dict(request.position.state)
    position = Position(state, request.position.units)
    return TableExtraction(batch, position, notes, lambda: _detach(request.cursor, alias))


def _as_lake_types(request: ExtractRequest, rows_sql: str) -> str:
    """The rows with types that a lake table keeps: enumerations as text, 128-bit integers as decimals."""
    casts = []
    for column in columns_of(request, rows_sql):
        kind = "VARCHAR" if column.type.startswith("ENUM(") else LAKE_TYPES.get(column.type)
        name = quote_ident(column.name)
        casts.append(name if kind is None else f"CAST({name} AS {kind}) AS {name}")
    return f"SELECT {', '.join(casts)} FROM ({rows_sql})"


def _find(request: ExtractRequest, alias: str) -> tuple[str, str]:
    """Schema and name of the table. Raises SourceBroken with the nearest names."""
    wanted, _ = source_of(request.table)
    schema, dot, name = wanted.rpartition(".")
    rows = request.cursor.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = ? UNION ALL "
        "SELECT schema_name, view_name FROM duckdb_views() WHERE database_name = ? AND NOT internal",
        [alias, alias],
    ).fetchall()
    for known_schema, known_name in rows:
        if known_name.lower() == name.lower() and known_schema.lower() == (schema.lower() if dot else "main"):
            return known_schema, known_name
    names = [n if s == "main" else f"{s}.{n}" for s, n in rows]
    raise SourceBroken(
        f"source '{request.table.source}' has no table '{wanted}'",
        expected=nearest(wanted, names),
        todo=f"correct the name or table: of '{request.table.name}'",
    )


def _attach(request: ExtractRequest, path: Path) -> str:
    alias = "src_" + hashlib.sha256(str(path).encode()).hexdigest()[:12]
    with _lock:
        request.cursor.execute(f"ATTACH IF NOT EXISTS {quote_literal(str(path))} AS {quote_ident(alias)} (READ_ONLY)")
        _users[alias] = _users.get(alias, 0) + 1
    return alias


def _detach(cursor: Cursor, alias: str) -> None:
    with _lock:
        _users[alias] -= 1
        if _users[alias] <= 0:
            del _users[alias]
            cursor.execute(f"DETACH DATABASE IF EXISTS {quote_ident(alias)}")


def explain(error: Exception, table: SourceTable) -> HeadgateError | None:
    """What an error about the file means; None when it has nothing to do with it."""
    text = " ".join(str(error).split())[:600]
    if not isinstance(error, duckdb.Error):
        return None
    if "lock on file" in text:
        todo = "let the writer finish or close the file; it is tried again"
        return SourceUnavailable(f"the DuckDB file of source '{table.source}' is locked by a writer: {text}", todo=todo)
    if "database does not exist" in text or "Cannot open file" in text:
        return SourceBroken(f"the DuckDB file of source '{table.source}' is not there: {text}", todo="correct connection:")
    if "not a valid DuckDB database" in text or isinstance(error, duckdb.SerializationException):
        return SourceBroken(
            f"the file of source '{table.source}' is no readable DuckDB database: {text}", todo="correct connection:"
        )
    return None
