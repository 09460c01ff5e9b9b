"""Open a table of a SQLite file by attaching it read-only.

SQLite lets every value have a type of its own. A column's type is what it was declared as; a row with a value that is not of
that type is a dead letter, found by a second, slower way of reading that is taken only when the first one stumbles. Ordering:
none. Delivery: exactly once into raw, for rows whose cursor does not go back below position less lookback. Replay: any
window. Blocking: readers and writers of the file do not wait for each other in WAL mode; otherwise a writer waits while this
reads.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import duckdb

from headgate.ports.source import Extraction, ExtractRequest, SqlBatch
from headgate.ports.tables import (
    TableExtraction,
    cursor_column,
    local_path,
    nearest,
    scanned_window,
    source_of,
    table_batch,
)
from headgate.ports.windows import Window
from headgate.spec.errors import HeadgateError, SourceBroken, SourceUnavailable
from headgate.spec.names import Column, quote_ident, quote_literal
from headgate.spec.positions import Position
from headgate.spec.project import SourceTable

TEMPORAL = {"DATE": "DATE", "TIMESTAMP": "TIMESTAMP", "DATETIME": "TIMESTAMP"}


@dataclass(frozen=True, slots=True)
class Field:
    """A column and the DuckDB type that it is declared as; `loose`: declared as nothing, so that its values are taken as text."""

    name: str
    type: str
    loose: bool = False

    @property
    def inner(self) -> str:
        """What SQLite is to select: text that the engine can cast back without loss."""
        name = quote_ident(self.name)
        if self.type == "BLOB":
            return f"hex({name})"
        if self.type == "VARCHAR":  # hexadecimal, because a text may hold bytes that are no text
            return f"CASE WHEN typeof({name}) = 'null' THEN NULL ELSE hex(CAST({name} AS TEXT)) END"
        if self.type == "DOUBLE":
            return f"CASE typeof({name}) WHEN 'null' THEN NULL WHEN 'real' THEN quote({name}) ELSE CAST({name} AS TEXT) END"
        if self.type in ("DATE", "TIMESTAMP"):  # numbers are seconds since 1970, as the scanner takes them
            return f"CASE typeof({name}) WHEN 'integer' THEN datetime({name}, 'unixepoch') ELSE CAST({name} AS TEXT) END"
        return f"CAST({name} AS TEXT)"

    @property
    def outer(self) -> str:
        """What the engine makes of it; NULL for what is not of the type."""
        name = quote_ident(self.name)
        if self.type == "BLOB":
            return f"CASE WHEN {name} IS NULL THEN NULL ELSE unhex({name}) END"
        if self.type == "VARCHAR":
            return f"TRY(decode(unhex({name})))"
        return f"TRY_CAST({name} AS {self.type})"


def open(request: ExtractRequest) -> Extraction | None:
    """Open the table. Raises SourceUnavailable for a locked file, SourceBroken for a file or table that is not there."""
    path = local_path(request)
    if not path.is_file():
        raise SourceBroken(
            f"the SQLite file of source '{request.table.source}' is not there: {path.name}", todo="correct connection:"
        )
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=10)) as connection:
        name, fields = _find(connection, request)
        expected = _estimate(connection, name)
    alias = f"src_{uuid.uuid4().hex[:12]}"
    request.load_extension("sqlite_scanner")
    request.cursor.execute(f"ATTACH {quote_literal(str(path.resolve()))} AS {quote_ident(alias)} (TYPE sqlite, READ_ONLY)")
    try:
        return _extraction(request, alias, name, fields, expected)
    except BaseException:
        _detach(request, alias)
        raise


def _extraction(request: ExtractRequest, alias: str, name: str, fields: tuple[Field, ...], expected: int | None) -> Extraction:
    columns = tuple(Column(f.name, f.type) for f in fields)
    strict, lenient = _strict_sql(alias, name, fields), _lenient_sql(alias, name, fields)
    if any(f.loose for f in fields):
        strict = lenient
    column, window = cursor_column(request.table, columns), None
    notes: tuple[str, ...] = ()
    if column is not None:
        try:
            window, notes = scanned_window(request, strict, column, name)
        except duckdb.Error:  # a value that is not of its column's type
            strict = lenient
            window, notes = scanned_window(request, strict, column, name)
    bad_sql = _bad_sql(alias, name, fields)
    slow = _batch(request, lenient, columns, name, window, bad_sql, expected)
    batch = (
        slow
        if strict == lenient
        else replace(_batch(request, strict, columns, name, window, None, expected), fallback=lambda: slow)
    )
    state = window.state(request.position.state) if window else dict(request.position.state)
    return TableExtraction(batch, Position(state, request.position.units), notes, lambda: _detach(request, alias))


def _batch(
    request: ExtractRequest,
    rows_sql: str,
    columns: Sequence[Column],
    unit: str,
    window: Window | None,
    dead: str | None,
    expected: int | None,
) -> SqlBatch:
    predicate = window.predicate() if window else ""
    rows_sql = f"SELECT * FROM ({rows_sql})" + (f" WHERE {predicate}" if predicate else "")
    return table_batch(request, rows_sql, columns, unit, window, dead, rows_expected=expected)


def _strict_sql(alias: str, name: str, fields: Sequence[Field]) -> str:
    """The rows by the scanner's own types: quick, and an error at the first value of another type."""
    casts = ", ".join(f"CAST({quote_ident(f.name)} AS {f.type}) AS {quote_ident(f.name)}" for f in fields)
    return f"SELECT {casts} FROM {quote_ident(alias)}.main.{quote_ident(name)}"


