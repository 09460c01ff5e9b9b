"""The lake: DuckLake attached to an in-memory DuckDB; reading, and the one write transaction."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from headgate.engines.duckdb.connection import attach, connect
from headgate.engines.duckdb.ledger import INLINE_ROWS, TABLES, create_tables, read_position, read_recorded
from headgate.engines.duckdb.locks import WHOLE_LAKE, AdvisoryLock, FileLock, Presence, WriterLock
from headgate.engines.duckdb.workspace import StageWorkspace
from headgate.ports.engine import MANY_TABLES, Cursor, Workspace
from headgate.spec.errors import EngineFailed, HeadgateError, LakeConflict, WorldError
from headgate.spec.names import Column, Relation, bind, quote_ident, quote_literal
from headgate.spec.positions import Position
from headgate.spec.project import LakeSpec
from headgate.spec.recorded import Recorded

ALL_TABLES = (WHOLE_LAKE,)
_CHANGES = "(inserted_into_table|deleted_from_table|altered_table|inlined_insert|inlined_delete)"
"""What a snapshot may say of a table when its rows or columns change; upkeep, which changes neither, says other words."""


def open_lake(spec: LakeSpec, root: str, *, read_only: bool = False) -> DuckLake:
    """Open (or make) the lake that `spec` declares for the project in `root`. Raises WorldError, LockHeld."""
    if spec.catalog.startswith("duckdb:"):
        from headgate.engines.duckdb.file import DuckFile

        return DuckFile(spec, root, read_only=read_only)
    return DuckLake(spec, root, read_only=read_only)


@dataclass(slots=True)
class Catalog:
    """What has been read of one snapshot's relations."""

    snapshot: int
    kinds: dict[str, str]
    columns: dict[str, tuple[Column, ...]] = field(default_factory=dict)


