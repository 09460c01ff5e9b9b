"""Upkeep: leftovers of closed runs, orphaned files, small files, old snapshots; each task says what it did or would do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from headgate.publish.clean import clean_orphans, clean_staging
from headgate.publish.compact import compact, expire
from headgate.publish.snapshots import needed
from headgate.run.context import RunContext
from headgate.run.readers import snapshots_held
from headgate.run.repairing import Maintenance
from headgate.state.runs import RunRow

RETAIN_DAYS = 7.0
"""How long a reader may hold an old snapshot (LAKE.md 12)."""
EVENTS_RETAIN_DAYS = 90.0

ORPHANS_MIN = timedelta(hours=24)
UNFINISHED = ("interrupted", "failed", "blocked")


def upkeep(ctx: RunContext, dry_run: bool, older_than_hours: float) -> tuple[Maintenance, ...]:
    """Do all tasks. What readers hold, and what restore and plan need, is kept whatever its age (LAKE.md 12)."""
    kept_runs = _kept_runs(ctx)
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
            clean_orphans(
                ctx.lake, author=ctx.run_id, older_than=max(hours, ORPHANS_MIN, _staged_since(ctx, kept_runs)), dry_run=dry_run
            ),
        ]
    report = [Maintenance(d.task, d.things, d.bytes, d.detail) for d in done]
    if not dry_run:
        before = (datetime.now(UTC) - timedelta(days=EVENTS_RETAIN_DAYS)).replace(tzinfo=None).isoformat()
        pruned = ctx.state.prune(before)
        report.append(Maintenance("prune history", sum(pruned.values()), 0, ", ".join(f"{n} {t}" for t, n in pruned.items())))
        ctx.emit("maintenance.done", data={m.task: m.things for m in report})
    return tuple(report)


def _kept_runs(ctx: RunContext) -> set[str]:
    """Runs whose staging may still be needed: those that are open, what an open one may have taken over (the newest of each unfinished
    status), and what `run --resume` may take over: the last of each environment that did something, if it did not finish."""
    runs = [r for r in ctx.state.runs(limit=10_000) if r.run_id != ctx.run_id]
    kept = {r.run_id for r in runs if r.status == "running"}
    if kept:
        kept |= {r.run_id for status in UNFINISHED for r in ctx.state.runs(status=status, limit=1)}
    newest: dict[str, RunRow] = {}
    for run in runs:
        if not run.nothing_to_do:
            newest.setdefault(run.environment, run)
    return kept | {r.run_id for r in newest.values() if r.status in UNFINISHED}


def _staged_since(ctx: RunContext, kept: set[str]) -> timedelta:
    """How long ago the oldest of the `kept` runs began of which Parquet is staged: the catalog does not know those files yet (LAKE.md 8)."""
    names = {part for path in ctx.lake.files_under("hg-stage") for part in path.split("/")}
    staged = [run for run in map(ctx.state.run, kept) if run is not None and any(name.startswith(run.run_id) for name in names)]
    began = min((datetime.fromisoformat(run.started_at).replace(tzinfo=UTC) for run in staged), default=None)
    return timedelta(0) if began is None else datetime.now(UTC) - began + timedelta(hours=1)
