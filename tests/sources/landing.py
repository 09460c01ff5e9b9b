"""The suite's `land`, `raw` and `position` over the trial lake: what every connector's subclass shares."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headgate.extract.drive import Started
from headgate.ports.suites.source_suite import SourceSuite
from headgate.spec.names import Relation
from headgate.spec.positions import Position
from headgate.spec.project import SourceTable
from sources.lakes import Trial

ORDERS = Relation("raw_shop", "orders")


class Landing(SourceSuite):
    """A suite that lands into a trial lake."""

    @pytest.fixture(autouse=True)
    def _trial(self, tmp_path: Path) -> Iterator[None]:
        self.folder = tmp_path
        self.trial = Trial(tmp_path, root=str(tmp_path))
        yield
        self.trial.close()

    def land(self, table: SourceTable, *, position: Position | None = None, **terms: Any) -> int:
        def work(extraction: Started | None, attempt: int) -> int:
            return 0 if extraction is None else self.trial.lake.land(extraction, table.relation)

        return self.trial.drive(table, **terms).attempts(work, position or self.trial.position(table))

    def raw(self) -> list[tuple[int, str]]:
        found = self.trial.lake.cursor().execute(f"SELECT id, name FROM {ORDERS.sql('lake')} ORDER BY ALL").fetchall()
        return [(int(key), str(name)) for key, name in found]

    def position(self) -> Position:
        return self.trial.lake.positions[str(ORDERS)]

    def connections(self) -> int:
        row = self.trial.lake.cursor().execute("SELECT count(*) FROM duckdb_databases() WHERE NOT internal").fetchone()
        return int(row[0])
