"""FROM: tables, subqueries, table functions, UNNEST, and the joins between them."""

from __future__ import annotations

import re

from sqlglot import exp

from headgate.lineage.canon import text_of
from headgate.lineage.digests import digest
from headgate.lineage.pivots import pivoted
from headgate.lineage.scope import (
    IDENTITY,
    TRANSFORMATION,
    Col,
    Entry,
    Indirect,
    Path,
    Rel,
    Scope,
    merge,
    placed,
)
from headgate.lineage.typing import known_type
from headgate.lineage.values import Found, Trace, gather_all, value
from headgate.spec.lineage import join_name

_FILE = re.compile(r".*(://|/|\.(parquet|csv|tsv|json|ndjson|jsonl|xlsx|avro|txt|orc|db|duckdb)(\.\w+)?$)", re.I)
_STAR = "*"
_SERIES = {True: "range", False: "generate_series"}


def add_from(t: Trace, node: exp.Expr, scope: Scope, clauses: dict[str, str] | None = None) -> set[Indirect]:
    """Put everything that FROM names into `scope`; return the columns whose join conditions decide the rows.

    `node` is a SELECT, or a parenthesised join. What is told about clauses goes to `clauses` when changes are weighed.
    """
    rows: set[Indirect] = set()
    joins: list[str] = []
    if isinstance(node, exp.Select):
        from_ = node.args.get("from_")
        if from_ is not None:
            _add(t, from_.this, scope, rows, joins)
    else:
        _add_one(t, node, scope, rows)
    for join in node.args.get("joins") or ():
        _join(t, join, scope, rows, joins)
    for lateral in node.args.get("laterals") or ():
        _add(t, lateral, scope, rows, joins)
    if clauses is not None and t.printing:
        clauses["FROM"] = ",".join(f"{e.place}{e.rel.rows}" for e in scope.entries)
        if joins:
            clauses["JOIN"] = ";".join(joins)
    return rows


def _add(t: Trace, item: exp.Expr, scope: Scope, rows: set[Indirect], texts: list[str]) -> list[Entry]:
    """Add one item of FROM, with the joins that are written inside it."""
    first = len(scope.entries)
    inner = item.this if isinstance(item, exp.Subquery) else None
    if isinstance(inner, exp.Table) and not item.alias:
        inside: dict[str, str] = {}
        rows |= add_from(t, inner, scope, inside)
        texts += [f"({inside[k]})" for k in ("JOIN",) if k in inside]
    else:
        _add_one(t, item, scope, rows)
    for join in item.args.get("joins") or ():
        _join(t, join, scope, rows, texts)
    return scope.entries[first:]


def _add_one(t: Trace, item: exp.Expr, scope: Scope, rows: set[Indirect]) -> None:
    alias_node = item.args.get("alias")
    alias = alias_node.name if isinstance(alias_node, exp.TableAlias) else ""
    names = [c.name for c in alias_node.columns] if isinstance(alias_node, exp.TableAlias) else []
    qualifiers: tuple[Path, ...] = ((alias.lower(),),) if alias else ()
    if isinstance(item, exp.Table):
        rel, alias, qualifiers = _table(t, item, scope, alias, qualifiers, rows)
    elif isinstance(item, exp.Lateral):
        rel = _lateral(t, item, scope, rows)
    elif isinstance(item, exp.Unnest):
        rel = _unnest(t, item, scope, rows)
        alias, qualifiers = alias or "unnest", qualifiers or (("unnest",),)
    else:
        rel = t.query(t, item, scope)
    if isinstance(item, exp.Unnest) and item.args.get("offset") is not None and names:
        offset = item.args["offset"]
        names = [*names, offset.name] if isinstance(offset, exp.Identifier) else names
    rel = rel.renamed(names)
    for pivot in item.args.get("pivots") or ():
        rel = pivoted(t, rel, pivot, scope, alias or "pivot", qualifiers)
        own = pivot.args.get("alias")
        if isinstance(own, exp.TableAlias):
            alias, qualifiers = own.name, ((own.name.lower(),),)
            rel = rel.renamed([c.name for c in own.columns])
    if t.printing and item.args.get("sample") is not None:
        rel = rel.with_cols(rel.cols)
        rel.rows = digest(rel.rows + text_of(None, item.args["sample"], None))
    place = f"{len(scope.entries)}:" if scope.entries and t.printing else ""
    scope.entries.append(Entry(rel, alias or "a subquery", qualifiers, place=place))


