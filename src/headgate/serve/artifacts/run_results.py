"""`run_results.json`, version 6: how every node of a call ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headgate.serve.artifacts.metadata import Call, iso, metadata
from headgate.spec.events import StepResult
from headgate.spec.project import CheckSpec, Project
from headgate.spec.verdicts import BLOCK, Verdict

if TYPE_CHECKING:
    from headgate.run.testing import Tested

VERSION = 6
NOTHING_DONE = "up to date"


@dataclass(frozen=True, slots=True)
class Ended:
    """How one node ended. `status` is dbt's: success, error, skipped, pass, warn, fail, no-op; moments are in seconds since 1970."""

    unique_id: str
    status: str
    message: str | None = None
    failures: int | None = None
    completed: float = 0.0
    seconds: float = 0.0
    rows: int | None = None
    thread: str = "Thread-1"


def ended_of(
    project: Project, steps: Iterable[StepResult], finished: Mapping[str, float], moment: float, weighed: Iterable[Verdict] = ()
) -> list[Ended]:
    """What a run's steps and verdicts come to in dbt's words, in their order; landed sources are no nodes of dbt's.

    `finished` tells when a step ended, by unique id, where that is known; `moment` stands for it elsewhere.
    """
    found: list[Ended] = []
    verdicts: dict[str, Verdict] = {}
    for step in steps:
        when = finished.get(step.unique_id, moment)
        if step.unique_id in project.nodes:
            found.append(_node(step, when, seed=project.nodes[step.unique_id].resource_type == "seed"))
        for verdict in step.verdicts:
            if verdict.check in project.checks:
                verdicts[verdict.check] = _worse(verdicts.get(verdict.check), verdict)
        found += [_skipped(check, when) for check in _checks(project, step) if step.status in ("skipped", "failed")]
    for verdict in weighed:
        if verdict.check in project.checks:
            verdicts[verdict.check] = _worse(verdicts.get(verdict.check), verdict)
    tested = [_test(project.checks[uid], verdict, moment) for uid, verdict in verdicts.items()]
    return [e for e in found if e.unique_id not in verdicts] + tested


def _worse(known: Verdict | None, verdict: Verdict) -> Verdict:
    """Of two weighings of one check in a run, the one that says more."""
    return verdict if known is None or known.outcome != BLOCK else known


def _node(step: StepResult, when: float, *, seed: bool) -> Ended:
    status = {"done": "success", "up_to_date": "success", "skipped": "skipped"}.get(step.status, "error")
    message = {"done": f"INSERT {step.rows}" if seed else "OK", "up_to_date": NOTHING_DONE}.get(step.status, step.reason)
    rows = step.rows if step.status == "done" else None
    return Ended(step.unique_id, status, message or None, None, when, step.seconds, rows)


def _checks(project: Project, step: StepResult) -> list[CheckSpec]:
    return [check for check in project.checks.values() if check.attached_to == step.unique_id]


def _skipped(check: CheckSpec, when: float) -> Ended:
    return Ended(check.unique_id, "skipped", None, None, when)


def _test(check: CheckSpec, verdict: Verdict, moment: float) -> Ended:
    status = {"pass": "pass", "warn": "warn", "quarantine": "warn"}.get(verdict.outcome, "fail")
    message = None if status == "pass" else _told(check, status, verdict.failures)
    return Ended(check.unique_id, status, message, verdict.failures, moment, verdict.seconds)


def _told(check: CheckSpec, status: str, failures: int) -> str:
    """dbt's sentence about a test that found something."""
    noun = "result" if failures == 1 else "results"
    return f"Got {failures} {noun}, configured to {status} if {check.warn_if if status == 'warn' else check.error_if}"


def tested_alone(project: Project, tested: Tested, when: float) -> Ended:
    """How a test ended that was run by itself."""
    check = project.checks.get(tested.unique_id)
    message: str | None = tested.message or None
    if check is not None and tested.status in ("warn", "fail"):
        message = _told(check, tested.status, tested.failures)
    elif tested.status == "pass":
        message = None
    failures = None if tested.status == "error" else tested.failures
    return Ended(tested.unique_id, tested.status, message, failures, when, tested.seconds)


def run_results(
    ended: Iterable[Ended], call: Call, manifest: Mapping[str, Any], arguments: Mapping[str, Any], elapsed: float
) -> dict[str, Any]:
    """The artifact. `manifest` is the one of the same call, `arguments` what the command was called with."""
    return {
        "metadata": metadata("run-results", VERSION, call),
        "results": [
            _result(e, manifest["nodes"].get(e.unique_id) or manifest["unit_tests"].get(e.unique_id) or {}) for e in ended
        ],
        "elapsed_time": elapsed,
        "args": {"which": call.which, **arguments},
    }


def _result(ended: Ended, node: Mapping[str, Any]) -> dict[str, Any]:
    begun = ended.completed - ended.seconds
    ran = ended.status != "skipped" and ended.message != NOTHING_DONE
    compiled = "language" in node  # neither a seed nor an exposure is compiled
    response: dict[str, Any] = {"_message": ended.message or "OK"} if ended.status not in ("skipped", "error", "no-op") else {}
    if node.get("resource_type") == "seed" and ended.rows is not None:
        response = {"_message": ended.message, "code": "INSERT"}
    if ended.rows is not None:
        response["rows_affected"] = ended.rows
    return {
        "status": ended.status,
        "timing": [
            {"name": "compile", "started_at": iso(begun), "completed_at": iso(begun)},
            {"name": "execute", "started_at": iso(begun), "completed_at": iso(ended.completed)},
        ]
        if ran
        else [],
        "thread_id": ended.thread,
        "execution_time": ended.seconds,
        "adapter_response": response,
        "message": ended.message,
        "failures": ended.failures,
        "unique_id": ended.unique_id,
        "compiled": node.get("compiled", False) if compiled else None,
        "compiled_code": node.get("compiled_code") if compiled else None,
        "relation_name": node.get("relation_name") if compiled else None,
        "batch_results": None,
    }
