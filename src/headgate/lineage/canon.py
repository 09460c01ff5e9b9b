"""Canonical text of syntax trees: equal text means equal meaning as far as spelling goes.

Comments, case of names, quotes around names, redundant parentheses, aliases that only rename and the order of the
sides of AND, OR, = and <> do not count. With a scope, columns are printed as what they resolve to, so that a renamed
CTE or table alias does not count either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from headgate.lineage.digests import digest
from headgate.lineage.scope import parts_of, window_clauses

if TYPE_CHECKING:
    from headgate.lineage.scope import Scope
    from headgate.lineage.values import Trace

_SUBQUERIES = (exp.Subquery, exp.Select, exp.SetOperation, exp.Values)
# Arguments that only say how something was written.
_SPELLING = frozenset(("quoted", "comments"))


def fingerprint(tree: exp.Expr) -> str:
    """The canonical fingerprint of a syntax tree, stable across processes.

    Blind to comments, white space, case of keywords and names, quotes around names, redundant parentheses and the
    order of the sides of AND, OR, = and <>. Two queries with the same fingerprint mean the same; the converse does not hold.
    """
    return digest(text_of(None, tree, None))


def text_of(t: Trace | None, node: exp.Expr, scope: Scope | None) -> str:
    """The canonical text of `node`; with a scope, its columns and subqueries as what they mean."""
    while isinstance(node, (exp.Paren, exp.Alias)) and (scope is not None or isinstance(node, exp.Paren)):
        node = node.this
    if scope is not None and t is not None:
        meant = _meant(t, node, scope)
        if meant is not None:
            return meant
    if isinstance(node, exp.Identifier):
        return "`" + node.name.lower() + "`"
    if isinstance(node, exp.Literal):
        return repr(str(node.this)) if node.is_string else str(node.this).lower()
    if isinstance(node, (exp.And, exp.Or)):
        kind = type(node)
        return f"{kind.__name__}({','.join(sorted(text_of(t, n, scope) for n in _flat(node, kind)))})"
    if isinstance(node, (exp.Binary, exp.SetOperation)) and type(node.this) is type(node):
        return _spine(t, node, scope)
    if isinstance(node, (exp.EQ, exp.NEQ)):
        sides = sorted((text_of(t, node.this, scope), text_of(t, node.expression, scope)))
        return f"{type(node).__name__}({','.join(sides)})"
    if isinstance(node, exp.Anonymous):
        return f"{node.name.lower()}({','.join(text_of(t, n, scope) for n in node.expressions)})"
    return f"{type(node).__name__}({_args(t, node, scope)})"


def _flat(node: exp.Expr, kind: type[exp.Expr]) -> list[exp.Expr]:
    """The sides of a tree of AND (or OR), from a loop: the tree can be deep."""
    out: list[exp.Expr] = []
    stack = [node]
    while stack:
        node = stack.pop()
        while isinstance(node, exp.Paren):
            node = node.this
        if isinstance(node, kind):
            stack += (node.expression, node.this)
        else:
            out.append(node)
    return out


def _spine(t: Trace | None, node: exp.Expr, scope: Scope | None) -> str:
    """A left-deep run of one operator (a long sum, a long UNION ALL), from a loop."""
    kind, rights = type(node), []
    while type(node) is kind:
        rights.append(_args(t, node, scope, without="this"))
        node = node.this
    return f"{kind.__name__}({';'.join([text_of(t, node, scope), *reversed(rights)])})"


def _args(t: Trace | None, node: exp.Expr, scope: Scope | None, without: str = "") -> str:
    parts = []
    for key in sorted(node.args):
        if key in _SPELLING or key == without:
            continue
        text = _arg(t, node.args[key], scope)
        if text:
            parts.append(f"{key}={text}")
    return ",".join(parts)


def _arg(t: Trace | None, arg: Any, scope: Scope | None) -> str:
    if arg is None or arg is False:
        return ""
    if isinstance(arg, exp.Expr):
        return text_of(t, arg, scope)
    if isinstance(arg, list):
        return "[" + ",".join(_arg(t, a, scope) for a in arg) + "]" if arg else ""
    return str(arg).lower()


def _meant(t: Trace, node: exp.Expr, scope: Scope) -> str | None:
    """Text by meaning for nodes that name something; None for all others."""
    if isinstance(node, exp.Column) and not isinstance(node.this, exp.Star):
        return scope.resolve(parts_of(node)).print or "?" + ".".join(parts_of(node))
    if isinstance(node, exp.Columns) and scope.choice is not None:
        return scope.choice.print
    if isinstance(node, _SUBQUERIES):
        rel = t.subquery(node, scope)
        return f"query({rel.rows};{','.join(c.print for c in rel.cols)})"
    if isinstance(node, exp.Window):
        over = ",".join(text_of(t, c, scope) for c in window_clauses(node, scope))
        return f"over({text_of(t, node.this, scope)};{node.args.get('over') or ''};{over})"
    if isinstance(node, exp.Lambda | exp.Comprehension):
        names = node.expressions or [p for p in (node.expression, node.args.get("position")) if p]
        before, scope.params = scope.params, scope.params | {n.name.lower() for n in names}
        text = f"{type(node).__name__}({_args(t, node, scope)})"
        scope.params = before
        return text
    return None
