"""Put a published table back as it was at an earlier snapshot, as a new publication.

Only the rows that differ are written where the columns are equal, so that the table keeps its identity and its change feed is short. The
publication carries the inputs of the version that it replaces: the table counts as built from what stands now, and the next run leaves it
alone until something above it changes. Of the interval ledger, what was done after the restored version no longer counts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import duckdb

from headgate.ports.engine import Cursor, Lake
from headgate.publish.publish import check_fence
from headgate.publish.records import insert_rows
from headgate.publish.snapshots import snapshot_of
from headgate.spec.clock import now_iso
from headgate.spec.crash import point
from headgate.spec.errors import LakeConflict, UsageError
from headgate.spec.ids import uuid7
from headgate.spec.names import Column, Relation, bind, quote_ident


@dataclass(frozen=True, slots=True)
class Restored:
    """The new version, the table's rows after it, and how many rows came back and went."""

    version: str
    rows: int
    rows_added: int
    rows_removed: int


def restore(lake: Lake, relation: Relation, *, to: str, run_id: str, fence: tuple[str, int], reason: str) -> Restored:
    """Make `relation` what it was at `to` (a snapshot id, or a time as ISO text in UTC).

    Raises UsageError when the table was not published then or that version is not kept any more, FenceLost, LakeConflict, EngineFailed.
    """
    require_history(lake, f"{relation} cannot be restored")
    if lake.relations().get(str(relation)) != "table":
        raise UsageError(f"{relation} is no published table", expected="a table that `headgate ls` shows")
    now = lake.columns(relation) or ()
    with lake.transaction([str(relation)], author=run_id, message=reason) as cursor:
        check_fence(cursor, lake.name, *fence)
        standing = _newest(cursor, lake, relation)
        when = f" AT (VERSION => {snapshot_of(cursor, lake, relation, to)})"  # under the lock: nobody expires it meanwhile
        at, earlier = relation.sql(lake.name) + when, _one(cursor, lake, relation, when)
        before = _columns(lake, at, relation, to)
        same = [(c.name, c.type) for c in before] == [(c.name, c.type) for c in now]
        added, removed = (
            _by_difference(cursor, lake, relation, at) if same else _by_replacement(cursor, lake, relation, at, before)
        )
        found = cursor.execute(f"SELECT count(*) FROM {relation.sql(lake.name)}").fetchone()
        rows = int(found[0]) if found else 0
        version = uuid7()
        insert_rows(
            cursor,
            lake.name,
            "publications",
            [_row(standing, earlier, version, run_id, fence[1], before, rows, added, removed, reason)],
        )
        point("restore.before_commit")
    _prove(lake, relation, version)
    return Restored(version, rows, added, removed)


def require_history(lake: Lake, what: str) -> None:
    """Raise UsageError, beginning with `what`, for a lake that keeps no earlier state of its tables."""
    if not lake.keeps_history:
        raise UsageError(
            f"{what}: a DuckDB file keeps its tables as they are now and no earlier state of them",
            expected="a project on a lake",
            todo='name one in headgate.yml: lake: { catalog: "sqlite:.headgate/catalog.sqlite", data: .headgate/data }',
        )


def _prove(lake: Lake, relation: Relation, version: str) -> None:
    """Read the publication again: only it is proof that COMMIT did what it said (LAKE.md 3)."""
    cursor = lake.cursor()
    try:
        name = f"{quote_ident(lake.name)}.headgate.publications"
        row = cursor.execute(bind(f"SELECT 1 FROM {name} WHERE publication_id = ?", [version])).fetchone()
    finally:
        cursor.close()
    if row is None:
        raise LakeConflict(f"the restore of {relation} was acknowledged but did not take place", todo="restore it again")


def _columns(lake: Lake, at: str, relation: Relation, to: str) -> tuple[Column, ...]:
    cursor = lake.cursor()
    try:
        return tuple(Column(r[0], r[1]) for r in cursor.execute(f"DESCRIBE SELECT * FROM {at}").fetchall())
    except duckdb.Error as error:
        raise UsageError(
            f"{relation} cannot be read as it was at {to}: {error}", expected="a snapshot at which it existed",
            todo=f"see its versions: headgate history {relation}",
        ) from error  # fmt: skip
    finally:
        cursor.close()


