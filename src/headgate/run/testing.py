"""`headgate test`: unit tests of models and data tests of published tables, each with its own word. Nothing is built or published."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from headgate.gate.weigh import Subject, Tools, weigh
from headgate.run.building import current_views, gate_tools
from headgate.run.context import RunContext
from headgate.run.failures import keep_failures
from headgate.run.unit_testing import try_all, verdict
from headgate.spec.errors import HeadgateError
from headgate.spec.project import CheckSpec
from headgate.spec.verdicts import BLOCK, PASS, Verdict

if TYPE_CHECKING:
    from headgate.run.session import Session

_STATUS = {PASS: "pass", BLOCK: "fail"}


@dataclass(frozen=True, slots=True)
class Tested:
    """How one test ended: `status` is pass, warn, fail or error (it could not be run; `message` says why)."""

    unique_id: str
    name: str
    dataset: str
    status: str
    failures: int = 0
    message: str = ""
    seconds: float = 0.0
    sql: str = ""
    sample: tuple[Any, ...] = ()


def test(session: Session, unique_ids: Sequence[str]) -> tuple[Tested, ...]:
    """Run these unit tests, then these data tests on what is published, and keep the verdicts."""
    project = session.project
    with session.context("test") as ctx:
        units = [_told(verdict(ctx, tried)) for tried in try_all(ctx, [u for u in unique_ids if u in project.unit_tests])]
        checks = [project.checks[uid] for uid in unique_ids if uid in project.checks]
        found, verdicts = _weighed(ctx, checks) if checks else ([], [])
        ctx.state.save_verdicts(ctx.run_id, verdicts)
        every = (*units, *found)
        failed = any(t.status in ("fail", "error") for t in every)
        ctx.state.finish_run(ctx.run_id, "blocked" if failed else "done")
    return every


def _weighed(ctx: RunContext, checks: Iterable[CheckSpec]) -> tuple[list[Tested], list[Verdict]]:
    """The data tests, one after the other, so that one that cannot be run leaves the others alone."""
    workspace = ctx.lake.workspace(ctx.run_id)
    cursor = workspace.cursor()
    found: list[Tested] = []
    verdicts: list[Verdict] = []
    try:
        tools = gate_tools(ctx, workspace, cursor)
        for check in checks:
            began = time.perf_counter()
            try:
                made = _one(ctx, check, tools)
            except (HeadgateError, duckdb.Error) as error:
                seconds = time.perf_counter() - began
                found.append(
                    Tested(
                        check.unique_id, check.name, _dataset(ctx, check), "error", message=str(error).strip(), seconds=seconds
                    )
                )
                continue
            verdicts.append(made)
            found.append(_told(made))
        keep_failures(ctx, workspace, verdicts)
    finally:
        cursor.close()
        workspace.discard()
    return found, verdicts


def _one(ctx: RunContext, check: CheckSpec, tools: Tools) -> Verdict:
    """Weigh one test on what is published. Raises HeadgateError when its table is not there."""
    project = ctx.project
    item = project.nodes.get(check.attached_to or "") or project.sources.get(check.attached_to or "")
    if item is None or check.kind == "singular":
        datasets = ", ".join(d.split(".")[-1] for d in check.depends_on) or check.name
        return weigh(Subject(_dataset(ctx, check) or datasets, (), "", ""), (check,), tools).verdicts[0]
    columns = ctx.lake.columns(item.relation)
    if columns is None:
        raise HeadgateError(f"{item.relation} is not built yet", todo=f"run: headgate run {item.name}", code="HG-U000")
    published = current_views(ctx)(item.unique_id) or item.relation.sql(ctx.lake.name)
    masked = frozenset(n for n, c in item.columns.items() if c.classification)
    return weigh(Subject(str(item.relation), columns, published, published, masked=masked), (check,), tools).verdicts[0]


def _dataset(ctx: RunContext, check: CheckSpec) -> str:
    item = ctx.project.nodes.get(check.attached_to or "") or ctx.project.sources.get(check.attached_to or "")
    return str(item.relation) if item is not None else ""


def _told(found: Verdict) -> Tested:
    return Tested(
        found.check, found.name, found.dataset, _STATUS.get(found.outcome, "warn"), found.failures, found.message, found.seconds, found.sql,
        found.sample,
    )  # fmt: skip
