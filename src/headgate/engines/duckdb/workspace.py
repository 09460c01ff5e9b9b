"""A run's staging area: a DuckDB file of the run for small results, Parquet under the lake's data path for large ones.

Readers of the same run see staged relations under their ordinary names. Everything here survives a crash until it is discarded.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import duckdb

from headgate.engines.duckdb.cursor import StagingCursor
from headgate.engines.duckdb.information import create_views, seen_from
from headgate.engines.duckdb.journal import Journal
from headgate.engines.duckdb.types import lake_columns
from headgate.ports.engine import SMALL_TABLE_ROWS, Cursor
from headgate.spec.errors import EngineFailed
from headgate.spec.names import Column, Relation, quote_ident, quote_literal
from headgate.spec.staged import Staged

PARQUET_ROWS = 1_000_000
"""From so many expected rows a result is staged as Parquet, which publish registers without a second write (LAKE.md 7, 8)."""
_NULL = re.compile(r"\bnull\b", re.IGNORECASE)


class LakeFace(Protocol):
    """What a workspace asks of its lake."""

    name: str
    data_path: str
    takes_files: bool

    def relations(self) -> Mapping[str, str]: ...
    def columns(self, relation: Relation) -> tuple[Column, ...] | None: ...


class StageWorkspace:
    """Implements `ports.engine.Workspace`."""

    catalog = "st"

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, lake: LakeFace, run_id: str, folder: Path, *, resume: bool = False
    ) -> None:
        self._connection, self._lake, self.run_id, self.folder = connection, lake, run_id, folder
        self._guard = threading.RLock()
        self._staged: dict[Relation, str] = {}
        self._schemas: set[str] = set()
        self._kinds: dict[Relation, str] = {}
        self._informs = False  # whether the views of the information schema are made
        self._lake_schemas = sorted({name.split(".", 1)[0] for name in lake.relations()})
        if not resume:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        self.parquet_folder = f"{lake.data_path}/hg-stage/{run_id}"
        connection.execute(f"ATTACH {quote_literal(str(folder / 'stage.duckdb'))} AS {self.catalog}")
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {self.catalog}._scratch")
        self._journal = Journal(folder / "journal.jsonl", resume=resume)
        if resume:
            self._look()

    def cursor(self) -> Cursor:
        """A cursor on which hand-written names resolve staged first, then published (LAKE.md 14)."""
        with self._guard:
            near = [f"{self.catalog}.{quote_ident(s)}" for s in sorted(self._schemas)] or [f"{self.catalog}.main"]

        def whole() -> str:
            with self._guard:
                path = [f"{self.catalog}.{quote_ident(s)}" for s in sorted(self._schemas)]
            path += [f"{self._lake.name}.{quote_ident(s)}" for s in self._lake_schemas]
            return ",".join([*path, f"{self._lake.name}.main"])

        return StagingCursor(self._connection.cursor(), ",".join(near), whole, self._information)

    def _information(self, sql: str) -> str:
        """The statement with the information schema as this run sees it."""
        with self._guard:
            if not self._informs:
                create_views(self._connection.cursor(), self._lake.name, self.catalog)
                self._informs = True
        return seen_from(sql, self._lake.name, self.catalog)

    def stage_query(
        self, relation: Relation, sql: str, *, rows_expected: int | None = None, cursor: Cursor | None = None
    ) -> tuple[tuple[Column, ...], int, str, tuple[str, ...]]:
        """Run `sql` into a new staged table; see the port."""
        own = cursor or self._connection.cursor()
        try:
            if not self._lake.takes_files:
                return self._to_native(relation, sql, own)
            columns, items = lake_columns(_described(own, sql), what=str(relation))
            select = f"SELECT {', '.join(items)} FROM ({sql}\n)" if items else sql
            if rows_expected is not None and rows_expected >= PARQUET_ROWS:
                return (columns, *self._to_parquet(relation, select, own))
            return (columns, *self._to_table(relation, select, own))
        except duckdb.Error as error:
            raise EngineFailed(
                f"{relation} cannot be built: {error}", todo=f"correct the model, or look: headgate show {relation}"
            ) from error

    def _to_table(self, relation: Relation, select: str, cursor: Cursor) -> tuple[int, str, tuple[str, ...]]:
        self._schema(relation.schema)
        name = relation.sql(self.catalog)
        self._drop(relation, cursor)
        made = cursor.execute(f"CREATE TABLE {name} AS {select}").fetchone()
        with self._guard:
            self._kinds[relation] = "TABLE"
        self._put(relation, name)
        return int(made[0]) if made else 0, name, ()

    def _to_native(self, relation: Relation, sql: str, cursor: Cursor) -> tuple[tuple[Column, ...], int, str, tuple[str, ...]]:
        """With the engine's own types and names of columns, which its own file takes as they are."""
        staged = self._to_table(relation, sql, cursor)
        rows = cursor.execute(f"DESCRIBE {relation.sql(self.catalog)}").fetchall()
        return (tuple(Column(str(r[0]), str(r[1])) for r in rows), *staged)

    def _to_parquet(self, relation: Relation, select: str, cursor: Cursor) -> tuple[int, str, tuple[str, ...]]:
        path = f"{self.parquet_folder}/{uuid.uuid4()}.parquet"
        if "://" not in path:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._journal.will_write(path)
        made = cursor.execute(
            f"COPY ({select}\n) TO {quote_literal(path)} (FORMAT parquet, ROW_GROUP_SIZE {SMALL_TABLE_ROWS})"
        ).fetchone()
        rows_sql = f"read_parquet({quote_literal(path)})"
        self.alias(relation, rows_sql, cursor=cursor)
        return int(made[0]) if made else 0, rows_sql, (path,)

    def stage_view(self, relation: Relation, sql: str, *, cursor: Cursor | None = None) -> tuple[Column, ...]:
        """A staged view; see the port."""
        own = cursor or self._connection.cursor()
        try:
            if self._lake.takes_files:
                columns, _ = lake_columns(_described(own, sql), what=str(relation))
            self._schema(relation.schema)
            self._drop(relation, own)
            own.execute(f"CREATE VIEW {relation.sql(self.catalog)} AS {sql}")
            if not self._lake.takes_files:
                rows = own.execute(f"DESCRIBE {relation.sql(self.catalog)}").fetchall()
                columns = tuple(Column(str(r[0]), str(r[1])) for r in rows)
            with self._guard:
                self._kinds[relation] = "VIEW"
        except duckdb.Error as error:
            raise EngineFailed(
                f"{relation} cannot be built: {error}", todo=f"correct the model, or look: headgate show {relation}"
            ) from error
        self._put(relation, relation.sql(self.catalog))
        return columns

    def alias(self, relation: Relation, rows_sql: str, *, cursor: Cursor | None = None) -> None:
        """Show `rows_sql` under `relation`'s name; see the port."""
        if rows_sql == relation.sql(self.catalog):
            self._put(relation, rows_sql)
            return
        own = cursor or self._connection.cursor()
        self._schema(relation.schema)
        self._drop(relation, own)
        own.execute(f"CREATE VIEW {relation.sql(self.catalog)} AS SELECT * FROM {rows_sql}")
        with self._guard:
            self._kinds[relation] = "VIEW"
        self._put(relation, relation.sql(self.catalog))

    def resolve(self, relation: Relation) -> str:
        """Staged if staged here, else published."""
        with self._guard:
            return self._staged.get(relation) or relation.sql(self._lake.name)

    def is_staged(self, relation: Relation) -> bool:
        """True when this run has staged `relation`."""
        with self._guard:
            return relation in self._staged

    def unstage(self, relation: Relation) -> None:
        """Forget what was staged; see the port."""
        with self._guard:
            self._staged.pop(relation, None)
        self._drop(relation, self._connection.cursor())

    def scratch(self, name: str) -> str:
        """A private table's name."""
        return f"{self.catalog}._scratch.{quote_ident(name)}"

    def remember(self, staged: Staged) -> None:
        """Write the staged value to the journal."""
        self._journal.remember(staged)

    def remembered(self) -> Mapping[str, Staged]:
        """What the journal holds, the newest entry of each key; what is used again is shown under its name with `alias`."""
        return self._journal.staged()

    def close(self) -> None:
        """Detach; the files stay."""
        with contextlib.suppress(duckdb.Error):
            self._connection.execute(f"USE {quote_ident(self._lake.name)}")
        self._connection.execute(f"DETACH {self.catalog}")
        self._journal.close()

    def discard(self) -> None:
        """Detach and delete, but for Parquet files that a publication has registered."""
        files = self._journal.files()
        kept = self._registered(files)
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        for path in files:
            if path not in kept and "://" not in path:
                Path(path).unlink(missing_ok=True)

    def _registered(self, files: list[str]) -> set[str]:
        """Those of `files` that the catalog names, or will delete itself when readers of old snapshots are gone."""
        if not files or not self._lake.takes_files:
            return set()
        metadata = quote_ident("__ducklake_metadata_" + self._lake.name)
        sql = f"SELECT path FROM {metadata}.ducklake_data_file UNION ALL SELECT path FROM {metadata}.ducklake_files_scheduled_for_deletion"
        rows = self._connection.cursor().execute(sql).fetchall()
        named = {str(p).rsplit("/", 1)[-1] for (p,) in rows}
        return {p for p in files if p.rsplit("/", 1)[-1] in named}

    def _schema(self, schema: str) -> None:
        with self._guard:
            if schema not in self._schemas:
                self._connection.cursor().execute(f"CREATE SCHEMA IF NOT EXISTS {self.catalog}.{quote_ident(schema)}")
                self._schemas.add(schema)

    def _drop(self, relation: Relation, cursor: Cursor) -> None:
        """Drop whatever stands under the staged name, table or view."""
        with self._guard:
            kind = self._kinds.pop(relation, None)
        if kind is not None:
            cursor.execute(f"DROP {kind} {relation.sql(self.catalog)}")

    def _look(self) -> None:
        """What a crashed run has left in the staging database."""
        rows = (
            self._connection.cursor()
            .execute(
                f"SELECT schema_name, table_name, 'TABLE' FROM duckdb_tables() WHERE database_name = '{self.catalog}' UNION ALL "
                f"SELECT schema_name, view_name, 'VIEW' FROM duckdb_views() WHERE database_name = '{self.catalog}' AND NOT internal"
            )
            .fetchall()
        )
        self._kinds = {Relation(schema, name): kind for schema, name, kind in rows}
        self._schemas = {r.schema for r in self._kinds}

    def _put(self, relation: Relation, sql: str) -> None:
        with self._guard:
            self._staged[relation] = sql


def _described(cursor: Cursor, sql: str) -> list[tuple[str, str]]:
    """Names and types of a query's columns, without running it.

    The engine calls an untyped NULL an INTEGER in its results; only from within a query does it tell. It is asked where the text has a NULL.
    """
    found = [(str(row[0]), str(row[1])) for row in cursor.execute(f"DESCRIBE {sql}").fetchall()]
    doubtful = [at for at, (_, kind) in enumerate(found) if kind == "INTEGER"] if _NULL.search(sql) else []
    if doubtful:
        asked = ", ".join(f"typeof(s.{quote_ident(found[at][0])})" for at in doubtful)
        told = cursor.execute(f"SELECT {asked} FROM (SELECT 1) AS o LEFT JOIN ({sql}\n) AS s ON false LIMIT 1").fetchone() or ()
        for at, kind in zip(doubtful, told, strict=True):
            found[at] = (found[at][0], str(kind))
    return found
