"""Open a table of MySQL or MariaDB.

Ordering: none. Delivery: exactly once into raw, for rows whose cursor does not go back below position less lookback. Replay:
any window. Blocking: none; one SELECT of InnoDB reads one snapshot without locks. Types that the scanner would bend are read
as text and typed here: dates (a zero date is NULL, and counted in a note), times (they may exceed a day: VARCHAR), bits,
JSON, decimals beyond 38 digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pymysql

from headgate.ports.source import Extraction, ExtractRequest
from headgate.ports.tables import TableExtraction, columns_of, cursor_column, nearest, scanned_window, source_of, table_batch
from headgate.ports.windows import Window
from headgate.sources.mysql.connecting import attach, connect, detach, parameters
from headgate.sources.mysql.failures import explain
from headgate.spec.errors import SourceBroken
from headgate.spec.names import quote_ident, quote_literal
from headgate.spec.positions import Position

__all__ = ["explain", "open"]

_COLUMNS = """
SELECT column_name, data_type, column_type, numeric_precision, numeric_scale FROM information_schema.columns
WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position
"""
_TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s"
_TEXT = ("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set", "inet4", "inet6", "uuid")
_BLOB = ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob")
_WHOLE = {
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "mediumint": "INTEGER",
    "int": "INTEGER",
    "integer": "INTEGER",
    "bigint": "BIGINT",
}
_UNSIGNED = {"TINYINT": "SMALLINT", "SMALLINT": "INTEGER", "INTEGER": "BIGINT", "BIGINT": "DECIMAL(20,0)"}


@dataclass(frozen=True, slots=True)
class _Field:
    """A column: `inner` is what the server is asked for, `outer` how DuckDB types it (`{}` is the quoted name)."""

    name: str
    inner: str
    outer: str
    dated: bool = False


def open(request: ExtractRequest) -> Extraction | None:
    """Open the table. Raises CredentialRefused, SourceUnavailable, SourceBroken and DeclarationError (by `explain` too)."""
    params = parameters(request.connection, request.table)
    name, query = source_of(request.table)
    connection = connect(params, request.table)
    try:
        relation = f"({query}) AS hg_query" if query else _quoted(name)
        fields = _fields_of_query(connection, relation) if query else _fields(connection, params["database"], name, request)
        notes = _zero_dates(connection, relation, fields)
        expected = None if query else _estimate(connection, params["database"], name)
    finally:
        connection.close()
    alias = attach(request, params)
    try:
        return _extraction(request, alias, relation, fields, notes, expected)
    except BaseException:
        detach(request, alias)
        raise


def _extraction(
    request: ExtractRequest,
    alias: str,
    relation: str,
    fields: Sequence[_Field],
    notes: tuple[str, ...],
    expected: int | None,
) -> Extraction:
    unit = request.table.name
    rows_sql = _rows_sql(alias, relation, fields, "")
    columns = columns_of(request, rows_sql)
    column, window = cursor_column(request.table, columns), None
    if column is not None:
        window, more = scanned_window(request, rows_sql, column, unit)
        notes += more
        below = _server_bound(window, next(f for f in fields if f.name == column.name))
        predicate = window.predicate()
        rows_sql = f"SELECT * FROM ({_rows_sql(alias, relation, fields, below)})" + (f" WHERE {predicate}" if predicate else "")
    batch = table_batch(request, rows_sql, columns, unit, window, rows_expected=expected)
    state = window.state(request.position.state) if window else dict(request.position.state)
    return TableExtraction(batch, Position(state, request.position.units), notes, lambda: detach(request, alias))


def _rows_sql(alias: str, relation: str, fields: Sequence[_Field], where: str) -> str:
    """The rows as a SELECT of the engine over one query on the server."""
    inner = ", ".join(f"{f.inner} AS {_quoted(f.name)}" for f in fields)
    query = f"SELECT {inner} FROM {relation}" + (f" WHERE {where}" if where else "")
    outer = ", ".join(f"{f.outer.format(quote_ident(f.name))} AS {quote_ident(f.name)}" for f in fields)
    return f"SELECT {outer} FROM mysql_query({quote_literal(alias)}, {quote_literal(query)})"


def _server_bound(window: Window, field: _Field) -> str:
    """The window's lower end as the server's own predicate, so that an increment reads an index and not the table."""
    if window.lower is None or window.nulls:
        return ""
    text = window.lower.removesuffix("+00")
    return (
        f"{_quoted(field.name)} >= '{pymysql.converters.escape_string(text)}'" if not field.inner.startswith("CONVERT_TZ") else ""
    )


def _quoted(name: str) -> str:
    return ".".join("`" + part.replace("`", "``") + "`" for part in name.split("."))


def _fields(connection: Any, database: str, name: str, request: ExtractRequest) -> tuple[_Field, ...]:
    """The table's columns. Raises SourceBroken with the nearest names when there is no such table."""
    schema, _, short = name.rpartition(".")
    with connection.cursor() as cursor:
        cursor.execute(_COLUMNS, (schema or database, short))
        rows = cursor.fetchall()
        if not rows:
            cursor.execute(_TABLES, (schema or database,))
            names = [r[0] for r in cursor.fetchall()]
            raise SourceBroken(
                f"source '{request.table.source}' has no table '{name}'",
                expected=nearest(name, names),
                todo=f"correct the name or table: of '{request.table.name}'",
            )
    return tuple(_field(*row) for row in rows)