def _table(
    t: Trace, item: exp.Table, scope: Scope, alias: str, qualifiers: tuple[Path, ...], rows: set[Indirect]
) -> tuple[Rel, str, tuple[Path, ...]]:
    if not isinstance(item.this, (exp.Identifier, exp.Dot)):
        rel = _table_function(t, item.this, scope, alias, rows)
        name = _function_name(item.this)
        return rel, alias or name, qualifiers or ((name,),)
    parts = tuple(p.name for p in item.parts)
    known = scope.ctes.get(parts[0].lower()) if len(parts) == 1 else None
    if known is None:
        relation = join_name(parts)
        external = len(parts) == 1 and relation not in t.schemas and bool(_FILE.match(parts[0]))
        if external:
            relation = parts[0]
        known = base(t, relation, external=external)
        if t.printing and item.args.get("when") is not None:
            known = known.with_cols(known.cols)
            known.rows += text_of(None, item.args["when"], None)
    if not qualifiers:
        lower = tuple(p.lower() for p in parts)
        qualifiers = tuple(lower[i:] for i in range(len(lower)))
    return known, alias or parts[-1], qualifiers


def base(t: Trace, relation: str, *, external: bool) -> Rel:
    """A relation that the query reads from outside itself, known or not."""
    t.inputs[relation] = external
    wild = frozenset((relation,))
    schema = t.schemas.get(relation)
    if schema is None:
        what = "the columns of {} are not known" if not external else "the columns of {}, outside the project, are not known"
        why = frozenset((what.format(relation),))
        star = Col("*", why=why, print=f"{relation}.*")
        return Rel([star], base=relation, wild=wild, rows=f"table {relation}")
    cols = [
        Col(name, frozenset(((relation, name, (), IDENTITY),)), type=kind, print=f"{relation}.{name.lower()}")
        for name, kind in schema.items()
    ]
    if _STAR in schema:  # a model whose own star could not be spelled out: what is known is known, the rest may be asked
        cols = [c for c in cols if c.name != _STAR]
        why = frozenset((f"not all columns of {relation} are known",))
        star = Col(_STAR, why=why, print=f"{relation}.*")
        return Rel([*cols, star], base=relation, wild=wild, rows=f"table {relation}")
    return Rel(cols, wild=wild, rows=f"table {relation}")


def _function_name(node: exp.Expr) -> str:
    if isinstance(node, exp.GenerateSeries):
        return _SERIES[bool(node.args.get("is_end_exclusive"))]
    if isinstance(node, exp.Anonymous):
        return str(node.name.lower())
    return str(node.sql_name().lower()) if isinstance(node, exp.Func) else node.key


def _table_function(t: Trace, node: exp.Expr, scope: Scope, alias: str, rows: set[Indirect]) -> Rel:
    name = _function_name(node)
    found = gather_all(t, node.iter_expressions(), scope)
    rows |= {(s[0], s[1], "join") for s in found.sources}
    text = f"function {digest(text_of(t, node, scope))}" if t.printing else ""
    if isinstance(node, exp.GenerateSeries):
        kind = exp.DataType.from_str("BIGINT", dialect="duckdb")
        return Rel([_made(name, found, kind, text)], rows=text)
    if found.sources or found.why:  # a function of columns (json_each): its columns are made of them
        reason = f"the columns that {name}() gives are not known"
        many = _made("*", found, None, text)
        dynamic = _made("*", found, None, text)
        many.why |= {reason}
        return Rel([many], dynamic=dynamic, rows=text)
    first = next((e for e in node.iter_expressions() if isinstance(e, exp.Literal) and e.is_string), None)
    argument = f"'{first.name}'" if first is not None else ""
    return base(t, f"{name}({argument})", external=True)


def _made(name: str, found: Found, kind: exp.DataType | None, text: str) -> Col:
    sources = frozenset(s if s[3] else (s[0], s[1], s[2], TRANSFORMATION) for s in found.sources)
    return Col(name, sources, frozenset(found.why), kind, print=f"{text}.{name}")


