"""Inferred members: a fact may come before its dimension.

Declared on the fact: `inferred_members: {dimension: dim_customer, key: customer_id}` (or a list of such; a key whose name
differs in the dimension is written `{customer: customer_id}`). After the fact is staged, every key that the dimension lacks
gets a row there: the key, `is_inferred` true, all else NULL. The dimension's rows carry `is_inferred` false; when the real row
arrives it replaces the inferred one. Fact and dimension then move in one publish group.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from headgate.ports.engine import Cursor, Lake, Workspace
from headgate.spec.errors import DeclarationError
from headgate.spec.names import Column, Relation, quote_ident
from headgate.spec.project import Node, Project
from headgate.spec.recorded import RecordedDataset
from headgate.spec.staged import APPEND, DELTA, REPLACE, RowCounts, Staged
from headgate.transform.context import index_of
from headgate.transform.job import Job, staged_hash
from headgate.transform.query import listed, names

IS_INFERRED = "is_inferred"
BEGINNING = "1900-01-01"  # valid_from of an inferred member of a type 2 dimension: before any fact


@dataclass(frozen=True, slots=True)
class Inference:
    """A fact's keys and the dimension's, side by side."""

    fact: Node
    dimension: Node
    key: tuple[tuple[str, str], ...]  # (fact column, dimension column)


def inferences(project: Project, fact: Node) -> tuple[Inference, ...]:
    """The dimensions that `fact` may come before. Raises DeclarationError for an unknown dimension or a missing key."""
    declared = fact.config.get("inferred_members") or ()
    items = [declared] if isinstance(declared, Mapping) else list(declared)
    return tuple(_inference(project, fact, item) for item in items)


def _inference(project: Project, fact: Node, item: Any) -> Inference:
    wrong = DeclarationError(
        f"{fact.location}: {fact.name}: inferred_members {item!r} is not complete",
        expected="{dimension: <model>, key: <column> | [columns] | {<fact column>: <dimension column>}}",
        code="HG-T060",
    )
    if not isinstance(item, Mapping) or not item.get("dimension") or not item.get("key"):
        raise wrong
    dimension = index_of(project).node(str(item["dimension"]), None, None, fact)
    if dimension is None:
        raise DeclarationError(
            f"{fact.location}: {fact.name}: its dimension '{item['dimension']}' does not exist", expected="the name of a model"
        )
    if dimension.materialized in ("view", "ephemeral"):
        raise DeclarationError(
            f"{fact.location}: {fact.name}: its dimension {dimension.name} is a {dimension.materialized} model, which keeps no rows of its own",
            expected="a dimension that is a table, or an incremental or history model",
            code="HG-T060",
        )
    key = item["key"]
    if isinstance(key, Mapping):
        return Inference(fact, dimension, tuple((str(f), str(d)) for f, d in key.items()))
    columns = (key,) if isinstance(key, str) else tuple(key)
    return Inference(fact, dimension, tuple((str(c), str(c)) for c in columns))


def inferred_column(project: Project, node: Node) -> tuple[str, ...]:
    """The key columns of `node` if some fact infers members of it; empty if none does."""
    for other in project.nodes.values():
        if other.config.get("inferred_members"):
            for inference in inferences(project, other):
                if inference.dimension.unique_id == node.unique_id:
                    return tuple(d for _, d in inference.key)
    return ()


def as_dimension(job: Job, sql: str) -> str:
    """The dimension's query with `is_inferred`, and with the inferred members that a rebuild must not lose."""
    if job.node.resource_type == "seed" or not _any_inference(job.project):
        return sql
    key = inferred_column(job.project, job.node)
    if not key:
        return sql
    described = job.cursor.execute(f"SELECT * FROM (\n{sql}\n) LIMIT 0").description
    columns = tuple(str(d[0]) for d in described)
    if IS_INFERRED not in columns:
        sql = f"SELECT *, FALSE AS {IS_INFERRED} FROM (\n{sql}\n)"
    standing = job.lake.columns(job.node.relation)
    if job.node.materialized != "table" or standing is None or IS_INFERRED not in names(standing):
        return sql
    match = " AND ".join(f"i.{quote_ident(k)} = r.{quote_ident(k)}" for k in key)
    known = job.node.relation.sql(job.lake.name)
    return (
        f"WITH _hg_real AS (\n{sql}\n) SELECT * FROM _hg_real UNION ALL BY NAME "
        f"SELECT {listed(key, 'i')}, i.{IS_INFERRED} FROM {known} AS i ANTI JOIN _hg_real AS r ON {match} WHERE i.{IS_INFERRED}"
    )


def _any_inference(project: Project) -> bool:
    return any("inferred_members" in n.config for n in project.nodes.values())


def infer(
    fact: Staged,
    project: Project,
    lake: Lake,
    workspace: Workspace,
    *,
    staged: Mapping[str, Staged],
    recorded: Mapping[str, RecordedDataset],
) -> tuple[Staged, ...]:
    """The dimensions' staged values with rows for the keys that `fact` has and they lack; empty when nothing is missing.

    `staged` holds what this run has staged by unique id (a dimension found there is replaced by the value returned), `recorded`
    the ledger by dataset. All values returned, and the fact, must be published together. Raises DeclarationError when the
    dimension has never been built or lacks `is_inferred`.
    """
    node = project.nodes[fact.unique_id]
    cursor = workspace.cursor()
    try:
        found = [_infer_one(i, fact, lake, workspace, cursor, staged, recorded) for i in inferences(project, node)]
    finally:
        cursor.close()
    return tuple(s for s in found if s is not None)