def _fields_of_query(connection: Any, relation: str) -> tuple[_Field, ...]:
    """The columns of a declared query, typed by what the server says of its result; everything else comes as text."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {relation} LIMIT 0")
        described = cursor.description or ()
    kinds = {
        1: "tinyint",
        2: "smallint",
        3: "int",
        8: "bigint",
        9: "mediumint",
        4: "float",
        5: "double",
        10: "date",
        12: "datetime",
        7: "timestamp",
    }
    return tuple(_field(d[0], kinds.get(d[1], "decimal" if d[1] in (0, 246) else "text"), "", d[4], d[5]) for d in described)


def _field(name: str, kind: str, full: str, precision: int | None, scale: int | None) -> _Field:
    """How one column is asked for and typed."""
    column, kind = _quoted(name), kind.lower()
    if kind in _WHOLE:
        target = _WHOLE[kind]  # + 0: the scanner would make a boolean of tinyint(1)
        return _Field(name, f"{column} + 0", f"CAST({{}} AS {_UNSIGNED[target] if 'unsigned' in full else target})")
    if kind in ("decimal", "numeric"):
        exact = precision is not None and 0 < precision <= 38
        return _Field(name, f"CAST({column} AS CHAR)", f"CAST({{}} AS DECIMAL({precision},{scale or 0}))" if exact else "{}")
    if kind in ("float", "double", "real"):
        return _Field(name, column, f"CAST({{}} AS {'FLOAT' if kind == 'float' else 'DOUBLE'})")
    if kind == "date":
        return _Field(name, f"CAST({column} AS CHAR)", "TRY_CAST({} AS DATE)", True)
    if kind == "datetime":
        return _Field(name, f"CAST({column} AS CHAR)", "TRY_CAST({} AS TIMESTAMP)", True)
    if kind == "timestamp":
        inner = f"CONVERT_TZ({column}, @@session.time_zone, '+00:00')"
        return _Field(name, f"CAST({inner} AS CHAR)", "CAST(TRY_CAST({} AS TIMESTAMP) AS TIMESTAMPTZ)")
    if kind == "year":
        return _Field(name, f"CAST({column} AS SIGNED)", "CAST({} AS INTEGER)")
    if kind == "bit":
        return _Field(name, f"CAST({column} AS UNSIGNED)", "CAST({} AS DECIMAL(20,0))")
    if kind == "json":
        return _Field(name, f"CAST({column} AS CHAR)", "CAST({} AS JSON)")
    if kind in _BLOB:
        return _Field(name, f"HEX({column})", "unhex({})")
    if kind in _TEXT or kind == "time":
        return _Field(name, f"CAST({column} AS CHAR)", "CAST({} AS VARCHAR)")
    return _Field(
        name, f"HEX(ST_AsWKB({column}))" if kind in ("geometry", "point", "polygon") else f"CAST({column} AS CHAR)", "{}"
    )


def _estimate(connection: Any, database: str, name: str) -> int | None:
    """About how many rows the server believes there are."""
    schema, _, short = name.rpartition(".")
    with connection.cursor() as cursor:
        query = "SELECT table_rows FROM information_schema.tables WHERE table_schema = %s AND table_name = %s"
        cursor.execute(query, (schema or database, short))
        row = cursor.fetchone()
    return int(row[0]) if row and row[0] is not None else None


def _zero_dates(connection: Any, relation: str, fields: Sequence[_Field]) -> tuple[str, ...]:
    """A note for every date column that holds zero dates: they are NULL in raw."""
    dated = [f.name for f in fields if f.dated]
    if not dated:
        return ()
    counts = ", ".join(
        f"SUM(CAST({_quoted(n)} AS CHAR) LIKE '%0000-%' OR CAST({_quoted(n)} AS CHAR) LIKE '%-00%')" for n in dated
    )
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {counts} FROM {relation}")
        row = cursor.fetchone() or ()
    return tuple(f"{int(n)} zero dates in {name} are NULL" for name, n in zip(dated, row, strict=True) if n)
