"""Upkeep: leftovers of closed runs, orphaned files, small files, old snapshots; each task says what it did or would do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from headgate.publish.clean import clean_orphans, clean_staging
from headgate.publish.compact import compact, expire
from headgate.publish.snapshots import needed
from headgate.run.context import RunContext
from headgate.run.readers import snapshots_held
from headgate.run.repairing import Maintenance

RETAIN_DAYS = 7.0
"""How long a reader may hold an old snapshot (LAKE.md 12)."""
EVENTS_RETAIN_DAYS = 90.0

UNFINISHED = ("interrupted", "failed", "blocked")


def upkeep(ctx: RunContext, dry_run: bool, older_than_hours: float) -> tuple[Maintenance, ...]:
    """Do all tasks. What readers hold, and what restore and plan need, is kept whatever its age (LAKE.md 12)."""
    open_runs = {r.run_id for r in ctx.state.runs(status="running", limit=10_000)} - {ctx.run_id}
    # The newest of each is what `run --resume` may take over, or what an open run has taken over already.
    unfinished = {r.run_id for status in UNFINISHED for r in ctx.state.runs(status=status, limit=1)}
    kept_runs = open_runs | unfinished
    others = [t.relation for t in ctx.project.sources.values() if not t.connector]
    retain = timedelta(days=float(str(ctx.project.options.get("retention", RETAIN_DAYS))))
    hours = timedelta(hours=older_than_hours)
    done = [clean_staging(ctx.lake, ctx.project.root, keep=kept_runs, older_than=hours, dry_run=dry_run)]
    if ctx.lake.keeps_history:
        done += [
            *compact(ctx.lake, author=ctx.run_id, dry_run=dry_run),
            expire(
                ctx.lake,
                author=ctx.run_id,
                older_than=retain,
                keep=lambda: needed(ctx.lake, others) | snapshots_held(ctx.state),
                dry_run=dry_run,
            ),
            clean_orphans(ctx.lake, author=ctx.run_id, older_than=max(hours, timedelta(hours=24)), dry_run=dry_run),
        ]
    report = [Maintenance(d.task, d.things, d.bytes, d.detail) for d in done]
    if not dry_run:
        before = (datetime.now(UTC) - timedelta(days=EVENTS_RETAIN_DAYS)).replace(tzinfo=None).isoformat()
        pruned = ctx.state.prune(before)
        report.append(Maintenance("prune history", sum(pruned.values()), 0, ", ".join(f"{n} {t}" for t, n in pruned.items())))
        ctx.emit("maintenance.done", data={m.task: m.things for m in report})
    return tuple(report)
