"""What a step will take, judged by what it took before."""

from __future__ import annotations

from headgate.plan.intervals import Ledger
from headgate.spec.project import PriceBook
from headgate.spec.recorded import RecordedDataset
from headgate.spec.steps import Estimate


def estimate(recorded: RecordedDataset | None, build: str, intervals: int, prices: PriceBook) -> Estimate:
    """Rows, bytes, seconds and cost of one step; nothing is guessed without history.

    A whole build is expected to be like the last one of the whole; each interval like the mean of those done.
    """
    if recorded is None or recorded.version is None:
        return Estimate()
    if build == "view":
        return Estimate(rows=0, bytes=0, seconds=recorded.seconds, cost=_cost(recorded.cpu_seconds, 0, prices))
    if intervals:
        return _by_intervals(recorded, intervals, prices)
    if build == "full" and recorded.materialized in ("incremental", "snapshot") and recorded.counts.rows_out:
        # The last publication was a delta: scale what it took to all rows.
        share = max(1.0, recorded.rows / recorded.counts.rows_out)
        return _scaled(recorded, recorded.rows, share, prices)
    rows = recorded.counts.rows_out if build in ("incremental", "snapshot") else recorded.rows
    return _scaled(recorded, rows, 1.0, prices)


def _by_intervals(recorded: RecordedDataset, intervals: int, prices: PriceBook) -> Estimate:
    done = [d for d in Ledger(recorded).newest() if d.rows or d.seconds]
    if not done:
        return Estimate()
    rows = sum(d.rows for d in done) / len(done)
    seconds = sum(d.seconds for d in done) / len(done)
    last_rows = recorded.counts.rows_out
    size = recorded.bytes / last_rows * rows if last_rows else 0.0
    cpu = seconds * (recorded.cpu_seconds / recorded.seconds) if recorded.seconds else seconds
    total_bytes = round(size * intervals)
    return Estimate(
        rows=round(rows * intervals),
        bytes=total_bytes or None,  # no bytes on record: not known
        seconds=round(seconds * intervals, 3),
        cost=_cost(cpu * intervals, total_bytes, prices),
    )


def _scaled(recorded: RecordedDataset, rows: int, share: float, prices: PriceBook) -> Estimate:
    size = round(recorded.bytes * share)
    return Estimate(rows, size or None, round(recorded.seconds * share, 3), _cost(recorded.cpu_seconds * share, size, prices))


def _cost(cpu_seconds: float, size: int, prices: PriceBook) -> float:
    return round(cpu_seconds / 3600 * prices.cpu_hour + size / 1e12 * prices.tb_written, 6)
