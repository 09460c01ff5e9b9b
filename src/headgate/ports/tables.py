"""What connectors of databases share: their common options, and one extraction of a table as one SELECT over an attached
database.

One SELECT is one snapshot: the scanner's parallel parts read the same one, and the rows stream, so that a table larger than
memory needs no chunks.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from headgate.ports.rereads import unseen_sql
from headgate.ports.source import Batch, ExtractRequest, Option, SqlBatch
from headgate.ports.windows import TIMES, Window, begin_window
from headgate.spec.errors import DeclarationError
from headgate.spec.names import Column, quote_ident, quote_literal
from headgate.spec.positions import Position
from headgate.spec.project import SourceTable

TABLE_OPTIONS = (
    Option(
        "table",
        "text",
        "the table's name in the database, with its schema if need be; without it, the declared name",
        level="table",
    ),
    Option("query", "text", "a SELECT to read instead of a table", level="table"),
    Option(
        "append",
        "text",
        "what a re-read appends to raw: new and changed rows, or everything that was read",
        default="changes",
        choices=("changes", "everything"),
    ),
)


@dataclass(slots=True)
class TableExtraction:
    """One extraction of a table: one batch, then the position after it. `on_close` frees the connection."""

    batch: SqlBatch
    after: Position
    notes: tuple[str, ...] = ()
    on_close: Callable[[], None] | None = None

    def batches(self) -> Iterator[Batch]:
        """The one batch."""
        yield self.batch

    def position(self) -> Position:
        """Where the table stands once the batch was read."""
        return self.after

    def close(self) -> None:
        """Free the connection; closing twice does no harm."""
        if self.on_close is not None:
            on_close, self.on_close = self.on_close, None
            on_close()


def columns_of(request: ExtractRequest, rows_sql: str) -> tuple[Column, ...]:
    """The columns that `rows_sql` yields, with DuckDB's types."""
    described = request.cursor.execute(f"DESCRIBE {rows_sql}").fetchall()
    return tuple(Column(name, kind) for name, kind, *_ in described)


def table_batch(
    request: ExtractRequest,
    rows_sql: str,
    columns: Sequence[Column],
    unit: str | None,
    window: Window | None,
    dead_letters_sql: str | None = None,
    raw_where: str = "",
    rows_expected: int | None = None,
) -> SqlBatch:
    """`rows_sql` as a batch: rows that raw holds already left out (unless `append: everything`), with their place.

    `unit` None: `rows_sql` itself ends with `_unit` and `_seq`, which `columns` leaves out.
    """
    setup: tuple[str, ...] = ()
    teardown: tuple[str, ...] = ()
    rows_read_sql = None
    if request.table.options.get("append", "changes") == "changes" and request.raw_sql is not None:
        if unit is not None:  # read once: what was read is counted, too, and a second read might differ
            read = quote_ident(f"_read_{uuid.uuid4().hex[:12]}")
            setup, teardown = (f"CREATE TEMP TABLE {read} AS {rows_sql}",), (f"DROP TABLE {read}",)
            rows_sql = f"SELECT * FROM {read}"
        rows_read_sql = f"SELECT count(*) FROM ({rows_sql})"
        where = window.raw_predicate() if window else raw_where
        key = request.table.primary_key
        rows_sql = unseen_sql(rows_sql, columns, request.raw_sql, request.known_columns, key=key, raw_where=where)
    if unit is not None:
        rows_sql = f"SELECT *, {quote_literal(unit)} AS _unit, 0::BIGINT AS _seq FROM ({rows_sql})"
    return SqlBatch(
        rows_sql,
        setup=setup,
        teardown=teardown,
        dead_letters_sql=dead_letters_sql,
        rows_expected=rows_expected,
        rows_read_sql=rows_read_sql,
    )


def scanned_window(request: ExtractRequest, rows_sql: str, column: Column, unit: str) -> tuple[Window, tuple[str, ...]]:
    """The window of a table whose rows the engine itself scans, and a note on rows without a cursor."""
    window = begin_window(request, column.name, column.type)
    if not window.moves:
        return window, ()
    last = None if request.full else request.position.state.get("cursor")
    name = quote_ident(column.name)
    usable = f"{name} IS NOT NULL" + (f" AND isfinite({name})" if column.type in TIMES else "")
    beyond = "" if last is None else f" AND {name} >= CAST({quote_literal(str(last))} AS {column.type})"
    row = request.cursor.execute(
        f"SELECT CAST(max({name}) FILTER (WHERE {usable}{beyond}) AS VARCHAR), count(*) FILTER (WHERE ({usable}) IS NOT TRUE) "
        f"FROM ({rows_sql})"
    ).fetchone()
    highest, missing = row or (None, 0)
    window = replace(window, upper=last if highest is None else highest, nulls=missing > 0)
    note = f"{missing} rows of '{unit}' have no finite {column.name}: they are read every time and compared with raw"
    return window, (note,) if missing else ()


def source_of(table: SourceTable) -> tuple[str, str | None]:
    """The table's name in the database and, when one is declared, the query to read instead. Raises DeclarationError for both."""
    name, query = table.options.get("table"), table.options.get("query")
    if name and query:
        raise DeclarationError(
            f"table '{table.name}' of source '{table.source}' has both table and query", todo="keep one of them"
        )
    return str(name or table.name), None if query is None else str(query).strip().rstrip(";")


def cursor_column(table: SourceTable, columns: Sequence[Column]) -> Column | None:
    """The column of the declared cursor, None if none is declared. Raises DeclarationError with the nearest name if it is not
    there.
    """
    if table.cursor is None:
        return None
    for column in columns:
        if column.name.lower() == table.cursor.lower():
            return column
    raise DeclarationError(
        f"table '{table.name}' of source '{table.source}' has no column '{table.cursor}' to be its cursor",
        expected=nearest(table.cursor, [c.name for c in columns]),
        todo="correct cursor:",
    )


def nearest(name: str, names: Sequence[str]) -> str:
    """A phrase with the names nearest to `name`, for messages."""
    lower = {n.lower(): n for n in names}
    close = [lower[n] for n in get_close_matches(name.lower(), list(lower), n=3, cutoff=0.5)]
    if close:
        return " or ".join(f"'{n}'" for n in close)
    return "one of " + ", ".join(sorted(names)[:20]) if names else "a table (there is none that this user may read)"


def local_path(request: ExtractRequest) -> Path:
    """The database file of the connection (text, or a mapping with `path`), relative ones counted from the project."""
    given = request.connection.get("path") if isinstance(request.connection, Mapping) else request.connection
    if not isinstance(given, str) or not given.strip():
        raise DeclarationError(
            f"source '{request.table.source}' has no connection",
            expected="the path of the database file",
            todo="declare connection:",
        )
    path = given.partition(":///")[2] if ":///" in given else given
    return Path(request.project_root) / path