def _infer_one(
    inference: Inference,
    fact: Staged,
    lake: Lake,
    workspace: Workspace,
    cursor: Cursor,
    staged: Mapping[str, Staged],
    recorded: Mapping[str, RecordedDataset],
) -> Staged | None:
    dimension = inference.dimension
    own = staged.get(dimension.unique_id)
    columns = own.columns if own is not None else lake.columns(dimension.relation)
    if columns is None or IS_INFERRED not in names(columns):
        raise DeclarationError(
            f"{dimension.location}: {dimension.name} has no column {IS_INFERRED}: {inference.fact.name} cannot infer its members",
            expected="a dimension built as a table, incremental or history model since inferred_members was declared",
            todo=f"run {dimension.name} with --full-refresh once",
        )
    overlay = own.overlay_sql if own is not None else workspace.resolve(dimension.relation)
    keys = ", ".join(f"{quote_ident(f)} AS {quote_ident(d)}" for f, d in inference.key)
    present = " AND ".join(f"{quote_ident(f)} IS NOT NULL" for f, _ in inference.key)
    on = " AND ".join(f"f.{quote_ident(d)} = d.{quote_ident(d)}" for _, d in inference.key)
    named = f"SELECT DISTINCT {keys} FROM {fact.rows_sql} WHERE {present}"
    missing = f"SELECT {_member(columns, {d for _, d in inference.key})} FROM ({named}) AS f ANTI JOIN {overlay} AS d ON {on}"
    relation = Relation(dimension.relation.schema, f"{dimension.relation.name}__hg_inferred_{inference.fact.relation.name}")
    cols, count, rows_sql, files = workspace.stage_query(relation, missing, cursor=cursor)
    if not count:
        return None
    note = f"{count} members inferred for {inference.fact.name}"
    if own is None:
        value = _alone(inference, lake, cols, rows_sql, files, count, note, overlay, recorded.get(str(dimension.relation)))
    else:
        value = _added(own, inference, workspace, cursor, rows_sql, count, note)
    workspace.alias(dimension.relation, value.overlay_sql, cursor=cursor)
    return replace(value, staged_hash=staged_hash(value, workspace.run_id))


def _member(columns: tuple[Column, ...], key: set[str]) -> str:
    """The select list of an inferred member."""
    special = {
        IS_INFERRED: "TRUE",
        "is_current": "TRUE",
    }
    parts = []
    for column in columns:
        quoted = quote_ident(column.name)
        if column.name in key:
            parts.append(f"CAST(f.{quoted} AS {column.type}) AS {quoted}")
        elif column.name == "valid_from":
            parts.append(f"CAST(DATE '{BEGINNING}' AS {column.type}) AS {quoted}")
        else:
            parts.append(f"CAST({special.get(column.name, 'NULL')} AS {column.type}) AS {quoted}")
    return ", ".join(parts)


def _alone(
    inference: Inference,
    lake: Lake,
    columns: tuple[Column, ...],
    rows_sql: str,
    files: tuple[str, ...],
    count: int,
    note: str,
    overlay: str,
    recorded: RecordedDataset | None,
) -> Staged:
    """A staged value for a dimension that this run does not build: the inferred rows are appended."""
    dimension = inference.dimension
    every = listed(names(columns))
    return Staged(
        str(dimension.relation), dimension.unique_id, dimension.relation, APPEND, columns, rows_sql,
        overlay_sql=f"(SELECT {every} FROM {overlay} UNION ALL SELECT {every} FROM {rows_sql})",
        files=files, counts=RowCounts(rows_in=count, rows_out=count), key=tuple(d for _, d in inference.key),
        base_version=recorded.version if recorded is not None else None,
        inputs=dict(recorded.inputs) if recorded is not None else {},
        code_fingerprint=recorded.code_fingerprint if recorded is not None else dimension.code_fingerprint,
        comment=dimension.description, publish_group=dimension.publish_group, notes=(note,),
    )  # fmt: skip


def _added(
    own: Staged, inference: Inference, workspace: Workspace, cursor: Cursor, rows_sql: str, count: int, note: str
) -> Staged:
    """The dimension's staged value of this run with the inferred rows in it."""
    every = listed(names(own.columns))
    relation = Relation(own.relation.schema, f"{own.relation.name}__hg_with_{inference.fact.relation.name}")
    both = f"SELECT {every} FROM {own.rows_sql} UNION ALL SELECT {every} FROM {rows_sql}"
    columns, total, sql, files = workspace.stage_query(relation, both, cursor=cursor)
    counts = replace(own.counts, rows_in=own.counts.rows_in + count, rows_out=total)
    overlay = sql if own.kind == REPLACE else f"(SELECT {every} FROM {own.overlay_sql} UNION ALL SELECT {every} FROM {rows_sql})"
    kind = DELTA if own.kind == APPEND and own.key else own.kind
    return replace(
        own, kind=kind, columns=columns, rows_sql=sql, files=files, counts=counts, overlay_sql=overlay, notes=(*own.notes, note)
    )
