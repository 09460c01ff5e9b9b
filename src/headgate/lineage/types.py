"""Output types of a query, so that later models know their input without a database."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from headgate.lineage.columns import trace
from headgate.spec.lineage import Schemas


def infer(sql_or_ast: str | exp.Expr, schemas: Schemas) -> Mapping[str, str | None]:
    """Output columns in order with their DuckDB types; None where the type is not certain.

    A column `*` stands for columns of a relation whose schema is unknown. Raises parse.SqlSyntax for text that is no query.
    """
    return {c.name: c.type for c in trace(sql_or_ast, schemas, name="query").columns}