class DuckLake:
    """Implements `ports.engine.Lake`. Safe to use from several threads: every cursor is a connection of its own."""

    keeps_history = True
    takes_files = True

    def __init__(self, spec: LakeSpec, root: str, *, read_only: bool = False) -> None:
        self.spec, self.root, self.name = spec, root, spec.name
        self.data_path = spec.data.rstrip("/")
        self._connection = connect(spec, root)
        self._lock: WriterLock = self._make_lock()
        self._presence: Presence | None = None
        self._known: Catalog | None = None
        self._reading = threading.Lock()
        self._inlining: set[Relation] = set()
        self._threads_lock, self._single, self._threads = threading.Lock(), 0, 1
        try:
            self._presence = self._make_presence()
            self._attach(read_only)
        except duckdb.Error as error:
            self.close()
            raise _not_opened(spec, error) from error
        except BaseException:
            self.close()
            raise

    def _make_lock(self) -> WriterLock:
        scheme, _, rest = self.spec.catalog.partition(":")
        if scheme == "sqlite":
            path = Path(rest)
            path.parent.mkdir(parents=True, exist_ok=True)
            return FileLock(path.with_name(path.name + ".lock"))
        return AdvisoryLock(self.spec.catalog)

    def _make_presence(self) -> Presence | None:
        scheme, _, rest = self.spec.catalog.partition(":")
        return Presence(Path(rest + ".open")) if scheme == "sqlite" else None

    def alone(self) -> AbstractContextManager[bool]:
        """Whether inlined rows may be moved now; see the port."""
        return self._presence.alone() if self._presence is not None else nullcontext(True)

    def _attach(self, read_only: bool) -> None:
        """Attach the catalog; the first time under the lock, because two processes may both find it missing."""
        scheme, _, rest = self.spec.catalog.partition(":")
        if read_only or (scheme == "sqlite" and Path(rest).exists() and self._ready(read_only)):
            if read_only:
                attach(self._connection, self.spec, read_only=True)
            return
        with self._lock.hold(ALL_TABLES, "open"):
            attach(self._connection, self.spec)
            if not self._has_ledger():
                create_tables(self._connection, self.name)

    def _ready(self, read_only: bool) -> bool:
        """Attach a catalog file that exists; false when another process is still making it."""
        try:
            attach(self._connection, self.spec, read_only=read_only)
        except duckdb.Error:
            return False
        if self._has_ledger():
            return True
        self._connection.execute(f"DETACH {quote_ident(self.name)}")
        return False

    def _has_ledger(self) -> bool:
        """Asked of the catalog's own tables: the engine's list of all tables takes seconds at 500 of them."""
        metadata = quote_ident("__ducklake_metadata_" + self.name)
        row = self._connection.execute(
            f"SELECT count(*) FROM {metadata}.ducklake_table t JOIN {metadata}.ducklake_schema s USING (schema_id) "
            "WHERE s.schema_name = 'headgate' AND t.end_snapshot IS NULL AND s.end_snapshot IS NULL"
        ).fetchone()
        return bool(row and row[0] >= len(TABLES))

    def cursor(self) -> Cursor:
        """A cursor for reading; names written by hand resolve in the lake."""
        cursor = self._connection.cursor()
        cursor.execute(f"USE {quote_ident(self.name)}")
        return cursor

    def snapshot(self) -> int:
        """The id of the newest snapshot."""
        cursor = self._connection.cursor()
        row = cursor.execute(
            f"SELECT max(snapshot_id) FROM {quote_ident('__ducklake_metadata_' + self.name)}.ducklake_snapshot"
        ).fetchone()
        cursor.close()
        return int(row[0]) if row and row[0] is not None else 0

    def columns(self, relation: Relation) -> tuple[Column, ...] | None:
        """The published columns, or None."""
        known = self._catalog()
        name = str(relation)
        if name not in known.kinds:
            return None
        if name not in known.columns:
            cursor = self._connection.cursor()
            rows = cursor.execute(f"DESCRIBE {relation.sql(self.name)}").fetchall()
            cursor.close()
            known.columns[name] = tuple(Column(r[0], r[1], r[2] != "NO") for r in rows)
        return known.columns[name]

    def relations(self) -> Mapping[str, str]:
        """Every published relation with its kind."""
        return self._catalog().kinds

    def _catalog(self) -> Catalog:
        """What is known of the newest snapshot: kinds are read once for each, columns when they are asked for."""
        with self._reading:
            snapshot = self.snapshot()
            if self._known is None or self._known.snapshot != snapshot:
                self._known = Catalog(snapshot, self._kinds())
            return self._known

    def _kinds(self) -> dict[str, str]:
        """Straight from the catalog's own tables: the engine's list of a lake's columns takes seconds at 500 tables."""
        metadata = quote_ident("__ducklake_metadata_" + self.name)
        cursor = self._connection.cursor()
        parts = (("table", "table_name"), ("view", "view_name"))
        rows = cursor.execute(
            " UNION ALL ".join(
                f"SELECT s.schema_name, r.{column}, '{kind}' FROM {metadata}.ducklake_{kind} r JOIN {metadata}.ducklake_schema s "
                "USING (schema_id) WHERE r.end_snapshot IS NULL AND s.end_snapshot IS NULL"
                for kind, column in parts
            )
        ).fetchall()
        cursor.close()
        return {f"{schema}.{name}": kind for schema, name, kind in rows}

    def recorded(self) -> Recorded:
        """The ledger, in one read transaction."""
        with self._read() as cursor:
            row = cursor.execute(
                f"SELECT max(snapshot_id) FROM {quote_ident('__ducklake_metadata_' + self.name)}.ducklake_snapshot"
            ).fetchone()
            return read_recorded(cursor, self.name, int(row[0]) if row else 0, self.relations(), self._row_bytes(cursor))

    def _row_bytes(self, cursor: Cursor) -> dict[str, float]:
        """Bytes of files for a row of each table, by the catalog's statistics (of all rows ever written, as both are counted)."""
        metadata = quote_ident("__ducklake_metadata_" + self.name)
        rows = cursor.execute(
            f"SELECT s.schema_name, t.table_name, c.file_size_bytes / c.next_row_id FROM {metadata}.ducklake_table_stats c "
            f"JOIN {metadata}.ducklake_table t USING (table_id) JOIN {metadata}.ducklake_schema s USING (schema_id) "
            "WHERE t.end_snapshot IS NULL AND s.end_snapshot IS NULL AND c.next_row_id > 0 AND c.file_size_bytes > 0"
        ).fetchall()
        return {f"{schema}.{table}": float(size) for schema, table, size in rows}

    def written(self, snapshot: int) -> Mapping[str, int]:
        """Bytes of the files that `snapshot` added to each dataset; see the port."""
        metadata = quote_ident("__ducklake_metadata_" + self.name)
        cursor = self._connection.cursor()
        rows = cursor.execute(
            f"SELECT s.schema_name, t.table_name, sum(f.file_size_bytes) FROM {metadata}.ducklake_data_file f "
            f"JOIN {metadata}.ducklake_table t USING (table_id) JOIN {metadata}.ducklake_schema s USING (schema_id) "
            f"WHERE f.begin_snapshot = {int(snapshot)} AND t.end_snapshot IS NULL AND s.end_snapshot IS NULL GROUP BY 1, 2"
        ).fetchall()
        cursor.close()
        return {f"{schema}.{table}": int(size) for schema, table, size in rows}

    def external(self, relations: Sequence[Relation]) -> Mapping[str, tuple[str, int]]:
        """Versions and rows of tables that others fill, as the snapshots and the statistics tell; see the port."""
        standing = [r for r in relations if str(r) in self.relations()]
        if not standing:
            return {}
        metadata = quote_ident("__ducklake_metadata_" + self.name)
        listed = ", ".join(f"({quote_literal(r.schema)}, {quote_literal(r.name)})" for r in standing)
        at = int(self.snapshot())
        there = " AND ".join(f"{of}.begin_snapshot <= {at} AND coalesce({of}.end_snapshot, {at + 1}) > {at}" for of in ("t", "s"))
        with self._read() as cursor:
            rows = cursor.execute(
                "SELECT s.schema_name, t.table_name, max(greatest(t.begin_snapshot, c.snapshot_id)), max(coalesce(x.record_count, 0)) "
                f"FROM {metadata}.ducklake_table t JOIN {metadata}.ducklake_schema s USING (schema_id) "
                f"LEFT JOIN {metadata}.ducklake_snapshot_changes c ON regexp_matches(c.changes_made, '{_CHANGES}:' || t.table_id || '(,|$)') "
                f"AND c.snapshot_id <= {at} LEFT JOIN {metadata}.ducklake_table_stats x ON x.table_id = t.table_id "
                f"WHERE {there} AND (s.schema_name, t.table_name) IN ({listed}) GROUP BY ALL"
            ).fetchall()
        return {f"{schema}.{table}": (f"snapshot {snapshot}", int(count)) for schema, table, snapshot, count in rows}

    def position(self, dataset: str) -> Position:
        """Where the source of a raw table stands."""
        with self._read() as cursor:
            return read_position(cursor, self.name, dataset)

    @contextmanager
    def _read(self) -> Iterator[Cursor]:
        cursor = self._connection.cursor()
        cursor.execute("BEGIN")
        try:
            yield cursor
        finally:
            cursor.execute("ROLLBACK")
            cursor.close()

    def workspace(self, run_id: str, *, resume: bool = False) -> Workspace:
        """A run's staging area."""
        return StageWorkspace(self._connection, self, run_id, Path(self.root) / ".headgate" / "runs" / run_id, resume=resume)

    @contextmanager
    def transaction(self, tables: Sequence[str], *, author: str, message: str) -> Iterator[Cursor]:
        """The one write transaction. COMMIT can lie (LAKE.md 3): whoever writes proof re-reads it after this returns."""
        with self._lock.hold(tables, author):
            cursor = self._connection.cursor()
            try:
                cursor.execute("BEGIN")
                cursor.execute(bind(f"CALL {quote_ident(self.name)}.set_commit_message(?, ?)", [author, message]))
                yield cursor
                self._commit(cursor, many=len(tables) >= MANY_TABLES)
            except HeadgateError:
                roll_back(cursor)
                raise
            except duckdb.Error as error:
                roll_back(cursor)
                raise engine_error(error, message) from error
            except BaseException:
                roll_back(cursor)
                raise
            finally:
                cursor.close()

    @contextmanager
    def one_thread_a_query(self) -> Iterator[None]:
        """For many small queries; see the port."""
        with self._threads_lock:
            if self._single == 0:
                cursor = self._connection.cursor()
                self._threads = int((cursor.execute("SELECT current_setting('threads')").fetchone() or (1,))[0])
                cursor.execute("SET threads = 1")
            self._single += 1
        try:
            yield
        finally:
            with self._threads_lock:
                self._single -= 1
                if self._single == 0:
                    self._connection.cursor().execute(f"SET threads = {self._threads}")

    @contextmanager
    def at_hand(self) -> Iterator[None]:
        """See the port.

        The engine opens an SQLite catalog for every transaction and closes it after. The last to close takes the write-ahead log away, the
        next to open makes it anew, and who comes just then waits: for a whole second, since this SQLite knows no shorter sleep. Every other
        small run lost one or two. An open read transaction keeps the log where it is.
        """
        if not self.spec.catalog.startswith("sqlite:"):
            yield
            return
        with self._read() as cursor:
            cursor.execute(
                f"SELECT max(snapshot_id) FROM {quote_ident('__ducklake_metadata_' + self.name)}.ducklake_snapshot"
            ).fetchone()
            yield

    def _commit(self, cursor: Cursor, *, many: bool) -> None:
        """COMMIT, on one thread where `many` tables were written: the lake asks its catalog several small things for each table. 500 new
        tables took 2.1 CPU seconds to commit on two threads, 1.4 on one.
        """
        with self.one_thread_a_query() if many else nullcontext():
            cursor.execute("COMMIT")

    def expect_rows(self, cursor: Cursor, relation: Relation, rows: int) -> None:
        """Let small writes to `relation` be inlined from its first one on; see the port.

        Not every table may: one that does has a table of its own in the catalog, and every statement reads the catalog's schema anew. With
        1,500 of them a small write took 265 ms instead of 25, and a count 215 instead of 12.
        """
        if not 0 < rows <= INLINE_ROWS or relation in self._inlining:
            return
        metadata = quote_ident("__ducklake_metadata_" + self.name)
        found = cursor.execute(
            bind(
                f"SELECT max(m.value) FROM {metadata}.ducklake_table t JOIN {metadata}.ducklake_schema s USING (schema_id) "
                f"LEFT JOIN {metadata}.ducklake_metadata m ON m.scope_id = t.table_id AND m.scope = 'table' AND "
                "m.key = 'data_inlining_row_limit' WHERE t.end_snapshot IS NULL AND s.end_snapshot IS NULL AND s.schema_name = ? "
                "AND t.table_name = ? GROUP BY t.table_id",
                [relation.schema, relation.name],
            )
        ).fetchone()
        if found is not None and found[0] is None:
            cursor.execute(
                f"CALL {quote_ident(self.name)}.set_option('data_inlining_row_limit', {INLINE_ROWS}, "
                f"schema => {quote_literal(relation.schema)}, table_name => {quote_literal(relation.name)})"
            )
        elif found is not None:
            self._inlining.add(relation)

    def files_under(self, folder: str) -> Iterator[str]:
        """Absolute paths of all files below `folder` of the data path."""
        base = f"{self.data_path}/{folder}"
        if "://" in self.data_path:
            for (name,) in self._connection.cursor().execute(f"SELECT file FROM glob({quote_literal(base + '/**')})").fetchall():
                yield name
            return
        for where, _, names in os.walk(base):
            for name in names:
                yield str(Path(where) / name)

    def close(self) -> None:
        """Close all that is open."""
        self._lock.close()
        self._connection.close()
        if self._presence is not None:
            self._presence.close()


