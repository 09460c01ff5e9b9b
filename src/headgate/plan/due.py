"""Which intervals a model must build now, and why: missing, asked for, touched by late rows, or open still."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from headgate.plan.intervals import (
    NO_ROWS,
    Batches,
    Done,
    Ledger,
    between,
    ceil,
    count_between,
    declared_range,
    floor,
    missing,
    moment,
    step,
)
from headgate.spec.errors import UsageError
from headgate.spec.project import Node
from headgate.spec.recorded import RecordedDataset
from headgate.spec.staged import Interval

Arrivals = Mapping[str, str | None]
"""For one model: start of each interval that has input rows (ISO) to the newest `_loaded_at` of these rows (None: not known)."""
Seen = Mapping[str, str]
"""For one model: start of each interval that has input rows (ISO) to a print of these rows (see `reconcile.seen_of`)."""


@dataclass(frozen=True, slots=True)
class Due:
    """`intervals` to build, in order of time; `total` counts the declared ones.

    `reasons` say why, each as (kind, sentence) with kind "asked", "missing", "late", "inputs" or "code"; `notes` tell what is
    left alone.
    """

    intervals: tuple[Interval, ...] = ()
    missing: tuple[Interval, ...] = ()
    total: int = 0
    reasons: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: `whole` (everything anew), a range, whether inputs or code changed, and which rows arrived, where known.

    `seen` has the print of each interval's input rows, if they were looked at: an interval that the present code has built of rows with
    another print got other rows.
    """

    now: str
    whole: bool = False
    since: str | None = None
    until: str | None = None
    inputs_changed: bool = False
    code_changed: bool = False
    arrivals: Arrivals | None = None
    seen: Seen | None = None
    same_codes: frozenset[str] = frozenset()


def due(node: Node, batches: Batches, recorded: RecordedDataset | None, asked: Question) -> Due:
    """The intervals of `node` that must be built. Raises UsageError for a range that has nothing of what is declared."""
    now = moment(asked.now)
    start, end = _range(node, batches, asked, now)
    total = count_between(*declared_range(batches, now), batches.size)
    ledger = Ledger(None if asked.whole else recorded)
    chosen: dict[str, Interval] = {}
    reasons: list[tuple[str, str]] = []
    lacking, notes = _missing(batches, ledger, (start, end), asked)
    if (asked.since or asked.until) and not asked.whole:
        every = tuple(between(start, end, batches.size))
        _add(chosen, every)
        reasons.append(("asked", f"{_count(every)} asked for by --from/--to: {spans(every)}"))
    elif lacking:
        _add(chosen, lacking)
        reasons.append(("missing", f"{len(lacking)} of {total} intervals missing: {spans(lacking)}"))
    if not (asked.since or asked.until):
        _again(batches, ledger, (start, end), asked, node.code_fingerprint, now, chosen, reasons, notes)
    if asked.code_changed and not chosen:
        newest = Interval(*(f"{at.isoformat()}" for at in (step(end, batches.size, -1), end)))
        chosen[newest.start] = newest
        reasons.append(("code", f"the newest interval is built by the new code: {spans((newest,))}"))
    older = [d for d in ledger.newest() if d.code != node.code_fingerprint and d.code not in asked.same_codes]
    older = [d for d in older if d.rows and d.start.isoformat() not in chosen]
    if older:
        notes.append(f"{len(older)} intervals were built by older code and stay as they are")
    return Due(tuple(chosen[k] for k in sorted(chosen)), lacking, total, tuple(reasons), tuple(notes))


def _range(node: Node, batches: Batches, asked: Question, now: datetime) -> tuple[datetime, datetime]:
    start, end = declared_range(batches, now)
    if asked.since:
        start = max(start, floor(moment(asked.since), batches.size))
    if asked.until:
        end = min(end, ceil(moment(asked.until), batches.size))
    if start >= end and (asked.since or asked.until):
        first, last = declared_range(batches, now)
        raise UsageError(
            f"there is no interval of {node.name} between {asked.since or 'its begin'} and {asked.until or 'now'}",
            expected=f"a range within [{first:%Y-%m-%d}, {last:%Y-%m-%d})",
            code="HG-U020",
        )
    return start, end


def _missing(
    batches: Batches, ledger: Ledger, span: tuple[datetime, datetime], asked: Question
) -> tuple[tuple[Interval, ...], list[str]]:
    """Missing intervals; with known arrivals only those that have input rows, and a note about the others."""
    lacking = missing(batches, ledger, *span)
    if asked.arrivals is None or not lacking:
        return lacking, []
    filled = tuple(i for i in lacking if i.start in asked.arrivals)
    empty = len(lacking) - len(filled)
    return filled, [f"{empty} intervals have no input rows yet"] if empty else []


