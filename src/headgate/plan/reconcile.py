"""Rows that came late for intervals that are done: which models to ask, with what query, and what the answer means.

`run` asks the query of each model in `asking` (over the model's own input, before it is built) and gives the answers to
`making.make` as `arrivals`, or to `narrowed` for one step whose parents it has just staged.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from headgate.plan.due import Arrivals, Question, due, late_intervals
from headgate.plan.estimate import estimate
from headgate.plan.intervals import Ledger, batches_of, moment, text
from headgate.spec.names import quote_ident
from headgate.spec.project import Node, Project
from headgate.spec.recorded import Recorded, RecordedDataset
from headgate.spec.staged import Interval
from headgate.spec.steps import CHANGED_BREAKING, CHANGED_NON_BREAKING, FORCED, NEW, Step

_FORMAT = "%Y-%m-%dT%H:%M:%S"


def asking(project: Project, recorded: Recorded) -> tuple[Node, ...]:
    """The published models that are built by intervals: when their inputs changed, arrivals are worth a query."""
    found = []
    for node in project.nodes.values():
        entry = recorded.datasets.get(str(node.relation))
        if entry is not None and entry.version is not None and batches_of(node) is not None:
            found.append(node)
    return tuple(found)


def arrivals_sql(node: Node, input_sql: str, *, loaded_at: str | None = "_loaded_at") -> str:
    """The query that answers which intervals of `node` have input rows, and when the newest of these was loaded.

    `input_sql` is the model's own query (not incremental); `loaded_at` the column in it that says when a row was loaded, None if
    it has none. Rows: (start, newest); `arrivals_of` reads them.
    """
    batches = batches_of(node)
    if batches is None:
        raise ValueError(f"{node.name} is not built by intervals")
    event_time = f"CAST({quote_ident(batches.event_time)} AS TIMESTAMP)"
    start = f"strftime(date_trunc('{batches.size}', {event_time})::TIMESTAMP, '{_FORMAT}')"
    newest = f"strftime(max(CAST({quote_ident(loaded_at)} AS TIMESTAMP)), '{_FORMAT}.%f')" if loaded_at else "NULL::VARCHAR"
    inner = input_sql.strip().rstrip(";")
    known = f"WHERE {quote_ident(batches.event_time)} IS NOT NULL"
    return f"SELECT {start} AS start, {newest} AS newest FROM (\n{inner}\n) AS input {known} GROUP BY ALL ORDER BY ALL"


def arrivals_of(rows: Iterable[tuple[str, str | None]]) -> Arrivals:
    """The answer of `arrivals_sql` as `making.make` takes it."""
    return {text(moment(start)): newest for start, newest in rows}


def late(node: Node, recorded: RecordedDataset, arrivals: Arrivals, now: str) -> tuple[Interval, ...]:
    """The done intervals of `node` that got rows since they were built and are to be built again now."""
    batches = batches_of(node)
    if batches is None:
        return ()
    return late_intervals(batches, Ledger(recorded), arrivals, moment(now))[0]


def narrowed(step: Step, project: Project, recorded: RecordedDataset | None, arrivals: Arrivals, now: str) -> Step:
    """`step`, which builds intervals, with exactly those that the arrivals call for.

    These are, of the missing ones, those with input rows, and the done ones with newer rows. Intervals without any input row are
    left out: `run` books them as done and empty. A whole rebuild, a new model or a range that was asked for keeps every interval
    that has rows; a model whose code changed keeps its newest one, so that the new code is on record.
    """
    node = project.nodes[step.unique_id]
    batches = batches_of(node)
    if batches is None or not step.intervals:
        return step
    chosen = {i.start: i for i in step.intervals if i.start in arrivals}
    if step.build == "intervals" and step.status not in (NEW, FORCED):
        built = Ledger(recorded)
        chosen = {start: i for start, i in chosen.items() if _called_for(built, i, arrivals)}
        chosen |= {i.start: i for i in due(node, batches, recorded, Question(now, arrivals=arrivals)).intervals}
        if step.status in (CHANGED_BREAKING, CHANGED_NON_BREAKING):
            newest = max(step.intervals, key=lambda i: i.start)
            chosen[newest.start] = newest
    intervals = tuple(chosen[start] for start in sorted(chosen))
    return replace(step, intervals=intervals, estimate=estimate(recorded, step.build, len(intervals), project.prices))


def _called_for(ledger: Ledger, interval: Interval, arrivals: Arrivals) -> bool:
    """Whether an interval is missing, or has rows newer than its build, or rows of unknown age."""
    done = ledger.last(moment(interval.start), moment(interval.end))
    newest = arrivals.get(interval.start)
    return done is None or newest is None or moment(newest) > done.at
