"""The lake: DuckLake attached to an in-memory DuckDB; reading, and the one write transaction."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from headgate.engines.duckdb.connection import attach, connect
from headgate.engines.duckdb.ledger import create_tables, read_position, read_recorded
from headgate.engines.duckdb.locks import AdvisoryLock, FileLock, WriterLock
from headgate.engines.duckdb.workspace import StageWorkspace
from headgate.ports.engine import Cursor, Workspace
from headgate.spec.errors import EngineFailed, HeadgateError, LakeConflict
from headgate.spec.names import Column, Relation, bind, quote_ident, quote_literal
from headgate.spec.positions import Position
from headgate.spec.project import LakeSpec
from headgate.spec.recorded import Recorded

ALL_TABLES = ("*",)
"""What a writer names that must exclude every other writer."""


def open_lake(spec: LakeSpec, root: str, *, read_only: bool = False) -> DuckLake:
    """Open (or make) the lake that `spec` declares for the project in `root`. Raises WorldError, LockHeld."""
    return DuckLake(spec, root, read_only=read_only)


class DuckLake:
    """Implements `ports.engine.Lake`. Safe to use from several threads: every cursor is a connection of its own."""

    def __init__(self, spec: LakeSpec, root: str, *, read_only: bool = False) -> None:
        self.spec, self.root, self.name = spec, root, spec.name
        self.data_path = spec.data.rstrip("/")
        self._connection = connect(spec, root)
        self._lock: WriterLock = self._make_lock()
        self._known: tuple[int, dict[str, tuple[Column, ...]], dict[str, str]] | None = None
        self._reading = threading.Lock()
        try:
            self._attach(read_only)
        except BaseException:
            self._connection.close()
            raise

    def _make_lock(self) -> WriterLock:
        scheme, _, rest = self.spec.catalog.partition(":")
        if scheme == "sqlite":
            path = Path(rest)
            path.parent.mkdir(parents=True, exist_ok=True)
            return FileLock(path.with_name(path.name + ".lock"))
        return AdvisoryLock(self.spec.catalog)

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
                self._connection.execute("BEGIN")
                create_tables(self._connection, self.name)
                self._connection.execute("COMMIT")

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
        row = self._connection.execute(
            f"SELECT count(*) FROM duckdb_tables() WHERE database_name = {quote_literal(self.name)} AND schema_name = 'headgate'"
        ).fetchone()
        return bool(row and row[0] >= 8)

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
        return self._catalog()[0].get(str(relation))

    def relations(self) -> Mapping[str, str]:
        """Every published relation with its kind."""
        return self._catalog()[1]

    def _catalog(self) -> tuple[dict[str, tuple[Column, ...]], dict[str, str]]:
        """Columns and kinds of all relations at the newest snapshot, read once for each snapshot."""
        with self._reading:
            snapshot = self.snapshot()
            if self._known is None or self._known[0] != snapshot:
                self._known = (snapshot, *self._read_catalog())
            return self._known[1], self._known[2]

    def _read_catalog(self) -> tuple[dict[str, tuple[Column, ...]], dict[str, str]]:
        cursor, name = self._connection.cursor(), quote_literal(self.name)
        kinds = {
            f"{s}.{t}": kind
            for s, t, kind in cursor.execute(
                f"SELECT schema_name, table_name, 'table' FROM duckdb_tables() WHERE database_name = {name} UNION ALL "
                f"SELECT schema_name, view_name, 'view' FROM duckdb_views() WHERE database_name = {name} AND NOT internal"
            ).fetchall()
        }
        found: dict[str, list[Column]] = {}
        for schema, table, column, data_type, nullable in cursor.execute(
            "SELECT schema_name, table_name, column_name, data_type, is_nullable FROM duckdb_columns() "
            f"WHERE database_name = {name} ORDER BY schema_name, table_name, column_index"
        ).fetchall():
            found.setdefault(f"{schema}.{table}", []).append(Column(column, data_type, bool(nullable)))
        cursor.close()
        return {k: tuple(v) for k, v in found.items()}, kinds

    def recorded(self) -> Recorded:
        """The ledger, in one read transaction."""
        with self._read() as cursor:
            row = cursor.execute(
                f"SELECT max(snapshot_id) FROM {quote_ident('__ducklake_metadata_' + self.name)}.ducklake_snapshot"
            ).fetchone()
            return read_recorded(cursor, self.name, int(row[0]) if row else 0, self.relations())

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
                cursor.execute("COMMIT")
            except HeadgateError:
                _roll_back(cursor)
                raise
            except duckdb.Error as error:
                _roll_back(cursor)
                raise engine_error(error, message) from error
            except BaseException:
                _roll_back(cursor)
                raise
            finally:
                cursor.close()

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


def _roll_back(cursor: Cursor) -> None:
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
