"""Which snapshots there are, which of them something still needs (LAKE.md 12), and which one stood at a moment.

Expiry leaves gaps. Within a gap the engine answers `AT (TIMESTAMP => …)` with an older state, without an error; so moments become snapshot
ids here, and a moment in a gap is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from headgate.ports.engine import Cursor, Lake
from headgate.publish.pins import pinned_views
from headgate.spec.errors import UsageError
from headgate.spec.names import Relation, quote_ident, quote_literal


def expirable(lake: Lake, older_than: timedelta) -> tuple[int, ...]:
    """The ids of the snapshots that stopped being the newest more than `older_than` ago, oldest first.

    Counted from its end, not from its beginning: the newest snapshot of a lake that rests may be old, and a reader who began a moment ago
    still has it when the next publish comes. So every moment of the last `older_than` can be read, too.
    """
    return _ids(
        lake,
        f"SELECT snapshot_id FROM (SELECT snapshot_id, lead(snapshot_time) OVER (ORDER BY snapshot_id) AS ended FROM {_snapshots(lake)}) "
        f"WHERE CAST(ended AS TIMESTAMPTZ) < now() - INTERVAL {int(older_than.total_seconds() * 1000)} MILLISECOND ORDER BY 1",
    )


def needed(lake: Lake, filled_by_others: Sequence[Relation] = ()) -> frozenset[int]:
    """The ids of the snapshots that are kept whatever their age.

    For each published table the newest one at which its version before the present one stood, so that a table can always be restored to
    that; what pinned views read; and the last change of each table that others fill, by which the plan knows that it has not changed since.
    """
    previous = _ids(
        lake,
        f"WITH published AS (SELECT DISTINCT dataset, snapshot_id AS published_in FROM {quote_ident(lake.name)}.headgate.publications "
        "WHERE kind <> 'view' QUALIFY dense_rank() OVER (PARTITION BY dataset ORDER BY snapshot_id DESC) <= 2), "
        "reign AS (SELECT min(published_in) AS first, max(published_in) AS until FROM published GROUP BY dataset HAVING count(*) = 2) "
        f"SELECT DISTINCT (SELECT max(s.snapshot_id) FROM {_snapshots(lake)} AS s WHERE s.snapshot_id >= first AND s.snapshot_id < until) "
        "FROM reign",
    )
    others = (version for version, _ in lake.external(filled_by_others).values())
    return frozenset(previous).union(*pinned_views(lake).values()) | {
        int(version.removeprefix("snapshot ")) for version in others
    }


def exists(lake: Lake, snapshot: int) -> bool:
    """Whether the lake can still be read as of `snapshot`."""
    return bool(_ids(lake, f"SELECT snapshot_id FROM {_snapshots(lake)} WHERE snapshot_id = {int(snapshot)}"))


def snapshot_at(lake: Lake, moment: str) -> int:
    """The id of the snapshot that `moment` (an id, or a time as ISO text, UTC unless it says otherwise) means.

    Raises UsageError for what is neither, for a snapshot that does not exist (any more), and for a time of which no snapshot is kept.
    """
    if moment.isdigit():
        if not exists(lake, int(moment)):
            raise _gone(lake, f"snapshot {moment}")
        return int(moment)
    time = _time(lake, moment)
    found = _ids(
        lake,
        "SELECT snapshot_id FROM (SELECT snapshot_id, snapshot_time, lead(snapshot_id) OVER (ORDER BY snapshot_id) AS next "
        f"FROM {_snapshots(lake)}) WHERE CAST(snapshot_time AS TIMESTAMPTZ) <= {time} "
        "QUALIFY snapshot_id = max(snapshot_id) OVER () AND (next IS NULL OR next = snapshot_id + 1)",  # ids have no gaps but those of expiry
    )
    if not found:
        raise _gone(lake, f"the state of {moment}")
    return found[0]


def snapshot_of(cursor: Cursor, lake: Lake, relation: Relation, moment: str) -> int:
    """The id of a snapshot at which the published table `relation` was as it was at `moment` (as for `snapshot_at`), by the ledger: any one
    will do that holds the version of then. Raises UsageError when it was not published then, or no snapshot with that version is kept."""
    if moment.isdigit() and int(moment) > lake.snapshot():
        raise _gone(lake, f"snapshot {moment}")
    then = f"snapshot_id <= {int(moment)}" if moment.isdigit() else f"published_at <= ({_time(lake, moment)})::TIMESTAMP"
    rows = cursor.execute(
        f"SELECT max(snapshot_id) FILTER ({then}), min(snapshot_id) FILTER (NOT ({then})) FROM {quote_ident(lake.name)}.headgate.publications "
        f"WHERE dataset = {quote_literal(str(relation))}"
    ).fetchall()
    first, until = rows[0]
    if first is None:
        raise UsageError(
            f"{relation} was not published then",
            expected="a moment after its first publication",
            todo=f"headgate history {relation}",
        )
    before = f"AND snapshot_id < {int(until)}" if until is not None else ""
    wanted = f"snapshot_id = {int(moment)} DESC, " if moment.isdigit() else ""
    found = cursor.execute(
        f"SELECT snapshot_id FROM {_snapshots(lake)} WHERE snapshot_id >= {int(first)} {before} ORDER BY {wanted}snapshot_id DESC LIMIT 1"
    ).fetchone()
    if found is None:
        raise _gone(lake, f"{relation} as it was at {moment}")
    return int(found[0])


def _gone(lake: Lake, what: str) -> UsageError:
    ids = _ids(lake, f"SELECT snapshot_id FROM {_snapshots(lake)} ORDER BY 1")
    return UsageError(
        f"{what} is not kept any more, or never was",
        expected=f"one of the {len(ids)} snapshots from {ids[0]} to {ids[-1]} that are kept, or a time between two that follow each other",
        todo="a table's version before the present one is always kept: headgate history TABLE",
    )


def _time(lake: Lake, moment: str) -> str:
    """`moment` as SQL, checked. Raises UsageError."""
    cursor = lake.cursor()
    try:
        row = cursor.execute(f"SELECT TRY_CAST({quote_literal(moment)} AS TIMESTAMPTZ) IS NULL").fetchone()
    finally:
        cursor.close()
    if row is None or row[0]:
        raise UsageError(
            f"'{moment}' is neither a snapshot nor a time",
            expected="a snapshot id, or a time as ISO text (UTC)",
            todo="for example 2026-01-31T12:00:00, or a snapshot that `headgate plan` or a run names",
        )
    return f"CAST({quote_literal(moment)} AS TIMESTAMPTZ)"


def _snapshots(lake: Lake) -> str:
    return f"{quote_ident('__ducklake_metadata_' + lake.name)}.ducklake_snapshot"


def _ids(lake: Lake, sql: str) -> tuple[int, ...]:
    cursor = lake.cursor()
    try:
        return tuple(int(r[0]) for r in cursor.execute(sql).fetchall() if r[0] is not None)
    finally:
        cursor.close()
