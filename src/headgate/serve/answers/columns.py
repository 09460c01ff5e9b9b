"""Answers about lineage: where a table's or a column's values come from, and what hangs on them."""

from __future__ import annotations

from dataclasses import dataclass

from headgate.lineage.project import LineageGraph
from headgate.run.lineages import lineage_graph
from headgate.run.session import Session
from headgate.serve.answers.moment import at_one_snapshot
from headgate.serve.answers.tables import find
from headgate.spec.errors import UsageError
from headgate.spec.lineage import normal_name


@dataclass(frozen=True, slots=True)
class Edge:
    """`to` takes from `source`. `kind` says how: identity, transformation, aggregation, conditional, window, filter, join,
    …, or reads."""

    source: str
    to: str
    kind: str


@dataclass(frozen=True, slots=True)
class Lineage:
    """Upstream and downstream of a table or column (`schema.table[.column]`), nearest first. What could not be told is in
    `unknown`."""

    name: str
    upstream: tuple[Edge, ...]
    downstream: tuple[Edge, ...]
    unknown: tuple[str, ...] = ()


@at_one_snapshot
def lineage(session: Session, name: str) -> Lineage:
    """Lineage of `table` or `table.column`. Raises UsageError for a name that is neither."""
    graph = lineage_graph(session.project, session.lake)
    dataset, column = _target(session, name)
    relation = normal_name(f"{session.lake.name}.{dataset}")
    answer = _of_table(graph, relation) if column is None else _of_column(graph, relation, column)
    prefix = session.lake.name.lower() + "."
    up, down = (tuple(Edge(_short(e.source, prefix), _short(e.to, prefix), e.kind) for e in edges) for edges in answer)
    about = {relation, *(normal_name(prefix + e.to.rsplit(".", 1)[0] if column else prefix + e.to) for e in up)}
    unknown = tuple(
        f"{_short(model, prefix)}{'.' + col if col else ''}: {reason}"
        for model, col, reason in graph.unknowns()
        if model in about and (column is None or not col or col.lower() == column.lower() or model != relation)
    )
    return Lineage(dataset if column is None else f"{dataset}.{column}", up, down, unknown)


def _short(name: str, prefix: str) -> str:
    return name.removeprefix(prefix)


def _of_table(graph: LineageGraph, relation: str) -> tuple[list[Edge], list[Edge]]:
    """Edges between relations around `relation`."""
    known = set(graph.graph.nodes)
    if relation not in known:
        return [], []
    up = [
        Edge(parent, child, "reads") for child in (relation, *graph.upstream(relation)) for parent in graph.graph.parents(child)
    ]
    below = graph.downstream(relation)
    reached = {relation, *below}
    down = [Edge(parent, child, "reads") for child in below for parent in graph.graph.parents(child) if parent in reached]
    return up, down


def _of_column(graph: LineageGraph, relation: str, column: str) -> tuple[list[Edge], list[Edge]]:
    """Edges between columns around one column, and the columns that decide which rows there are."""
    start = (relation, column.lower())
    up, down = [], []
    for target in (start, *graph.upstream_columns(start)):
        up += _sources(graph, target)
    up += [
        Edge(f"{i.relation}.{i.column}", f"{relation}.{column.lower()}", f"{i.kind} of the rows")
        for i in (graph.lineage(relation).indirect if relation in graph.entries else ())
    ]
    reached = {start}
    for target in graph.downstream_columns(start):
        reached.add(target)
        down += [e for e in _sources(graph, target) if tuple(e.source.rsplit(".", 1)) in reached]
    return up, down


def _sources(graph: LineageGraph, target: tuple[str, str]) -> list[Edge]:
    """The direct edges into one column."""
    if target[0] not in graph.entries:
        return []
    found = next((c for c in graph.lineage(target[0]).columns if c.name.lower() == target[1]), None)
    if found is None:
        return []
    return [Edge(".".join((s.relation, s.column.lower())), ".".join(target), s.kind) for s in found.sources]


def _target(session: Session, name: str) -> tuple[str, str | None]:
    """`name` as dataset and column. A column must exist, as far as the columns are known."""
    try:
        return find(session, name).dataset, None
    except UsageError:
        head, dot, column = name.rpartition(".")
        if not dot:
            raise
    dataset = find(session, head).dataset
    graph = lineage_graph(session.project, session.lake)
    schema = graph.schema(f"{session.lake.name}.{dataset}")
    if schema is not None and "*" not in schema and column.lower() not in {c.lower() for c in schema}:
        raise UsageError(
            f"{dataset} has no column '{column}'",
            expected="one of " + ", ".join(schema),
            todo=f"see them: headgate show {dataset}",
        )
    return dataset, column
