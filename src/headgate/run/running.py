"""One run from beginning to end: lease, land, plan, build, gate, publish, record. Everything that a run promises is kept
here in order."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace

from headgate.plan import make, plan_to_json
from headgate.ports.engine import Lake, Workspace
from headgate.publish.pins import pinned_views
from headgate.publish.publish import attempts_published, newest_fence
from headgate.run import holding
from headgate.run.building import Builder
from headgate.run.context import RunContext
from headgate.run.external import external_versions
from headgate.run.failures import keep_failures
from headgate.run.groups import publish_groups
from headgate.run.landings import land_tables, tables_to_land
from headgate.run.options import RunOptions
from headgate.run.ordering import after_dimensions
from headgate.run.publishing import publish_staged
from headgate.run.statements import Statements
from headgate.run.walk import BAD, Outcome, Walk, withdraw
from headgate.spec.crash import point
from headgate.spec.errors import HeadgateError
from headgate.spec.events import RunResult, StepResult
from headgate.spec.names import Column
from headgate.spec.project import Project
from headgate.spec.recorded import Recorded
from headgate.spec.steps import Plan, Step
from headgate.spec.verdicts import Verdict
from headgate.state.leases import LeaseKeeper

RUN_LEASE_SECONDS = 30.0
PUBLISH_TRIES = 3


def run_lease(environment: str) -> str:
    """The name of the lease under which runs of one environment exclude each other."""
    return f"run:{environment}"


class Running:
    """One run. Make it, call `whole()` (or `walk_plan` with a plan of your own), once."""

    def __init__(self, ctx: RunContext, options: RunOptions, selected: Sequence[str], reason: str = "run") -> None:
        self.ctx, self.options, self.selected = ctx, options, tuple(selected)
        self.reason = reason
        self.began = time.perf_counter()
        self.verdicts: list[Verdict] = []

    def whole(self) -> RunResult:
        """Land, plan, build, gate, publish. Raises HeadgateError only for what concerns the run as a whole."""
        with ExitStack() as stack:
            keeper = self.enter(stack)
            statements = Statements(self.ctx)
            before = statements.on_run("start")
            landed = self._land() if self.options.land else ()
            recorded = self.ctx.lake.recorded()
            plan = self._plan(recorded)
            walked = self.walk_plan(plan, recorded, keeper, landed)
            after = (*statements.of_nodes(walked), *statements.on_run("end", walked))
            return self.finish((*before, *walked, *after), landed)

    def enter(self, stack: ExitStack) -> LeaseKeeper:
        """Take the environment's lease (waiting for another run), and give signs of life while it lasts."""
        state, name = self.ctx.state, run_lease(self.ctx.project.environment)
        state.close_dead_runs()
        above = newest_fence(self.ctx.lake, name)  # it may outlive a lost state database
        lease = state.take(name, self.ctx.run_id, RUN_LEASE_SECONDS, wait_seconds=self.options.wait_seconds, above=above)
        stack.enter_context(state.run_alive(self.ctx.run_id))
        return stack.enter_context(state.keep(lease))

    def _land(self) -> tuple[StepResult, ...]:
        needed = holding.dependency_graph(self.ctx.project)
        wanted: dict[str, None] = {}
        for uid in self.selected:
            wanted[uid] = None
            if uid in needed.nodes:
                wanted.update(dict.fromkeys(needed.ancestors(uid)))
        return land_tables(self.ctx, tables_to_land(self.ctx, tuple(wanted)), self.ctx.secrets)

    def _plan(self, recorded: Recorded) -> Plan:
        return make(
            self.ctx.project,
            recorded,
            selected=tuple(uid for uid in self.selected if uid in self.ctx.project.nodes),
            full_refresh=self.options.full_refresh,
            interval_from=self.options.interval_from,
            interval_to=self.options.interval_to,
            now=self.ctx.clock.run_started_at,
            land=(),
            external=external_versions(self.ctx.project, self.ctx.lake),
            actual=stateful_columns(self.ctx.project, self.ctx.lake),
        )

    def walk_plan(
        self, plan: Plan, recorded: Recorded, keeper: LeaseKeeper, landed: Sequence[StepResult] = ()
    ) -> tuple[StepResult, ...]:
        """Build and gate the plan's steps, publish what passed, and mark what did not."""
        held = holding.held_by(self.ctx.project, [r for r in landed if r.status in ("blocked", "failed")])
        todo = after_dimensions(self.ctx.project, [s for s in plan.todo if s.action == "build" and s.unique_id not in held])
        kept = tuple(
            StepResult(s.unique_id, s.dataset, "skipped", held[s.unique_id])
            for s in plan.steps
            if s.unique_id in held and s.dataset and self.ctx.project.nodes[s.unique_id].materialized != "ephemeral"
        )
        results: tuple[StepResult, ...] = ()
        if todo:
            self.ctx.state.save_plan(self.ctx.run_id, plan_to_json(plan))
            workspace = self.ctx.lake.workspace(
                self.options.resume_from or self.ctx.run_id, resume=self.options.resume_from is not None
            )
            try:
                results = self._walk(plan, todo, recorded, workspace, keeper)
            except BaseException:
                workspace.close()  # what is staged stays for --resume
                raise
            workspace.discard()
        holding.mark(self.ctx, (*kept, *results))
        return (*kept, *results)

    def _walk(
        self, plan: Plan, todo: Sequence[Step], recorded: Recorded, workspace: Workspace, keeper: LeaseKeeper
    ) -> tuple[StepResult, ...]:
        """Build, weigh, withdraw, publish; again for what another writer has outdated meanwhile."""
        steps = {s.unique_id: s for s in todo}
        before = attempts_published(self.ctx.lake, self.ctx.run_id)
        for attempt in range(1, PUBLISH_TRIES + 1):
            builder = Builder(self.ctx, workspace, recorded, plan, resume=self.options.resume_from is not None or attempt > 1)
            walk = Walk(todo, builder.build, threads=self.options.threads, told=self._told)
            with self.ctx.lake.at_hand(), self.ctx.lake.one_thread_a_query() if builder.all_small(todo) else nullcontext():
                outcome = walk.walk(fail_fast=self.options.fail_fast)
            _add_inferred(outcome, builder)
            self._weigh_joint(outcome, builder)
            keep_failures(self.ctx, workspace, self.verdicts)
            withdraw(outcome, steps, publish_groups(self.ctx.project, pinned_views(self.ctx.lake)))
            keeper.check()
            point("run.before_publish")
            outdated, results = publish_staged(self.ctx, outcome, steps, keeper, attempt=before + attempt, reason=self.reason)
            if not outdated:
                point("run.after_publish")
                return results
            for uid in outdated:
                workspace.unstage(self.ctx.project.nodes[uid].relation)
            recorded = self.ctx.lake.recorded()
        return results

    def _told(self, step: Step, result: StepResult) -> None:
        """Record one step's end, in the thread that walks."""
        self.verdicts += [v for v in result.verdicts if isinstance(v, Verdict)]
        for verdict in result.verdicts:
            if verdict.outcome != "pass":
                self.ctx.emit(
                    "gate.verdict", step=step.unique_id, dataset=step.dataset, status=verdict.outcome, reason=verdict.message,
                    rows=verdict.failures, data={"check": verdict.name, "scope": verdict.scope},
                )  # fmt: skip
        self.ctx.emit(
            "step.finished", step=step.unique_id, dataset=step.dataset, status=result.status, reason=result.reason,
            rows=None if step.build == "view" else result.rows, seconds=result.seconds,
            data={"action": "build", "build": step.build, "why": step.reason},
        )  # fmt: skip

    def _weigh_joint(self, outcome: Outcome, builder: Builder) -> None:
        """Weigh the checks over several tables of which this run has built one; a failing one blocks all that it has built of them.

        When one of the tables has not come through, the check cannot be made, and none of the others is published without it.
        """
        for check in builder.joint:
            named = dict.fromkeys([*([check.attached_to] if check.attached_to else []), *check.depends_on])
            built = [uid for uid in named if uid in outcome.staged and outcome.results[uid].status == "done"]
            lacking = [uid for uid in named if uid in outcome.results and outcome.results[uid].status in BAD]
            if not built:
                continue
            if lacking:
                missing = outcome.results[lacking[0]]
                why = f"test {check.name} cannot be made: {missing.dataset} is {missing.status}"
                for uid in built:
                    outcome.results[uid] = replace(outcome.results[uid], status="skipped", reason=why)
                continue
            try:
                gate = builder.weigh_joint(check, outcome.staged.get(check.attached_to or "", ()))
            except HeadgateError as error:
                outcome.errors.append(error)
                for uid in built:
                    outcome.results[uid] = replace(outcome.results[uid], status="failed", reason=str(error))
                continue
            for uid in built:  # each of its tables has the verdict
                result = outcome.results[uid]
                verdicts = tuple(replace(v, dataset=result.dataset) for v in gate.verdicts)
                self.verdicts += verdicts
                outcome.results[uid] = result = replace(result, verdicts=(*result.verdicts, *verdicts))
                if gate.outcome == "block":
                    outcome.results[uid] = replace(result, status="blocked", reason=gate.reason)

    def finish(self, built: Sequence[StepResult], landed: Sequence[StepResult]) -> RunResult:
        """The run's result, recorded."""
        ctx = self.ctx
        results = (*landed, *built)
        statuses = {r.status for r in results}
        status = "failed" if "failed" in statuses else "blocked" if "blocked" in statuses else "done"
        reason = next((f"{r.dataset}: {r.reason}" for r in results if r.status in ("failed", "blocked")), "")
        ctx.state.save_verdicts(ctx.run_id, self.verdicts)
        ctx.state.steps_finished(ctx.run_id, built)
        snapshot = ctx.lake.snapshot()
        seconds = time.perf_counter() - self.began
        nothing = not any(r.status not in ("nothing", "up_to_date") for r in results)
        ctx.state.finish_run(ctx.run_id, status, reason, seconds=seconds, snapshot=snapshot, nothing_to_do=nothing)
        published = sum(1 for r in built if r.status == "done")
        data: Mapping[str, object] = {"published": f"{published} tables" if published != 1 else "1 table"} if published else {}
        ctx.emit("run.finished", status=status, reason=reason, seconds=seconds, snapshot=snapshot, data=data)
        return RunResult(ctx.run_id, status, results, snapshot, seconds, reason, nothing)


def _add_inferred(outcome: Outcome, builder: Builder) -> None:
    """Dimensions that got inferred members are published in that form, also those that this run would not have built."""
    for uid, staged in builder.inferred.items():
        if uid not in outcome.results:
            outcome.results[uid] = StepResult(uid, staged.dataset, "done", "; ".join(staged.notes), staged.counts.rows_out)
        if outcome.results[uid].status == "done":
            outcome.staged[uid] = (staged,)


def stateful_columns(project: Project, lake: Lake) -> dict[str, tuple[Column, ...] | None]:
    """The columns that incremental tables and snapshots really have, for the plan to compare with the ledger."""
    stateful = (n for n in project.nodes.values() if n.materialized in ("incremental", "snapshot"))
    return {str(n.relation): lake.columns(n.relation) for n in stateful}
