"""Keep the lake quick: flush inlined rows to files, merge small files, rewrite files with many deletes, expire old snapshots.

Each call is one slice under the writer lock; publishes come in between (LAKE.md 1). Expiry keeps what is younger than the retention and what a
reader's lease names (LAKE.md 12); files follow a retention later, by the lake's own clean-up of scheduled files.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta

from headgate.ports.engine import Lake
from headgate.publish.clean import Done
from headgate.spec.names import quote_ident, quote_literal

FLUSH = "flush inlined rows"
_TASKS = (
    (FLUSH, "CALL ducklake_flush_inlined_data({lake})"),
    ("merge small files", "CALL ducklake_merge_adjacent_files({lake})"),
    ("rewrite deleted rows", "CALL ducklake_rewrite_data_files({lake})"),
)


def compact(lake: Lake, *, author: str, dry_run: bool) -> tuple[Done, ...]:
    """Flush, merge and rewrite. Dry, it says how many files there are to look at."""
    if dry_run:
        files, size = _files(lake)
        return (Done("compact", files, size, "files in the lake now; merging decides by size"),)
    done = []
    for task, call in _TASKS:
        before = _files(lake)
        with _allowed(lake, task) as allowed:
            if not allowed:
                done.append(Done(task, 0, 0, "put off: somebody else has the lake open"))
                continue
            with lake.transaction(["*"], author=author, message=task) as cursor:
                cursor.execute(call.format(lake=quote_literal(lake.name))).fetchall()
        after = _files(lake)
        done.append(Done(task, abs(before[0] - after[0]), after[1], f"{before[0]} files before, {after[0]} after"))
    return tuple(done)


def _allowed(lake: Lake, task: str) -> AbstractContextManager[bool]:
    """Rows are flushed only when no open read transaction could lose them; the other tasks leave old files for old readers."""
    return lake.alone() if task == FLUSH else nullcontext(True)


def _files(lake: Lake) -> tuple[int, int]:
    """Data files of the newest snapshot, and their bytes."""
    cursor = lake.cursor()
    try:
        row = cursor.execute(
            f"SELECT count(*), coalesce(sum(file_size_bytes), 0) FROM {quote_ident('__ducklake_metadata_' + lake.name)}.ducklake_data_file "
            "WHERE end_snapshot IS NULL"
        ).fetchone()
    finally:
        cursor.close()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def expire(lake: Lake, *, author: str, older_than: timedelta, keep: Collection[int], dry_run: bool) -> Done:
    """Expire snapshots older than `older_than`, but for `keep` and the newest; then delete what earlier expiries scheduled long enough ago."""
    metadata = quote_ident("__ducklake_metadata_" + lake.name)
    cursor = lake.cursor()
    try:
        rows = cursor.execute(
            f"SELECT snapshot_id FROM {metadata}.ducklake_snapshot WHERE CAST(snapshot_time AS TIMESTAMPTZ) < "
            f"now() - INTERVAL {int(older_than.total_seconds())} SECOND AND snapshot_id < (SELECT max(snapshot_id) FROM {metadata}.ducklake_snapshot)"
        ).fetchall()
    finally:
        cursor.close()
    versions = sorted({int(r[0]) for r in rows} - set(keep))
    if versions and not dry_run:
        with lake.transaction(["*"], author=author, message="expire snapshots") as writer:
            writer.execute(
                f"CALL ducklake_expire_snapshots({quote_literal(lake.name)}, versions => [{', '.join(map(str, versions))}])"
            )
        with lake.transaction(["*"], author=author, message="clean up files") as writer:
            writer.execute(
                f"CALL ducklake_cleanup_old_files({quote_literal(lake.name)}, older_than => now() - INTERVAL {int(older_than.total_seconds())} SECOND)"
            )
    return Done("expire snapshots", len(versions), 0, f"older than {older_than.days} days")
