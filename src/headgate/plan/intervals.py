"""Intervals of event time: their arithmetic, and which of a model's declared intervals are done, missing or to be done again.

An interval is half-open and aligned to its batch size (weeks begin on Monday). What is done is kept as spans: an interval
counts as done when recorded spans cover it, whatever batch size wrote them. The interval that contains "now" is built with what
there is and stays open: it is built again when its inputs change, until one build of it was after its end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from headgate.spec.errors import DeclarationError
from headgate.spec.project import Node
from headgate.spec.recorded import RecordedDataset
from headgate.spec.staged import Interval

SEEN = "seen:"
"""Under this key the recorded inputs of an interval say which rows it was built from (see `reconcile.seen_of`)."""
NO_ROWS = "0"
"""What `SEEN` says of an interval that was built, or booked, without an input row."""
SIZES = ("hour", "day", "week", "month", "year")
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(second|minute|hour|day|week)s?\s*$", re.IGNORECASE)
_SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0, "week": 604800.0}


@dataclass(frozen=True, slots=True)
class Batches:
    """How a model is cut into intervals: its event time column, size, first and last moment, and how many batches to look back.

    `reconcile_after` (seconds) is how long after its build a closed interval waits for late rows before it is built again with
    them; None: at once; `reconcile` False: never.
    """

    event_time: str
    size: str
    begin: datetime
    end: datetime | None = None
    lookback: int = 1
    reconcile: bool = True
    reconcile_after: float | None = None


def batches_of(node: Node) -> Batches | None:
    """How `node` is cut into intervals, or None when it is not. Raises DeclarationError for a cut that cannot be made."""
    config = node.config
    if node.materialized != "incremental" or not (config.get("batch_size") or config.get("incremental_strategy") == "microbatch"):
        return None
    size = str(config.get("batch_size") or "")
    for key, given in (("event_time", config.get("event_time")), ("begin", config.get("begin")), ("batch_size", size)):
        if not given:
            raise DeclarationError(f"{node.location}: {node.name} is built by intervals and has no '{key}'", code="HG-D410")
    if size not in SIZES:
        wrong = f"{node.location}: batch_size '{size}' of {node.name} is no size"
        raise DeclarationError(wrong, expected="one of " + ", ".join(SIZES), code="HG-D410")
    reconcile = config.get("reconcile")
    after = reconcile.get("after") if isinstance(reconcile, Mapping) else None
    return Batches(
        event_time=str(config["event_time"]),
        size=size,
        begin=moment(config["begin"]),
        end=moment(config["end"]) if config.get("end") else None,
        lookback=int(config.get("lookback", 1)),
        reconcile=reconcile is not False,
        reconcile_after=None if after is None else seconds(after),
    )


def moment(value: Any) -> datetime:
    """A time as UTC without zone, from ISO text, a date or a datetime. Raises DeclarationError for anything else."""
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value.strip())
        if isinstance(value, datetime):
            return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        if isinstance(value, date):
            return datetime(value.year, value.month, value.day)
    except ValueError:
        pass
    raise DeclarationError(
        f"'{value}' is no point in time", expected="ISO 8601, such as 2013-01-31 or 2013-01-31T06:00", code="HG-D411"
    )


def seconds(value: Any) -> float:
    """A duration in seconds, from a number or text like "6 hours". Raises DeclarationError."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    found = _DURATION.match(str(value))
    if found is None:
        raise DeclarationError(f"'{value}' is no duration", expected="a number and a unit, such as 6 hours", code="HG-D412")
    return float(found[1]) * _SECONDS[found[2].lower()]


def text(at: datetime) -> str:
    """A time as intervals write it."""
    return at.isoformat(timespec="seconds" if not at.microsecond else "microseconds")


def floor(at: datetime, size: str) -> datetime:
    """The start of the batch that holds `at`."""
    if size == "hour":
        return at.replace(minute=0, second=0, microsecond=0)
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if size == "week":
        return day - timedelta(days=day.weekday())
    if size == "month":
        return day.replace(day=1)
    return day.replace(month=1, day=1) if size == "year" else day


