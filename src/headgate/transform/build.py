"""Build one node of the project: compile it, run it into staging, and say what publishing it will do.

Nothing here writes to the lake. What a materialisation does is in its own module; this one prepares the ground: which
version of each parent is read, whether there is a target to add to, and at which moment the clock stands still.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import duckdb

from headgate.ports.engine import Cursor, Lake, Workspace
from headgate.ports.templates import Templates
from headgate.spec.clock import Clock
from headgate.spec.errors import EngineFailed, StatefulTarget
from headgate.spec.invocation import UNCALLED, Invocation
from headgate.spec.names import Column
from headgate.spec.project import Node, Project
from headgate.spec.recorded import RecordedDataset
from headgate.spec.staged import VIEW, Interval, Staged
from headgate.transform import custom, history, hooks, incremental, python, seed, snapshot, table
from headgate.transform.clock import without_terminator
from headgate.transform.context import Resolve, Scene, compiled, names_for, ordinary, published_sql
from headgate.transform.contract import contracted
from headgate.transform.inferred import as_dimension
from headgate.transform.job import Job
from headgate.transform.writing import Made, StagingAdapter, writing_names

STATEFUL = ("incremental", "snapshot")


def build(
    step_build: str,
    node: Node,
    project: Project,
    templates: Templates,
    lake: Lake,
    workspace: Workspace,
    *,
    clock: Clock,
    interval: Interval | None = None,
    full_refresh: bool = False,
    base_version: str | None = None,
    recorded: RecordedDataset | None = None,
    inputs: Mapping[str, str] | None = None,
    resolve: Resolve = ordinary,
    rows_expected: int | None = None,
    cursor: Cursor | None = None,
    invocation: Invocation = UNCALLED,
) -> Staged:
    """Stage `node` and return what was staged; its children read it from now on under its ordinary name.

    `step_build` is the plan's word ("full", "incremental", "intervals", "view", "seed", "snapshot"). `recorded` is the
    ledger's entry for the node, `inputs` the versions read. `resolve` may name another relation to read for a unique id (a
    source's `__current` view). `rows_expected` is the sum of the input rows, for choosing where large results go. Verdicts that
    building itself reaches (undecidable ties, NULL keys) are in `Staged.verdicts`: a blocking one bars publishing.
    Raises DeclarationError, StatefulTarget, EngineFailed.
    """
    began = (time.perf_counter(), time.thread_time())
    own = workspace.cursor() if cursor is None else cursor
    try:
        _forget_earlier_attempt(node, workspace, interval)
        target, target_sql = _target(step_build, node, lake, workspace, recorded, full_refresh, interval)
        scene = Scene(
            project, templates, lake, workspace, own, clock, resolve, interval,
            incremental=target is not None and node.materialized == "incremental" and not _empty(recorded),
            this_sql=target_sql, run_id=workspace.run_id,
            invocation=replace(invocation, full_refresh=full_refresh or invocation.full_refresh),
        )  # fmt: skip
        job = Job(
            node, project, lake, workspace, own, clock, interval, base_version, recorded, inputs or {}, target, target_sql,
            rows_expected=rows_expected, began=began,
        )  # fmt: skip
        return _build(job, scene)
    except duckdb.Error as error:
        raise EngineFailed(
            f"{node.location}: {node.name}: {str(error).strip()}", expected="SQL that runs on the parents as they are now"
        ) from error
    finally:
        if cursor is None:
            own.close()


def _build(job: Job, scene: Scene) -> Staged:
    """Compile, run the hooks and the materialisation, and show the result to later readers of the run."""
    node = job.node
    macro = custom.macro_for(job, scene) if node.language == "sql" else None
    if macro is not None:  # it runs the hooks itself
        return custom.build(replace(job, sql=compiled(scene, node)), scene, macro)
    hooked = hooks.hooks_of(node, "pre") or hooks.hooks_of(node, "post")
    notes: tuple[str, ...] = ()
    if hooked:
        names = names_for(scene, node)
        notes = hooks.run(node, "pre", scene.templates, names, job.cursor, job.workspace.catalog, job.project)
    if node.language == "python":
        job = replace(job, sql=python.result_sql(job, scene))
    elif node.language == "sql":
        job = replace(job, sql=as_dimension(job, contracted(node, compiled(scene, node), job.cursor)))
    staged = _materialise(job, scene)
    if staged.kind != VIEW and staged.overlay_sql != staged.rows_sql:
        job.workspace.alias(node.relation, staged.overlay_sql, cursor=job.cursor)
    if staged.interval is not None:
        _remember_overlay(job.workspace.run_id, staged)
    if hooked:
        staged, post_notes = _after(job, scene, staged)
        notes += post_notes
    return replace(staged, notes=staged.notes + notes) if notes else staged


def _materialise(job: Job, scene: Scene) -> Staged:
    """The materialisation of the node, from an explicit table."""
    node = job.node
    if node.materialized == "view" and node.language == "sql":
        return table.build_view(job, without_terminator(published_sql(job.sql, scene.read)))
    if history.declared(node) is not None:
        return history.build(job)
    return _MATERIALISATIONS[node.materialized](job)


def _after(job: Job, scene: Scene, staged: Staged) -> tuple[Staged, tuple[str, ...]]:
    """Run the post-hooks; if they changed the staged rows, count again: rows that a hook removed are filtered by declaration."""
    if not hooks.hooks_of(job.node, "post"):
        return staged, ()
    scene.this_sql = job.workspace.resolve(job.node.relation)
    names = names_for(scene, job.node)
    made = Made({job.node.relation: "view" if staged.kind == VIEW else "table"})
    names |= writing_names(scene, job, StagingAdapter(job, scene, names, made, in_hook=True))
    notes = hooks.run(job.node, "post", scene.templates, names, job.cursor, job.workspace.catalog, job.project)
    if staged.kind == VIEW or staged.files:
        return staged, notes
    (now,) = job.one(f"SELECT count(*) FROM {staged.rows_sql}")
    gone = staged.counts.rows_out - int(now)
    if not gone:
        return staged, notes
    counts = replace(staged.counts, rows_out=int(now), rows_filtered=staged.counts.rows_filtered + max(gone, 0))
    counts = replace(counts, rows_in=counts.rows_in + max(-gone, 0))
    return replace(staged, counts=counts), notes


# The overlays of the intervals that a run has staged so far: run id -> unique id -> SQL. The next interval builds on them.
_OVERLAYS: dict[str, dict[str, str]] = {}
RUNS_KEPT = 64  # a server goes on for long; its finished runs need no overlays


def _remember_overlay(run_id: str, staged: Staged) -> None:
    _OVERLAYS.setdefault(run_id, {})[staged.unique_id] = staged.overlay_sql
    while len(_OVERLAYS) > RUNS_KEPT:
        _OVERLAYS.pop(next(iter(_OVERLAYS)))


def _forget_earlier_attempt(node: Node, workspace: Workspace, interval: Interval | None) -> None:
    """An attempt that failed half-way may have left its rows: readers, this one included, must not see them."""
    if interval is None and workspace.is_staged(node.relation):
        workspace.unstage(node.relation)


def _target(
    step_build: str,
    node: Node,
    lake: Lake,
    workspace: Workspace,
    recorded: RecordedDataset | None,
    full_refresh: bool,
    interval: Interval | None,
) -> tuple[tuple[Column, ...] | None, str | None]:
    """The columns of the table to add to and the relation to read it by; None for a build from nothing.

    Raises StatefulTarget when the ledger knows a table that is gone or has other columns.
    """
    if node.materialized not in STATEFUL:
        return None, None
    if interval is not None and workspace.is_staged(node.relation):
        return _staged_target(node, workspace)
    anew = (full_refresh or step_build == "full") and node.config.get("full_refresh") is not False
    columns = lake.columns(node.relation)
    known = recorded is not None and recorded.version is not None and recorded.kind != "view"
    if known and recorded is not None and not full_refresh:
        _unaltered(node, columns, recorded)
    if columns is None or (anew and (node.materialized != "snapshot" or full_refresh)):
        return None, None
    return tuple(Column(c.name, c.type) for c in columns), node.relation.sql(lake.name)


def _empty(recorded: RecordedDataset | None) -> bool:
    """True for a table without a row: `max(…) from {{ this }}` would be NULL there, and let no row in for ever."""
    return recorded is not None and bool(recorded.published_at) and recorded.rows == 0


def _staged_target(node: Node, workspace: Workspace) -> tuple[tuple[Column, ...], str]:
    """The table as earlier intervals of this run have left it."""
    overlay = _OVERLAYS.get(workspace.run_id, {}).get(node.unique_id)
    if overlay is None:  # another process staged them: the journal knows
        staged = [s for s in workspace.remembered().values() if s.unique_id == node.unique_id and s.interval is not None]
        overlay = max(staged, key=lambda s: str(s.interval)).overlay_sql
    cursor = workspace.cursor()
    try:
        rows = cursor.execute(f"DESCRIBE SELECT * FROM {overlay}").fetchall()
    finally:
        cursor.close()
    return tuple(Column(str(r[0]), str(r[1])) for r in rows), overlay


def _unaltered(node: Node, columns: tuple[Column, ...] | None, recorded: RecordedDataset) -> None:
    choices = (
        f"put it back with 'headgate restore {node.relation}', or build it anew with 'headgate run {node.name} --full-refresh'"
    )
    if columns is None:
        raise StatefulTarget(
            f"{node.relation} was published ({recorded.version}) and is gone", expected="the table with its history", todo=choices
        )
    had = {c.name.lower() for c in recorded.columns}
    have = {c.name.lower() for c in columns}
    if recorded.columns and had != have:
        raise StatefulTarget(
            f"{node.relation} was altered by somebody else: columns {', '.join(sorted(had ^ have))} differ from the ledger",
            expected="the columns " + ", ".join(c.name for c in recorded.columns),
            todo=choices,
        )


_MATERIALISATIONS: Mapping[str, Callable[[Job], Staged]] = {
    "view": table.build_table,  # a Python model has no query that a view could keep
    "table": table.build_table,
    "incremental": incremental.build,
    "snapshot": snapshot.build,
    "seed": seed.build,
}
