"""Publish what a walk has come to, in one commit, and say how each step ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from headgate.plan.changes import code_of
from headgate.publish.pins import number
from headgate.publish.publish import Bundle, publish
from headgate.run.context import RunContext
from headgate.run.walk import Outcome
from headgate.spec.errors import EngineFailed, LakeConflict, LockHeld
from headgate.spec.events import StepResult
from headgate.spec.steps import Step
from headgate.state.leases import LeaseKeeper


def publish_staged(
    ctx: RunContext, outcome: Outcome, steps: Mapping[str, Step], keeper: LeaseKeeper, *, attempt: int, reason: str
) -> tuple[tuple[str, ...], tuple[StepResult, ...]]:
    """Publish. Returns the unique ids whose target another writer has moved (then nothing was published), and the steps'
    results."""
    results = tuple(outcome.results.values())
    staged = tuple(s for several in outcome.staged.values() for s in several)
    if not staged:
        return (), results
    nodes = ctx.project.nodes
    bundle = Bundle(
        staged,
        ctx.run_id,
        attempt,
        (keeper.lease.name, keeper.lease.token),
        codes={nodes[s.unique_id].code_fingerprint: (s.unique_id, json.dumps(code_of(nodes[s.unique_id]))) for s in staged},
        materialized={s.unique_id: nodes[s.unique_id].materialized for s in staged},
        reason=reason,
        reasons={uid: step.reason for uid, step in steps.items()},
    )
    said = publish(ctx.lake, bundle)
    if said.restage:
        moved = {s.unique_id for s in staged if s.dataset in said.restage}
        return tuple(uid for uid in steps if uid in moved), results
    snapshot = ctx.lake.snapshot()
    written = ctx.lake.written(snapshot)
    for s in staged:
        if s is outcome.staged[s.unique_id][-1]:
            ctx.emit(
                "dataset.published", dataset=s.dataset, step=s.unique_id, rows=s.counts.rows_out, bytes=written.get(s.dataset, 0), snapshot=snapshot,
                cpu_seconds=s.cpu_seconds, seconds=s.seconds, reason="; ".join(s.notes), data={"version": said.published.get(s.dataset, "")},
            )  # fmt: skip
    with suppress(LockHeld, EngineFailed, LakeConflict):  # what is published stands; the next publish of the view does it
        number(ctx.lake, staged, said.published, ctx.run_id)
    for dataset in said.superseded:
        ctx.emit("dataset.stale", dataset=dataset, status="superseded", reason="its inputs have moved since it was staged")
    return (), tuple(replace(r, version=said.published.get(r.dataset, r.version)) for r in results)