def _again(
    batches: Batches,
    ledger: Ledger,
    span: tuple[datetime, datetime],
    asked: Question,
    code: str,
    now: datetime,
    chosen: dict[str, Interval],
    reasons: list[tuple[str, str]],
    notes: list[str],
) -> None:
    """Add the done intervals that have to be built again."""
    if asked.arrivals is not None:
        late, waiting = late_intervals(batches, ledger, asked.arrivals, now, asked.seen, {code, *asked.same_codes})
        _add(chosen, late)
        if late:
            reasons.append(("late", f"{_count(late)} got rows after they were built: {spans(late)}"))
        if waiting:
            until = f" until {batches.reconcile_after:g} s after their build" if batches.reconcile else ""
            notes.append(f"{_count(waiting)} got late rows and stay as they are{until}: {spans(waiting)}")
    elif asked.inputs_changed:
        first = step(span[1], batches.size, -1 - batches.lookback)
        recent = [i for i in between(max(first, span[0]), span[1], batches.size) if i.start not in chosen]
        empty = [i for d in ledger.newest() if not d.rows for i in between(d.start, d.end, batches.size)]
        empty = [i for i in empty if span[0] <= moment(i.start) < span[1] and i.start not in chosen]
        _add(chosen, (*recent, *empty))
        if recent:
            text = f"its inputs changed: the newest {_count(recent)} again (lookback {batches.lookback}): {spans(recent)}"
            reasons.append(("inputs", text))
        if {i.start for i in empty} - {i.start for i in recent}:
            reasons.append(("inputs", f"{_count(empty)} that were empty are tried again"))


def late_intervals(
    batches: Batches, ledger: Ledger, arrivals: Arrivals, now: datetime, seen: Seen | None = None, codes: Collection[str] = ()
) -> tuple[tuple[Interval, ...], tuple[Interval, ...]]:
    """Done intervals whose input rows are others than at their newest build: those to build again now, and those that wait or stay.

    With `seen` that is exact for what `codes` have built: rows that were loaded before the build and not visible to it count, and rows
    that are gone. Else the rows' newest time of loading is compared with the time of the build. What was open when it was built, or is
    within the lookback of the open interval, never waits.
    """
    again: list[Interval] = []
    waiting: list[Interval] = []
    known = {d.start.isoformat() for d in ledger.newest() if d.seen and d.code in codes} if seen is not None else set()
    for start_text in sorted({*arrivals, *known}):
        start = moment(start_text)
        end = step(start, batches.size)
        built = ledger.last(start, end)
        if built is None or not _moved(built, end, arrivals.get(start_text), seen if built.code in codes else None):
            continue
        recent = built.at < end or start >= step(floor(now, batches.size), batches.size, -batches.lookback)
        ripe = recent or _ripe(batches, built, now)
        (again if ripe else waiting).append(Interval(start.isoformat(), end.isoformat()))
    return tuple(again), tuple(waiting)


def _moved(built: Done, end: datetime, loaded: str | None, seen: Seen | None) -> bool:
    """Whether an interval has other input rows than its newest build, `built`, has seen."""
    if seen is not None and built.seen and built.end == end:
        return built.seen != seen.get(built.start.isoformat(), NO_ROWS)
    return loaded is not None and moment(loaded) > built.at


def _ripe(batches: Batches, built: Done, now: datetime) -> bool:
    """Whether a closed interval that got late rows is to be built again by now."""
    if not batches.reconcile:
        return False
    return batches.reconcile_after is None or now >= built.at + timedelta(seconds=batches.reconcile_after)


def _add(chosen: dict[str, Interval], more: Iterable[Interval]) -> None:
    for interval in more:
        chosen.setdefault(interval.start, interval)


def _count(intervals: Iterable[Interval]) -> str:
    number = len(list(intervals))
    return f"{number} interval" + ("" if number == 1 else "s")


def spans(intervals: Iterable[Interval]) -> str:
    """Intervals in words, those that touch as one span: `[2013-01-01, 2013-04-01), [2013-06-01, 2013-07-01)`."""
    merged: list[list[str]] = []
    for interval in sorted(intervals, key=lambda i: i.start):
        if merged and merged[-1][1] == interval.start:
            merged[-1][1] = interval.end
        else:
            merged.append([interval.start, interval.end])
    shown = ", ".join(f"[{short(start)}, {short(end)})" for start, end in merged[:3])
    return shown + (f" and {len(merged) - 3} more" if len(merged) > 3 else "")


def short(at: str) -> str:
    """A moment without a midnight."""
    return at.removesuffix("T00:00:00")
