"""PIVOT and UNPIVOT, as statements of their own and behind a table."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from sqlglot import exp

from headgate.lineage.canon import text_of
from headgate.lineage.digests import digest
from headgate.lineage.output import output_name
from headgate.lineage.scope import (
    CONDITIONAL,
    IDENTITY,
    Col,
    Entry,
    Indirect,
    Open,
    Path,
    Rel,
    Scope,
    merge,
)
from headgate.lineage.stars import expand
from headgate.lineage.values import Found, Trace, gather, gather_all, value


def pivot_statement(t: Trace, node: exp.Pivot, scope: Scope) -> Rel:
    """`PIVOT t ON … USING … GROUP BY …` and `UNPIVOT t ON … INTO …`."""
    source = node.this
    alias = source.alias_or_name or "the pivoted query"
    wrapped = exp.Select(expressions=[exp.Star()], from_=exp.From(this=source.copy()))
    rel = t.query(t, wrapped, scope)
    return pivoted(t, rel, node, scope, alias, ((alias.lower(),),))


def pivoted(t: Trace, rel: Rel, pivot: exp.Pivot, scope: Scope, alias: str, qualifiers: tuple[Path, ...]) -> Rel:
    """`rel` turned by a PIVOT or UNPIVOT."""
    inner = Scope(scope, scope.ctes)
    inner.entries.append(Entry(rel, alias, qualifiers or ((alias.lower(),),)))
    kind = "UNPIVOT" if pivot.args.get("unpivot") else "PIVOT"
    if t.printing:
        t.clauses.append((t.label, {kind: _pivot_text(t, pivot, inner)}))
    return _pivot(t, rel, pivot, inner) if kind == "PIVOT" else _unpivot(t, rel, pivot, inner)


def _pivot_text(t: Trace, pivot: exp.Pivot, scope: Scope) -> str:
    """Aliases count in a pivot: they become names of columns (PIVOT) or values (UNPIVOT)."""
    aliases = [a.args["alias"].sql() for a in pivot.find_all(exp.Alias, exp.PivotAlias)]
    return f"{text_of(t, pivot, scope)} {','.join(aliases)}"


def _pivot(t: Trace, rel: Rel, pivot: exp.Pivot, scope: Scope) -> Rel:
    fields = pivot.args.get("fields")
    keys = fields or pivot.expressions
    aggregates = (pivot.expressions if fields else pivot.args.get("using")) or [exp.Count(this=exp.Star(), big_int=True)]
    on = gather_all(t, [k.this if isinstance(k, exp.In) else k for k in keys], scope)
    used = gather_all(t, aggregates, scope)
    named = {c.name.lower() for n in [*keys, *aggregates] for c in n.find_all(exp.Column)}
    group = pivot.args.get("group")
    rows: set[Indirect] = set(rel.indirect)
    if group is not None:
        groups = [value(t, g, scope, output_name(g)) for g in group.expressions]
        wild: frozenset[str] = frozenset()
    else:
        groups = [c for c in rel.cols if c.name.lower() not in named]
        wild = rel.wild
    rows |= {(s[0], s[1], "group_by") for c in groups for s in c.sources}
    text = digest(f"{rel.rows};{_pivot_text(t, pivot, scope)};{','.join(c.print for c in groups)}") if t.printing else ""
    names = _value_names(keys)
    if names is None:
        return _open_pivot(on, used, groups, rel, rows, wild, text)
    single = len(aggregates) == 1 and not isinstance(aggregates[0], exp.Alias)
    cols = list(groups)
    for name in names:
        for aggregate in aggregates:
            col = _cell(t, aggregate, on, scope, name if single else f"{name}_{output_name(aggregate)}")
            col.print = digest(f"{text}:{col.name}")
            cols.append(col)
    why = (
        frozenset(("the groups of PIVOT are the columns not used, and not all are known",))
        if rel.open and group is None
        else frozenset()
    )
    return Rel(cols, indirect=frozenset(rows), wild=wild, why=rel.why | why, rows=text)


def _cell(t: Trace, aggregate: exp.Expr, on: Found, scope: Scope, name: str) -> Col:
    found = Found(counts=True)
    gather(t, aggregate, scope, found, IDENTITY)
    for source in on.sources:
        found.sources.add((source[0], source[1], source[2], max(source[3], CONDITIONAL)))
    col = value(t, aggregate, scope, name)
    return Col(name, frozenset(found.sources), frozenset(found.why | on.why), col.type, counts=True)


def _open_pivot(on: Found, used: Found, groups: list[Col], rel: Rel, rows: set[Indirect], wild: frozenset[str], text: str) -> Rel:
    """Without a list of values the columns depend on data: any of them is made of the aggregates and the ON columns."""
    sources = set(used.sources)
    sources |= {(s[0], s[1], s[2], max(s[3], CONDITIONAL)) for s in on.sources}
    why = frozenset(used.why | on.why)
    made = Col("*", frozenset(sources), why, counts=True, print=f"{text}.*")
    star = Col("*", made.sources, why | {"the columns of PIVOT are values found in the data"}, print=made.print)
    return Rel([*groups, star], dynamic=made, indirect=frozenset(rows), wild=wild, why=rel.why, rows=text)


def _value_names(keys: Iterable[exp.Expr]) -> list[str] | None:
    """The column names that the listed values give, joined by `_` over several keys; None if they come from data."""
    lists = []
    for key in keys:
        if not isinstance(key, exp.In) or not key.expressions:
            return None
        if not all(
            isinstance(v, (exp.Literal, exp.PivotAlias, exp.Alias, exp.Boolean, exp.Neg, exp.Cast, exp.Column))
            for v in key.expressions
        ):
            return None
        lists.append([_value_name(v) for v in key.expressions])
    return ["_".join(values) for values in product(*lists)]


def _value_name(node: exp.Expr) -> str:
    if isinstance(node, (exp.PivotAlias, exp.Alias)):
        alias = node.args["alias"]
        return str(alias.name)
    if isinstance(node, (exp.Literal, exp.Column)):
        return str(node.name)
    return str(node.sql(dialect="duckdb"))


def _unpivot(t: Trace, rel: Rel, pivot: exp.Pivot, scope: Scope) -> Rel:
    from_items, name, values = _unpivot_parts(pivot)
    stacks: list[list[Col]] = [[] for _ in values]
    used: set[str] = set()
    for item in from_items:
        for group in _columns_of(t, item, scope):
            for place, col in enumerate(group):
                used.add(col.name.lower())
                if place < len(stacks):
                    stacks[place].append(col)
    kept = [c for c in rel.cols if c.name.lower() not in used]
    text = digest(f"{rel.rows};{_pivot_text(t, pivot, scope)}") if t.printing else ""
    label = Col(name, type=exp.DataType.from_str("VARCHAR", dialect="duckdb"), print=f"{text}.name")
    made = [merge(n, stack) if stack else Col(n) for n, stack in zip(values, stacks, strict=True)]
    for col in made:
        col.print = f"{text}.{col.name}"
    rows = rel.indirect
    if not pivot.args.get("include_nulls"):
        rows |= {(s[0], s[1], "filter") for c in made for s in c.sources}
    opens: tuple[Open, ...] = ()
    if rel.open:
        opens = (Open(rel, frozenset(used)),)
    return Rel([*kept, label, *made], opens=opens, indirect=rows, wild=rel.wild, why=rel.why, rows=text)


def _unpivot_parts(pivot: exp.Pivot) -> tuple[list[exp.Expr], str, list[str]]:
    fields = pivot.args.get("fields")
    if fields:
        return list(fields[0].expressions), str(fields[0].this.name), [_plain_name(e) for e in pivot.expressions]
    into = pivot.args.get("into")
    if into is None:
        return list(pivot.expressions), "name", ["value"]
    return list(pivot.expressions), str(into.this.name), [_plain_name(e) for e in into.expressions]


def _plain_name(node: exp.Expr) -> str:
    return str(node.name or node.sql(dialect="duckdb"))


def _columns_of(t: Trace, item: exp.Expr, scope: Scope) -> list[list[Col]]:
    """The columns that one item of UNPIVOT stacks: each inner list goes into the value columns side by side."""
    while isinstance(item, (exp.Alias, exp.PivotAlias, exp.Paren)):
        item = item.this
    if isinstance(item, exp.Tuple):
        return [[value(t, e, scope, output_name(e)) for e in item.expressions]]
    expansion = expand(t, scope, item)
    if expansion is not None:
        return [[col] for col in expansion.cols]
    return [[value(t, item, scope, output_name(item))]]
