"""Do one build step: stage the node (interval by interval where it has intervals), then bring it before the gate."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import duckdb

from headgate.gate.weigh import Tools
from headgate.plan.due import Arrivals, Seen
from headgate.plan.intervals import NO_ROWS, SEEN
from headgate.plan.reconcile import narrowed
from headgate.plan.versions import for_some_intervals, recorded_inputs, unchanged
from headgate.ports.engine import Cursor, Workspace
from headgate.run.arriving import arrived, whole_input_changed
from headgate.run.context import RunContext
from headgate.run.external import external_rows, external_versions
from headgate.run.gating import CHECK_PREFIX, checks_of, joint_checks, rows_of, tools_for, weigh_joint, weigh_node, with_proof
from headgate.run.sizes import all_small, rows_read
from headgate.run.unit_testing import try_model
from headgate.run.walk import Built
from headgate.spec.crash import point
from headgate.spec.errors import EngineFailed
from headgate.spec.names import Relation
from headgate.spec.project import CheckSpec, Node
from headgate.spec.recorded import Recorded
from headgate.spec.staged import DELTA, Interval, RowCounts, Staged
from headgate.spec.steps import FORCED, Plan, Step
from headgate.spec.verdicts import GateResult
from headgate.transform.build import build
from headgate.transform.context import Scene, names_for
from headgate.transform.inferred import infer


class Builder:
    """Builds the steps of one plan in one workspace. Its `build` may be called from several threads."""

    def __init__(self, ctx: RunContext, workspace: Workspace, recorded: Recorded, plan: Plan, *, resume: bool = False) -> None:
        called = replace(ctx.invocation, full_refresh=plan.full_refresh, selected=tuple(s.unique_id for s in plan.steps))
        self.ctx = replace(ctx, invocation=called)
        self.workspace, self.recorded, self.plan = workspace, recorded, plan
        self.external = external_versions(ctx.project, ctx.lake)
        self._external_rows = external_rows(ctx.project, ctx.lake)
        self.staged: dict[str, Staged] = {}
        self.built_anew: set[str] = set()
        self.inferred: dict[str, Staged] = {}
        self._has_unit_tests = bool(ctx.project.unit_tests)
        self.joint = joint_checks(ctx.project)
        self._joint = frozenset(c.unique_id for c in self.joint)
        self._guard = threading.Lock()
        self.kept: Mapping[str, Staged] = workspace.remembered() if resume else {}

    def build(self, step: Step) -> Built:
        """Stage and weigh one step. Raises HeadgateError."""
        node = self.ctx.project.nodes[step.unique_id]
        self.ctx.emit("step.started", step=step.unique_id, dataset=step.dataset, reason=step.reason)
        tried = try_model(self.ctx, node) if self._has_unit_tests else ()
        if any(v.blocks for v in tried):
            return Built((), GateResult(step.dataset, tried))
        inputs = recorded_inputs(self.ctx.project, self.recorded, step, self.plan, self.external)
        if step.build == "intervals" and step.status == FORCED:
            inputs = for_some_intervals(inputs, self.recorded.datasets.get(step.dataset))
        cursor = self.workspace.cursor()  # one for building and weighing: a cursor costs milliseconds
        try:
            if step.intervals:
                staged = self._stage_intervals(step, node, inputs, cursor)
                if not staged:
                    return Built((self._nothing_new(node, inputs),), GateResult(step.dataset))
            else:
                staged = (self._stage(step, node, None, inputs, cursor),)
            self._infer(node, staged)
            point("run.after_stage")
            gate = weigh_node(
                self.ctx, self.workspace, node, staged, self.recorded.datasets.get(step.dataset), lambda: self._tools(cursor),
                self._joint,
            )  # fmt: skip
        finally:
            cursor.close()
        built_in = tuple(v for s in staged for v in s.verdicts)
        gate = GateResult(gate.dataset, (*tried, *built_in, *gate.verdicts), gate.schema_changes)
        point("run.after_gate")
        last = with_proof(staged[-1], checks_of(self.ctx.project, node.unique_id), gate.verdicts)
        return Built((*staged[:-1], self._still_equal(last, staged)), gate)

    def _nothing_new(self, node: Node, inputs: Mapping[str, str]) -> Staged:
        """A publication without rows: the intervals were compared with newer inputs and stand as they are."""
        recorded = self.recorded.datasets[str(node.relation)]
        proof = {k: v for k, v in recorded.inputs.items() if k.startswith(CHECK_PREFIX)}
        staged = Staged(
            recorded.dataset,
            node.unique_id,
            node.relation,
            DELTA,
            recorded.columns,
            base_version=recorded.version,
            inputs={**inputs, **proof},
            code_fingerprint=node.code_fingerprint,
            staged_hash="unchanged",
            notes=("no interval has rows newer than its build",),
        )
        return self._still_equal(staged, (staged,))

    def _still_equal(self, last: Staged, staged: Sequence[Staged]) -> Staged:
        """Note that the new version equals the standing one when nothing is written or deleted, so that no reader is rebuilt for it."""
        recorded = self.recorded.datasets.get(last.dataset)
        moved = any(s.kind != DELTA or s.counts.rows_out or s.counts.rows_deleted or s.alter for s in staged)
        if recorded is None or recorded.version is None or moved:
            return last
        return replace(last, inputs=unchanged(last.inputs, recorded))

    def _infer(self, node: Node, staged: Sequence[Staged]) -> None:
        """Give dimensions a row for each member that a fact names before they do; they are published with the fact or not at
        all."""
        with self._guard:
            self.staged[node.unique_id] = staged[-1]
            if not node.config.get("inferred_members"):
                return
            fact = staged[-1] if len(staged) == 1 else replace(staged[-1], rows_sql=rows_of(staged))
            found = infer(
                fact, self.ctx.project, self.ctx.lake, self.workspace, staged=self.staged, recorded=self.recorded.datasets
            )
            for dimension in found:
                self.staged[dimension.unique_id] = self.inferred[dimension.unique_id] = dimension
                self.workspace.remember(dimension)

    def _stage_intervals(self, step: Step, node: Node, inputs: Mapping[str, str], cursor: Cursor) -> tuple[Staged, ...]:
        """Stage exactly the intervals that have rows to build; the missing ones without any are booked as done and empty.

        A booked interval that gets rows later is a late one, and is built then.
        """
        recorded = self.recorded.datasets.get(step.dataset)
        arrivals, seen = self._arrived(node)
        recent = recorded is not None and whole_input_changed(self.ctx.project, node, step, recorded, inputs)
        exact = narrowed(step, self.ctx.project, recorded, arrivals, self.ctx.clock.run_started_at, seen, recent=recent)
        wanted = exact.intervals
        whole = recorded is None or step.build == "full"
        if not wanted and whole:
            wanted = step.intervals[:1]  # a new model stands from its first run on, if only empty
        staged = tuple(
            self._stage(exact, node, interval, {**inputs, SEEN: seen.get(interval.start, NO_ROWS)}, cursor) for interval in wanted
        )
        done = {d.interval.start for d in recorded.intervals} if recorded is not None and not whole else set()
        empty = [i for i in step.intervals if i not in wanted and i.start not in done]
        if not staged and not empty:
            return ()
        like = staged[-1] if staged else self._nothing_new(node, inputs)
        booked = tuple(
            replace(
                like,
                interval=i,
                inputs={**inputs, SEEN: NO_ROWS},
                kind=DELTA,
                rows_sql="",
                files=(),
                delete_where=None,
                alter=(),
                schema_change="none",
                verdicts=(),
                counts=RowCounts(),
                seconds=0.0,
                notes=(),
            )
            for i in empty
        )
        return (*staged[:1], *booked, *staged[1:]) if whole else (*booked, *staged)

    def _arrived(self, node: Node) -> tuple[Arrivals, Seen]:
        """Which intervals of `node` have input rows, when the newest of each was loaded, and a print of them, as this run sees its
        parents."""
        cursor = self.workspace.cursor()
        try:
            return arrived(self._scene(cursor), node)
        except duckdb.Error as error:
            raise EngineFailed(
                f"{node.location}: {node.name}: {error}", expected="SQL that runs on the parents as they are now"
            ) from error
        finally:
            cursor.close()

    def _stage(self, step: Step, node: Node, interval: Interval | None, inputs: Mapping[str, str], cursor: Cursor) -> Staged:
        """Stage one node or interval, or take what a crashed run has staged of the same."""
        recorded = self.recorded.datasets.get(step.dataset)
        base = recorded.version if recorded is not None else None
        kept = self.kept.get(node.unique_id if interval is None else f"{node.unique_id}@{interval.start}")
        anew = any(parent in self.built_anew for parent in step.depends_on)  # then what was staged from it shows what is no more
        if (
            kept is not None
            and not anew
            and kept.base_version == base
            and kept.code_fingerprint == node.code_fingerprint
            and kept.inputs == inputs
        ):
            self.workspace.alias(node.relation, kept.overlay_sql or kept.rows_sql)
            return kept
        with self._guard:
            self.built_anew.add(node.unique_id)
        staged = build(
            step.build,
            node,
            self.ctx.project,
            self.ctx.templates,
            self.ctx.lake,
            self.workspace,
            clock=self.ctx.clock,
            interval=interval,
            full_refresh=self.plan.full_refresh,
            base_version=base,
            recorded=recorded,
            inputs=inputs,
            resolve=current_views(self.ctx),
            rows_expected=self._rows_expected(step),
            cursor=cursor,
            invocation=self.ctx.called,
        )
        self.workspace.remember(staged)
        return staged

    def _rows_expected(self, step: Step) -> int:
        """The rows that the step's inputs hold: a bound that is known before it runs."""
        node = self.ctx.project.nodes[step.unique_id]
        read = rows_read(self.ctx.project, node, self.recorded, self._external_rows)
        return sum(rows for rows in read.values() if rows is not None)

    def all_small(self, steps: Sequence[Step]) -> bool:
        """Whether these are many steps that read little each."""
        return all_small(steps, self.ctx.project, self.recorded, self._external_rows)

    def weigh_joint(self, check: CheckSpec, staged: Sequence[Staged]) -> GateResult:
        """Weigh a check over several tables; see `gating.weigh_joint`. Raises HeadgateError."""
        cursor = self.workspace.cursor()
        try:
            return weigh_joint(self.ctx, self.workspace, check, staged, self._tools(cursor))
        finally:
            cursor.close()

    def _tools(self, cursor: Cursor) -> Tools:
        return gate_tools(self.ctx, self.workspace, cursor)

    def _scene(self, cursor: Cursor) -> Scene:
        return scene_of(self.ctx, self.workspace, cursor)


