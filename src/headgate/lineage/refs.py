"""Which relations a query reads, told from its text alone and quicker than a full trace."""

from __future__ import annotations

from sqlglot import exp

from headgate.lineage.parse import parse_select
from headgate.spec.lineage import join_name


def relations_read(sql_or_ast: str | exp.Expr) -> tuple[str, ...]:
    """The normal names of the relations that a query reads, in the order of the text; CTEs and functions left out.

    A name that a CTE shadows counts only where the CTE is not visible (`with t as (select * from t) select * from t` reads
    `t` once). Raises parse.SqlSyntax if the text is no single query.
    """
    tree = parse_select(sql_or_ast) if isinstance(sql_or_ast, str) else sql_or_ast
    ctes = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    found: dict[str, None] = {}
    for table in tree.find_all(exp.Table, bfs=False):
        if not isinstance(table.this, (exp.Identifier, exp.Dot)):
            continue
        parts = tuple(p.name for p in table.parts)
        if len(parts) == 1 and parts[0].lower() in ctes and _is_cte(table, parts[0].lower()):
            continue
        found[join_name(parts)] = None
    return tuple(found)


def _is_cte(table: exp.Expr, name: str) -> bool:
    """Whether a CTE called `name` is visible where the table is written."""
    inside: exp.CTE | None = None  # the CTE that we come out of while climbing
    node: exp.Expr | None = table
    while node is not None:
        if isinstance(node, exp.CTE):
            inside = node
        with_ = node.args.get("with_")
        if with_ is not None:
            for cte in with_.expressions:
                if inside is not None and cte is inside:
                    if with_.args.get("recursive") and cte.alias.lower() == name and isinstance(cte.this, exp.SetOperation):
                        return True
                    break
                if cte.alias.lower() == name:
                    return True
            inside = None
        node = node.parent
    return False
