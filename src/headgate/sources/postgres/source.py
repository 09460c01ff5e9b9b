"""Open a PostgreSQL table, view or query: look at it with libpq, read it with DuckDB's scanner.

Ordering: none. Delivery: exactly once into raw, for rows whose cursor does not go back below position less lookback. Replay: any
window, any number of times; what raw holds is not appended again. Snapshot: one per extraction, shared by the parallel readers.
Blocking: the read takes no locks beyond a SELECT's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import psycopg
from psycopg import sql as pg

from headgate.ports.source import Extraction, ExtractRequest
from headgate.ports.tables import TableExtraction, columns_of, cursor_column, nearest, source_of, table_batch
from headgate.ports.windows import NUMBERS, TIMES, Window, begin_window
from headgate.sources.postgres.connecting import attach, detach, parameters
from headgate.sources.postgres.failures import explain as explain
from headgate.sources.postgres.shape import Field, as_json, fields_of
from headgate.spec.errors import SourceBroken
from headgate.spec.names import Column, quote_ident, quote_literal
from headgate.spec.positions import Position

_FIND = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass(%s)
"""
_TABLES = """
SELECT CASE WHEN pg_table_is_visible(c.oid) THEN c.relname ELSE n.nspname || '.' || c.relname END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
"""
Connection = psycopg.Connection


@dataclass(frozen=True, slots=True)
class _Read:
    """What to read: `relation` is quoted SQL after FROM; `where` the server's predicate; `schema` empty for a query."""

    unit: str
    relation: str
    schema: str
    name: str
    fields: tuple[Field, ...]
    where: str = ""
    plain: bool = True
    not_numbers: tuple[str, ...] = ()  # numeric columns that hold NaN

    def rows_sql(self, alias: str, window_sql: str = "") -> str:
        """The rows as a SELECT of the engine: by the parallel scanner where every column is plain, else by a query on the
        server.
        """
        outer = ", ".join(f"{f.outer} AS {quote_ident(f.name)}" for f in self.fields)
        if self.plain and self.schema:
            table = f"{quote_ident(alias)}.{quote_ident(self.schema)}.{quote_ident(self.name)}"
            return f"SELECT {outer} FROM {table}" + (f" WHERE {window_sql}" if window_sql else "")
        inner = ", ".join(f"{f.inner} AS {quote_ident(f.name)}" for f in self.fields)
        numbers = " OR ".join(f"{quote_ident(n)} = 'NaN'" for n in self.not_numbers)
        wheres = [w for w in (self.where, f"({numbers}) IS NOT TRUE" if numbers else "") if w]
        query = f"SELECT {inner} FROM {self.relation}" + (f" WHERE {' AND '.join(wheres)}" if wheres else "")
        return f"SELECT {outer} FROM postgres_query({quote_literal(alias)}, {quote_literal(query)})"

    def dead_letters_sql(self, alias: str) -> str | None:
        """The rows whose numerics are NaN, which no DECIMAL can hold, as dead letters."""
        if not self.not_numbers:
            return None
        numbers = " OR ".join(f"{quote_ident(n)} = 'NaN'" for n in self.not_numbers)
        wheres = " AND ".join(w for w in (self.where, f"({numbers})") if w)
        query = f"SELECT to_json(hg_row)::text AS record FROM (SELECT * FROM {self.relation} WHERE {wheres}) AS hg_row"
        reason = f"NaN in a numeric column ({', '.join(self.not_numbers)})"
        return (
            f"SELECT {quote_literal(self.unit)}, row_number() OVER (), {quote_literal(reason)}, record "
            f"FROM postgres_query({quote_literal(alias)}, {quote_literal(query)})"
        )


def open(request: ExtractRequest) -> Extraction | None:
    """Open the table. Raises CredentialRefused, SourceUnavailable, SourceBroken and DeclarationError (by `explain` too)."""
    params = parameters(request.connection, request.table)
    with psycopg.connect(**params, autocommit=True) as connection:  # type: ignore[arg-type]
        read = _find(connection, request)
        alias = attach(request, params)
        try:
            return _extraction(request, connection, read, alias)
        except BaseException:
            detach(request, alias)
            raise


def _extraction(request: ExtractRequest, connection: Connection, read: _Read, alias: str) -> Extraction | None:
    columns = columns_of(request, read.rows_sql(alias))
    window: Window | None = None
    notes: tuple[str, ...] = ()
    column = cursor_column(request.table, columns)
    if column is not None:
        read, window, notes = _windowed(request, connection, read, column)
        if window.moves and window.upper is None and not window.nulls and request.raw_sql is not None:
            detach(request, alias)
            return None
    elif request.since is not None or request.until is not None:
        notes = (f"'{request.table.name}' has no cursor: it is read whole, since and until do not bound it",)
    looked = _odd(connection, read)
    if looked != read:
        read = looked
        columns = columns_of(request, read.rows_sql(alias))
    rows_sql = read.rows_sql(alias, window.predicate() if window else "")
    dead, expected = read.dead_letters_sql(alias), _estimate(connection, read)
    batch = table_batch(request, rows_sql, columns, read.unit, window, dead, rows_expected=expected)
    state = window.state(request.position.state) if window else dict(request.position.state)
    return TableExtraction(batch, Position(state, request.position.units), notes, lambda: detach(request, alias))


