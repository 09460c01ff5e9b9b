"""What mends the past: backfills, late rows, restore, upkeep. Each walks a plan of its own through the same gate."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from headgate.plan import backfill as plan_of_backfill
from headgate.run.context import Listener, RunContext
from headgate.run.landings import land_tables, tables_to_land
from headgate.run.options import RunOptions
from headgate.run.running import Running
from headgate.spec.clock import now_iso
from headgate.spec.errors import UsageError
from headgate.spec.events import RunResult
from headgate.spec.project import Node, SourceTable
from headgate.spec.steps import Plan

if TYPE_CHECKING:
    from headgate.run.session import Session


def land_only(ctx: RunContext, sources: Sequence[str], *, retry_blocked: bool, full: bool) -> RunResult:
    """Land the named sources (`source` or `source.table`; all by default)."""
    wanted = _source_tables(ctx, sources)
    running = Running(ctx, RunOptions(), ())
    return running.finish((), land_tables(ctx, wanted, ctx.secrets, retry_blocked=retry_blocked, full=full))


def _source_tables(ctx: RunContext, names: Sequence[str]) -> tuple[SourceTable, ...]:
    every = tables_to_land(ctx, tuple(ctx.project.sources))
    if not names:
        return every
    found: dict[str, SourceTable] = {}
    for name in names:
        hits = [t for t in every if name in (t.source, f"{t.source}.{t.name}", str(t.relation))]
        if not hits:
            raise UsageError(
                f"there is no source '{name}' with a connector",
                expected="one of " + ", ".join(sorted({t.source for t in every})),
                todo="see the names: headgate ls; a model is built by: headgate run",
            )
        found.update({t.unique_id: t for t in hits})
    return tuple(found.values())


def node_called(session: Session, name: str) -> Node:
    """The node called `name` (name, schema.table or unique id). Raises UsageError."""
    for node in session.project.nodes.values():
        if name in (node.name, str(node.relation), node.unique_id):
            return node
    near = get_close_matches(name, [n.name for n in session.project.nodes.values()], n=3)
    raise UsageError(
        f"there is no model '{name}'",
        expected="one of " + ", ".join(near) if near else "a model's name",
        todo="see the names: headgate ls",
    )


def plan_backfill(session: Session, model: str, since: str, until: str, rebuild: bool) -> Plan:
    """The plan of a backfill, priced and within quota."""
    node = node_called(session, model)
    return plan_of_backfill(
        session.project, session.recorded(), node.unique_id, since, until, now=now_iso(), only_missing=not rebuild
    )


def backfill(
    session: Session, model: str, since: str, until: str, rebuild: bool, during: str | None, listeners: tuple[Listener, ...]
) -> RunResult:
    """Build the backfill's intervals: the canary in a commit of its own, then the rest in groups, so that live runs come
    between."""
    from headgate.run.backfilling import Backfilling

    plan = plan_backfill(session, model, since, until, rebuild)
    with session.context("backfill", listeners) as ctx:
        return Backfilling(ctx, plan, during).whole()


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a rehearsal found. Nothing of it was published."""

    dataset: str
    share: float
    rows: int
    seconds: float
    failing: tuple[str, ...]


def rehearse(session: Session, model: str, since: str, until: str, share: str) -> Rehearsal:
    """Build a sample in a shadow and weigh it."""
    from headgate.run.rehearsing import rehearse_plan

    node = node_called(session, model)
    plan = plan_backfill(session, model, since, until, True)
    with session.context("rehearse") as ctx:
        return rehearse_plan(ctx, node, plan, _share(share))


def _share(text: str) -> float:
    """`1%` or `0.01` as a share in (0, 1]. Raises UsageError."""
    try:
        value = float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise UsageError(
            f"--rehearse '{text}' is no share", expected="a share above 0 and up to 100%", todo="for example --rehearse 1%"
        )
    return value


def reconcile(session: Session, listeners: tuple[Listener, ...]) -> RunResult:
    """Rebuild the closed intervals into which rows have landed since their primary run."""
    from headgate.run.backfilling import reconcile_plan

    plan = reconcile_plan(session)
    with session.context("reconcile", listeners) as ctx, ExitStack() as stack:
        running = Running(ctx, RunOptions(land=False), (), "reconcile")
        keeper = running.enter(stack)
        return running.finish(running.walk_plan(plan, ctx.lake.recorded(), keeper), ())


def restore_table(session: Session, table: str, to: str, listeners: tuple[Listener, ...]) -> RunResult:
    """Put a table back."""
    from headgate.run.restoring import restore_one

    with session.context("restore", listeners) as ctx:
        return restore_one(ctx, table, to)


@dataclass(frozen=True, slots=True)
class Maintenance:
    """One task of upkeep: how many things it touched (or would touch), and their bytes."""

    task: str
    things: int
    bytes: int
    detail: str = ""


def maintain(session: Session, dry_run: bool, older_than_hours: float) -> tuple[Maintenance, ...]:
    """Clean up, merge, expire."""
    from headgate.run.upkeep import upkeep

    with session.context("maintain") as ctx:
        done = upkeep(ctx, dry_run, older_than_hours)
        ctx.state.finish_run(ctx.run_id, "done", nothing_to_do=True)  # it builds nothing: a run before it may still be resumed
        return done
