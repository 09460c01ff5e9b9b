"""Land the source tables that a run needs, each in its own commit, before anything is built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from headgate.extract.drive import Drive
from headgate.extract.secrets import Secrets
from headgate.gate.weigh import Tools
from headgate.land.landing import land
from headgate.land.result import NOTHING, LoadResult
from headgate.ports.engine import Workspace
from headgate.run.building import gate_tools
from headgate.run.context import RunContext
from headgate.run.failures import keep_failures
from headgate.run.gating import landing_gate
from headgate.spec.errors import HeadgateError
from headgate.spec.events import Event, StepResult
from headgate.spec.ids import uuid7
from headgate.spec.project import SourceTable

LAND_LEASE_SECONDS = 30.0
LAND_WAIT_SECONDS = 600.0


def tables_to_land(ctx: RunContext, needed: Sequence[str]) -> tuple[SourceTable, ...]:
    """The source tables among `needed` (unique ids) that a connector fills."""
    wanted = set(needed)
    return tuple(t for uid, t in ctx.project.sources.items() if t.connector and uid in wanted)


def land_tables(
    ctx: RunContext, tables: Sequence[SourceTable], secrets: Secrets, *, retry_blocked: bool = False, full: bool = False
) -> tuple[StepResult, ...]:
    """Land `tables` one after another. A source that fails leaves the others to go on."""
    if not tables:
        return ()
    workspace = ctx.lake.workspace(f"{ctx.run_id}-land")
    try:
        return tuple(_land_one(ctx, table, workspace, secrets, retry_blocked, full) for table in tables)
    finally:
        workspace.discard()


def _land_one(
    ctx: RunContext, table: SourceTable, workspace: Workspace, secrets: Secrets, retry_blocked: bool, full: bool
) -> StepResult:
    """Land one table under its lease."""
    dataset = str(table.relation)

    def heard(event: Event) -> None:
        ctx.pass_on(replace(event, run_id=ctx.run_id))

    try:
        lease = ctx.state.take(f"land:{dataset}", ctx.run_id, LAND_LEASE_SECONDS, wait_seconds=LAND_WAIT_SECONDS)
        with ctx.state.keep(lease):
            load_id = uuid7()
            drive = Drive(
                table,
                ctx.lake,
                load_id=load_id,
                secrets=secrets,
                state_breaker=ctx.state,
                full=full,
                on_event=heard,
                project_root=ctx.project.root,
                run_id=ctx.run_id,
            )
            result = land(
                table,
                ctx.lake,
                workspace,
                drive.attempts,
                run_id=ctx.run_id,
                load_id=load_id,
                fence=lease,
                checks=landing_gate(
                    ctx.project, table, lambda: _tools(ctx, workspace), lambda found: keep_failures(ctx, workspace, found)
                ),
                on_event=heard,
                retry_blocked=retry_blocked,
            )
    except HeadgateError as error:
        failed = StepResult(table.unique_id, dataset, "failed", secrets.redactor(str(error)))
        ctx.emit(
            "step.finished", step=table.unique_id, dataset=dataset, status="failed", reason=failed.reason, data={"action": "land"}
        )
        return _close(ctx, failed)
    return _close(ctx, _as_step(table, result))


def _tools(ctx: RunContext, workspace: Workspace) -> Tools:
    return gate_tools(ctx, workspace, workspace.cursor())


def _as_step(table: SourceTable, result: LoadResult) -> StepResult:
    """A load as a step's end. Files that an earlier gate has blocked keep the table blocked until they are repaired."""
    status = "blocked" if result.waiting else {"accepted": "done", "blocked": "blocked", NOTHING: "up_to_date"}[result.status]
    return StepResult(
        table.unique_id,
        result.dataset,
        status,
        result.reason,
        result.counts.rows_out,
        result.seconds,
        result.verdicts,
        result.load_id,
    )


def _close(ctx: RunContext, result: StepResult) -> StepResult:
    """Record how a landing ended."""
    ctx.state.step_finished(ctx.run_id, result, action="land")
    verdicts = [v for v in result.verdicts if hasattr(v, "outcome")]
    if verdicts:
        ctx.state.save_verdicts(ctx.run_id, verdicts)
    return result
