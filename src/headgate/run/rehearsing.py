"""A rehearsal: build a sample of a backfill in a shadow and weigh it; nothing of it is ever published."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from headgate.ports.engine import Workspace
from headgate.run.building import current_views, gate_tools
from headgate.run.context import RunContext
from headgate.run.gating import weigh_node
from headgate.spec.project import Node
from headgate.spec.steps import Plan
from headgate.transform.build import build

if TYPE_CHECKING:
    from headgate.run.repairing import Rehearsal

SEED = 42
"""The same rehearsal twice takes the same sample."""


def rehearse_plan(ctx: RunContext, node: Node, plan: Plan, share: float) -> Rehearsal:
    """Build `plan`'s intervals of `node` from a sample of its largest parent's rows, weigh them, and drop them.

    Checks on row counts may fail for the sample's sake; the answer names each check that fails.
    """
    from headgate.run.repairing import Rehearsal

    began = time.perf_counter()
    workspace = ctx.lake.workspace(f"{ctx.run_id}-rehearsal")
    current = current_views(ctx)

    def sampled(unique_id: str) -> str | None:
        ordinary = current(unique_id)
        if unique_id != largest:
            return ordinary
        rows = _read_as(ctx, workspace, unique_id)
        return f"(SELECT * FROM {rows} USING SAMPLE {share * 100:g} PERCENT (bernoulli, {SEED}))"

    largest = _largest(ctx, workspace, node)
    try:
        step = plan.steps[0]
        staged = tuple(
            build(
                step.build, node, ctx.project, ctx.templates, ctx.lake, workspace, clock=ctx.clock, interval=interval, resolve=sampled,
                recorded=ctx.lake.recorded().datasets.get(step.dataset),
            )
            for interval in step.intervals
        )  # fmt: skip
        cursor = workspace.cursor()
        gate = weigh_node(ctx, workspace, node, staged, None, lambda: gate_tools(ctx, workspace, cursor)) if staged else None
        cursor.close()
        failing = tuple(v.message for v in gate.verdicts if v.outcome == "block") if gate else ()
        rows = sum(s.counts.rows_out for s in staged)
    finally:
        workspace.discard()
    seconds = time.perf_counter() - began
    ctx.state.finish_run(ctx.run_id, "done", f"rehearsed {node.relation}", seconds=seconds)
    return Rehearsal(str(node.relation), share, rows, seconds, failing)


def _read_as(ctx: RunContext, workspace: Workspace, unique_id: str) -> str:
    """The relation under which a parent is read."""
    item = ctx.project.nodes.get(unique_id) or ctx.project.sources[unique_id]
    return current_views(ctx)(unique_id) or workspace.resolve(item.relation)


def _largest(ctx: RunContext, workspace: Workspace, node: Node) -> str | None:
    """The parent with the most rows."""
    cursor = workspace.cursor()
    rows: dict[str, int] = {}
    for parent in node.depends_on:
        found = cursor.execute(f"SELECT count(*) FROM {_read_as(ctx, workspace, parent)}").fetchone()
        rows[parent] = int(found[0]) if found else 0
    cursor.close()
    return max(rows, key=rows.__getitem__, default=None)
