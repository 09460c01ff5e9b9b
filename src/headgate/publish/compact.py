"""Keep the lake quick: flush inlined rows to files, merge small files, rewrite files with many deletes, expire old snapshots.

All of it in slices, so that publishes come in between (LAKE.md 1). Expiry keeps what is younger than the retention and what is named
(LAKE.md 12); files follow a retention later, by the lake's own clean-up of scheduled files.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import timedelta

from headgate.ports.engine import Lake
from headgate.publish.clean import Done
from headgate.publish.slices import SLICE_BYTES, give_way, in_slices
from headgate.publish.snapshots import expirable
from headgate.spec.names import quote_ident, quote_literal

SMALL_BYTES = SLICE_BYTES // 2
"""Files below this are merged."""
SNAPSHOTS_A_SLICE = 100
FILES_A_SLICE = 200


def compact(lake: Lake, *, author: str, dry_run: bool) -> tuple[Done, ...]:
    """Flush, merge and rewrite. Dry, it says how many files there are to look at."""
    if dry_run:
        files, size = _files(lake)
        return (Done("compact", files, size, "files in the lake now; merging decides by size"),)
    return (_flush(lake, author), _merge(lake, author), _rewrite(lake, author))


def _flush(lake: Lake, author: str) -> Done:
    """Move inlined rows to files, unless an open read transaction could lose them by that."""
    task, before = "flush inlined rows", _files(lake)
    done = in_slices(lake, list(_flushes(lake)), author=author, message=task, allowed=lake.alone)
    return _done(lake, task, before) if done else Done(task, 0, 0, "put off: somebody else has the lake open")


def _merge(lake: Lake, author: str) -> Done:
    task, before = "merge small files", _files(lake)
    in_slices(lake, list(_merges(lake)), author=author, message=task)
    return _done(lake, task, before)


def _rewrite(lake: Lake, author: str) -> Done:
    task, before = "rewrite deleted rows", _files(lake)
    in_slices(lake, list(_rewrites(lake)), author=author, message=task)
    return _done(lake, task, before)


def _done(lake: Lake, task: str, before: tuple[int, int]) -> Done:
    after = _files(lake)
    return Done(task, abs(before[0] - after[0]), after[1], f"{before[0]} files before, {after[0]} after")


def _flushes(lake: Lake) -> Iterator[str]:
    """A call for each table that has rows in the catalog."""
    metadata = _metadata(lake)
    tables = _rows(
        lake,
        f"SELECT s.schema_name, t.table_name, i.table_name FROM {metadata}.ducklake_inlined_data_tables i "
        f"JOIN {metadata}.ducklake_table t USING (table_id) JOIN {metadata}.ducklake_schema s USING (schema_id) "
        "WHERE t.end_snapshot IS NULL AND s.end_snapshot IS NULL",
    )
    for schema, table in dict.fromkeys((schema, table) for schema, table, inlined in tables if _any(lake, str(inlined))):
        yield (
            f"CALL ducklake_flush_inlined_data({quote_literal(lake.name)}, schema_name => {quote_literal(str(schema))}, "
            f"table_name => {quote_literal(str(table))})"
        )


def _any(lake: Lake, inlined: str) -> bool:
    return bool(_rows(lake, f"SELECT 1 FROM {_metadata(lake)}.{quote_ident(inlined)} LIMIT 1"))


def _merges(lake: Lake) -> Iterator[str]:
    """Calls that each merge small files of one table, by a window of sizes that holds no more bytes than a slice takes.

    The engine has no limit of what one call reads, but for the files' sizes. Files of one size are always in one window.
    """
    sizes: dict[tuple[object, object], list[int]] = {}
    for schema, table, size in _rows(
        lake,
        f"SELECT s.schema_name, t.table_name, f.file_size_bytes FROM {_live(lake)} AND f.file_size_bytes < {SMALL_BYTES} ORDER BY ALL",
    ):
        sizes.setdefault((schema, table), []).append(int(str(size)))
    for (schema, table), of_table in sizes.items():
        for low, high in windows(of_table):
            yield (
                f"CALL ducklake_merge_adjacent_files({quote_literal(lake.name)}, {quote_literal(str(table))}, "
                f"schema => {quote_literal(str(schema))}, min_file_size => {low}, max_file_size => {high})"
            )


def windows(sizes: list[int]) -> Iterator[tuple[int, int]]:
    """`sizes`, ascending, as windows [low, high) of at most `SLICE_BYTES` together, leaving out what would be alone in one."""
    window: list[int] = []
    for size in sizes:
        if window and sum(window) + size > SLICE_BYTES and size > window[-1]:
            if len(window) > 1:
                yield window[0], size
            window = []
        window.append(size)
    if len(window) > 1:
        yield window[0], window[-1] + 1


def _rewrites(lake: Lake) -> Iterator[str]:
    """A call for each table with deleted rows; the engine takes the files that have lost most of theirs."""
    metadata = _metadata(lake)
    for schema, table in _rows(
        lake,
        f"SELECT DISTINCT s.schema_name, t.table_name FROM {_live(lake)} AND f.data_file_id IN "
        f"(SELECT data_file_id FROM {metadata}.ducklake_delete_file WHERE end_snapshot IS NULL)",
    ):
        yield (
            f"CALL ducklake_rewrite_data_files({quote_literal(lake.name)}, {quote_literal(str(table))}, "
            f"schema => {quote_literal(str(schema))})"
        )


def _live(lake: Lake) -> str:
    """The newest snapshot's data files with their tables, as a FROM with its WHERE."""
    metadata = _metadata(lake)
    return (
        f"{metadata}.ducklake_data_file f JOIN {metadata}.ducklake_table t USING (table_id) "
        f"JOIN {metadata}.ducklake_schema s USING (schema_id) "
        "WHERE f.end_snapshot IS NULL AND t.end_snapshot IS NULL AND s.end_snapshot IS NULL"
    )


