"""The shape of what is read: each column's PostgreSQL type, and how it reaches DuckDB without losing anything.

The scanner's own mapping is kept where it is faithful. It is not for numerics without a precision or beyond 38 digits (it
would make them DOUBLE), NaN in a numeric (it would read 0), arrays whose dimensions vary, domains and enumerations: these are
cast on the server (`inner`) or in the engine (`outer`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql as pg

from headgate.spec.names import quote_ident

DOMAIN_TYPES = {
    "int2": "SMALLINT",
    "int4": "INTEGER",
    "int8": "BIGINT",
    "float4": "FLOAT",
    "float8": "DOUBLE",
    "bool": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMPTZ",
    "uuid": "UUID",
    "json": "JSON",
    "jsonb": "JSON",
}
_TYPES = """
SELECT t.oid, t.typname, t.typtype, t.typbasetype, t.typtypmod, t.typelem, e.typname, e.typtype, b.typname
FROM pg_type t LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A' LEFT JOIN pg_type b ON b.oid = t.typbasetype
WHERE t.oid = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class Field:
    """A column. `inner` is what the server selects for it, `outer` what the engine makes of that; both are quoted SQL.

    `plain`: the server may give it as it is (the parallel scanner can be used). `numeric`, `array`: what has to be looked at.
    """

    name: str
    inner: str
    outer: str
    plain: bool = True
    numeric: bool = False
    array: bool = False


def fields_of(connection: psycopg.Connection, relation: str) -> tuple[Field, ...]:
    """The columns of `relation` (quoted SQL that may stand after FROM). Raises psycopg.Error."""
    described = connection.execute(pg.SQL("SELECT * FROM {} LIMIT 0").format(pg.SQL(relation))).description or []
    rows = connection.execute(_TYPES, ([c.type_code for c in described],)).fetchall()
    types = {row[0]: row[1:] for row in rows}
    return tuple(_field(c.name, types[c.type_code], c.precision, c.scale) for c in described)


def _field(name: str, kind: Sequence[object], precision: int | None, scale: int | None) -> Field:
    type_name, type_type, _base_oid, type_mod, _element, element_name, element_type, base = kind
    column = quote_ident(name)
    if type_type == "d":
        if base == "numeric":
            precision, scale = _numeric(int(str(type_mod)))
            type_name = base
        elif base in DOMAIN_TYPES:
            return Field(name, column, f"CAST({column} AS {DOMAIN_TYPES[str(base)]})")
    if type_name == "numeric":
        fits = precision is not None and precision <= 38 and scale is not None and 0 <= scale <= precision
        if not fits:
            return Field(name, f"{column}::text", column, plain=False)
        outer = column if type_type != "d" else f"CAST({column} AS DECIMAL({precision},{scale}))"
        return Field(name, column if type_type != "d" else f"{column}::numeric({precision},{scale})", outer, numeric=True)
    if type_name in ("json", "jsonb"):
        return Field(name, column, f"CAST({column} AS JSON)")
    if type_type == "c" or element_type == "c":
        return Field(name, f"to_json({column})::text", f"CAST({column} AS JSON)", plain=False)
    if type_name in ("point", "oid"):  # the scanner and the server's text would give two types
        return Field(name, f"{column}::text", column, plain=False)
    if type_type == "e":
        return Field(name, column, f"CAST({column} AS VARCHAR)")
    if element_name is not None and str(type_name).startswith("_"):
        return _array(name, str(element_name), str(element_type), precision, scale)
    return Field(name, column, column)


def _array(name: str, element: str, element_type: str, precision: int | None, scale: int | None) -> Field:
    column = quote_ident(name)
    if element == "numeric" and not (precision is not None and precision <= 38 and scale is not None and 0 <= scale <= precision):
        return Field(name, f"{column}::text[]", column, plain=False, array=True)
    if element_type == "e":
        return Field(name, f"{column}::text[]", f"CAST({column} AS VARCHAR[])", array=True)
    if element in ("json", "jsonb"):
        return Field(name, f"{column}::text[]", f"CAST({column} AS JSON[])", array=True)
    return Field(name, column, column, array=True)


def as_json(field: Field) -> Field:
    """An array whose dimensions vary between rows, as JSON."""
    column = quote_ident(field.name)
    return Field(field.name, f"to_json({column})::text", f"CAST({column} AS JSON)", plain=False)


def _numeric(type_mod: int) -> tuple[int | None, int | None]:
    """Precision and scale in a numeric's type modifier."""
    if type_mod < 4:
        return None, None
    value = type_mod - 4
    return value >> 16 & 0xFFFF, (value & 0x7FF ^ 1024) - 1024
