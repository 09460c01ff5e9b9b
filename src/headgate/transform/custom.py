"""Materialisations written in Jinja: `{% materialization %}` of the project, and dbt's own kinds where the project has its own of
a macro that they call (a strategy's SQL, `create_table_as`, a snapshot's hash).

The macro works on `{{ this }}`, which is a copy in staging of the table that stands. What it leaves there is gated and published like
everything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from headgate.spec.names import quote_ident
from headgate.spec.staged import RowCounts, Staged
from headgate.spec.templating import ColumnFactory, RelationFactory, TemplateRelation
from headgate.transform.clock import without_terminator
from headgate.transform.context import Scene, names_for, published_sql
from headgate.transform.job import Job
from headgate.transform.table import build_view, whole_table
from headgate.transform.writing import Made, StagingAdapter, writing_names

_BUILT_ANEW = ("table", "view")  # dbt's kinds that never look at what stands


def macro_for(job: Job, scene: Scene) -> str | None:
    """The macro that materialises the node; None where the engine's own way is meant."""
    config = job.node.config
    chosen = config.get("strategy") if job.node.materialized == "snapshot" else config.get("incremental_strategy")
    return scene.templates.materialization(job.node.materialized, str(chosen or ""))


def build(job: Job, scene: Scene, macro: str) -> Staged:
    """Run `macro` and stage what it leaves as `{{ this }}`. Raises DeclarationError when it leaves nothing."""
    node, workspace = job.node, job.workspace
    names: dict[str, Any] = {}
    made = Made()
    adapter = StagingAdapter(job, scene, names, made)
    names |= _names(job, scene, adapter)
    adapter.create_schema(adapter.relation(node.relation, None))
    if node.materialized not in _BUILT_ANEW:
        _copy_of_target(job, made)
    returned = scene.templates.call_macro(macro, {}, names)
    relation = next((r for r in _relations(returned) if r.identifier == node.relation.name), None)
    kind = made.kinds.get(node.relation)
    if kind is None:
        raise job.mistake(
            f"the materialisation '{node.materialized}' has left no {node.relation}",
            expected="a table or a view under {{ this }}, which it returns: {{ return({'relations': [this]}) }}",
            code="HG-T041",
        )
    notes = () if relation is not None else (f"'{node.materialized}' does not return {node.relation} among its relations",)
    staged = _view(job, scene, made) if kind == "view" else _table(job, made)
    for other in [r for r in made.kinds if r != node.relation]:
        adapter.drop_relation(adapter.relation(other, None))
    workspace.alias(node.relation, staged.overlay_sql or staged.rows_sql, cursor=job.cursor)
    return replace(staged, notes=staged.notes + notes)


def _names(job: Job, scene: Scene, adapter: StagingAdapter) -> dict[str, Any]:
    """The names of the materialisation: a node's, with an adapter that writes to staging."""
    node = job.node
    names = names_for(scene, node)
    names |= {
        **writing_names(scene, job, adapter),
        "api": _Api(adapter),
        "this": adapter.relation(node.relation, None),
        "sql": job.sql,
        "compiled_code": job.sql,
        "model": {**names["model"], "compiled_code": job.sql, "compiled_sql": job.sql},
    }
    return names


class _Api:
    """`api` of a materialisation: relations that nobody has published stand in staging."""

    def __init__(self, adapter: StagingAdapter) -> None:
        self.Relation: RelationFactory = adapter.Relation
        self.Column: ColumnFactory = adapter.Column

    def __getitem__(self, name: str) -> Any:
        return {"Relation": self.Relation, "Column": self.Column}[name]


def _copy_of_target(job: Job, made: Made) -> None:
    """Put what stands under the node's name into staging, where the materialisation may change it."""
    relation = job.node.relation
    published = job.target_sql or (relation.sql(job.lake.name) if job.lake.columns(relation) is not None else None)
    if published is None or (job.target_sql is None and job.node.materialized in ("incremental", "snapshot")):
        return
    kind = "view" if job.lake.relations().get(str(relation)) == "view" else "table"
    job.run(f"CREATE OR REPLACE {kind} {relation.sql(job.workspace.catalog)} AS SELECT * FROM {published}")
    made.kinds[relation] = kind


def _relations(returned: Any) -> list[TemplateRelation]:
    """The relations that a materialisation has returned."""
    if not isinstance(returned, Mapping):
        return []
    return [r for r in returned.get("relations") or () if isinstance(r, TemplateRelation)]


def _table(job: Job, made: Made) -> Staged:
    """What the materialisation left as a table, staged in the lake's types."""
    name = job.node.relation.sql(job.workspace.catalog)
    left = f"{job.node.relation.name}__hg_left"
    job.run(f"ALTER TABLE {name} RENAME TO {quote_ident(left)}")
    source = job.private("left").sql(job.workspace.catalog)
    rows = job.stage("", f"SELECT * FROM {source}")
    job.run(f"DROP TABLE {source}")
    made.kinds.pop(job.node.relation)
    return whole_table(job, rows, RowCounts(rows_in=rows.rows, rows_out=rows.rows))


def _view(job: Job, scene: Scene, made: Made) -> Staged:
    """What the materialisation left as a view; published it reads what is published."""
    query = made.views[job.node.relation]
    job.run(f"DROP VIEW {job.node.relation.sql(job.workspace.catalog)}")
    made.kinds.pop(job.node.relation)
    return build_view(replace(job, sql=query), without_terminator(published_sql(query, scene.read)))
