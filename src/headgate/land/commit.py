"""The one commit of a load: rows, position, units, dead letters, schema changes and fence, or the record of a blocked load.

Under the writer lock the standing is read again. If another process has landed the same units, their rows are dropped here;
if it has moved the source's position or the table's schema, the load is extracted again (`Outdated`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

from headgate.land import ledger
from headgate.land.ledger import Standing
from headgate.land.shape import Shape, alterations, fitted, registrable
from headgate.land.staging import StagedLoad
from headgate.ports.engine import Cursor, Lake
from headgate.spec.clock import now_iso
from headgate.spec.crash import point
from headgate.spec.errors import EngineFailed, FenceLost, LakeConflict
from headgate.spec.names import Column, Relation, bind, quote_ident, quote_literal
from headgate.spec.positions import Unit
from headgate.spec.project import SourceTable
from headgate.spec.staged import RowCounts

CONFLICTS_MAX = 6
PAUSE_SECONDS = 0.05
CURRENT = "__current"


class Fence(Protocol):
    """A lease that this writer holds (`state` gives it): an older token must not write any more."""

    @property
    def name(self) -> str: ...
    @property
    def token(self) -> int: ...


class Outdated(Exception):
    """Another process has moved what this load was staged against: extract again."""


class AllKnown(Exception):
    """Another process has landed every unit of this load."""


@dataclass(frozen=True)
class Load:
    """A staged load with everything that its commit writes."""

    table: SourceTable
    run_id: str
    load_id: str
    staged: StagedLoad
    shape: Shape
    base: Standing
    known: tuple[Column, ...] | None
    fence: Fence | None
    started_at: str
    started: float  # monotonic seconds
    started_cpu: float

    @property
    def dataset(self) -> str:
        """The raw table's name."""
        return str(self.table.relation)

    @property
    def bytes(self) -> int:
        """What was read, by the sizes of the units."""
        return sum(u.size for u in self.staged.units)

    @property
    def by_units(self) -> bool:
        """Whether its units tell what was landed (files), or the position alone does (cursors)."""
        return bool(self.staged.units) and all(u.content_hash for u in self.staged.units)


def accept(load: Load, lake: Lake) -> RowCounts:
    """Commit the load. Raises Outdated, AllKnown, FenceLost, or what the lake raises; a commit that landed unacknowledged is
    found.
    """
    return _committed(load, lake, lambda cursor: _accept(load, lake, cursor), f"land {load.dataset}")


def block(load: Load, lake: Lake, reasons: Sequence[str]) -> RowCounts:
    """Commit what is recorded of a blocked load: nothing in raw, no new position."""
    return _committed(load, lake, lambda cursor: _block(load, lake, cursor, reasons), f"land {load.dataset}: blocked")


def _committed(load: Load, lake: Lake, write: Write, message: str) -> RowCounts:
    for conflict in range(CONFLICTS_MAX):
        counts: RowCounts | None = None
        try:
            with lake.transaction((load.dataset,), author=load.run_id, message=message) as cursor:
                counts = write(cursor)
                point("land.before_commit")
        except (Outdated, AllKnown, FenceLost):
            raise
        except Exception as error:  # the boundary to the commit: it may have landed all the same
            if counts is not None and _landed(load, lake):
                return counts
            if not isinstance(error, LakeConflict) or conflict == CONFLICTS_MAX - 1:
                raise
            time.sleep(PAUSE_SECONDS * 2**conflict)
            continue
        # COMMIT can answer OK and have rolled back (LAKE.md 3): the record is the proof.
        if not _landed(load, lake):
            raise EngineFailed(f"{message}: the commit left no record", todo="run again; nothing was published")
        point("land.after_commit")
        return counts
    raise AssertionError("unreachable")


class Write(Protocol):
    """What is done inside the transaction."""

    def __call__(self, cursor: Cursor) -> RowCounts: ...


def _landed(load: Load, lake: Lake) -> bool:
    with closing(lake.cursor()) as cursor:
        return ledger.has_load(cursor, lake.name, load.load_id) is not None


# -- accepted --------------------------------------------------------------------------


