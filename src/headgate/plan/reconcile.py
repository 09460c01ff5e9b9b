"""Rows that came late for intervals that are done: which models to ask, with what query, and what the answer means.

`run` asks the query of each model in `asking` (over the model's own input, before it is built) and gives the answers to
`making.make` as `arrivals`, or to `narrowed` for one step whose parents it has just staged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from headgate.plan.due import Arrivals, Question, Seen, due
from headgate.plan.estimate import estimate
from headgate.plan.intervals import NO_ROWS, SEEN, batches_of, declared_range, moment, text
from headgate.plan.intervals import step as earlier
from headgate.spec.names import quote_ident
from headgate.spec.project import Node, Project
from headgate.spec.recorded import Recorded, RecordedDataset
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
    """The query that answers which intervals of `node` have input rows, when the newest of these was loaded, and a print of them.

    `input_sql` is the model's own query (not incremental); `loaded_at` the column in it that says when a row was loaded, None if
    it has none. Rows: (start, newest, print); `arrivals_of` and `seen_of` read them. The print holds how many rows there are and, with
    `loaded_at`, from which loads: it changes when a row comes, goes, or is replaced by one of another load.
    """
    batches = batches_of(node)
    if batches is None:
        raise ValueError(f"{node.name} is not built by intervals")
    event_time = f"CAST({quote_ident(batches.event_time)} AS TIMESTAMP)"
    start = f"strftime(date_trunc('{batches.size}', {event_time})::TIMESTAMP, '{_FORMAT}')"
    loads = f" || '-' || coalesce(sum(hash({quote_ident(loaded_at)})), 0)::VARCHAR" if loaded_at else ""
    newest = f"strftime(max(CAST({quote_ident(loaded_at)} AS TIMESTAMP)), '{_FORMAT}.%f')" if loaded_at else "NULL::VARCHAR"
    inner = input_sql.strip().rstrip(";")
    known = f"WHERE {quote_ident(batches.event_time)} IS NOT NULL"
    selected = f"{start} AS start, {newest} AS newest, count(*)::VARCHAR{loads} AS seen"
    return f"SELECT {selected} FROM (\n{inner}\n) AS input {known} GROUP BY 1 ORDER BY 1"


def parent_sql(node: Node, relation_sql: str, event_time: str, columns: Sequence[str]) -> str:
    """The query for (start, print) of the intervals of `node` over a parent that batches read by its `event_time`: how many rows there
    are, and what stands in `columns`."""
    batches = batches_of(node)
    if batches is None:
        raise ValueError(f"{node.name} is not built by intervals")
    column = quote_ident(event_time)
    start = f"strftime(date_trunc('{batches.size}', CAST({column} AS TIMESTAMP))::TIMESTAMP, '{_FORMAT}')"
    content = f"hash({', '.join(map(quote_ident, columns))})"
    printed = f"count(*)::VARCHAR || '-' || sum({content})::VARCHAR"
    return f"SELECT {start} AS start, {printed} AS seen FROM {relation_sql} AS input WHERE {column} IS NOT NULL GROUP BY 1"


def arrivals_of(rows: Iterable[tuple[str, str | None, str]]) -> Arrivals:
    """The answer of `arrivals_sql` as `making.make` takes it."""
    return {text(moment(start)): newest for start, newest, _ in rows}


def seen_of(rows: Iterable[tuple[str, str | None, str]]) -> Seen:
    """The prints in the answer of `arrivals_sql`, which an interval records under `SEEN` when it is built."""
    return {text(moment(start)): seen for start, _, seen in rows}


def narrowed(
    step: Step, project: Project, recorded: RecordedDataset | None, arrivals: Arrivals, now: str, seen: Seen | None = None,
    *, recent: bool = False,
) -> Step:  # fmt: skip
    """`step`, which builds intervals, with exactly those that the arrivals (and `seen`, where it is known) call for.

    A new model, a whole rebuild, and a range that was asked for (a backfill too) keep those of their intervals that have rows or had some,
    in their order, and get no others. Any other step builds the missing intervals that have rows, and the done ones whose newer rows
    are due; a model whose code changed also its newest one, so that the new code is on record; with `recent` (something changed that every
    batch reads as a whole) also the newest ones of its lookback. What has no input row is left out: `run` books it as done and empty.
    """
    node = project.nodes[step.unique_id]
    batches = batches_of(node)
    if batches is None or not step.intervals:
        return step
    filled = set(arrivals)
    if step.build == "intervals" and seen is not None and recorded is not None:  # rows that are gone must go from the table too
        filled |= {d.interval.start for d in recorded.intervals if d.inputs.get(SEEN) != NO_ROWS}
    intervals = tuple(i for i in step.intervals if i.start in filled)
    if step.build == "intervals" and step.status not in (NEW, FORCED):
        called = {i.start: i for i in intervals if arrivals.get(i.start, "") is None}  # rows of unknown age
        called |= {i.start: i for i in due(node, batches, recorded, Question(now, arrivals=arrivals, seen=seen)).intervals}
        if recent:
            end = declared_range(batches, moment(now))[1]
            first = text(earlier(end, batches.size, -1 - batches.lookback))
            called |= {i.start: i for i in intervals if i.start >= first}
        if step.status in (CHANGED_BREAKING, CHANGED_NON_BREAKING):
            newest = max(step.intervals, key=lambda i: i.start)
            called[newest.start] = newest
        intervals = tuple(called[start] for start in sorted(called))
    return replace(step, intervals=intervals, estimate=estimate(recorded, step.build, len(intervals), project.prices))
