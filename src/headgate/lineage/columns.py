"""Column lineage of one query: every output column with its sources, and what decides the rows.

    trace("select a.id, sum(b.x) as x from a join b using (id) group by 1", {"a": {...}, "b": {...}}, name="m")

The text is read once; names are resolved as DuckDB resolves them. What cannot be told is said, column by column.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from sqlglot import exp

from headgate.lineage.parse import parse_select
from headgate.lineage.query import query
from headgate.lineage.scope import Col, Rel, Scope
from headgate.lineage.stars import unpacked
from headgate.lineage.typing import data_type, type_text
from headgate.lineage.values import Trace
from headgate.spec.lineage import (
    ColumnLineage,
    ColumnSource,
    IndirectKind,
    IndirectSource,
    Input,
    ModelLineage,
    Origin,
    Schemas,
    SourceKind,
    normal_name,
)

_KINDS: tuple[SourceKind, ...] = ("identity", "transformation", "aggregation", "conditional", "window")


TypedSchemas = dict[str, dict[str, exp.DataType | None]]


def trace(sql_or_ast: str | exp.Expr, relation_schemas: Schemas, *, name: str) -> ModelLineage:
    """The lineage of the query `name`, given the columns of the relations it may read (any spelling of their names).

    A relation without a schema is traced as far as names go, the rest is marked unknown.
    Raises parse.SqlSyntax if the text is no single query.
    """
    tree = parse_select(sql_or_ast) if isinstance(sql_or_ast, str) else sql_or_ast
    return lineage_of(tree, typed_schemas(relation_schemas), name)


def lineage_of(tree: exp.Expr, schemas: TypedSchemas, name: str) -> ModelLineage:
    """The lineage of a tree under schemas whose types have been read."""
    traced, rel = run_trace(tree, schemas)
    return ModelLineage(
        name=normal_name(name),
        columns=tuple(_column(col) for col in rel.cols),
        inputs=tuple(Input(relation, external) for relation, external in sorted(traced.inputs.items())),
        indirect=tuple(IndirectSource(r, c, cast(IndirectKind, k)) for r, c, k in sorted(rel.indirect)),
        wild=tuple(sorted(rel.wild)),
        reads=tuple(sorted(traced.reads)),
        unknown=tuple(sorted(rel.why)),
    )


def typed_schemas(schemas: Schemas) -> TypedSchemas:
    """Schemas under normal names with their types read."""
    return {normal_name(n): typed_schema(columns) for n, columns in schemas.items()}


def typed_schema(columns: Mapping[str, str | None]) -> dict[str, exp.DataType | None]:
    """One relation's columns with their types read."""
    return {c: data_type(kind) if kind else None for c, kind in columns.items()}


def run_trace(tree: exp.Expr, schemas: TypedSchemas, *, printing: bool = False) -> tuple[Trace, Rel]:
    """Trace a tree; with `printing`, every column and row set also gets its canonical print."""
    traced = Trace(schemas, query, unpacked, printing, label="the query")
    return traced, query(traced, tree, Scope(None, {}))


def _column(col: Col) -> ColumnLineage:
    sources = tuple(ColumnSource(r, c, _KINDS[k], p) for r, c, p, k in sorted(col.sources))
    return ColumnLineage(
        name=col.name,
        sources=sources,
        origin=_origin(col),
        unknown="; ".join(sorted(col.why)) if col.why else None,
        type=type_text(col.type),
    )


def _origin(col: Col) -> Origin:
    if col.sources:
        return "columns"
    if col.why:
        return "unknown"
    return "rows" if col.counts else "constant"
