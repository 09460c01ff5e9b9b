"""Make the lineage graph of a project, tracing only what an older graph does not hold."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from headgate.lineage.columns import TypedSchemas, lineage_of, typed_schema, typed_schemas
from headgate.lineage.parse import SqlSyntax, parse_select
from headgate.lineage.project import Entry, LineageGraph, key_of, parents_first, schema_text
from headgate.lineage.refs import relations_read
from headgate.spec.lineage import ColumnLineage, Schemas, normal_name


def build(
    models: Mapping[str, str | exp.Expr],
    schemas: Schemas,
    *,
    known: LineageGraph | None = None,
    texts: Mapping[str, str] | None = None,
) -> LineageGraph:
    """The lineage graph of `models` (relation → SQL text as rendered), given the schemas of the relations outside.

    What `known` holds for the same SQL over the same input schemas is taken from there, so an edit costs one model, and its
    descendants only if its output columns changed. A caller that has parsed the SQL already hands in trees and their `texts`.
    Raises DeclarationError for SQL that cannot be read (placed in the model) and for a cycle.
    """
    named = {normal_name(n): sql for n, sql in models.items()}
    text_of = {normal_name(n): text for n, text in (texts or {}).items()}
    sql_keys = {n: key_of(text_of.get(n) or (s if isinstance(s, str) else s.sql("duckdb"))) for n, s in named.items()}
    old = known.entries if known is not None else {}
    trees: dict[str, exp.Expr] = {}
    inputs: dict[str, tuple[str, ...]] = {}
    for name, sql in named.items():
        before = old.get(name)
        if before is not None and before.sql_key == sql_keys[name]:
            inputs[name] = before.inputs
        else:
            trees[name] = _tree(name, sql)
            inputs[name] = tuple(r for r in relations_read(trees[name]) if r != name)
    entries: dict[str, Entry] = {}
    outside = {normal_name(n): dict(columns) for n, columns in schemas.items()}
    typed: TypedSchemas = typed_schemas(outside)
    told = {n: schema_text(columns) for n, columns in outside.items()}
    for name in parents_first(inputs):
        key = key_of(sql_keys[name], *(f"{r} {told.get(r, '?')}" for r in inputs[name]))
        before = old.get(name)
        if before is not None and before.key == key:
            entry = before
        else:
            tree = trees.get(name) or _tree(name, named[name])
            lineage = lineage_of(tree, typed, name)
            entry = Entry(sql_keys[name], key, inputs[name], _schema(lineage.columns), lineage)
        entries[name] = entry
        told[name] = schema_text(entry.schema)
        typed[name] = typed_schema(entry.schema)
    return LineageGraph(entries, schemas)


def _tree(name: str, sql: str | exp.Expr) -> exp.Expr:
    if isinstance(sql, exp.Expr):
        return sql
    try:
        return parse_select(sql)
    except SqlSyntax as error:
        raise error.at(name) from None


def _schema(columns: tuple[ColumnLineage, ...]) -> dict[str, str | None]:
    return {c.name: c.type for c in columns}