def step(at: datetime, size: str, count: int = 1) -> datetime:
    """The start of the batch `count` batches after (or before, if negative) the one that starts at `at`."""
    if size == "year":
        return at.replace(year=at.year + count)
    if size == "month":
        months = at.year * 12 + at.month - 1 + count
        return at.replace(year=months // 12, month=months % 12 + 1)
    return at + count * {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}[size]


def ceil(at: datetime, size: str) -> datetime:
    """The first batch start that is not before `at`."""
    start = floor(at, size)
    return start if start == at else step(start, size)


def between(start: datetime, end: datetime, size: str) -> Iterator[Interval]:
    """The batches from the one that holds `start` to the last that begins before `end`."""
    at = floor(start, size)
    while at < end:
        after = step(at, size)
        yield Interval(text(at), text(after))
        at = after


def count_between(start: datetime, end: datetime, size: str) -> int:
    """How many batches `between` would yield, without making them."""
    first, last = floor(start, size), ceil(end, size)
    if last <= first:
        return 0
    if size in ("month", "year"):
        months = (last.year - first.year) * 12 + last.month - first.month
        return months if size == "month" else months // 12
    return int((last - first) / {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}[size])


def declared_range(batches: Batches, now: datetime) -> tuple[datetime, datetime]:
    """Start and end of everything that should be there at `now`, the open batch included."""
    end = step(floor(now, batches.size), batches.size)
    if batches.end is not None:
        end = min(end, ceil(batches.end, batches.size))
    return floor(batches.begin, batches.size), end


@dataclass(frozen=True, slots=True)
class Done:
    """One recorded span: when it was built last, by which code, with how many rows, from which input rows ("": not known)."""

    start: datetime
    end: datetime
    at: datetime
    code: str
    rows: int
    seconds: float = 0.0
    seen: str = ""


class Ledger:
    """What is recorded as done of one dataset, newest word first where spans overlap."""

    def __init__(self, recorded: RecordedDataset | None) -> None:
        rows = recorded.intervals if recorded is not None else ()
        spans = [
            Done(
                moment(d.interval.start), moment(d.interval.end), moment(d.done_at), d.code_fingerprint, d.rows_out, d.seconds,
                d.inputs.get(SEEN, ""),
            )
            for d in rows
        ]  # fmt: skip
        self.spans = sorted(spans, key=lambda d: (d.start, d.end, d.at))
        self._covered = _merged((d.start, d.end) for d in self.spans)
        self._newest: dict[tuple[datetime, datetime], Done] = {(d.start, d.end): d for d in self.spans}
        self._wide = [d for d in self.spans if d.end - d.start > timedelta(days=366)]

    def gaps(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """What is not done between `start` and `end`."""
        at = start
        for begun, ended in self._covered:
            if ended <= at:
                continue
            if begun >= end:
                break
            if begun > at:
                yield at, begun
            at = max(at, ended)
        if at < end:
            yield at, end

    def last(self, start: datetime, end: datetime) -> Done | None:
        """The newest build of exactly this interval, or of the wider spans over it."""
        exact = self._newest.get((start, end))
        over = [d for d in self.spans if d.start <= start and d.end >= end] if exact is None else [exact]
        over += [d for d in self._wide if d.start <= start and d.end >= end]
        return max(over, key=lambda d: d.at, default=None)

    def newest(self) -> tuple[Done, ...]:
        """The newest build of each recorded interval, in order of time."""
        return tuple(self._newest.values())


def _merged(spans: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Ordered spans with those that touch or overlap made one."""
    out: list[tuple[datetime, datetime]] = []
    for start, end in spans:
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((start, end))
    return out


def missing(batches: Batches, ledger: Ledger, start: datetime, end: datetime) -> tuple[Interval, ...]:
    """The batches between `start` and `end` that no recorded spans cover in full."""
    found: dict[str, Interval] = {}
    for gap_start, gap_end in ledger.gaps(floor(start, batches.size), ceil(end, batches.size)):
        for interval in between(gap_start, gap_end, batches.size):
            found[interval.start] = interval
    return tuple(found.values())
