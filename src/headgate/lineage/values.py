"""What an expression is made of: its source columns, each with the kind of its way.

One walk per expression over an explicit table of node types; anything without a row in the table is a transformation
of its children.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sqlglot import exp
from sqlglot.optimizer.annotate_types import TypeAnnotator
from sqlglot.schema import MappingSchema

from headgate.lineage.canon import text_of
from headgate.lineage.digests import digest
from headgate.lineage.scope import (
    AGGREGATION,
    CONDITIONAL,
    IDENTITY,
    TRANSFORMATION,
    WINDOW,
    Col,
    Path,
    Rel,
    Scope,
    Source,
    below,
    parts_of,
    window_clauses,
)
from headgate.lineage.typing import known_type

# Aggregates of DuckDB that the parser knows only as functions.
_AGGREGATE_NAMES = """
    arbitrary favg fsum sumkahan kahan_sum product histogram histogram_exact entropy mad sem
    kurtosis_pop skewness reservoir_quantile approx_top_k approx_quantile json_group_array
    json_group_object json_group_structure bitstring_agg geomean geometric_mean weighted_avg wavg list
    first last any_value arg_min arg_max max_by min_by mode median quantile quantile_cont quantile_disc
    string_agg group_concat listagg
    """
AGGREGATES = frozenset(_AGGREGATE_NAMES.split())
_NOT_AGGREGATED = (exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.NthValue)


@dataclass(slots=True)
class Trace:
    """One tracing of one query: what is known before, and what is met on the way."""

    schemas: dict[str, dict[str, exp.DataType | None]]
    query: Callable[[Trace, exp.Expr, Scope], Rel]
    unpack: Callable[[Scope, exp.Expr], list[Col]]
    printing: bool = False
    inputs: dict[str, bool] = field(default_factory=dict)
    reads: set[tuple[str, str]] = field(default_factory=set)
    clauses: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)
    label: str = ""
    subqueries: dict[tuple[int, int, int], tuple[Rel, object]] = field(default_factory=dict)
    annotator: TypeAnnotator = field(
        default_factory=lambda: TypeAnnotator(MappingSchema(dialect="duckdb"), overwrite_types=False)
    )

    def subquery(self, node: exp.Expr, scope: Scope) -> Rel:
        """A query inside an expression, read once although it is both traced and printed."""
        key = (id(node), id(scope), id(scope.choice))
        if key not in self.subqueries:  # node and scope are kept, so that their ids are not given away
            self.subqueries[key] = (self.query(self, node, scope), (node, scope, scope.choice))
        return self.subqueries[key][0]

    def resolve(self, parts: Path, scope: Scope) -> Col:
        """The column that `parts` name, remembered as read."""
        col = scope.resolve(parts)
        for source in col.sources:
            self.reads.add((source[0], source[1]))
        return col


@dataclass(slots=True)
class Found:
    """What a walk has gathered. `counts`: an aggregate or window was met, so the rows themselves matter."""

    sources: set[Source] = field(default_factory=set)
    why: set[str] = field(default_factory=set)
    counts: bool = False

    def add(self, col: Col, kind: int) -> None:
        """Take the sources of `col`, reached by a step of this kind."""
        self.why |= col.why
        self.counts = self.counts or col.counts
        for source in col.sources:
            self.sources.add(source if source[3] >= kind else (source[0], source[1], source[2], kind))


def value(t: Trace, node: exp.Expr, scope: Scope, name: str) -> Col:
    """The output column `name` that the expression gives; a column without an alias keeps the case of its source."""
    written = node
    while isinstance(node, (exp.Alias, exp.Paren)):
        node = node.this
    col = _plain(t, node, scope)
    if col is None:
        found = Found()
        gather(t, node, scope, found, IDENTITY)
        col = Col(name, frozenset(found.sources), frozenset(found.why), counts=found.counts)
        if isinstance(node, exp.Struct):
            col.fields = dict(_struct(t, node, scope))
        col.type = _type(t, node)
        if t.printing:
            col.print = digest(text_of(t, node, scope))
    if col.name == name or (node is written and not col.guessed and col.name.lower() == name.lower()):
        return col
    return col.named(name)


def _plain(t: Trace, node: exp.Expr, scope: Scope) -> Col | None:
    """The column that the expression is, or the struct field that it reads; None for anything else."""
    if isinstance(node, exp.Column):
        return None if isinstance(node.this, exp.Star) else t.resolve(parts_of(node), scope)
    if isinstance(node, exp.Columns):
        return None if node.args.get("unpack") else scope.choice
    if isinstance(node, exp.PositionalColumn):
        return _by_position(node, scope)
    step = field_step(node)
    if step is None:
        return None
    inner = node.this
    while isinstance(inner, exp.Paren):
        inner = inner.this
    col = _plain(t, inner, scope)
    if col is None and isinstance(inner, exp.Struct):
        col = value(t, inner, scope, "")
    return None if col is None else below(col, (step,))


def field_step(node: exp.Expr) -> str | None:
    """The struct field that a node reads of its `this`: `(s).x`, `s['x']`, `struct_extract(s, 'x')`."""
    if isinstance(node, exp.Dot):
        return node.expression.name if isinstance(node.expression, exp.Identifier) else None
    if isinstance(node, exp.Bracket):
        only = node.expressions[0] if len(node.expressions) == 1 else None
    elif isinstance(node, exp.StructExtract):
        only = node.expression
    else:
        return None
    return str(only.this) if isinstance(only, exp.Literal) and only.is_string else None


def _by_position(node: exp.Expr, scope: Scope) -> Col:
    columns = [c for e in scope.entries for c in e.rel.cols]
    number = int(node.name) if node.name.isdigit() else 0
    if 0 < number <= len(columns) and all(c.name != "*" for c in columns[:number]):
        return columns[number - 1]
    return Col(f"#{node.name}", why=frozenset((f"#{node.name} names a column by position that is not known",)))


def _struct(t: Trace, node: exp.Struct, scope: Scope) -> Iterable[tuple[str, Col]]:
    for item in node.expressions:
        if isinstance(item, exp.PropertyEQ):
            yield item.name.lower(), value(t, item.expression, scope, item.name)
        elif isinstance(item, (exp.Column, exp.Alias)):
            yield item.alias_or_name.lower(), value(t, item, scope, item.alias_or_name)


def gather(t: Trace, node: exp.Expr, scope: Scope, found: Found, kind: int) -> None:
    """Add to `found` everything that the expression reads, each at least as strong as `kind`."""
    while isinstance(node, exp.Binary) and type(node) not in _HANDLERS:  # a long sum is a deep tree: no recursion
        kind = max(kind, TRANSFORMATION)
        gather(t, node.expression, scope, found, kind)
        node = node.this
    handler = _HANDLERS.get(type(node))
    if handler is not None:
        handler(t, node, scope, found, kind)
        return
    if isinstance(node, exp.AggFunc) and not isinstance(node, _NOT_AGGREGATED):
        kind, found.counts = max(kind, AGGREGATION), True
    else:
        kind = max(kind, TRANSFORMATION)
    for child in node.iter_expressions():
        gather(t, child, scope, found, kind)


def gather_all(t: Trace, nodes: Iterable[exp.Expr | None], scope: Scope) -> Found:
    """Everything that several expressions read."""
    found = Found()
    for node in nodes:
        if node is not None:
            gather(t, node, scope, found, IDENTITY)
    return found


def _column(t: Trace, node: exp.Expr, scope: Scope, found: Found, kind: int) -> None:
    if isinstance(node.this, exp.Star):  # count(t.*)
        found.counts = True
        return
    assert isinstance(node, exp.Column)
    col = t.resolve(parts_of(node), scope)
    node._type = col.type or _UNKNOWN
    found.add(col, kind)


def _columns(t: Trace, node: exp.Expr, scope: Scope, found: Found, kind: int) -> None:
    if node.args.get("unpack"):
        for col in t.unpack(scope, node):
            found.add(col, kind)
    elif scope.choice is not None:
        node._type = scope.choice.type or _UNKNOWN
        found.add(scope.choice, kind)


def _positional(t: Trace, node: exp.Expr, scope: Scope, found: Found, kind: int) -> None:
    found.add(_by_position(node, scope), kind)


def _through(t: Trace, node: exp.Expr, scope: Scope, found: Found, kind: int) -> None:
    gather(t, node.this, scope, found, kind)


def _star(t: Trace, node: exp.Expr, scope: Scope, found: Found, kind: int) -> None:
    found.counts = True


def _anonymous(t: Trace, node: exp.Expr, scope: Scope, found: Found, kind: int) -> None:
    if node.name.lower() in AGGREGATES:
        kind, found.counts = max(kind, AGGREGATION), True
    for child in node.expressions:
        gather(t, child, scope, found, max(kind, TRANSFORMATION))


def _field_or_function(t: Trace, node: exp.Expr, scope: Scope, found: Found, kind: int) -> None:
    col = _plain(t, node, scope)
    if col is not None:
        node._type = col.type or _UNKNOWN
        found.add(col, kind)
        return
    for child in node.iter_expressions():
        gather(t, child, scope, found, max(kind, TRANSFORMATION))


def _case(t: Trace, node: exp.Expr, scope: Scope, found: Found, kind: int) -> None:
    if node.this is not None:
        gather(t, node.this, scope, found, CONDITIONAL)
    for branch in node.args.get("ifs") or ():
        _if(t, branch, scope, found, kind)
    if node.args.get("default") is not None:
        gather(t, node.args["default"], scope, found, max(kind, TRANSFORMATION))


def _if(t: Trace, node: exp.Expr, scope: Scope, found: Found, kind: int) -> None:
    gather(t, node.this, scope, found, CONDITIONAL)
    for arm in ("true", "false"):
        if node.args.get(arm) is not None:
            gather(t, node.args[arm], scope, found, max(kind, TRANSFORMATION))


def _filter(t: Trace, node: exp.Expr, scope: Scope, found: Found, kind: int) -> None:
    gather(t, node.this, scope, found, kind)
    gather(t, node.expression, scope, found, CONDITIONAL)


def _window(t: Trace, node: exp.Expr, scope: Scope, found: Found, kind: int) -> None:
    found.counts = True
    if not isinstance(node.this, exp.Identifier):
        gather(t, node.this, scope, found, max(kind, TRANSFORMATION))
    for clause in window_clauses(node, scope):
        gather(t, clause, scope, found, WINDOW)


def _subquery(t: Trace, node: exp.Expr, scope: Scope, found: Found, kind: int) -> None:
    rel = t.subquery(node, scope)
    for col in rel.cols:
        found.add(col, max(kind, TRANSFORMATION))
    if rel.cols:
        node._type = rel.cols[0].type or _UNKNOWN
    _decided_by(rel, found)


def _exists(t: Trace, node: exp.Expr, scope: Scope, found: Found, kind: int) -> None:
    found.counts = True
    _decided_by(t.subquery(node.this, scope), found)


def _decided_by(rel: Rel, found: Found) -> None:
    found.why |= rel.why
    for relation, column, _ in rel.indirect:
        found.sources.add((relation, column, (), CONDITIONAL))


def _lambda(t: Trace, node: exp.Expr, scope: Scope, found: Found, kind: int) -> None:
    with_params(t, scope, [p.name for p in node.expressions], [node.this], found, max(kind, TRANSFORMATION))


def _comprehension(t: Trace, node: exp.Expr, scope: Scope, found: Found, kind: int) -> None:
    kind = max(kind, TRANSFORMATION)
    gather(t, node.args["iterator"], scope, found, kind)
    names = [p.name for p in (node.expression, node.args.get("position")) if isinstance(p, exp.Expr)]
    with_params(t, scope, names, [node.this], found, kind)
    if node.args.get("condition") is not None:
        with_params(t, scope, names, [node.args["condition"]], found, CONDITIONAL)


def with_params(t: Trace, scope: Scope, names: list[str], bodies: list[exp.Expr], found: Found, kind: int) -> None:
    """Walk `bodies` while `names` are parameters of a lambda or a comprehension, not columns."""
    before = scope.params
    scope.params = before | {n.lower() for n in names}
    for body in bodies:
        gather(t, body, scope, found, kind)
    scope.params = before


_UNKNOWN = exp.DataType(this=exp.DType.UNKNOWN)
_Handler = Callable[[Trace, exp.Expr, Scope, Found, int], None]
_HANDLERS: dict[type[exp.Expr], _Handler] = {
    exp.Column: _column,
    exp.Columns: _columns,
    exp.PositionalColumn: _positional,
    exp.Paren: _through,
    exp.Alias: _through,
    exp.Star: _star,
    exp.Anonymous: _anonymous,
    exp.Dot: _field_or_function,
    exp.Bracket: _field_or_function,
    exp.StructExtract: _field_or_function,
    exp.Case: _case,
    exp.If: _if,
    exp.Filter: _filter,
    exp.Window: _window,
    exp.Subquery: _subquery,
    exp.Select: _subquery,
    exp.Union: _subquery,
    exp.Except: _subquery,
    exp.Intersect: _subquery,
    exp.Values: _subquery,
    exp.Exists: _exists,
    exp.Lambda: _lambda,
    exp.Comprehension: _comprehension,
}


def _type(t: Trace, node: exp.Expr) -> exp.DataType | None:
    """The type of an expression whose columns have been resolved; None where it cannot be told."""
    if isinstance(node, exp.Cast):
        return node.to if isinstance(node.to, exp.DataType) else None
    if node._type is None or node._type.this == exp.DType.UNKNOWN:
        node._type = None
        t.annotator.annotate_expression(node)
        t.annotator.clear()
    return known_type(node)