def _lateral(t: Trace, item: exp.Lateral, scope: Scope, rows: set[Indirect]) -> Rel:
    inner = item.this
    if isinstance(inner, (exp.Unnest, exp.Explode)):
        return _unnest(t, inner, scope, rows)
    if isinstance(inner, (exp.Query, exp.Values)):
        return t.query(t, inner, scope)
    return _table_function(t, inner, scope, "", rows)


def _unnest(t: Trace, item: exp.Expr, scope: Scope, rows: set[Indirect]) -> Rel:
    lists = item.expressions if isinstance(item, exp.Unnest) else [item.this]
    cols = []
    texts = []
    for number, node in enumerate(lists):
        col = value(t, node, scope, "unnest")
        rows |= {(s[0], s[1], "join") for s in col.sources}
        kind = col.type or known_type(node)
        element = kind.expressions[0] if kind is not None and kind.this == exp.DType.ARRAY and kind.expressions else None
        made = merge("unnest" if not number else f"unnest_{number}", [col], TRANSFORMATION)
        made.type = element if isinstance(element, exp.DataType) else None
        made.counts = False
        made.print = f"unnest({col.print})"
        texts.append(made.print)
        cols.append(made)
    if item.args.get("offset"):
        cols.append(Col("ordinality", type=exp.DataType.from_str("BIGINT", dialect="duckdb"), counts=True, print="ordinality"))
    return Rel(cols, rows=f"unnest({','.join(texts)})")


def _join(t: Trace, join: exp.Join, scope: Scope, rows: set[Indirect], texts: list[str]) -> None:
    kind, side, method = join.kind.upper(), join.side.upper(), join.method.upper()
    first = len(scope.entries)
    added = _add(t, join.this, scope, rows, texts)
    words = [w for w in (method, side, kind if kind not in ("INNER", "OUTER") else "") if w]
    text = " ".join(words)
    on = join.args.get("on")
    if on is not None:
        rows |= {(s[0], s[1], "join") for s in gather_all(t, [on], scope).sources}
        if t.printing:
            text += " on " + text_of(t, on, scope)
    names = [n.name.lower() for n in join.args.get("using") or ()]
    if method == "NATURAL":
        names = _natural_names(scope, first, added)
    for name in names:
        text += " using " + _merge_using(t, scope, first, name, side if kind != "SEMI" else "", rows)
    texts.append(text)
    if kind in ("SEMI", "ANTI"):
        for entry in added:
            rows |= entry.rel.indirect
            texts.append(entry.rel.rows)
        del scope.entries[first:]


def _natural_names(scope: Scope, first: int, added: list[Entry]) -> list[str]:
    left = [name for e in scope.entries[:first] for name in e.rel.index if name not in e.hidden]
    right = {name for e in added for name in e.rel.index}
    if any(e.rel.open for e in scope.entries):
        reason = "NATURAL JOIN meets on columns of the same name, but the columns of one side are not known"
        entry = added[0]
        entry.rel = entry.rel.with_cols(entry.rel.cols)
        entry.rel.why |= {reason}
    return [name for name in dict.fromkeys(left) if name in right]


def _merge_using(t: Trace, scope: Scope, first: int, name: str, side: str, rows: set[Indirect]) -> str:
    """Make one column of the two that USING joins on; it stands at the place of the left one."""
    left = scope.merged.get(name) or _side_column(scope.entries[:first], name)
    right = _side_column(scope.entries[first:], name)
    both = [c for c in (left, right) if c is not None]
    for source in (s for c in both for s in c.sources):
        rows.add((source[0], source[1], "join"))
        t.reads.add((source[0], source[1]))
    if not both:
        return f"?{name}"
    if side == "FULL":
        merged = merge(name, both, TRANSFORMATION)
    else:
        merged = both[-1] if side == "RIGHT" else both[0]
    scope.merged[name] = merged.named((left or right or merged).name)
    for entry in scope.entries[first:]:
        if left is not None:
            entry.hidden |= {name}
    return "=".join(c.print for c in both)


def _side_column(entries: list[Entry], name: str) -> Col | None:
    for entry in entries:
        if (col := entry.rel.index.get(name)) is not None:
            return placed(entry, col)
    maybe = [(e, c) for e in entries if e.rel.open and (c := e.rel.lookup(name)) is not None]
    return placed(*maybe[0]) if len(maybe) == 1 else None
