"""Queries: what comes out of a SELECT, a set operation, a CTE, VALUES.

The parts of a SELECT are read in the order in which they see each other: FROM, named windows, projections with their
lateral aliases, then the clauses that decide the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from headgate.lineage.canon import text_of
from headgate.lineage.digests import digest
from headgate.lineage.output import output_name
from headgate.lineage.pivots import pivot_statement
from headgate.lineage.scope import Col, Indirect, Open, Rel, Scope, below, merge
from headgate.lineage.stars import Expansion, all_columns, expand, spread_fields
from headgate.lineage.tables import add_from
from headgate.lineage.typing import leaf_fields
from headgate.lineage.values import AGGREGATES, Found, Trace, gather_all, value


def query(t: Trace, node: exp.Expr, scope: Scope) -> Rel:
    """The relation that a query yields, seen from `scope`. The scope of a whole statement is an empty one."""
    outer = scope
    with_ = node.args.get("with_")
    if with_ is not None:
        scope = Scope(outer.parent if not outer.entries else outer, outer.ctes)
        scope.ctes = _ctes(t, with_, scope)
    if isinstance(node, exp.Select):
        return _select(t, node, scope)
    if isinstance(node, exp.SetOperation):
        return _set_operation(t, node, scope)
    if isinstance(node, exp.Subquery):
        return _ordered(t, node, query(t, node.this, scope))
    if isinstance(node, exp.Values):
        return values(t, node, scope)
    if isinstance(node, exp.Pivot):
        return pivot_statement(t, node, scope)
    if isinstance(node, exp.Table):
        inner = Scope(scope, scope.ctes)
        add_from(t, node, inner)
        return all_columns(t, inner)
    reason = f"{type(node).__name__} is not understood as a query"
    return Rel([Col("*", why=frozenset((reason,)))], why=frozenset((reason,)), rows=text_of(None, node, None))


def _ordered(t: Trace, node: exp.Expr, rel: Rel) -> Rel:
    """ORDER BY and LIMIT written behind a parenthesised query or a set operation: they see its output only."""
    order, limit = node.args.get("order"), node.args.get("limit") or node.args.get("offset")
    if order is None and limit is None:
        return rel
    scope = Scope(None, {})
    scope.aliases = dict(rel.index)
    found = gather_all(t, [order], scope) if order is not None and not _by_all(order) else Found()
    kinds = ("sort", "filter") if limit is not None else ("sort",)
    rel.indirect |= indirect(found, *kinds)
    if limit is None and order is not None and t.printing:
        t.orders.append(text_of(t, order, scope))
    if limit is not None and t.printing:
        clause = text_of(t, order, scope) if order is not None else ""
        tail = ",".join(text_of(None, n, None) for n in (node.args.get("limit"), node.args.get("offset")) if n)
        t.clauses.append((t.label, {"LIMIT": f"{clause};{tail}"}))
        rel.rows = digest(f"{rel.rows};{clause};{tail}")
    return rel


def _by_all(order: exp.Expr) -> bool:
    return any(isinstance(o.this, exp.Var) and o.this.name.upper() == "ALL" for o in order.expressions)


def indirect(found: Found, *kinds: str) -> frozenset[Indirect]:
    """What was found, as deciding the rows."""
    return frozenset((s[0], s[1], kind) for s in found.sources for kind in kinds)


def _ctes(t: Trace, with_: exp.Expr, scope: Scope) -> Mapping[str, Rel]:
    known = dict(scope.ctes)
    label = t.label
    for cte in with_.expressions:
        scope.ctes = dict(known)
        name = cte.alias.lower()
        t.label = f"CTE {cte.alias}"
        names = cte.args["alias"].columns if cte.args.get("alias") is not None else []
        columns = [c.name for c in names]
        body = cte.this
        if with_.args.get("recursive") and isinstance(body, exp.SetOperation) and _reads(body, name):
            known[name] = _recursive(t, body, scope, name, columns)
        else:
            known[name] = query(t, body, scope).renamed(columns)
        t.label = label
    return known


def _reads(body: exp.Expr, name: str) -> bool:
    return any(table.name.lower() == name and not table.db for table in body.find_all(exp.Table))


def _recursive(t: Trace, body: exp.SetOperation, scope: Scope, name: str, columns: list[str]) -> Rel:
    """The fixed point of a recursive CTE: its own columns feed it until no new source appears."""
    known = dict(scope.ctes)
    anchor = query(t, body.left, scope).renamed(columns)
    if t.printing:
        for position, col in enumerate(anchor.cols):
            col.print = digest(f"recursive[{position}]:{col.print}")
    result = anchor
    for _ in range(len(anchor.cols) + 2):
        seen = Rel(
            [c.named(c.name) for c in result.cols],
            opens=anchor.opens,
            every=anchor.every,
            indirect=result.indirect,
            wild=result.wild,
            rows=digest("recursive:" + anchor.rows),
        )
        for col, first in zip(seen.cols, anchor.cols, strict=False):
            col.print = first.print
        scope.ctes = {**known, name: seen}
        step = query(t, body.right, scope)
        before = [c.sources for c in result.cols]
        result = _combine(t, body, anchor, step)
        if [c.sources for c in result.cols] == before and result.indirect == seen.indirect:
            break
    scope.ctes = known
    if t.printing:  # one step more or less changes every value: the CTE counts as a whole
        whole = digest(f"{result.rows};{','.join(c.print for c in result.cols)}")
        result.rows = whole
        for position, col in enumerate(result.cols):
            col.print = f"{whole}.{position}"
    return result


def _set_operation(t: Trace, node: exp.SetOperation, scope: Scope) -> Rel:
    chain = [node]  # a long UNION ALL is a deep tree: walked down in a loop, combined on the way back
    while isinstance(chain[-1].left, exp.SetOperation) and not _has_tail(chain[-1].left):
        chain.append(chain[-1].left)
    result = query(t, chain[-1].left, scope)
    for step in reversed(chain):
        result = _combine(t, step, result, query(t, step.right, scope))
    return _ordered(t, node, result)


def _has_tail(node: exp.Expr) -> bool:
    return any(node.args.get(key) is not None for key in ("with_", "order", "limit", "offset"))


def _combine(t: Trace, node: exp.SetOperation, left: Rel, right: Rel) -> Rel:
    open_either = left.open or right.open
    if node.args.get("by_name"):
        cols = _by_name(left, right)
    else:
        cols = _by_place(node, left, right)
    extra: frozenset[Indirect] = frozenset()
    whole = isinstance(node, (exp.Except, exp.Intersect)) or bool(node.args.get("distinct"))
    if whole:  # rows are compared as a whole: every column decides
        every = [*left.cols, *right.cols]
        kind = "filter" if isinstance(node, (exp.Except, exp.Intersect)) else "group_by"
        extra = frozenset((s[0], s[1], kind) for col in every for s in col.sources)
    rows = ""
    if t.printing:
        prints = ",".join(c.print for c in [*left.cols, *right.cols]) if whole else ""
        rows = digest(f"{node.key}{bool(node.args.get('distinct'))}({left.rows},{right.rows}){prints}")
        kind = f"{node.key}{'' if node.args.get('distinct') else ' all'}".upper()
        t.clauses.append((t.label, {"FROM": f"{left.rows},{right.rows}", "set operation": kind + prints}))
    return Rel(
        cols,
        opens=(Open(left), Open(right)) if open_either else (),
        every=True,
        indirect=left.indirect | right.indirect | extra,
        wild=left.wild | right.wild,
        why=left.why | right.why,
        rows=rows,
    )


def _by_name(left: Rel, right: Rel) -> list[Col]:
    cols = [merge(c.name, [c, r]) if (r := right.index.get(c.name.lower())) else c for c in left.cols]
    seen = {c.name.lower() for c in left.cols}
    return cols + [c for c in right.cols if c.name.lower() not in seen]


def _by_place(node: exp.SetOperation, left: Rel, right: Rel) -> list[Col]:
    if isinstance(node, exp.Except):
        return list(left.cols)
    stars = any(c.name == "*" for c in [*left.cols, *right.cols])
    if not stars and len(left.cols) == len(right.cols):
        return [merge(a.name, (a, b)) for a, b in zip(left.cols, right.cols, strict=True)]
    if stars and len(left.cols) == len(right.cols) == 1:
        return [merge("*", (left.cols[0], right.cols[0]))]
    if stars:
        reason = "the branches of a set operation meet by position, but the columns of one are not known"
    else:
        reason = f"the branches of a set operation have {len(left.cols)} and {len(right.cols)} columns"
    return [Col(c.name, c.sources, c.why | {reason}, c.type, print=c.print) for c in left.cols]


def values(t: Trace, node: exp.Expr, scope: Scope) -> Rel:
    """VALUES: columns `col0`, `col1` …, each made of the values at its place."""
    rows = [r.expressions if isinstance(r, exp.Tuple) else [r] for r in node.expressions]
    cols = []
    for place in range(max((len(r) for r in rows), default=0)):
        cells = [value(t, row[place], scope, f"col{place}") for row in rows if place < len(row)]
        cols.append(merge(f"col{place}", cells))
    text = digest(text_of(None, node, None)) if t.printing else ""
    return Rel(cols, rows=f"values({len(rows)})" if t.printing and text else "")


@dataclass(slots=True)
class _Projections:
    """The output of a SELECT while it grows."""

    cols: list[Col] = field(default_factory=list)
    nodes: list[exp.Expr] = field(default_factory=list)
    opens: list[Open] = field(default_factory=list)
    wild: set[str] = field(default_factory=set)
    why: set[str] = field(default_factory=set)  # reasons about the rows as a whole


def _select(t: Trace, node: exp.Select, outer: Scope) -> Rel:
    scope = Scope(outer if outer.entries or outer.parent or outer.params else None, outer.ctes)
    label = t.label
    clauses: dict[str, str] = {}
    rows = add_from(t, node, scope, clauses)
    for window in node.args.get("windows") or ():
        scope.windows[window.name.lower()] = window
    out = _project(t, node, scope)
    rows |= _deciding(t, node, scope, out, clauses)
    why = out.why.union(*(e.rel.why for e in scope.entries))
    for entry in scope.entries:
        rows |= entry.rel.indirect
    text = ""
    if t.printing:
        t.clauses.append((label, clauses))
        alone = len(scope.entries) == 1 and clauses.keys() == {"FROM"}  # passes the rows of its one source on
        text = scope.entries[0].rel.rows if alone else digest(";".join(f"{k}={v}" for k, v in clauses.items()))
    return Rel(
        _unique(out.cols),
        opens=tuple(out.opens),
        indirect=frozenset(rows),
        wild=frozenset(out.wild),
        why=frozenset(why),
        rows=text,
    )


def _unique(cols: list[Col]) -> list[Col]:
    """Names as DuckDB makes them where a table needs distinct ones: `id`, `id_1`."""
    seen: set[str] = set()
    out = []
    for col in cols:
        name, number = col.name, 0
        while name != "*" and name.lower() in seen:
            number += 1
            name = f"{col.name}_{number}"
        seen.add(name.lower())
        out.append(col if name == col.name else col.named(name))
    return out


def _project(t: Trace, node: exp.Select, scope: Scope) -> _Projections:
    out = _Projections()
    for item in node.expressions:
        expansion = expand(t, scope, item)
        if expansion is not None:
            _take(out, expansion, item, scope)
            continue
        col = value(t, item, scope, output_name(item))
        if isinstance(item, exp.PositionalColumn):
            col = col.named(_position_name(item, scope))
        name = col.name
        spread = _spread(t, item, col, scope)
        out.cols += spread
        out.nodes += [item] * len(spread)
        if isinstance(item, exp.Alias):
            scope.aliases.setdefault(name.lower(), col)
        bare = item.unalias() if isinstance(item, exp.Alias) else item
        if isinstance(bare, exp.Column) and not bare.table:  # a whole row: SELECT t FROM t
            entry = scope.entry((bare.name.lower(),))
            if entry is not None and bare.name.lower() not in entry.rel.index:
                out.wild |= entry.rel.wild
    return out


def _position_name(item: exp.Expr, scope: Scope) -> str:
    columns = [c for e in scope.entries for c in e.rel.cols]
    place = int(item.name) - 1 if item.name.isdigit() else -1
    return columns[place].name if 0 <= place < len(columns) else f"#{item.name}"


def _take(out: _Projections, expansion: Expansion, item: exp.Expr, scope: Scope) -> None:
    out.cols += expansion.cols
    out.nodes += [item] * len(expansion.cols)
    out.opens += expansion.opens
    out.wild |= expansion.wild
    if isinstance(item, exp.Alias):
        for col in expansion.cols:
            scope.aliases.setdefault(col.name.lower(), col)


def _spread(t: Trace, item: exp.Expr, col: Col, scope: Scope) -> list[Col]:
    """`unnest(struct)` in a projection gives one column per field; everything else is one column."""
    if not isinstance(item, exp.Explode):
        return [col]
    inner = value(t, item.this, scope, col.name)
    if any(o.name.lower() == "recursive" for o in item.expressions):
        leaves = leaf_fields(inner.type)
        return [below(inner, path).named(path[-1]) for path in leaves] if leaves != [()] else [col]
    return [below(inner, (name,)).named(name) for name in spread_fields(inner)] or [col]


def _deciding(t: Trace, node: exp.Select, scope: Scope, out: _Projections, clauses: dict[str, str]) -> frozenset[Indirect]:
    """The clauses after FROM that decide which rows there are."""
    rows: set[Indirect] = set()

    def decide(clause: str, nodes: Iterable[exp.Expr | None], *kinds: str) -> Found:
        given = [n for n in nodes if n is not None]
        found = gather_all(t, given, scope)
        rows.update(indirect(found, *kinds))
        out.why |= found.why
        if t.printing and given:
            clauses[clause] = ",".join(text_of(t, n, scope) for n in given)
        return found

    for clause, key in (("WHERE", "where"), ("HAVING", "having"), ("QUALIFY", "qualify")):
        if node.args.get(key) is not None:
            decide(clause, [node.args[key].this], "filter")
    group = node.args.get("group")
    if group is not None:
        _group(t, group, scope, out, rows, clauses)
    elif _aggregates(node.expressions):
        clauses["GROUP BY"] = "one row"
    _distinct(t, node, scope, out, rows, clauses)
    _order(t, node, scope, out, rows, clauses)
    decide("UNNEST", [n for n in node.expressions if _unnests(n)], "join")
    sample = node.args.get("sample")
    if t.printing and sample is not None:
        clauses["SAMPLE"] = text_of(None, sample, None)
    return frozenset(rows)


def _group(t: Trace, group: exp.Expr, scope: Scope, out: _Projections, rows: set[Indirect], clauses: dict[str, str]) -> None:
    if group.args.get("all"):
        keys = [c for c, n in zip(out.cols, out.nodes, strict=True) if not _aggregates([n])]
        rows.update((s[0], s[1], "group_by") for c in keys for s in c.sources)
        if t.printing:
            clauses["GROUP BY"] = ",".join(sorted(c.print for c in keys))
        return
    texts: list[str] = []
    nested = [n for key in ("rollup", "cube", "grouping_sets") for n in group.args.get(key) or ()]
    for node in [*group.expressions, *nested]:
        col = _by_number(node, out)
        if col is not None:
            rows.update((s[0], s[1], "group_by") for s in col.sources)
            texts.append(col.print)
            continue
        found = gather_all(t, [node], scope)
        rows.update(indirect(found, "group_by"))
        out.why |= found.why
        if t.printing:
            texts.append(_group_text(t, node, scope))
    if t.printing:
        clauses["GROUP BY"] = ",".join(sorted(texts) if not nested else texts)


def _group_text(t: Trace, node: exp.Expr, scope: Scope) -> str:
    """Print a key as a projection prints it, so that `GROUP BY 1` equals the expression written out."""
    while isinstance(node, exp.Paren):
        node = node.this
    text = text_of(t, node, scope)
    return text if isinstance(node, exp.Column) else digest(text)


def _by_number(node: exp.Expr, out: _Projections) -> Col | None:
    if isinstance(node, exp.Literal) and not node.is_string and node.name.isdigit():
        place = int(node.name) - 1
        if 0 <= place < len(out.cols) and all(c.name != "*" for c in out.cols[: place + 1]):
            return out.cols[place]
    return None


def _distinct(t: Trace, node: exp.Select, scope: Scope, out: _Projections, rows: set[Indirect], clauses: dict[str, str]) -> None:
    distinct = node.args.get("distinct")
    if distinct is None:
        return
    on = distinct.args.get("on")
    if on is not None:
        keys = on.expressions if isinstance(on, exp.Tuple) else [on]
        found = gather_all(t, keys, scope)
        rows.update(indirect(found, "group_by"))
        out.why |= found.why
        if t.printing:
            clauses["DISTINCT"] = ",".join(text_of(t, k, scope) for k in keys)
        return
    rows.update((s[0], s[1], "group_by") for c in out.cols for s in c.sources)
    if t.printing:
        clauses["DISTINCT"] = ",".join(sorted(c.print for c in out.cols))


def _order(t: Trace, node: exp.Select, scope: Scope, out: _Projections, rows: set[Indirect], clauses: dict[str, str]) -> None:
    order = node.args.get("order")
    tail = [n for n in (node.args.get("limit"), node.args.get("offset"), node.args.get("fetch")) if n is not None]
    picks = bool(tail) or (node.args.get("distinct") is not None and node.args["distinct"].args.get("on") is not None)
    kinds = ("sort", "filter") if picks else ("sort",)
    texts: list[str] = []
    if order is not None:
        seen = Scope(scope, scope.ctes)  # ORDER BY sees the output first, then the sources
        seen.aliases = {c.name.lower(): c for c in reversed(out.cols) if c.name != "*"}
        for item in order.expressions:
            col = _by_number(item.this, out)
            cols = out.cols if _is_all(item) else [col] if col is not None else []
            rows.update((s[0], s[1], kind) for c in cols for s in c.sources for kind in kinds)
            if not cols:
                rows.update(indirect(gather_all(t, [item.this], seen), *kinds))
            if t.printing:
                what = ",".join(c.print for c in cols) if cols else text_of(t, item.this, seen)
                texts.append(f"{what} {bool(item.args.get('desc'))} {bool(item.args.get('nulls_first'))}")
    rows.update(indirect(gather_all(t, tail, scope), "filter"))
    if not picks:
        t.orders += texts
    if t.printing and picks:
        if texts:
            clauses["ORDER BY"] = ",".join(texts)
        if tail:
            clauses["LIMIT"] = ",".join(text_of(t, n, scope) for n in tail)


def _is_all(item: exp.Expr) -> bool:
    return isinstance(item.this, exp.Var) and item.this.name.upper() == "ALL"


def _aggregates(nodes: Iterable[exp.Expr]) -> bool:
    """Whether an aggregate (not a window) stands in the expressions themselves, outside subqueries."""
    stack = list(nodes)
    while stack:
        node = stack.pop()
        if isinstance(node, (exp.Window, exp.Query)):
            continue
        if isinstance(node, exp.AggFunc) or (isinstance(node, exp.Anonymous) and node.name.lower() in AGGREGATES):
            return True
        stack.extend(node.iter_expressions())
    return False


def _unnests(node: exp.Expr) -> bool:
    bare = node.this if isinstance(node, exp.Alias) else node
    return isinstance(bare, (exp.Explode, exp.Unnest))
