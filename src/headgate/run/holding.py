"""What is held back when something is blocked: the dataset itself and all that depends on it keep their last good version,
marked stale."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from headgate.lineage.graph import Graph
from headgate.run.context import RunContext
from headgate.spec.clock import now_iso
from headgate.spec.events import StepResult
from headgate.spec.names import bind
from headgate.spec.project import Project


def dependency_graph(project: Project) -> Graph:
    """The graph of unique ids: every node depends on what it reads."""
    return Graph({uid: node.depends_on for uid, node in project.nodes.items()})


def held_by(project: Project, blocked: Iterable[StepResult]) -> Mapping[str, str]:
    """Unique id -> reason, for every node downstream of a blocked or failed landing."""
    held: dict[str, str] = {}
    graph = dependency_graph(project)
    for result in blocked:
        if result.unique_id in graph.nodes:
            for uid in graph.descendants(result.unique_id):
                held.setdefault(uid, f"{result.dataset} is {result.status}")
    return held


def mark(ctx: RunContext, results: Sequence[StepResult]) -> None:
    """Write the marks of what this run did not publish into the lake, in one commit; nothing when all went well."""
    bad = [r for r in results if r.status in ("blocked", "skipped", "failed") and r.dataset]
    if not bad:
        return
    at = now_iso()
    rows = [(r.dataset, r.unique_id, ctx.run_id, "blocked" if r.status == "blocked" else "stale", r.reason, at) for r in bad]
    values = ", ".join("(?, ?, ?, ?, ?, ?::TIMESTAMP)" for _ in rows)
    with ctx.lake.transaction(["headgate.marks"], author=ctx.run_id, message="marks") as cursor:
        cursor.execute(
            bind(
                f'INSERT INTO {ctx.lake.name}.headgate.marks (dataset, unique_id, run_id, kind, reason, "at") VALUES {values}',
                [value for row in rows for value in row],
            ),
        )
    for result in bad:
        ctx.emit("dataset.stale", dataset=result.dataset, step=result.unique_id, status=result.status, reason=result.reason)