def _lenient_sql(alias: str, name: str, fields: Sequence[Field]) -> str:
    """The rows all of whose values are of their columns' types."""
    outer = ", ".join(f"{f.outer} AS {quote_ident(f.name)}" for f in fields)
    return f"SELECT {outer} FROM ({_texts(alias, name, fields)}) WHERE {_right(fields)}"


def _bad_sql(alias: str, name: str, fields: Sequence[Field]) -> str:
    """The other rows, as dead letters."""
    wrong = " || ".join(f"CASE WHEN {_right([f])} THEN '' ELSE {quote_literal(f'{f.name} is no {f.type}; ')} END" for f in fields)
    record = (
        "CAST(to_json({" + ", ".join(f"{quote_literal(f.name)}: {quote_ident('q_' + f.name)}" for f in fields) + "}) AS VARCHAR)"
    )
    quoted = ", ".join(f"quote({quote_ident(f.name)}) AS {quote_ident('q_' + f.name)}" for f in fields)
    texts = _texts(alias, name, fields, more=f", {quoted}")
    letter = f"{quote_literal(name)}, row_number() OVER (), rtrim({wrong}, '; '), {record}"
    return f"SELECT {letter} FROM ({texts}) WHERE NOT ({_right(fields)})"


def _texts(alias: str, name: str, fields: Sequence[Field], more: str = "") -> str:
    inner = ", ".join(f"{f.inner} AS {quote_ident(f.name)}" for f in fields)
    query = f"SELECT {inner}{more} FROM {quote_ident(name)}"
    return f"SELECT * FROM sqlite_query({quote_literal(alias)}, {quote_literal(query)})"


def _right(fields: Sequence[Field]) -> str:
    checked = [f for f in fields if f.type != "BLOB"]
    return " AND ".join(f"({quote_ident(f.name)} IS NULL OR {f.outer} IS NOT NULL)" for f in checked) or "true"


def _find(connection: sqlite3.Connection, request: ExtractRequest) -> tuple[str, tuple[Field, ...]]:
    """The table's name as it is written in the file, and its columns. Raises SourceBroken with the nearest names."""
    wanted, _ = source_of(request.table)
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')").fetchall()]
    for name in names:
        if name.lower() == wanted.lower().removeprefix("main."):
            info = connection.execute(f"PRAGMA table_xinfo({quote_ident(name)})").fetchall()
            return name, tuple(_field(row[1], row[2]) for row in info if row[6] in (0, 2, 3))
    raise SourceBroken(
        f"source '{request.table.source}' has no table '{wanted}'",
        expected=nearest(wanted, names),
        todo=f"correct the name or table: of '{request.table.name}'",
    )


def _estimate(connection: sqlite3.Connection, name: str) -> int | None:
    """About how many rows there are, without a scan: the highest row id. None for views and tables without row ids."""
    try:
        row = connection.execute(f"SELECT max(_rowid_) FROM {quote_ident(name)}").fetchone()
    except sqlite3.OperationalError:
        return None
    return int(row[0]) if row and isinstance(row[0], int) else None


def _field(name: str, declared: str) -> Field:
    """SQLite's affinity rules, with dates and times beside them."""
    kind = declared.upper().partition("(")[0].strip()
    if kind in TEMPORAL or kind.startswith("TIMESTAMP"):
        return Field(name, TEMPORAL.get(kind, "TIMESTAMP"))
    if "INT" in kind or kind in ("BOOLEAN", "BOOL"):
        return Field(name, "BIGINT")
    if any(word in kind for word in ("CHAR", "CLOB", "TEXT", "JSON", "UUID", "TIME")):
        return Field(name, "VARCHAR")
    if "BLOB" in kind:
        return Field(name, "BLOB")
    if any(word in kind for word in ("REAL", "FLOA", "DOUB", "NUM", "DEC")):
        return Field(name, "DOUBLE")
    return Field(name, "VARCHAR", loose=True)


def _detach(request: ExtractRequest, alias: str) -> None:
    request.cursor.execute(f"DETACH DATABASE IF EXISTS {quote_ident(alias)}")


def explain(error: Exception, table: SourceTable) -> HeadgateError | None:
    """What an error about the file means; None when it has nothing to do with it."""
    text = " ".join(str(error).split())[:600]
    if not isinstance(error, duckdb.Error | sqlite3.Error):
        return None
    if "database is locked" in text or "database table is locked" in text:
        return SourceUnavailable(f"the SQLite file of source '{table.source}' is locked: {text}", todo="let the writer finish")
    if "not a database" in text or "malformed" in text:
        return SourceBroken(f"the file of source '{table.source}' is no SQLite database: {text}", todo="correct connection:")
    if isinstance(error, sqlite3.Error) or "unable to open database" in text:
        return SourceBroken(f"the SQLite file of source '{table.source}' cannot be read: {text}", todo="look at the file")
    return None
