"""Ledger rows as publish writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headgate.ports.engine import Cursor
from headgate.spec.names import bind, quote_ident
from headgate.spec.staged import REPLACE, VIEW, RowCounts, Staged

if TYPE_CHECKING:
    from headgate.publish.publish import Bundle


def insert_rows(cursor: Cursor, lake: str, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append `rows` (all with the same keys) to a ledger table, in one statement."""
    if not rows:
        return
    names = list(rows[0])
    one = "(" + ", ".join("?" for _ in names) + ")"
    cursor.execute(
        bind(
            f"INSERT INTO {quote_ident(lake)}.headgate.{table} ({', '.join(map(quote_ident, names))}) VALUES {', '.join(one for _ in rows)}",
            [row[n] for row in rows for n in names],
        ),
    )


def publication_row(
    cursor: Cursor, lake: str, staged: Staged, bundle: Bundle, version: str, at: str, *, superseded: bool
) -> dict[str, Any]:
    """The ledger row of one publication; the table's total is counted from the catalog's statistics after the change."""
    counts = {name: getattr(staged.counts, name) for name in RowCounts.__dataclass_fields__}
    interval = staged.interval
    return {
        "publication_id": version,
        "run_id": bundle.run_id,
        "attempt": bundle.attempt,
        "dataset": staged.dataset,
        "unique_id": staged.unique_id,
        "kind": staged.kind,
        "base_version": staged.base_version,
        "staged_hash": staged.staged_hash,
        "fence": bundle.fence[1],
        "code_fingerprint": staged.code_fingerprint,
        "columns": json.dumps([[c.name, c.type] for c in staged.columns]),
        "inputs": json.dumps(dict(staged.inputs)),
        "interval_start": interval.start if interval else None,
        "interval_end": interval.end if interval else None,
        "materialized": bundle.materialized.get(staged.unique_id, ""),
        **counts,
        "rows_total": 0 if staged.kind == VIEW else total_rows(cursor, lake, staged),
        "seconds": staged.seconds,
        "cpu_seconds": staged.cpu_seconds,
        "bytes": staged.bytes or None,  # of the files that were staged; what publishing itself writes is known after it
        "reason": bundle.reasons.get(staged.unique_id) or bundle.reason,
        "notes": json.dumps(list(staged.notes)),
        "superseded_inputs": superseded,
        "published_at": at,
    }


def total_rows(cursor: Cursor, lake: str, staged: Staged) -> int:
    """Rows in the target as this transaction sees it (answered from file statistics, not by a scan)."""
    if staged.kind == REPLACE and staged.interval is None:
        return staged.counts.rows_out
    row = cursor.execute(f"SELECT count(*) FROM {staged.relation.sql(lake)}").fetchone()
    return int(row[0]) if row else 0
