"""Build a range of intervals of one model: only what is missing unless told otherwise, priced, within quota, a canary first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from headgate.plan.due import short, spans
from headgate.plan.estimate import estimate
from headgate.plan.intervals import Batches, Ledger, batches_of, between, ceil, declared_range, floor, missing, moment
from headgate.plan.wiring import Wiring
from headgate.spec.errors import RefusedError, UsageError
from headgate.spec.project import Node, Project
from headgate.spec.recorded import Recorded, RecordedDataset
from headgate.spec.staged import Interval
from headgate.spec.steps import FORCED, UP_TO_DATE, Estimate, Plan, Step

_QUOTAS = (("backfill_rows_max", "rows"), ("backfill_seconds_max", "seconds"), ("backfill_cost_max", "cost"))


def backfill(
    project: Project, recorded: Recorded, node_id: str, start: str, end: str, *, now: str, only_missing: bool = True
) -> Plan:
    """The plan of a backfill of `node_id` over [start, end), widened to whole intervals.

    Its one step lists the canary interval first: `run` builds, gates and publishes it before the others. Raises UsageError (a
    model that is not built by intervals, an empty range) and RefusedError (above the project's quota; the message has a range
    that fits).
    """
    node = project.nodes.get(node_id)
    if node is None:
        raise UsageError(f"there is no '{node_id}' in the project", expected="the unique id of a model", code="HG-U021")
    batches = batches_of(node)
    if batches is None:
        raise UsageError(
            f"{node.name} is not built by intervals, so there is no range to backfill",
            expected="an incremental model with event_time, begin and batch_size",
            todo=f"build it anew as a whole: headgate run {node.name} --full-refresh",
            code="HG-U023",
        )
    entry = recorded.datasets.get(str(node.relation))
    intervals = _intervals(node, batches, entry, (start, end), now, only_missing)
    step = _step(project, node, entry, intervals, only_missing)
    _within_quota(project, node, entry, intervals, step.estimate)
    children = len(Wiring(project).descendants((node_id,)))
    if intervals and children:
        step = _with_reason(step, f"the next run takes {children} datasets downstream along")
    return Plan(project.name, project.environment, project.digest, recorded.snapshot, (step,), now)


def _intervals(
    node: Node, batches: Batches, recorded: RecordedDataset | None, asked: tuple[str, str], now: str, only_missing: bool
) -> tuple[Interval, ...]:
    first, last = declared_range(batches, moment(now))
    start = max(first, floor(moment(asked[0]), batches.size))
    end = min(last, ceil(moment(asked[1]), batches.size))
    if start >= end:
        raise UsageError(
            f"there is no interval of {node.name} between {asked[0]} and {asked[1]}",
            expected=f"a range within [{first:%Y-%m-%d}, {last:%Y-%m-%d})",
            code="HG-U020",
        )
    if only_missing:
        return missing(batches, Ledger(recorded), start, end)
    return tuple(between(start, end, batches.size))


def _step(
    project: Project, node: Node, recorded: RecordedDataset | None, intervals: Sequence[Interval], only_missing: bool
) -> Step:
    dataset = str(node.relation)
    if not intervals:
        return Step(
            node.unique_id, dataset, "none", UP_TO_DATE, "every interval of this range is done; --rebuild builds them again"
        )
    what = "missing" if only_missing else "asked for"
    ordered = _canary_first(intervals, recorded)
    canary = f"[{short(ordered[0].start)}, {short(ordered[0].end)})"
    reason = f"backfill: {len(intervals)} intervals {what}: {spans(intervals)}; canary first: {canary}"
    expected = estimate(recorded, "intervals", len(intervals), project.prices)
    return Step(node.unique_id, dataset, "build", FORCED, reason, "intervals", ordered, estimate=expected)


def _canary_first(intervals: Sequence[Interval], recorded: RecordedDataset | None) -> tuple[Interval, ...]:
    """The canary is the newest interval that had rows when it was built before, else the newest: it has most to go wrong."""
    filled = {d.interval.start for d in recorded.intervals if d.rows_out} if recorded is not None else set()
    canary = next((i for i in reversed(intervals) if i.start in filled), intervals[-1])
    return (canary, *(i for i in intervals if i != canary))


def _within_quota(
    project: Project, node: Node, recorded: RecordedDataset | None, intervals: Sequence[Interval], expected: Estimate
) -> None:
    over = []
    fits = len(intervals)
    for key, field in _QUOTAS:
        limit, value = project.quotas.get(key), getattr(expected, field)
        if limit is None or value is None or value <= limit:
            continue
        over.append(f"{value:,.10g} {_unit(field, project)} expected, {limit:,.10g} allowed ({key})")
        fits = min(fits, int(limit // (value / len(intervals))))
    if not over:
        return
    todo = f"raise the quota of the project: not even one interval of {node.name} fits into it"
    if fits:
        part = intervals[-fits:]
        ends = f"--from {short(part[0].start)} --to {short(part[-1].end)}"
        todo = f"try a smaller range: headgate backfill {node.name} {ends}, then go on from there"
    raise RefusedError(
        f"the backfill of {node.name} over {len(intervals)} intervals is above the quota: " + "; ".join(over),
        expected="a backfill within the project's quotas",
        todo=todo,
        code="HG-R050",
    )


def _unit(field: str, project: Project) -> str:
    return project.prices.currency if field == "cost" else field


def _with_reason(step: Step, more: str) -> Step:
    return replace(step, reason=f"{step.reason}; {more}")