def _by_difference(cursor: Cursor, lake: Lake, relation: Relation, at: str) -> tuple[int, int]:
    """Write only what differs, as bags: rows that are too many go (with all their equals), rows that lack come."""
    name = relation.sql(lake.name)
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE _hg_gone AS SELECT DISTINCT * FROM (SELECT * FROM {name} EXCEPT ALL SELECT * FROM {at})"
    )
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE _hg_back AS SELECT * FROM {at} EXCEPT ALL SELECT * FROM {name}")
    columns = [quote_ident(r[0]) for r in cursor.execute("DESCRIBE _hg_gone").fetchall()]
    listed = ", ".join(columns)
    same = " AND ".join(f"t.{c} IS NOT DISTINCT FROM g.{c}" for c in columns)
    # A row that stands more often than it should goes whole, and comes back as often as it stood then.
    cursor.execute(f"INSERT INTO _hg_back SELECT t.* FROM (SELECT * FROM {at}) AS t SEMI JOIN _hg_gone AS g ON {same}")
    removed = cursor.execute(f"DELETE FROM {name} AS t WHERE EXISTS (SELECT 1 FROM _hg_gone AS g WHERE {same})").fetchone()
    added = cursor.execute(f"INSERT INTO {name} ({listed}) SELECT {listed} FROM _hg_back").fetchone()
    return int(added[0]) if added else 0, int(removed[0]) if removed else 0


def _by_replacement(cursor: Cursor, lake: Lake, relation: Relation, at: str, columns: tuple[Column, ...]) -> tuple[int, int]:
    """The columns differ: the table is made anew with those of then."""
    name = relation.sql(lake.name)
    removed = cursor.execute(f"SELECT count(*) FROM {name}").fetchone()
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE _hg_back AS SELECT * FROM {at}")
    listed = ", ".join(f"{quote_ident(c.name)} {c.type}" for c in columns)
    cursor.execute(f"CREATE OR REPLACE TABLE {name} ({listed})")
    added = cursor.execute(f"INSERT INTO {name} SELECT * FROM _hg_back").fetchone()
    return int(added[0]) if added else 0, int(removed[0]) if removed else 0


def _newest(cursor: Cursor, lake: Lake, relation: Relation) -> dict[str, Any]:
    """The newest publication of the table."""
    return _one(cursor, lake, relation, "")


def _one(cursor: Cursor, lake: Lake, relation: Relation, at: str) -> dict[str, Any]:
    name = f"{quote_ident(lake.name)}.headgate.publications{at}"
    row = cursor.execute(
        bind(f"SELECT * FROM {name} WHERE dataset = ? ORDER BY publication_id DESC LIMIT 1", [str(relation)])
    ).fetchone()
    if row is None:
        raise UsageError(
            f"{relation} was not published then",
            expected="a moment after its first publication",
            todo=f"headgate history {relation}",
        )
    return dict(zip([d[0] for d in cursor.description], row, strict=True))


def _row(
    standing: dict[str, Any], earlier: dict[str, Any], version: str, run_id: str, token: int, columns: tuple[Column, ...], rows: int, added: int,
    removed: int, reason: str,
) -> dict[str, Any]:  # fmt: skip
    """The publication of the restore: the code of then, the inputs of now."""
    zero = dict.fromkeys(
        ("rows_quarantined", "rows_deduplicated", "rows_late", "rows_filtered", "rows_dead", "rows_unchanged"), 0
    )
    inputs = {k: v for k, v in json.loads(standing["inputs"]).items() if not k.startswith("=")}
    return {
        "publication_id": version, "run_id": run_id, "attempt": 1, "dataset": standing["dataset"], "unique_id": standing["unique_id"],
        "kind": "restore", "base_version": standing["publication_id"], "staged_hash": "", "fence": token,
        "code_fingerprint": standing["code_fingerprint"], "columns": json.dumps([[c.name, c.type] for c in columns]),
        "inputs": json.dumps(inputs), "interval_start": None, "interval_end": None, "materialized": standing["materialized"],
        "rows_in": added, "rows_out": added, "rows_deleted": removed, **zero, "rows_total": rows, "seconds": 0.0, "cpu_seconds": 0.0, "bytes": 0,
        "reason": reason, "notes": json.dumps([f"restored to publication {earlier['publication_id']}"]), "superseded_inputs": False,
        "published_at": now_iso(),
    }  # fmt: skip
