"""Bring an extraction's batches into the run's staging area, each row with its stamp, its load and its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from headgate.land.numbering import INDEX, SEQ, UNIT, Numbered, numbered_sql, ordered
from headgate.ports.engine import Cursor, Workspace
from headgate.ports.source import ArrowBatch, Batch, Extraction, SqlBatch
from headgate.spec.errors import EngineFailed, SourceBroken
from headgate.spec.names import Column, Relation, bind, quote_ident, quote_literal
from headgate.spec.positions import RAW_COLUMNS, DeadLetter, Position, Unit

PLACES = tuple(name for name, _ in RAW_COLUMNS)
FEW_ROWS = 100_000
DEAD_COLUMNS = "unit VARCHAR, seq BIGINT, reason VARCHAR, record VARCHAR"


@dataclass(frozen=True, slots=True)
class Part:
    """The staged rows of one batch."""

    columns: tuple[Column, ...]
    rows: int
    rows_sql: str
    files: tuple[str, ...]
    held: int = 0  # rows that the source gave and raw holds already

    @property
    def own_columns(self) -> tuple[Column, ...]:
        """The columns that the source gave."""
        return tuple(c for c in self.columns if c.name not in PLACES)


@dataclass(frozen=True, slots=True)
class StagedLoad:
    """All staged parts of one extraction. `dead_sql` is a table with its dead letters, `unreadable` those that stand for a
    whole unit.
    """

    parts: tuple[Part, ...] = ()
    units: tuple[Unit, ...] = ()
    dead: int = 0
    dead_sql: str = ""
    unreadable: tuple[DeadLetter, ...] = ()
    position: Position | None = None
    notes: tuple[str, ...] = ()
    released: tuple[str, ...] = ()  # blocked units that are gone, or stand again as they were accepted

    @property
    def rows(self) -> int:
        """Rows that could be read."""
        return sum(p.rows for p in self.parts)

    @property
    def held(self) -> int:
        """Rows that were read again and that raw holds already: not staged."""
        return sum(p.held for p in self.parts)

    @property
    def touched(self) -> bool:
        """Whether there is anything to decide about."""
        return bool(self.units or self.rows or self.dead)


@dataclass(frozen=True)
class Stager:
    """Stages the batches of load `load_id` of raw table `relation`; rows are stamped `loaded_at` (ISO, UTC)."""

    workspace: Workspace
    relation: Relation
    load_id: str
    loaded_at: str
    attempt: int

    def stage(self, extraction: Extraction) -> StagedLoad:
        """Everything that `extraction` gives. Raises what the source raises; an engine's error as the extraction explains it."""
        parts: list[Part] = []
        units: dict[str, Unit] = {}
        with closing(self.workspace.cursor()) as cursor:
            dead_sql = self._dead_table(cursor)
            for batch in extraction.batches():
                units.update({u.name: u for u in batch.units})
                part = self._batch(batch, len(parts), dead_sql, extraction)
                if part is not None:
                    parts.append(part)
            dead, unreadable = self._dead(cursor, dead_sql)
            counted = self._count(cursor, parts, units)
        position = extraction.position()
        notes = tuple(getattr(extraction, "notes", ()))
        released = tuple(getattr(extraction, "released", ()))
        return StagedLoad(tuple(parts), counted, dead, dead_sql, unreadable, position, notes, released)

    def _dead_table(self, cursor: Cursor) -> str:
        name = self.workspace.scratch(f"dead_{self.load_id}_{self.attempt}")
        cursor.execute(f"CREATE OR REPLACE TABLE {name} ({DEAD_COLUMNS})")
        return name

    def _batch(self, batch: Batch, number: int, dead_sql: str, extraction: Extraction) -> Part | None:
        target = Relation("_landing", f"{self.relation.schema}__{self.relation.name}__{self.attempt}_{number}")
        if isinstance(batch, ArrowBatch):
            with closing(self.workspace.cursor()) as cursor:
                return self._arrow(batch, target, dead_sql, cursor)
        try:
            return self._sql(batch, target, dead_sql)
        except _ReadFailed as failed:
            if batch.fallback is None:
                raise _explained(extraction, failed.cause) from None
        try:
            return self._sql(batch.fallback(), target, dead_sql)
        except _ReadFailed as failed:
            raise _explained(extraction, failed.cause) from None

    # -- rows as SQL -------------------------------------------------------------------

    def _sql(self, batch: SqlBatch, target: Relation, dead_sql: str) -> Part | None:
        import duckdb

        with closing(self.workspace.cursor()) as reading, closing(self.workspace.cursor()) as writing:
            numbered: Numbered | None = None
            try:
                for statement in batch.setup:
                    reading.execute(statement)
                reading.execute(f"DESCRIBE {batch.select}")
                batch, types = self._renamed(batch, [(str(row[0]), str(row[1])) for row in reading.fetchall()])
                if batch.in_order:
                    if batch.rows_expected is not None and batch.rows_expected < FEW_ROWS:
                        part = self._few(types, batch, target, reading)
                    else:
                        numbered = Numbered(reading, batch.select)
                        part = self._numbered(numbered, types, batch, target, writing)
                else:
                    part = self._placed(f"({batch.select})", quote_ident(UNIT), target, batch, reading)
                part = self._with_held(part, batch, reading)
                if batch.dead_letters_sql:
                    reading.execute(
                        f"INSERT INTO {dead_sql} SELECT * FROM ({batch.dead_letters_sql}) d(unit, seq, reason, record)"
                    )
            except (duckdb.Error, EngineFailed) as error:
                raise _ReadFailed(_origin(error, numbered)) from error
            for statement in batch.teardown:
                reading.execute(statement)
        return part

    def _renamed(self, batch: SqlBatch, described: list[tuple[str, str]]) -> tuple[SqlBatch, dict[str, str]]:
        """The batch with its places, which come last, under names that no source has, and the types of its columns. Raises
        SourceBroken for a column that is named as a raw row's place.
        """
        places = [INDEX] if batch.in_order else [UNIT, SEQ]
        own = described[: -len(places)]
        taken = next((name for name, _ in own if name.lower() in PLACES), None)
        if taken is not None:
            raise SourceBroken(
                f"the source of {self.relation} has a column '{taken}', a name by which raw rows say where they come from",
                expected="no column named " + " or ".join(PLACES),
                todo="rename it at the source, or read it by a query: that does",
            )
        names = [name for name, _ in own] + places
        types = dict(zip(names, (kind for _, kind in described), strict=True))
        listed = ", ".join(quote_ident(n) for n in names)
        return replace(batch, select=f"SELECT * FROM ({batch.select}) AS b({listed})"), types

    @staticmethod
    def _with_held(part: Part | None, batch: SqlBatch, cursor: Cursor) -> Part | None:
        if part is None or batch.rows_read_sql is None:
            return part
        cursor.execute(batch.rows_read_sql)
        row = cursor.fetchone()
        return replace(part, held=(int(row[0]) if row else 0) - part.rows)

    def _few(self, types: Mapping[str, str], batch: SqlBatch, target: Relation, cursor: Cursor) -> Part | None:
        """A small read, numbered by the engine: Arrow's library alone would take longer to load than all the rest."""
        if len(types) == 1:  # nothing but the index: no columns, no rows
            return None
        rows = f"({numbered_sql(batch.select, len(batch.units))})"
        with ordered(cursor):
            return self._placed(rows, _unit(batch), target, batch, cursor)

    def _numbered(
        self, numbered: Numbered, types: Mapping[str, str], batch: SqlBatch, target: Relation, cursor: Cursor
    ) -> Part | None:
        if len(numbered.schema) == 2:  # nothing but index and number: no columns, no rows
            return None
        cursor.register("_headgate_rows", numbered.reader)
        try:
            # What Arrow has no word for (JSON, UUID) comes back as text and gets its type again.
            cursor.execute("DESCRIBE _headgate_rows")
            lost = [row[0] for row in cursor.fetchall() if types.get(row[0], row[1]) != row[1] and row[0] != INDEX]
            casts = ", ".join(f"CAST({quote_ident(n)} AS {types[n]}) AS {quote_ident(n)}" for n in lost)
            rows = f"(SELECT * REPLACE ({casts}) FROM _headgate_rows)" if lost else "_headgate_rows"
            return self._placed(rows, _unit(batch), target, batch, cursor)
        finally:
            cursor.unregister("_headgate_rows")

    def _placed(self, rows: str, unit: str, target: Relation, batch: SqlBatch, cursor: Cursor) -> Part | None:
        leave = [INDEX, SEQ] if batch.in_order else [UNIT, SEQ]
        select = self._select(rows, leave, unit, quote_ident(SEQ))
        columns, count, rows_sql, files = self.workspace.stage_query(
            target, select, rows_expected=batch.rows_expected, cursor=cursor
        )
        return Part(columns, count, rows_sql, files)

    def _select(self, rows: str, leave: Sequence[str], unit: str, seq: str) -> str:
        left = ", ".join(quote_ident(n) for n in leave)
        own = f"r.* EXCLUDE ({left})" if leave else "r.*"
        return (
            f"SELECT {own}, CAST({quote_literal(self.loaded_at)} AS TIMESTAMP) AS _loaded_at, "
            f"{quote_literal(self.load_id)} AS _load_id, "
            f"struct_pack(unit := CAST({unit} AS VARCHAR), seq := CAST({seq} AS BIGINT)) AS _position FROM {rows} r"
        )

    # -- rows as Arrow -----------------------------------------------------------------

    def _arrow(self, batch: ArrowBatch, target: Relation, dead_sql: str, cursor: Cursor) -> Part | None:
        import pyarrow as pa

        for letter in batch.dead_letters:
            cursor.execute(
                bind(
                    f"INSERT INTO {dead_sql} VALUES (?, ?, ?, ?)", [letter.unit, letter.seq, letter.reason, letter.record[:65536]]
                )
            )
        data: Any = batch.data if isinstance(batch.data, pa.Table) else pa.Table.from_batches([batch.data])
        if data.num_columns == 0:
            return None
        seq_column = getattr(batch, "seq_column", None)
        if seq_column is None:
            data = data.append_column(SEQ, pa.arange(batch.first_seq, batch.first_seq + data.num_rows))
        else:
            data = data.rename_columns([SEQ if n == seq_column else n for n in data.column_names])
        cursor.register("_headgate_rows", data)
        try:
            select = self._select("_headgate_rows", [SEQ], quote_literal(batch.unit), quote_ident(SEQ))
            columns, count, rows_sql, files = self.workspace.stage_query(
                target, select, rows_expected=data.num_rows, cursor=cursor
            )
        finally:
            cursor.unregister("_headgate_rows")
        return Part(columns, count, rows_sql, files)

    # -- counts ------------------------------------------------------------------------

    @staticmethod
    def _dead(cursor: Cursor, dead_sql: str) -> tuple[int, tuple[DeadLetter, ...]]:
        cursor.execute(f"SELECT count(*) FROM {dead_sql}")
        row = cursor.fetchone()
        cursor.execute(f"SELECT unit, seq, reason, record FROM {dead_sql} WHERE seq = 0 ORDER BY unit")
        return (row[0] if row else 0), tuple(DeadLetter(*r) for r in cursor.fetchall())

    @staticmethod
    def _count(cursor: Cursor, parts: Sequence[Part], units: dict[str, Unit]) -> tuple[Unit, ...]:
        """The units with their numbers of rows."""
        if not units:
            return ()
        if len(units) == 1:
            (unit,) = units.values()
            return (replace(unit, rows=sum(p.rows for p in parts)),)
        counted: dict[str, int] = {}
        for part in parts:
            cursor.execute(f"SELECT _position.unit, count(*) FROM {part.rows_sql} GROUP BY 1")
            for name, rows in cursor.fetchall():
                counted[name] = counted.get(name, 0) + rows
        return tuple(replace(u, rows=counted.get(u.name, 0)) for u in units.values())


class _ReadFailed(Exception):
    """A batch's select failed in the engine; `cause` is what the reader said."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _unit(batch: SqlBatch) -> str:
    """The name of the unit that a row's index points to."""
    names = [u.name for u in batch.units]
    if len(names) == 1:
        return quote_literal(names[0])
    return "[" + ", ".join(quote_literal(n) for n in names) + f"][CAST({quote_ident(INDEX)} AS BIGINT) + 1]"


def _origin(error: Exception, numbered: Numbered | None) -> Exception:
    """The reader's own error, not the writer's report of it."""
    if numbered is not None and numbered.error is not None:
        return numbered.error
    cause = error.__cause__
    return cause if isinstance(error, EngineFailed) and isinstance(cause, Exception) else error


def _explained(extraction: Extraction, cause: Exception) -> Exception:
    explain = getattr(extraction, "explain", None)
    return explain(cause) if explain is not None else cause