def _find(connection: Connection, request: ExtractRequest) -> _Read:
    """The relation to read and its columns. Raises SourceBroken with the nearest names when there is no such table."""
    name, query = source_of(request.table)
    if query is not None:
        relation = f"({query}\n) AS hg_query"
        return _Read(
            request.table.name, relation, "", "", fields := fields_of(connection, relation), plain=all(f.plain for f in fields)
        )
    spelled = [".".join(quote_ident(part) for part in name.split(".")), name]
    found = None
    for spelling in spelled:
        try:
            found = found or connection.execute(_FIND, (spelling,)).fetchone()
        except psycopg.errors.SyntaxError:  # a name that only quotes make one
            continue
    if found is None:
        names = [row[0] for row in connection.execute(_TABLES).fetchall()]
        raise SourceBroken(
            f"source '{request.table.source}' has no table '{name}' that this role can see",
            expected=nearest(name, names),
            todo=f"correct the name or table: of '{request.table.name}'",
        )
    relation = f"{quote_ident(found[0])}.{quote_ident(found[1])}"
    fields = fields_of(connection, relation)
    return _Read(f"{found[0]}.{found[1]}", relation, found[0], found[1], fields, plain=all(f.plain for f in fields))


def _windowed(
    request: ExtractRequest, connection: Connection, read: _Read, column: Column
) -> tuple[_Read, Window, tuple[str, ...]]:
    """The window, its upper end as the server sees it now, and what is wrong with the cursor's values."""
    window = begin_window(request, column.name, column.type)
    sortable = column.type in TIMES or column.type in NUMBERS or column.type.startswith("DECIMAL")
    name, notes = quote_ident(column.name), []
    if window.moves:
        last = None if request.full else request.position.state.get("cursor")
        finite = f" AND isfinite({name})" if column.type in TIMES else ""
        wheres = f"{name} IS NOT NULL{finite}" + ("" if last is None else f" AND {name} >= {quote_literal(str(last))}")
        highest = _one(connection, f"SELECT max({name})::text FROM {read.relation} WHERE {wheres}")
        if highest is not None and sortable:  # as the engine writes it, so that equal values are equal text
            row = request.cursor.execute(f"SELECT CAST({quote_literal(str(highest))}::{column.type} AS VARCHAR)").fetchone()
            highest = row[0] if row else highest
        unusable = f"{name} IS NULL" + (f" OR NOT isfinite({name})" if finite else "")
        missing = int(str(_one(connection, f"SELECT count(*) FROM {read.relation} WHERE {unusable}")))
        window = replace(window, upper=str(highest) if highest is not None else last, nulls=missing > 0)
        if missing:
            notes.append(
                f"{missing} rows of '{read.unit}' have no finite {column.name}: they are read every time and compared with raw"
            )
    where = window.predicate(cast="{text}")
    plain = read.plain and sortable and not window.nulls
    return replace(read, where=where, plain=plain), window, tuple(notes)


def _odd(connection: Connection, read: _Read) -> _Read:
    """`read` after a look for values that the scanner would falsify or stumble over: NaN in numerics, arrays of varying
    dimensions.
    """
    numerics = [f for f in read.fields if f.numeric]
    arrays = [f for f in read.fields if f.array]
    if not numerics and not arrays:
        return read
    tests = [f"coalesce(bool_or({quote_ident(f.name)} = 'NaN'), false)" for f in numerics]
    tests += [f"coalesce(bool_or(array_ndims({quote_ident(f.name)}) > 1), false)" for f in arrays]
    query = f"SELECT {', '.join(tests)} FROM {read.relation}" + (f" WHERE {read.where}" if read.where else "")
    found: Sequence[bool] = connection.execute(pg.SQL(query)).fetchone() or ()
    numbers = tuple(f.name for f, odd in zip(numerics, found, strict=False) if odd)
    varying = {f.name for f, odd in zip(arrays, found[len(numerics) :], strict=True) if odd}
    fields = tuple(as_json(f) if f.name in varying else f for f in read.fields)
    plain = read.plain and not numbers and not varying
    return replace(read, fields=fields, not_numbers=numbers, plain=plain)


def _estimate(connection: Connection, read: _Read) -> int | None:
    """How many rows the server's planner expects: large loads are staged in another way than small ones."""
    query = f"EXPLAIN (FORMAT JSON) SELECT 1 FROM {read.relation}" + (f" WHERE {read.where}" if read.where else "")
    plan = _one(connection, query)
    return int(plan[0]["Plan"]["Plan Rows"]) if isinstance(plan, list) else None


def _one(connection: Connection, query: str) -> object:
    row = connection.execute(pg.SQL(query)).fetchone()
    return row[0] if row else None