def _accept(load: Load, lake: Lake, cursor: Cursor) -> RowCounts:
    _pass_fence(load, lake, cursor)
    now = ledger.standing(cursor, lake.name, load.dataset)
    known = _already(load, now, lake)
    fresh = [u for u in load.staged.units if u.name not in known]
    _schema(load, lake, cursor)
    landed = _rows(load, lake, cursor, known)
    dropped = load.staged.rows - landed
    dead = load.staged.dead - _dead_of(load, cursor, known)
    counts = RowCounts(
        rows_in=load.staged.rows + load.staged.dead + load.staged.held,
        rows_out=landed,
        rows_dead=dead,
        rows_deduplicated=dropped + (load.staged.dead - dead) + load.staged.held,
    )
    at = _moment(now)
    superseded = [
        (now.unit_loads[u.name], now.units[u.name])
        for u in fresh
        if u.name in now.units and now.units[u.name].content_hash != u.content_hash
    ]
    _write(load, lake, cursor, "accepted", (), counts, at, known, fresh)
    ledger.write_superseded(cursor, lake.name, load.dataset, superseded)
    _current_view(load, lake, cursor, bool(superseded))
    return counts


def _already(load: Load, now: Standing, lake: Lake) -> list[str]:
    """Names of the load's units that are landed with the same content. Raises Outdated, AllKnown."""
    if lake.columns(load.table.relation) != load.known:
        raise Outdated
    if not load.by_units:
        if now.load_id != load.base.load_id:
            raise Outdated
        return []
    known = []
    for unit in load.staged.units:
        there, before = now.units.get(unit.name), load.base.units.get(unit.name)
        if there is not None and there.content_hash == unit.content_hash:
            known.append(unit.name)
        elif there is not None and (before is None or before.content_hash != there.content_hash):
            raise Outdated  # another version of the file was landed meanwhile: only the source knows which one stands now
    if len(known) == len(load.staged.units):
        raise AllKnown
    return known


def _schema(load: Load, lake: Lake, cursor: Cursor) -> None:
    target = load.table.relation.sql(lake.name)
    if load.shape.created:
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {quote_ident(lake.name)}.{quote_ident(load.table.relation.schema)}")
        listed = ", ".join(f"{quote_ident(c.name)} {c.type}" for c in load.shape.columns)
        cursor.execute(f"CREATE TABLE {target} ({listed})")
    for action in alterations(load.shape.applied):
        cursor.execute(f"ALTER TABLE {target} {action}")


def _rows(load: Load, lake: Lake, cursor: Cursor, known: Sequence[str]) -> int:
    """Register or insert the staged rows, but those of units `known`; returns how many."""
    relation, columns = load.table.relation, load.shape.columns
    target = relation.sql(lake.name)
    names = ", ".join(quote_ident(c.name) for c in columns)
    leave = ""
    if known:
        leave = f" WHERE struct_extract(_position, 'unit') NOT IN ({', '.join(quote_literal(k) for k in known)})"
    landed = 0
    for part in load.staged.parts:
        if part.rows == 0:
            continue
        if lake.takes_files and not known and not load.shape.applied and registrable(part, columns):
            for path in part.files:
                named = ", ".join(quote_literal(text) for text in (lake.name, relation.name, path))
                cursor.execute(f"CALL ducklake_add_data_files({named}, schema => {quote_literal(relation.schema)})")
            landed += part.rows
            continue
        if not (load.shape.created or load.shape.applied):
            lake.expect_rows(cursor, relation, part.rows)
        cursor.execute(f"INSERT INTO {target} ({names}) SELECT * FROM ({fitted(part, columns)}){leave}")
        row = cursor.fetchone()
        landed += int(row[0]) if row else 0
    return landed


def _dead_of(load: Load, cursor: Cursor, known: Sequence[str]) -> int:
    """How many dead letters belong to units `known`."""
    if not known or not load.staged.dead:
        return 0
    cursor.execute(
        bind(f"SELECT count(*) FROM {load.staged.dead_sql} WHERE unit IN ({', '.join('?' for _ in known)})", list(known))
    )
    row = cursor.fetchone()
    return int(row[0]) if row else 0


def current_relation(relation: Relation) -> Relation:
    """The view beside a raw table that shows the newest version of each unit alone."""
    return Relation(relation.schema, relation.name + CURRENT)