def _not_opened(spec: LakeSpec, error: duckdb.Error) -> HeadgateError:
    """Why the lake cannot be attached, and what to do."""
    text = str(error)
    where = spec.catalog.rpartition("@")[2] if "://" in spec.catalog else spec.catalog  # without user and password
    if "does not match existing data path" in text:
        made = text.split('catalog "', 1)[-1].split('"', 1)[0]
        return WorldError(
            f"the lake's catalog was made for data in {made}, and the project says {spec.data}",
            expected="the folder or bucket that the catalog names",
            todo="move the project back, or set lake: data: to that path",
            code="HG-W060",
        )
    return WorldError(
        f"the lake {where} cannot be opened: {text}",
        expected="a catalog and data that can be reached",
        todo="run: headgate doctor",
        code="HG-W061",
    )


def roll_back(cursor: Cursor) -> None:
    """Give up the open transaction, if there is one."""
    try:
        cursor.execute("ROLLBACK")
    except duckdb.Error:
        return  # the engine has rolled back by itself


def engine_error(error: duckdb.Error, doing: str) -> HeadgateError:
    """The engine's error in our family: a conflict with another writer may be tried again, anything else may not."""
    text = str(error)
    if isinstance(error, duckdb.TransactionException) or any(
        word in text
        for word in ("Transaction conflict", "database is locked", "Failed to commit DuckLake", "could not serialize")
    ):
        return LakeConflict(f"{doing}: another writer was first: {text}", todo="run again; nothing was published")
    return EngineFailed(f"{doing}: {text}")


__all__ = ["ALL_TABLES", "DuckLake", "engine_error", "open_lake"]
