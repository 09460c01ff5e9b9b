"""Put a table back as it was: as a new publication under the run's lease, so that nothing is forgotten and everything is fenced."""

from __future__ import annotations

import time
from contextlib import ExitStack

from headgate.publish.restore import restore
from headgate.run.context import RunContext
from headgate.run.options import RunOptions
from headgate.run.running import Running
from headgate.spec.errors import UsageError
from headgate.spec.events import RunResult, StepResult
from headgate.spec.names import Relation


def restore_one(ctx: RunContext, table: str, to: str) -> RunResult:
    """Restore `table` (a model's name or schema.table) to a snapshot id or a time. Raises UsageError, LockHeld, EngineFailed."""
    began = time.perf_counter()
    node = next((n for n in ctx.project.nodes.values() if table in (n.name, str(n.relation), n.unique_id)), None)
    if node is None and table in {str(s.relation) for s in ctx.project.sources.values()}:
        raise UsageError(f"{table} is a raw table", expected="a model", todo="raw is append-only: land the right file instead")
    if node is None and "." not in table:
        raise UsageError(
            f"there is no table '{table}'", expected="a model's name or schema.table", todo="see the names: headgate ls"
        )
    relation = node.relation if node is not None else Relation.parse(table)
    running = Running(ctx, RunOptions(land=False), (), "restore")
    with ExitStack() as stack:
        keeper = running.enter(stack)
        restored = restore(
            ctx.lake,
            relation,
            to=to,
            run_id=ctx.run_id,
            fence=(keeper.lease.name, keeper.lease.token),
            reason=f"restored to {to}",
        )
        reason = f"as it was at {to}: {restored.rows_added:,} rows came back, {restored.rows_removed:,} went"
        ctx.emit(
            "dataset.restored", dataset=str(relation), step=node.unique_id if node else "", status="done", reason=reason, rows=restored.rows,
            snapshot=ctx.lake.snapshot(), data={"version": restored.version},
        )  # fmt: skip
        ctx.state.forget_mirror()
        result = StepResult(
            node.unique_id if node else "",
            str(relation),
            "done",
            reason,
            restored.rows_added,
            time.perf_counter() - began,
            (),
            restored.version,
        )
        return running.finish((result,), ())