def _current_view(load: Load, lake: Lake, cursor: Cursor, supersedes: bool) -> None:
    """Make the view when units are first superseded; make it again when the table's columns change."""
    view = current_relation(load.table.relation)
    exists = str(view) in lake.relations()
    if not (supersedes and not exists) and not (exists and load.shape.applied):
        return
    columns = ", ".join(f"r.{quote_ident(c.name)}" for c in load.shape.columns)
    cursor.execute(
        f"CREATE OR REPLACE VIEW {view.sql(lake.name)} AS SELECT {columns} FROM {load.table.relation.sql(lake.name)} r "
        f"WHERE NOT EXISTS (SELECT 1 FROM {ledger.table(lake.name, 'load_units')} u "
        f"WHERE u.dataset = {quote_literal(load.dataset)} AND u.status = 'superseded' "
        "AND u.load_id = r._load_id AND u.unit = struct_extract(r._position, 'unit'))"
    )


# -- blocked ---------------------------------------------------------------------------


def _block(load: Load, lake: Lake, cursor: Cursor, reasons: Sequence[str]) -> RowCounts:
    _pass_fence(load, lake, cursor)
    now = ledger.standing(cursor, lake.name, load.dataset)
    stopped = load.staged.rows
    counts = RowCounts(
        rows_in=stopped + load.staged.dead + load.staged.held,
        rows_quarantined=stopped,
        rows_dead=load.staged.dead,
        rows_deduplicated=load.staged.held,
    )
    _write(load, lake, cursor, "blocked", reasons, counts, _moment(now), (), load.staged.units)
    return counts


# -- both ------------------------------------------------------------------------------


def _write(
    load: Load, lake: Lake, cursor: Cursor, status: str, reasons: Sequence[str], counts: RowCounts, at: str,
    known: Sequence[str], units: Sequence[Unit],
) -> None:  # fmt: skip
    position = load.staged.position
    state = dict(position.state) if position is not None and status == "accepted" else dict(load.base.state)
    ledger.write_load(
        cursor,
        lake.name,
        {
            "load_id": load.load_id,
            "run_id": load.run_id,
            "source": load.table.source,
            "table_name": load.table.name,
            "dataset": load.dataset,
            "status": status,
            "reasons": json.dumps(list(reasons)),
            "position": json.dumps(state, default=str),
            "rows_in": counts.rows_in,
            "rows_out": counts.rows_out,
            "rows_dead": counts.rows_dead,
            "rows_deduplicated": counts.rows_deduplicated,
            "rows_filtered": counts.rows_filtered,
            "schema_changes": ledger.json_changes(load.shape.recorded),
            "columns": ledger.json_columns(load.shape.columns),
            "fence": load.fence.token if load.fence else None,
            "bytes": load.bytes,
            "seconds": round(time.monotonic() - load.started, 6),
            "cpu_seconds": round(time.process_time() - load.started_cpu, 6),
            "started_at": load.started_at,
            "committed_at": at,
        },
    )
    ledger.write_units(cursor, lake.name, load.load_id, load.dataset, units, status)
    if load.staged.dead:
        ledger.write_dead_letters(cursor, lake.name, load.staged.dead_sql, load.load_id, load.dataset, at, known)
    ledger.write_schema_changes(cursor, lake.name, load.run_id, load.shape.recorded, at)


def _moment(now: Standing) -> str:
    """The commit's time, later than every earlier commit of this dataset even if a clock went back."""
    at, last = now_iso(), now.committed_at.replace(" ", "T")
    if at > last:
        return at
    from datetime import datetime, timedelta

    return (datetime.fromisoformat(last) + timedelta(microseconds=1)).isoformat(timespec="microseconds")


def _pass_fence(load: Load, lake: Lake, cursor: Cursor) -> None:
    """Refuse an older token; leave ours as the newest (LAKE.md 4)."""
    if load.fence is None:
        return
    fences = ledger.table(lake.name, "fences")
    cursor.execute(bind(f"SELECT max(token) FROM {fences} WHERE name = ?", [load.fence.name]))
    row = cursor.fetchone()
    newest = row[0] if row else None
    if newest is not None and newest > load.fence.token:
        raise FenceLost(
            f"the load of {load.dataset} holds token {load.fence.token} of '{load.fence.name}', but token {newest} has "
            "written since",
            expected="to be the newest holder",
            todo="run again; nothing of this load was published",
        )
    if newest != load.fence.token:
        cursor.execute(bind(f"INSERT INTO {fences} (name, token) VALUES (?, ?)", [load.fence.name, load.fence.token]))
