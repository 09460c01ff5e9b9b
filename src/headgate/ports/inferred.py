"""Types of rows that came without a schema (JSON, dicts): kept as raw has them where every value allows it.

What a page of an API holds changes from day to day: a column that held dates may be empty today, a number may come as text.
The raw table's types are the memory of it; a value that does not fit leaves the inferred type standing, and the schema rules
decide.
"""

from __future__ import annotations

from headgate.ports.source import ExtractRequest
from headgate.spec.exactness import changed
from headgate.spec.names import Column, quote_ident

UNTYPED = ('"NULL"', "NULL")
PLACE = ("_unit", "_seq")


def settled(request: ExtractRequest, rows_sql: str) -> tuple[str, tuple[Column, ...]]:
    """`rows_sql` (which ends with `_unit` and `_seq`) with settled types, and its own columns.

    A column without any value gets its declared or raw type; if there is none it is left out until a value comes.
    """
    described = request.cursor.execute(f"DESCRIBE {rows_sql}").fetchall()
    found = [Column(name, kind) for name, kind, *_ in described if name not in PLACE]
    raw = {name.lower(): kind for name, kind in request.known_columns.items()}
    declared = {name.lower(): c.data_type for name, c in request.table.columns.items() if c.data_type}
    wanted = {c.name: declared.get(c.name.lower()) or raw.get(c.name.lower()) for c in found}
    differing = [c for c in found if wanted[c.name] not in (None, c.type)]
    fits = _fitting(request, rows_sql, [(c, str(wanted[c.name])) for c in differing])
    empty = _empty(request, rows_sql, [c for c in found if c.type in (*UNTYPED, "JSON") and wanted[c.name] is None])
    columns, selected = [], []
    for column in found:
        name, kind = quote_ident(column.name), wanted[column.name]
        if column.name in empty or (column.type in UNTYPED and kind is None):
            continue
        cast = kind is not None and (column.name in fits or column.type in UNTYPED)
        columns.append(Column(column.name, str(kind) if cast else column.type))
        selected.append(f"CAST({name} AS {kind}) AS {name}" if cast else name)
    select = ", ".join([*selected, *PLACE])
    return f"SELECT {select} FROM ({rows_sql})", tuple(columns)


def _fitting(request: ExtractRequest, rows_sql: str, pairs: list[tuple[Column, str]]) -> set[str]:
    """The columns all of whose values are values of the wanted type too."""
    if not pairs:
        return set()
    tests = [f"count(*) FILTER (WHERE {changed(c.type, kind, quote_ident(c.name)) or _refused(c, kind)})" for c, kind in pairs]
    row = request.cursor.execute(f"SELECT {', '.join(tests)} FROM ({rows_sql})").fetchone() or ()
    return {c.name for (c, _), misfits in zip(pairs, row, strict=True) if not misfits}


def _refused(column: Column, kind: str) -> str:
    name = quote_ident(column.name)
    return f"{name} IS NOT NULL AND TRY_CAST({name} AS {kind}) IS NULL"


def _empty(request: ExtractRequest, rows_sql: str, columns: list[Column]) -> set[str]:
    """The columns without a single value (an inferring reader calls them JSON)."""
    if not columns:
        return set()
    tests = ", ".join(f"count({quote_ident(c.name)})" for c in columns)
    row = request.cursor.execute(f"SELECT {tests} FROM ({rows_sql})").fetchone() or ()
    return {c.name for c, values in zip(columns, row, strict=True) if not values}
