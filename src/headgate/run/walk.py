"""Walk the build steps of a plan: parents before children, several at once, each staged and weighed; nothing is published here.

A step ends as done, blocked (its gate said no), failed (its code or the world did) or skipped (a parent of it is one of
these). What is
staged stays staged for the children of this run; at the end `settle` takes back everything that may not be published.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from headgate.spec.crash import point
from headgate.spec.errors import HeadgateError
from headgate.spec.events import StepResult
from headgate.spec.staged import Staged
from headgate.spec.steps import Step
from headgate.spec.verdicts import GateResult

BAD = ("blocked", "failed", "skipped")
"""Statuses of a step that did not come through."""


@dataclass(frozen=True, slots=True)
class Built:
    """What doing one step gave: the staged values (one, or one per interval) and the gate's word on them."""

    staged: tuple[Staged, ...]
    gate: GateResult


@dataclass(slots=True)
class Outcome:
    """What a walk has come to: a result for each step, and what may be published."""

    results: dict[str, StepResult] = field(default_factory=dict)
    staged: dict[str, tuple[Staged, ...]] = field(default_factory=dict)
    errors: list[HeadgateError] = field(default_factory=list)


class Walk:
    """One walk over the steps. `do` builds and weighs one step; `told` hears of each result."""

    def __init__(
        self, steps: Sequence[Step], do: Callable[[Step], Built], *, threads: int, told: Callable[[Step, StepResult], None]
    ) -> None:
        self.steps = {s.unique_id: s for s in steps}
        self.do, self.threads, self.told = do, threads, told
        self.outcome = Outcome()
        self._lock = threading.Lock()

    def walk(self, *, fail_fast: bool = False) -> Outcome:
        """Do every step as soon as its parents are done. With `fail_fast` nothing new begins after the first failure."""
        waiting = {uid: {d for d in s.depends_on if d in self.steps} for uid, s in self.steps.items()}
        children: dict[str, list[str]] = {}
        for uid, parents in waiting.items():
            for parent in parents:
                children.setdefault(parent, []).append(uid)
        ready = [uid for uid, parents in waiting.items() if not parents]
        running: dict[Future[StepResult], str] = {}
        with ThreadPoolExecutor(self.threads, thread_name_prefix="step") as pool:
            while ready or running:
                while ready:
                    uid = ready.pop(0)
                    running[pool.submit(self._one, self.steps[uid], fail_fast)] = uid
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    uid = running.pop(future)
                    self._close(self.steps[uid], future.result())
                    for child in children.get(uid, ()):
                        waiting[child].discard(uid)
                        if not waiting[child]:
                            ready.append(child)
        return self.outcome

    def _close(self, step: Step, result: StepResult) -> None:
        self.outcome.results[step.unique_id] = result
        self.told(step, result)

    def _one(self, step: Step, fail_fast: bool) -> StepResult:
        """Do one step; HeadgateErrors become results, so that the rest of the walk goes on."""
        bad = [self.outcome.results[d] for d in step.depends_on if d in self.outcome.results]
        bad = [r for r in bad if r.status in BAD]
        if bad:
            reason = bad[0].reason if bad[0].status == "skipped" else f"{bad[0].dataset} is {bad[0].status}"
            return StepResult(step.unique_id, step.dataset, "skipped", reason)
        if fail_fast and self.outcome.errors:
            return StepResult(step.unique_id, step.dataset, "skipped", "an earlier step failed (--fail-fast)")
        point("run.before_step")
        began = time.perf_counter()
        try:
            built = self.do(step)
        except HeadgateError as error:
            with self._lock:
                self.outcome.errors.append(error)
            return StepResult(step.unique_id, step.dataset, "failed", str(error), seconds=time.perf_counter() - began)
        seconds = time.perf_counter() - began
        if built.staged:
            with self._lock:
                self.outcome.staged[step.unique_id] = built.staged
        blocked = built.gate.outcome == "block"
        if not built.staged and not blocked:
            return StepResult(step.unique_id, step.dataset, "up_to_date", "no interval has rows to build", seconds=seconds)
        rows = sum(s.counts.rows_out for s in built.staged)
        status, reason = ("blocked", built.gate.reason) if blocked else ("done", "")
        return StepResult(step.unique_id, step.dataset, status, reason, rows, seconds, built.gate.verdicts)


def withdraw(outcome: Outcome, steps: Mapping[str, Step], groups: Iterable[frozenset[str]]) -> None:
    """Take back what may not be published: all that depends on a step that is not done, and every publish group that lacks a
    member.

    `groups` are sets of unique ids that move together or not at all. The results say why.
    """
    changed = True
    group_list = list(groups)
    while changed:
        changed = False
        for uid, result in list(outcome.results.items()):
            if result.status != "done":
                continue
            why = _why_not(uid, outcome, steps.get(uid), group_list)
            if why:
                outcome.results[uid] = StepResult(
                    uid, result.dataset, "skipped", why, result.rows, result.seconds, result.verdicts
                )
                changed = True
    for uid, result in outcome.results.items():
        if result.status != "done":
            outcome.staged.pop(uid, None)


def _why_not(uid: str, outcome: Outcome, step: Step | None, groups: Sequence[frozenset[str]]) -> str | None:
    """Why `uid` must not be published, or None."""
    for parent in step.depends_on if step is not None else ():
        result = outcome.results.get(parent)
        if result is not None and result.status in BAD:
            return result.reason if result.status == "skipped" else f"{result.dataset} is {result.status}"
    for group in groups:
        if uid in group:
            for member in sorted(group):
                result = outcome.results.get(member)
                if result is not None and result.status in BAD:
                    return f"its publish group waits for {result.dataset}, which is {result.status}"
    return None
