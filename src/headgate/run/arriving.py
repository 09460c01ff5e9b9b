"""Look at what a model that is built by intervals would read: which intervals have rows, how new these are, and which they are."""

from __future__ import annotations

from collections.abc import Mapping

from headgate.plan.due import Arrivals, Seen
from headgate.plan.intervals import NO_ROWS
from headgate.plan.reconcile import arrivals_of, arrivals_sql, parent_sql, seen_of
from headgate.plan.versions import as_compared
from headgate.spec.positions import RAW_COLUMNS
from headgate.spec.project import Node, Project
from headgate.spec.recorded import RecordedDataset
from headgate.spec.steps import Step
from headgate.transform.context import Scene, compiled

LOADED_AT = RAW_COLUMNS[0][0]


def arrived(scene: Scene, node: Node) -> tuple[Arrivals, Seen]:
    """The rows of the model's own query by interval, and a print of what each interval reads, as the run sees its parents.

    The print covers the query's rows and those of every parent with an event time, because these are what a batch is given: a row that
    the query folds into another, or that it leaves out, counts too. Raises duckdb.Error.
    """
    cursor = scene.cursor
    sql = compiled(scene, node)
    names = {str(row[0]).lower() for row in cursor.execute(f"DESCRIBE {sql}").fetchall()}
    rows = cursor.execute(arrivals_sql(node, sql, loaded_at=LOADED_AT if LOADED_AT in names else None)).fetchall()
    prints = [seen_of(rows), *(_read_from(scene, node, parent) for parent in node.depends_on)]
    starts = dict.fromkeys(start for known in prints for start in known)
    return arrivals_of(rows), {start: "|".join(known.get(start, NO_ROWS) for known in prints) for start in starts}


def whole_input_changed(project: Project, node: Node, step: Step, recorded: RecordedDataset, inputs: Mapping[str, str]) -> bool:
    """Whether something changed that every batch of `node` reads as a whole, beside what batches read by event time: a dimension.

    `inputs` are the versions read now. Late rows tell nothing of it, so the newest intervals are built again, as the lookback says.
    """
    parents = [(uid, project.nodes.get(uid) or project.sources.get(uid)) for uid in node.depends_on]
    whole = [(uid, p) for uid, p in parents if p is not None and not p.config.get("event_time")]
    if len(whole) == len(parents):
        return False  # nothing says by which parent's rows the batches are cut
    known = as_compared(recorded).inputs
    names = {uid: str(p.relation) for uid, p in whole}
    return any(uid in step.depends_on or known.get(name) != inputs.get(name) for uid, name in names.items())


def _read_from(scene: Scene, node: Node, parent: str) -> Seen:
    """A print of the parent's rows by interval; nothing for a parent that each batch reads as a whole."""
    project = scene.project
    found = project.nodes.get(parent) or project.sources.get(parent)
    event_time = found.config.get("event_time") if found is not None else None
    if found is None or not event_time or (isinstance(found, Node) and found.materialized == "ephemeral"):
        return {}
    relation = scene.resolve(parent) or scene.workspace.resolve(found.relation)
    described = scene.cursor.execute(f"SELECT * FROM {relation} LIMIT 0").description
    names = [str(d[0]) for d in described]
    columns = [LOADED_AT] if LOADED_AT in names else names
    return dict(scene.cursor.execute(parent_sql(node, relation, str(event_time), columns)).fetchall())