def current_views(ctx: RunContext) -> Callable[[str], str | None]:
    """How sources are read: one whose units were superseded through its `__current` view, everything else by its ordinary
    name."""

    def resolve(unique_id: str) -> str | None:
        source = ctx.project.sources.get(unique_id)
        if source is None:
            return None
        current = Relation(source.relation.schema, f"{source.relation.name}__current")
        return current.sql(ctx.lake.name) if str(current) in ctx.lake.relations() else None

    return resolve


def scene_of(ctx: RunContext, workspace: Workspace, cursor: Cursor) -> Scene:
    """The surroundings in which a text of the project is rendered in this run."""
    return Scene(
        ctx.project,
        ctx.templates,
        ctx.lake,
        workspace,
        cursor,
        ctx.clock,
        current_views(ctx),
        run_id=ctx.run_id,
        invocation=ctx.called,
    )


def scene_names(ctx: RunContext, workspace: Workspace, cursor: Cursor) -> Mapping[str, Any]:
    """The runtime names for a check or a text that no node owns."""
    return names_for(scene_of(ctx, workspace, cursor), None)


def gate_tools(ctx: RunContext, workspace: Workspace, cursor: Cursor) -> Tools:
    """What the gate needs to weigh in this run."""
    return tools_for(ctx, workspace, cursor, scene_names(ctx, workspace, cursor), current_views(ctx))
