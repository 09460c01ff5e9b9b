"""The names that DuckDB gives to output columns."""

from __future__ import annotations

from sqlglot import exp

from headgate.lineage.typing import type_text


def output_name(node: exp.Expr) -> str:
    """The name of a projection: its alias, its column or field, or the text of the expression as DuckDB writes it."""
    if isinstance(node, exp.Alias):
        return str(node.alias)
    if isinstance(node, exp.Column):
        return str(node.name)
    if isinstance(node, exp.Dot) and isinstance(node.this, exp.Column):
        return str(node.expression.name)
    return _text(node)


def _text(node: exp.Expr) -> str:
    if isinstance(node, exp.Count) and isinstance(node.this, exp.Star):
        return "count_star()"
    if isinstance(node, exp.Paren):
        return _text(node.this)
    if isinstance(node, exp.Explode):
        return f"unnest({node.this.sql(dialect='duckdb', comments=False)})"
    text = node.sql(dialect="duckdb", comments=False)
    if isinstance(node, exp.Cast):
        return f"CAST({_text(node.this)} AS {type_text(node.to)})"
    if isinstance(node, exp.Binary) and not isinstance(node, (exp.Dot, exp.Func)):
        return f"({text})"
    if isinstance(node, (exp.Func, exp.Window)) and not isinstance(node, (exp.Case, exp.Coalesce)):
        head, bracket, rest = text.partition("(")
        return f"{head.lower()}{bracket}{rest}"
    return text
