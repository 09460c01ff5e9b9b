"""A small lake in one DuckDB file, real enough to prove connectors: raw tables, positions, loads that can fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from headgate.extract.breaker import MemoryBreaker
from headgate.extract.drive import Drive, Started
from headgate.extract.retry import Policy
from headgate.extract.secrets import Secrets
from headgate.ports.source import ArrowBatch, SqlBatch
from headgate.spec.errors import Location
from headgate.spec.events import Event
from headgate.spec.ids import uuid7
from headgate.spec.names import Column, Relation, quote_ident, quote_literal
from headgate.spec.positions import Position
from headgate.spec.project import SourceTable


class TrialLake:
    """What `extract` asks of a lake, over one DuckDB instance, and a `land` of a few lines that appends what it is given."""

    name = "lake"

    def __init__(self, folder: Path) -> None:
        self.data_path = str(folder)
        self.connection = duckdb.connect()
        self.connection.execute("ATTACH ':memory:' AS lake")
        self.positions: dict[str, Position] = {}
        self.dead: list[tuple[Any, ...]] = []

    def cursor(self) -> Any:
        return self.connection.cursor()

    def columns(self, relation: Relation) -> tuple[Column, ...] | None:
        cursor = self.cursor()
        rows = cursor.execute(
            "SELECT column_name, data_type FROM duckdb_columns() "
            "WHERE database_name = 'lake' AND schema_name = ? AND table_name = ?",
            [relation.schema, relation.name],
        ).fetchall()
        return tuple(Column(*row) for row in rows) or None

    def land(self, extraction: Started, relation: Relation) -> int:
        """Append all batches and move the position in one transaction; returns the rows appended."""
        cursor, rows = self.cursor(), 0
        cursor.execute("SET search_path = 'memory'")
        cursor.execute("CREATE OR REPLACE TEMP TABLE hg_place AS SELECT 1")
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS lake.{quote_ident(relation.schema)}")
        cursor.execute("BEGIN")
        dead: list[tuple[Any, ...]] = []
        try:
            for batch in extraction.batches():
                batch, count = self._append_or_fall_back(cursor, batch, relation, extraction.load_id)
                rows += count
                if isinstance(batch, SqlBatch) and batch.dead_letters_sql:
                    dead += cursor.execute(batch.dead_letters_sql).fetchall()
                elif isinstance(batch, ArrowBatch):
                    dead += [(d.unit, d.seq, d.reason, d.record) for d in batch.dead_letters]
            position = extraction.position()
        except BaseException:
            cursor.execute("ROLLBACK")
            raise
        cursor.execute("COMMIT")
        cursor.close()
        self.dead += dead
        self.positions[str(relation)] = position
        return rows

    def _append_or_fall_back(self, cursor: Any, batch: Any, relation: Relation, load_id: str) -> tuple[Any, int]:
        if not isinstance(batch, SqlBatch) or batch.fallback is None:
            return batch, self._append(cursor, batch, relation, load_id)
        scout = self.cursor()
        try:
            scout.execute(f"SELECT count(*) FROM (SELECT * FROM ({batch.select}) OFFSET 0)").fetchall()
            scout.execute(f"CREATE OR REPLACE TEMP TABLE hg_scout AS {batch.select}")
        except duckdb.Error:
            batch = batch.fallback()
        finally:
            scout.close()
        return batch, self._append(cursor, batch, relation, load_id)

    def _append(self, cursor: Any, batch: SqlBatch | ArrowBatch, relation: Relation, load_id: str) -> int:
        if isinstance(batch, ArrowBatch):
            if not batch.data.num_columns:
                return 0
            cursor.register("hg_batch", batch.data)
            seq = f"row_number() OVER () + {batch.first_seq - 1} AS _seq"
            select = f"SELECT *, {quote_literal(batch.unit)} AS _unit, {seq} FROM hg_batch"
        else:
            for statement in batch.setup:
                cursor.execute(statement)
            select = batch.select
        place = (
            f"now()::TIMESTAMP AS _loaded_at, {quote_literal(load_id)} AS _load_id, {{'unit': _unit, 'seq': _seq}} AS _position"
        )
        select = f"SELECT * EXCLUDE (_unit, _seq), {place} FROM ({select})"
        target = relation.sql("lake")
        if self.columns(relation) is None:
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {target} AS SELECT * FROM ({select}) LIMIT 0")
        have = {r[0] for r in cursor.execute(f"DESCRIBE {target}").fetchall()}
        for name, kind, *_ in cursor.execute(f"DESCRIBE {select}").fetchall():
            if name not in have:
                cursor.execute(f"ALTER TABLE {target} ADD COLUMN {quote_ident(name)} {kind}")
        count = cursor.execute(f"INSERT INTO {target} BY NAME {select}").fetchone()[0]
        for statement in batch.teardown if isinstance(batch, SqlBatch) else ():
            cursor.execute(statement)
        if isinstance(batch, ArrowBatch):
            cursor.unregister("hg_batch")
        return int(count)

    def rows(
        self, table: SourceTable, select: str = "* EXCLUDE (_loaded_at, _load_id, _position)", tail: str = ""
    ) -> list[tuple[Any, ...]]:
        """Rows of the raw table."""
        return self.cursor().execute(f"SELECT {select} FROM {table.relation.sql('lake')} {tail}").fetchall()


class Trial:
    """A lake and all that is needed to drive sources into it, without waiting between retries."""

    def __init__(self, folder: Path, root: str = ".") -> None:
        self.lake = TrialLake(folder)
        self.folder, self.root = folder, root
        self.secrets = Secrets(("env", "file", "vault"))
        self.breaker = MemoryBreaker()
        self.events: list[Event] = []
        self.waited: list[float] = []

    def drive(self, table: SourceTable, **terms: Any) -> Drive:
        terms = {"staging_path": str(self.folder), "project_root": self.root, **terms}
        policy = Policy(sleep=self.waited.append)
        return Drive(
            table,
            self.lake,
            uuid7(),
            self.secrets,
            self.breaker,
            policy,
            on_event=self.events.append,
            **terms,  # type: ignore[arg-type]
        )

    def position(self, table: SourceTable) -> Position:
        return self.lake.positions.get(str(table.relation), Position())

    def load(self, table: SourceTable, **terms: Any) -> int:
        """Extract and land once, as a run does; returns the rows appended."""

        def work(extraction: Started | None, attempt: int) -> int:
            return 0 if extraction is None else self.lake.land(extraction, table.relation)

        return self.drive(table, **terms).attempts(work, self.position(table))

    def close(self) -> None:
        self.lake.connection.close()


def source_table(name: str, connector: str, connection: Any = None, **fields: Any) -> SourceTable:
    """A declared table for trials."""
    relation = Relation("raw_shop", name.rpartition(".")[2])
    return SourceTable(
        f"source.p.shop.{name}", "shop", name, "p", relation, Location("sources.yml"), connector, connection, **fields
    )


def trials(folder: Path) -> Iterator[Trial]:
    trial = Trial(folder)
    yield trial
    trial.close()