def _files(lake: Lake) -> tuple[int, int]:
    """Data files of the newest snapshot, and their bytes."""
    ((files, size),) = _rows(lake, f"SELECT count(*), coalesce(sum(f.file_size_bytes), 0) FROM {_live(lake)}")
    return int(str(files)), int(str(size))


def _metadata(lake: Lake) -> str:
    return quote_ident("__ducklake_metadata_" + lake.name)


def _rows(lake: Lake, sql: str) -> list[tuple[object, ...]]:
    cursor = lake.cursor()
    try:
        return list(cursor.execute(sql).fetchall())
    finally:
        cursor.close()


def expire(lake: Lake, *, author: str, older_than: timedelta, keep: Callable[[], Collection[int]], dry_run: bool) -> Done:
    """Expire snapshots that ended more than `older_than` ago, but for those that `keep` names when it is asked under the lock; then delete
    the files that earlier expiries and merges scheduled as long ago."""
    versions = sorted(set(expirable(lake, older_than)) - set(keep()))
    gone = len(versions)
    if not dry_run:
        gone = 0
        while versions:
            with lake.transaction(["*"], author=author, message="expire snapshots") as cursor:
                kept = keep()
                chosen = [v for v in versions[:SNAPSHOTS_A_SLICE] if v not in kept]
                if chosen:
                    listed = ", ".join(map(str, chosen))
                    cursor.execute(
                        f"CALL ducklake_expire_snapshots({quote_literal(lake.name)}, versions => [{listed}])"
                    ).fetchall()
            gone, versions = gone + len(chosen), versions[SNAPSHOTS_A_SLICE:]
            give_way()
        in_slices(lake, list(_cleanups(lake, older_than)), author=author, message="clean up files")
    return Done("expire snapshots", gone, 0, f"ended more than {older_than.total_seconds() / 86_400:g} days ago")


def _cleanups(lake: Lake, older_than: timedelta) -> Iterator[str]:
    """Calls that each delete the files scheduled up to a moment, so many at once as a slice takes (those of one moment go together)."""
    moments = _rows(
        lake,
        f"SELECT CAST(schedule_start AS TIMESTAMPTZ), count(*) FROM {_metadata(lake)}.ducklake_files_scheduled_for_deletion WHERE "
        f"CAST(schedule_start AS TIMESTAMPTZ) < now() - INTERVAL {int(older_than.total_seconds() * 1000)} MILLISECOND GROUP BY 1 ORDER BY 1",
    )
    files = 0
    for number, (at, count) in enumerate(moments):
        files += int(str(count))
        if files >= FILES_A_SLICE or number == len(moments) - 1:
            files = 0
            yield (
                f"CALL ducklake_cleanup_old_files({quote_literal(lake.name)}, older_than => "
                f"TIMESTAMPTZ {quote_literal(str(at))} + INTERVAL 1 MILLISECOND)"
            )
