"""The gate's verdicts, kept: what was weighed, with counts, sample rows and the SQL that found them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select

from headgate.spec.clock import now_iso
from headgate.spec.verdicts import Verdict
from headgate.state.database import Area
from headgate.state.events import prune_slices
from headgate.state.tables import verdicts


@dataclass(frozen=True, slots=True)
class KeptVerdict:
    """A verdict with the run that it belongs to and the time (ISO) at which it was weighed."""

    run_id: str
    at: str
    verdict: Verdict


class VerdictTable(Area):
    """Save and read verdicts."""

    def save_verdicts(self, run_id: str, weighed: Iterable[Verdict], *, at: str | None = None) -> None:
        """Keep the verdicts of one gate, in one transaction. Samples must be masked already."""
        rows = [self._row(run_id, at or now_iso(), v) for v in weighed]
        if rows:
            with self._database.write() as connection:
                connection.execute(insert(verdicts), rows)

    def verdicts(
        self, *, dataset: str | None = None, run_id: str | None = None, outcome: str | None = None, limit: int = 200
    ) -> tuple[KeptVerdict, ...]:
        """The newest `limit` verdicts that match, newest first."""
        query = select(verdicts)
        for column, value in (("dataset", dataset), ("run_id", run_id), ("outcome", outcome)):
            if value is not None:
                query = query.where(verdicts.c[column] == value)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(verdicts.c.id.desc()).limit(limit)).mappings().all()
        return tuple(KeptVerdict(row["run_id"], row["at"], _verdict(row)) for row in rows)

    def prune_verdicts(self, before: str) -> int:
        """Delete verdicts older than `before` (ISO). Returns how many."""
        return prune_slices(self._database, verdicts, before)

    def _row(self, run_id: str, at: str, v: Verdict) -> dict[str, Any]:
        return {
            "run_id": run_id,
            "at": at,
            "dataset": v.dataset,
            "check_id": v.check,
            "name": v.name,
            "outcome": v.outcome,
            "failures": v.failures,
            "rows": v.rows,
            "scope": v.scope,
            "column_name": v.column,
            "message": self._redact(v.message),
            "sample": self._redact(json.dumps([dict(row) for row in v.sample], default=str, ensure_ascii=False)),
            "sql": self._redact(v.sql),
            "seconds": v.seconds,
        }


def _verdict(row: Any) -> Verdict:
    return Verdict(
        check=row["check_id"],
        name=row["name"],
        dataset=row["dataset"],
        outcome=row["outcome"],
        failures=row["failures"],
        rows=row["rows"],
        scope=row["scope"],
        column=row["column_name"],
        message=row["message"],
        sample=tuple(json.loads(row["sample"])),
        sql=row["sql"],
        seconds=row["seconds"],
    )
