"""Types of columns: from text to trees and back, and where DuckDB differs from the parser's tables.

A type that is not certain is None: a wrong type would be trusted by whoever reads it.
"""

from __future__ import annotations

import re
from functools import lru_cache

from sqlglot import exp
from sqlglot.errors import SqlglotError


@lru_cache(maxsize=4096)
def data_type(text: str) -> exp.DataType | None:
    """A type name as a tree; None for a name that cannot be read."""
    if not text or text.lower() in ("unknown", "null"):
        return None
    try:
        return exp.DataType.from_str(text, dialect="duckdb", udt=True)
    except (SqlglotError, ValueError):
        return None


# The parser's names of types that DuckDB reports under another name.
_DUCKDB_NAMES = {
    "INT": "INTEGER",
    "INT128": "HUGEINT",
    "TEXT": "VARCHAR",
    "REAL": "FLOAT",
    "TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE",
}
_NAME = re.compile(r"\b(INT|INT128|TEXT|REAL|TIMESTAMPTZ)\b(?! *\")")


@lru_cache(maxsize=256)
def _simple_type(kind: exp.DType) -> str:
    text = exp.DataType(this=kind).sql(dialect="duckdb")
    return _DUCKDB_NAMES.get(text, text)


def type_text(kind: exp.DataType | None) -> str | None:
    """A type as DuckDB writes it, or None."""
    if kind is None or kind.this in (exp.DType.UNKNOWN, exp.DType.NULL):
        return None
    if not kind.expressions:
        return _simple_type(kind.this) if isinstance(kind.this, exp.DType) else kind.sql(dialect="duckdb")
    text = kind.sql(dialect="duckdb")
    return _NAME.sub(lambda m: _DUCKDB_NAMES[m[1]], text)


def struct_fields(kind: exp.DataType | None) -> dict[str, exp.DataType | None]:
    """Field names (lower case) and types of a STRUCT type; empty for any other."""
    if kind is None or kind.this not in (exp.DType.STRUCT, exp.DType.OBJECT):
        return {}
    return {f.name.lower(): f.args.get("kind") for f in kind.expressions if isinstance(f, exp.ColumnDef)}


def leaf_fields(kind: exp.DataType | None) -> list[tuple[str, ...]]:
    """The paths of the innermost fields of a type, lists looked through (`unnest(…, recursive := true)`)."""
    while kind is not None and kind.this in (exp.DType.ARRAY, exp.DType.LIST) and kind.expressions:
        kind = kind.expressions[0] if isinstance(kind.expressions[0], exp.DataType) else None
    fields = struct_fields(kind)
    return [(name, *rest) for name, inner in fields.items() for rest in leaf_fields(inner)] or [()]


_WIDER = (
    exp.DType.BOOLEAN,
    exp.DType.TINYINT,
    exp.DType.SMALLINT,
    exp.DType.INT,
    exp.DType.BIGINT,
    exp.DType.INT128,
    exp.DType.FLOAT,
    exp.DType.DOUBLE,
)


def common_type(types: list[exp.DataType | None]) -> exp.DataType | None:
    """The type that holds all of these, where that is plain; else None."""
    known = [t for t in types if t is not None]
    if len(known) < len(types) or not known:
        return None
    if all(t == known[0] for t in known[1:]):
        return known[0]
    if all(t.this in _WIDER for t in known):
        return max(known, key=lambda t: _WIDER.index(t.this))
    return None


def known_type(node: exp.Expr) -> exp.DataType | None:
    """The annotated type, corrected where DuckDB differs from the parser's tables."""
    kind = node._type
    if isinstance(node, (exp.Window, exp.Filter, exp.IgnoreNulls, exp.RespectNulls)):
        return known_type(node.this)
    if isinstance(node, exp.Explode) and isinstance(node.this, exp.GenerateSeries):
        return None  # of BIGINT or of timestamps
    if isinstance(node, _ARITHMETIC):
        kind = _arithmetic(node, kind)
    if isinstance(node, exp.Sum) and isinstance(node.this, exp.Expr):
        return _sum_type(node.this._type)
    if not isinstance(kind, exp.DataType) or kind.this in (exp.DType.UNKNOWN, exp.DType.NULL):
        return None
    if (kind.this in _ROUNDED and _decimal_inside(node)) or (kind.this in _NESTED and not kind.expressions):
        return None
    return kind


def _arithmetic(node: exp.Expr, kind: exp.DataType | None) -> exp.DataType | None:
    sides = [side._type for side in (node.this, node.expression)]
    if isinstance(node, exp.Sub) and all(s is not None and s.this == exp.DType.DATE for s in sides):
        return exp.DataType(this=exp.DType.BIGINT)
    return kind


def _decimal_inside(node: exp.Expr) -> bool:
    """Whether arithmetic on decimals stands anywhere: DuckDB widens there by rules that the parser does not have."""
    return any(
        (isinstance(side, exp.Literal) and not side.is_string and not side.name.isdigit())
        or (side._type is not None and side._type.this == exp.DType.DECIMAL)
        for sums in node.find_all(*_ARITHMETIC)
        for side in (sums.this, sums.expression)
        if isinstance(side, exp.Expr)
    )


_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Mod)
_NESTED = frozenset((exp.DType.MAP, exp.DType.STRUCT, exp.DType.ARRAY, exp.DType.LIST))  # no type without what is inside
_ROUNDED = frozenset((exp.DType.DECIMAL, exp.DType.DOUBLE, exp.DType.FLOAT))


_INTEGERS = frozenset((exp.DType.TINYINT, exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT, exp.DType.INT128))
_FLOATS = frozenset((exp.DType.FLOAT, exp.DType.DOUBLE))


def _sum_type(of: exp.DataType | None) -> exp.DataType | None:
    if not isinstance(of, exp.DataType):
        return None
    if of.this in _INTEGERS:
        return exp.DataType(this=exp.DType.INT128)
    if of.this in _FLOATS:
        return exp.DataType(this=exp.DType.DOUBLE)
    if of.this == exp.DType.DECIMAL:
        scale = of.expressions[1].name if len(of.expressions) == 2 else "0"
        return exp.DataType.from_str(f"DECIMAL(38, {scale})", dialect="duckdb")
    return None
