"""A backfill at work: the canary interval first, then a few intervals a commit, giving way to live runs between commits."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from headgate.plan.making import make
from headgate.plan.reconcile import asking
from headgate.run.context import RunContext
from headgate.run.options import RunOptions
from headgate.run.running import Running, stateful_columns
from headgate.spec.clock import now_iso
from headgate.spec.crash import point
from headgate.spec.errors import UsageError
from headgate.spec.events import RunResult, StepResult
from headgate.spec.staged import Interval
from headgate.spec.steps import MISSING_INTERVALS, Plan, Step

if TYPE_CHECKING:
    from headgate.run.session import Session

GROUP_INTERVALS = 6
"""Intervals a commit after the canary: each commit is a point from which an interrupted backfill goes on, and at which a
live run comes in."""
LIVE_RUN_PAUSE_SECONDS = 0.2


class Backfilling:
    """One backfill. Interrupted, the same call builds what is missing still: every commit is in the interval ledger."""

    def __init__(self, ctx: RunContext, plan: Plan, during: str | None) -> None:
        self.ctx, self.plan, self.during = ctx, plan, _window(during)
        self.began = time.perf_counter()

    def whole(self) -> RunResult:
        """Build all intervals; stop at the first group that does not pass."""
        step = self.plan.steps[0]
        running = Running(self.ctx, RunOptions(land=False), (), "backfill")
        if not step.intervals:
            return running.finish((StepResult(step.unique_id, step.dataset, "up_to_date", step.reason),), ())
        results: list[StepResult] = []
        for group in _groups(step.intervals):
            self._wait_for_window()
            result = self._group(step, group)
            results.append(result)
            point("backfill.after_interval")
            if result.status != "done":
                break
            time.sleep(LIVE_RUN_PAUSE_SECONDS if len(results) > 1 else 0)  # a live run that waits for the lease gets it now
        return running.finish((_summed(step, results),), ())

    def _group(self, step: Step, intervals: Sequence[Interval]) -> StepResult:
        """Build, gate and publish one group under the environment's lease."""
        with ExitStack() as stack:
            attempt = Running(self.ctx, RunOptions(land=False), (), "backfill")
            keeper = attempt.enter(stack)
            plan = replace(self.plan, steps=(replace(step, intervals=tuple(intervals)),))
            results = attempt.walk_plan(plan, self.ctx.lake.recorded(), keeper)
            self.ctx.state.save_verdicts(self.ctx.run_id, attempt.verdicts)
            return results[0]

    def _wait_for_window(self) -> None:
        """Outside the hours that `--during` names, wait for them."""
        while self.during is not None and not _inside(self.during, datetime.now(UTC)):
            time.sleep(1.0)


def _groups(intervals: Sequence[Interval]) -> list[tuple[Interval, ...]]:
    """The canary alone, then groups."""
    rest = intervals[1:]
    return [tuple(intervals[:1])] + [tuple(rest[i : i + GROUP_INTERVALS]) for i in range(0, len(rest), GROUP_INTERVALS)]


def _summed(step: Step, results: Sequence[StepResult]) -> StepResult:
    last = results[-1]
    return replace(
        last,
        rows=sum(r.rows for r in results),
        seconds=sum(r.seconds for r in results),
        reason=last.reason or f"{len(step.intervals)} intervals",
    )


def _window(during: str | None) -> tuple[int, int] | None:
    """`01:00-05:00` as minutes of the day. Raises UsageError."""
    if during is None:
        return None
    try:
        first, last = (datetime.strptime(part.strip(), "%H:%M") for part in during.split("-"))
    except ValueError as error:
        raise UsageError(
            f"--during '{during}' is no window", expected="two times of day in UTC", todo="for example --during 01:00-05:00"
        ) from error
    return first.hour * 60 + first.minute, last.hour * 60 + last.minute


def _inside(window: tuple[int, int], moment: datetime) -> bool:
    first, last = window
    minute = moment.hour * 60 + moment.minute
    return first <= minute < last if first <= last else minute >= first or minute < last


def reconcile_plan(session: Session) -> Plan:
    """A plan of the interval models whose inputs have rows newer than their intervals; building narrows them to exactly the
    late ones."""
    recorded = session.recorded()
    nodes = [n for n in asking(session.project, recorded) if n.config.get("reconcile") is not False]
    made = make(
        session.project,
        recorded,
        selected=[n.unique_id for n in nodes],
        now=now_iso(),
        land=(),
        actual=stateful_columns(session.project, session.lake),
    )
    steps = []
    for step in made.steps:
        if step.unique_id in {n.unique_id for n in nodes}:
            done = recorded.datasets[step.dataset].intervals
            steps.append(
                replace(
                    step, action="build", build="intervals", status=MISSING_INTERVALS, intervals=tuple(d.interval for d in done),
                    reason="its closed intervals are compared with the rows that landed since",
                )
            )  # fmt: skip
    return replace(made, steps=tuple(steps))
